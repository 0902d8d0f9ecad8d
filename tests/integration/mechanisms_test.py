"""How clients prove themselves without handing over a password: APOP, CRAM-MD5, SCRAM with and without channel binding;
and by tokens of their own. With clients of several makers, and with one that breaks the rules."""

import base64
import hashlib
import hmac
import os
import poplib
import re
import shutil
import signal
import socket
import ssl
import subprocess
import time
import unittest

import scramclient
import tap
from features import GSASL, needs_scram
from gateway import CLEAR, IMPLICIT, PROGRAM, SANITIZED, STARTTLS
from marker import marker, memory_places, places
from pop3client import Client, trusting
from scramclient import Scram, decode, encode
from upstreamcase import UpstreamCase

WRONG = b"-ERR [AUTH] wrong name or password"
MALFORMED = b"-ERR malformed credential"
OPEN = rb"^\+OK 3 messages"
SCRAMS = ("SCRAM-SHA-1", "SCRAM-SHA-256")
NO_TLS = {**CLEAR, "cleartext_login": False, "mechanisms": ["APOP", "CRAM-MD5", *(SCRAMS if GSASL else ())]}


def apop(client, user, password):
    stamp = client.greeting.split(b" ")[-1]
    return client.command(f"APOP {user} {hashlib.md5(stamp + password.encode()).hexdigest()}")


def cram(client, user, password):
    challenge = decode(client.command("AUTH CRAM-MD5"))
    digest = hmac.new(password.encode(), challenge, "md5").hexdigest()
    return client.command(encode(f"{user} {digest}".encode()))


class SClient:
    """A POP3 client through `openssl s_client`, which exports keying material of TLS 1.3."""

    def __init__(self, port):
        self.process = subprocess.Popen(("openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-tls1_3", "-nocommands",
                                         "-keymatexport", "EXPORTER-Channel-Binding", "-keymatexportlen", "32"),
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self.binding = None
        for line in self.process.stdout:
            if b"Keying material: " in line:
                self.binding = bytes.fromhex(line.split()[-1].decode())
            if line.startswith(b"+OK"):
                break

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.kill()
        self.process.wait()

    def command(self, text):
        self.process.stdin.write(text.encode() + b"\r\n")
        self.process.stdin.flush()
        for line in self.process.stdout:
            if line[:1] in b"+-" and not line.startswith(b"---"):
                return line.rstrip(b"\r\n")
        raise EOFError


class MechanismsCase(UpstreamCase):
    """ann has the password itself, bob only keys for SCRAM-SHA-256, carl a hash, dora a device's password; each one's
    mailbox is opened by the example's own password."""

    listeners = (CLEAR, STARTTLS, IMPLICIT)

    def setUp(self):
        self.serve()

    def serve(self, *, accounts=True, **sections):
        self.prepare(listeners=self.listeners, **sections)
        self.accounts += [
            {"user": "ann", "secret": "pencil", "upstream_secret": "password"},
            {"user": "bob", "scram_sha_256": scramclient.keys_text("sha256", "pencil"), "upstream_secret": "password"},
            {"user": "carl", "hash": "$6$x$zB1p6r7Ff9wFSp0XKBJl8iEw0XxhKcKlwFKkvYuVTe9GYQkmt2pbJJ4r0i6fGmN1aYMm2CkcCI8v7"
             "rIyeCvxb0", "upstream_secret": "password"},
            {"user": "out", "secret": "pencil", "upstream_secret": "password", "disabled": True},
            {"user": "far", "secret": "pencil", "upstream_secret": "password", "networks": ["192.0.2.0/24"]},
        ] if accounts else []
        if accounts:
            self.start()
        else:
            self.gate.start()

    def client(self, listener=0, **options):
        client = Client(self.gate.ports[listener], timeout=30, tls=listener == 2, **options)
        self.addCleanup(client.close)
        return client

    def reload(self):
        self.gate.signal(signal.SIGHUP)
        self.gate.wait_for_log("configuration reloaded")

    def opens(self, client, reply):
        """The reply is a login's that succeeded; its maildrop is let go of."""
        self.assertRegex(reply, OPEN)
        self.assertEqual(client.command("QUIT")[:3], b"+OK")

    def scram(self, mechanism, user, password, listener=0, **options):
        with self.client(listener) as client:
            reply = scramclient.login(client, mechanism, Scram(mechanism, user, password, **options))
            if reply.startswith(b"+OK"):
                client.command("QUIT")
            return reply


class Proofs(MechanismsCase):
    def test_apop_and_cram_md5(self):
        for prove in (apop, cram):
            for user in ("ann", "ANN"):
                client = self.client()
                self.opens(client, prove(client, user, "pencil"))
            client = self.client(2)
            self.opens(client, prove(client, "ann", "pencil"))
            client = self.client(1)
            client.stls()
            self.opens(client, prove(client, "ann", "pencil"))

    @needs_scram
    def test_scram(self):
        for mechanism in SCRAMS:
            self.assertRegex(self.scram(mechanism, "ann", "pencil"), OPEN)
            self.assertRegex(self.scram(mechanism, "ann", "pencil", 2), OPEN)
        self.assertRegex(self.scram("SCRAM-SHA-256", "bob", "pencil"), OPEN)
        self.assertRegex(self.scram("SCRAM-SHA-256", "Bob", "pencil", authzid="Bob"), OPEN)

    @needs_scram
    def test_scram_without_initial_response(self):
        client, exchange = self.client(), Scram("SCRAM-SHA-256", "bob", "pencil")
        self.assertEqual(client.command("AUTH SCRAM-SHA-256"), b"+ ")
        final = exchange.final(decode(client.command(encode(exchange.first()))))
        self.assertTrue(exchange.knows(decode(client.command(encode(final)))))
        self.opens(client, client.command(""))

    def test_input_91_wrong_proofs_are_wrong_passwords(self):
        """Whether name, password or account are wrong, the words are the same; the log tells the operator why."""
        for user, password, why in (("ann", "pencils", "wrong password"), ("eve", "pencil", "there is no account"),
                                    ("carl", "pencil", "nothing that this mechanism could prove"),
                                    ("out", "pencil", "disabled"), ("far", "pencil", "from this network")):
            with self.subTest(user=user):
                self.assertEqual(apop(self.client(), user, password), WRONG)
                self.assertEqual(cram(self.client(), user, password), WRONG)
                for mechanism in SCRAMS if GSASL else ():
                    self.assertEqual(self.scram(mechanism, user, password), WRONG)
                self.assertEqual(len(re.findall(rf'event=login_failed user={user} .*status=auth .*{why}', self.gate.log())),
                                 4 if GSASL else 2)
        self.assertEqual(apop(self.client(), "bob", "pencil"), WRONG)
        if GSASL:
            self.assertEqual(self.scram("SCRAM-SHA-1", "bob", "pencil"), WRONG)
            self.assertEqual(self.scram("SCRAM-SHA-256", "ann", "pencil", authzid="bob"), WRONG)

    def test_empty_password_proves_nobody(self):
        for user in ("eve", "carl", "ann", "bob", "out"):
            self.assertEqual(apop(self.client(), user, ""), WRONG)
            self.assertEqual(cram(self.client(), user, ""), WRONG)
            for mechanism in SCRAMS if GSASL else ():
                self.assertEqual(self.scram(mechanism, user, ""), WRONG)

    def test_connection_is_still_good_after_a_wrong_proof(self):
        client = self.client()
        self.assertEqual(apop(client, "ann", "wrong"), WRONG)
        self.assertEqual(cram(client, "ann", "wrong"), WRONG)
        self.assertRegex(apop(client, "ann", "pencil"), OPEN)

    def test_challenges_differ(self):
        seen = set()
        for _ in range(5):
            client = self.client()
            for octets in (client.greeting.split(b" ")[-1], decode(client.command("AUTH CRAM-MD5"))):
                self.assertRegex(octets, rb"^<[0-9a-f]{16}\.[0-9a-f]{16}@[a-z]+>$")
                self.assertNotIn(octets, seen)
                seen.add(octets)
            client.command("*")
            self.assertNotIn(decode(client.command("AUTH CRAM-MD5")), seen)

    def test_answer_to_another_challenge_is_wrong(self):
        one, two = self.client(), self.client()
        stamp = one.greeting.split(b" ")[-1]
        self.assertEqual(two.command("APOP ann " + hashlib.md5(stamp + b"pencil").hexdigest()), WRONG)
        challenge = decode(one.command("AUTH CRAM-MD5"))
        two.command("AUTH CRAM-MD5")
        self.assertEqual(two.command(encode(b"ann " + hmac.new(b"pencil", challenge, "md5").hexdigest().encode())), WRONG)

    @needs_scram
    def test_input_91_names_that_are_not_there_have_salts_that_stay(self):
        def looks(name):
            with self.client() as client:
                first = decode(client.command("AUTH SCRAM-SHA-256 " + encode(Scram("", name, "x").first())))
            parts = scramclient.attributes(first)
            return base64.b64decode(parts["s"]), parts["i"]
        names = ("ann", "bob", "carl", "eve", "mallory", "out")
        before = {name: looks(name) for name in names}
        self.assertEqual(before, {name: looks(name) for name in names})
        self.assertEqual({(len(salt), count) for salt, count in before.values()}, {(16, b"4096")})
        self.assertEqual(len({salt for salt, _ in before.values()}), len(names))
        self.assertEqual(looks("EVE"), before["eve"])
        self.reload()  # another broker
        self.assertEqual(before, {name: looks(name) for name in names})

    def test_no_password_goes_upstream_that_is_not_there(self):
        """Keys of SCRAM are none, before a plugin that needs a secret: the operator is told, the client asks him."""
        self.accounts[1].pop("upstream_secret")
        self.write()
        self.reload()
        reply = scramclient.login(self.client(), "SCRAM-SHA-256", Scram("SCRAM-SHA-256", "bob", "pencil"))
        self.assertRegex(reply, rb"^-ERR \[SYS/PERM\]")
        self.assertIn("takes no login without a secret: the account needs one for the upstream", self.gate.log())

    def test_the_secret_itself_opens_the_mailbox_however_the_user_was_proved(self):
        device = subprocess.run((self.gate.program, "account", "device", "add", "ann", "phone", "-c", self.gate.config_file),
                                stdout=subprocess.PIPE, text=True, check=True).stdout.strip()
        with open(self.gate.path("accounts"), encoding="utf-8") as file:
            text = file.read()
        alone = re.sub(r'upstream_secret = "password"; ?', "", text.replace('"pencil"', '"password"', 1), count=1)
        for secret, right in (("password", True), ("pencil", False)):
            with open(self.gate.path("accounts"), "w", encoding="utf-8") as file:
                file.write(alone.replace('"password"', f'"{secret}"', 1))
            subprocess.run((self.gate.program, "reload", "-c", self.gate.config_file), check=True)
            ways = [lambda client: apop(client, "ann", secret), lambda client: cram(client, "ann", secret),
                    lambda client: client.login("ann", secret), lambda client: client.login("ann", device)]
            if GSASL:
                ways.append(lambda client: scramclient.login(client, "SCRAM-SHA-256", Scram("SCRAM-SHA-256", "ann", secret)))
            for way in ways:
                client = self.client()
                self.assertRegex(way(client), OPEN if right else rb"^-ERR \[SYS/PERM\]")
                client.command("QUIT")
                client.close()

    def test_secrets_are_in_no_log(self):
        apop(self.client(), "ann", "pencil")
        cram(self.client(), "ann", "pencil")
        self.assertNotIn("pencil", self.gate.log())


class Broken(MechanismsCase):
    """What a client may do wrong in an exchange: -ERR, and the connection goes on."""

    def said(self, *lines):
        """The reply to the last of the lines."""
        client, reply = self.client(), b""
        for line in lines:
            reply = client.command(line)
        self.assertRegex(client.command("CAPA"), rb"^\+OK")
        return reply

    def test_input_88_cram_md5(self):
        digest = b"0" * 32
        for answer in (b"", b"ann", b"ann " + digest[1:], b"ann " + digest + b"0", b"ann  " + digest, b" " + digest,
                       digest, b"ann\t" + digest, b"ann " + b"g" * 32, b"a\0n " + digest, b"a\xff " + digest,
                       b"ann " + digest + b"\n"):
            with self.subTest(answer=answer):
                reply = self.said("AUTH CRAM-MD5", encode(answer) if answer else "")
                self.assertIn(reply, (MALFORMED, WRONG))
                self.assertEqual(reply == WRONG, answer == b"ann  " + digest)
        self.assertEqual(self.said("AUTH CRAM-MD5 " + encode(b"ann " + digest)), MALFORMED)
        self.assertEqual(self.said("AUTH CRAM-MD5", "*"), b"-ERR authentication cancelled")
        self.assertEqual(self.said("AUTH CRAM-MD5", "a*"), b"-ERR the response is not base64")
        self.assertEqual(self.said("AUTH CRAM-MD5", "A" * 20000), b"-ERR line too long")
        self.assertEqual(self.said("AUTH CRAM-MD5", encode(b"x" * 2000 + b" " + digest)), MALFORMED)

    @needs_scram
    def test_input_88_scram_first_message(self):
        for first in (b"", b"n", b"n,,", b"n,,n=ann", b"n,,r=abc", b"n,,n=ann,r=", b"x,,n=ann,r=abc", b"n,,n=,r=abc",
                      b"n,,n=a=n,r=abc", b"n,,m=1,n=ann,r=abc", b"p=tls-unique,,n=ann,r=abc", b"n,,n=a\0n,r=abc",
                      b"n,,n=ann,r=" + b"a" * 2000, b"n,,n=" + b"a" * 1100 + b",r=abc", b"n,,n=a\nn,r=abc"):
            with self.subTest(first=first[:60]):
                self.assertEqual(self.said("AUTH SCRAM-SHA-256", encode(first) if first else ""), MALFORMED)
        self.assertEqual(self.said("AUTH SCRAM-SHA-256", "*"), b"-ERR authentication cancelled")
        self.assertEqual(self.said("AUTH SCRAM-SHA-256 !"), b"-ERR the response is not base64")
        self.assertEqual(self.said("AUTH SCRAM-SHA-256 " + "A" * 20000), b"-ERR line too long")

    def change(self, change):
        """The reply to a last message of which something was changed."""
        client, exchange = self.client(), Scram("SCRAM-SHA-256", "bob", "pencil")
        final = exchange.final(decode(client.command("AUTH SCRAM-SHA-256 " + encode(exchange.first()))))
        reply = client.command(encode(change(final)) if change(final) else "")
        self.assertRegex(client.command("CAPA"), rb"^\+OK")
        return reply

    @needs_scram
    def test_input_88_scram_last_message(self):
        def without(part):
            return lambda final: b",".join(one for one in final.split(b",") if not one.startswith(part))

        def other(part, value):
            return lambda final: b",".join(part + value if one.startswith(part) else one for one in final.split(b","))
        for change in (without(b"p="), without(b"r="), without(b"c="), lambda final: b"", lambda final: final[:20],
                       other(b"p=", b"!!!"), other(b"p=", b"YWJj"), lambda final: b"n=bob," + final,
                       lambda final: final + b"\0"):
            self.assertEqual(self.change(change), MALFORMED)
        for change in (other(b"r=", b"abc"), lambda final: final.replace(b",r=", b",r=x"), other(b"c=", b"eSws"),
                       other(b"p=", base64.b64encode(b"x" * 32)), lambda final: final.replace(b",p=", b"x,p=")):
            self.assertEqual(self.change(change), WRONG)

    @needs_scram
    def test_scram_answer_to_the_servers_proof(self):
        for answer, due in (("*", b"-ERR authentication cancelled"), (encode(b"x"), MALFORMED), ("", None)):
            client, exchange = self.client(), Scram("SCRAM-SHA-256", "bob", "pencil")
            final = exchange.final(decode(client.command("AUTH SCRAM-SHA-256 " + encode(exchange.first()))))
            self.assertTrue(exchange.knows(decode(client.command(encode(final)))))
            if due is None:
                self.assertRegex(client.command(answer), OPEN)
            else:
                self.assertEqual(client.command(answer), due)

    @needs_scram
    def test_input_89_exchanges_that_are_left_cost_nothing(self):
        """Neither a password's wait nor a descriptor."""
        broker = self.gate.pids("broker")[0]

        def descriptors():
            return len(os.listdir(f"/proc/{broker}/fd"))
        before = descriptors()
        for _ in range(30):
            client = self.client()
            client.command("AUTH SCRAM-SHA-256 " + encode(Scram("", "bob", "x").first()))
            client.close()
            client = self.client()
            client.command("AUTH CRAM-MD5")
            client.command("*")
            client.close()
        self.gate.wait_until(lambda: descriptors() == before, "the descriptors of exchanges that were left")
        self.assertNotIn("event=login_failed", self.gate.log())


class Time(MechanismsCase):
    def setUp(self):
        pass

    @needs_scram
    def test_input_89_exchange_ends_with_the_login_timeout(self):
        self.serve(limits={"login_timeout": 2})
        client = self.client()
        client.command("AUTH SCRAM-SHA-256 " + encode(Scram("", "bob", "x").first()))
        begun = time.monotonic()
        with self.assertRaises(EOFError):
            client.line()
        self.assertLess(time.monotonic() - begun, 10)

    def test_wrong_proofs_wait_and_cancelled_ones_do_not(self):
        self.serve(limits={"login_penalty": 15})
        begun = time.monotonic()
        for _ in range(3):
            client = self.client()
            client.command("AUTH CRAM-MD5")
            self.assertEqual(client.command("*"), b"-ERR authentication cancelled")
        self.assertRegex(cram(self.client(), "ann", "pencil"), OPEN)
        self.assertLess(time.monotonic() - begun, 1.9)
        begun = time.monotonic()
        self.assertEqual(cram(self.client(), "bob", "wrong"), WRONG)
        self.assertGreater(time.monotonic() - begun, 1.9)
        if GSASL:
            begun = time.monotonic()
            self.assertEqual(self.scram("SCRAM-SHA-256", "eve", "wrong"), WRONG)
            self.assertGreater(time.monotonic() - begun, 1.9)


@needs_scram
class Bound(MechanismsCase):
    """SCRAM that is bound to TLS."""

    def connect(self, version, *, resume=None):
        """resume: a client whose TLS session is taken up again."""
        context = resume.socket.context if resume else trusting()
        context.maximum_version = version
        client = Client.__new__(Client)
        client.socket = context.wrap_socket(socket.create_connection(("127.0.0.1", self.gate.ports[2]), 30),
                                            session=resume.socket.session if resume else None)
        client.file = client.socket.makefile("rb")
        client.greeting = client.line()
        self.addCleanup(client.close)
        return client

    def test_to_tls_1_2(self):
        for mechanism in SCRAMS:
            client = self.connect(ssl.TLSVersion.TLSv1_2)
            binding = client.socket.get_channel_binding("tls-unique")
            self.opens(client, scramclient.login(client, mechanism + "-PLUS",
                                                 Scram(mechanism, "ann", "pencil", binding=binding)))

    def test_input_88_binding_to_another_connection(self):
        other = self.connect(ssl.TLSVersion.TLSv1_2)
        for binding in (other.socket.get_channel_binding("tls-unique"), b"\0" * 12, b""):
            client = self.connect(ssl.TLSVersion.TLSv1_2)
            self.assertEqual(scramclient.login(client, "SCRAM-SHA-256-PLUS",
                                               Scram("SCRAM-SHA-256", "ann", "pencil", binding=binding,
                                                     flag="p=tls-unique")), WRONG)
        self.assertEqual(len(re.findall("status=auth .*the channel binding is another connection's", self.gate.log())), 3)

    def test_by_another_kind(self):
        """tls-unique is nothing in TLS 1.3."""
        client = self.connect(ssl.TLSVersion.TLSv1_3)
        self.assertEqual(scramclient.login(client, "SCRAM-SHA-256-PLUS",
                                           Scram("SCRAM-SHA-256", "ann", "pencil", binding=b"x" * 32)), MALFORMED)
        client = self.connect(ssl.TLSVersion.TLSv1_3)
        self.assertEqual(scramclient.login(client, "SCRAM-SHA-256-PLUS",
                                           Scram("SCRAM-SHA-256", "ann", "pencil", binding=b"x" * 32,
                                                 kind="tls-server-end-point")), MALFORMED)
        self.assertEqual(len(re.findall("status=malformed .*something else than tls-exporter", self.gate.log())), 2)

    def test_input_90_client_that_was_kept_from_binding(self):
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            for mechanism in SCRAMS:
                client = self.connect(version)
                self.assertEqual(scramclient.login(client, mechanism, Scram(mechanism, "ann", "pencil", flag="y")),
                                 MALFORMED)
        self.assertEqual(len(re.findall("status=malformed .*was told of no -PLUS", self.gate.log())), 2 * len(SCRAMS))
        # in clear nothing was hidden
        self.assertRegex(self.scram("SCRAM-SHA-256", "ann", "pencil", flag="y"), OPEN)

    def test_client_that_cannot(self):
        client = self.connect(ssl.TLSVersion.TLSv1_3)
        self.assertRegex(scramclient.login(client, "SCRAM-SHA-256", Scram("SCRAM-SHA-256", "ann", "pencil")), OPEN)
        client = self.connect(ssl.TLSVersion.TLSv1_3)
        self.assertEqual(scramclient.login(client, "SCRAM-SHA-256-PLUS", Scram("SCRAM-SHA-256", "ann", "pencil")),
                         MALFORMED)

    def test_to_a_session_that_was_resumed(self):
        client = self.connect(ssl.TLSVersion.TLSv1_2, resume=self.connect(ssl.TLSVersion.TLSv1_2))
        self.assertTrue(client.socket.session_reused)
        binding = client.socket.get_channel_binding("tls-unique")
        self.opens(client, scramclient.login(client, "SCRAM-SHA-256-PLUS",
                                             Scram("SCRAM-SHA-256", "ann", "pencil", binding=binding)))

    def test_to_tls_1_3(self):
        """OpenSSL's own client tells what it would bind to."""
        for mechanism, answer in ((SCRAMS[0], "opens"), (SCRAMS[1], "opens"), (SCRAMS[1], "wrong")):
            with SClient(self.gate.ports[2]) as client:
                self.assertEqual(len(client.binding), 32)
                binding = client.binding if answer == "opens" else bytes(32)
                reply = scramclient.login(client, mechanism + "-PLUS", Scram(mechanism, "ann", "pencil", binding=binding,
                                                                             kind="tls-exporter"))
                if answer == "opens":
                    self.opens(client, reply)
                else:
                    self.assertEqual(reply, WRONG)


class Offered(MechanismsCase):
    """CAPA, the greeting, and a bare AUTH tell the same."""

    listeners = (CLEAR, STARTTLS, IMPLICIT, NO_TLS,
                 {**IMPLICIT, "mechanisms": ["XOAUTH2", "OAUTHBEARER", "USER"]},
                 {**CLEAR, "mechanisms": ["plain"]})

    def told(self, client):
        text = client.multiline("CAPA").decode().split("\r\n")
        sasl = [line.split()[1:] for line in text if line.startswith("SASL")]
        bare = client.multiline("AUTH").decode().split()
        self.assertEqual(bare, sasl[0] if sasl else [])
        return set(bare) | ({"USER"} if "USER" in text else set()) | ({"APOP"} if b"<" in client.greeting else set())

    def test_in_each_state(self):
        scram = set(SCRAMS) if GSASL else set()
        plus = {name + "-PLUS" for name in scram}
        plain, challenges = {"USER", "PLAIN", "LOGIN"}, {"APOP", "CRAM-MD5"} | scram
        tls4 = Client(self.gate.ports[4], tls=True)
        self.addCleanup(tls4.close)
        self.assertEqual(self.told(self.client(0)), plain | challenges)
        client = self.client(1)
        self.assertEqual(self.told(client), challenges)
        client.stls()
        self.assertEqual(self.told(client), plain | challenges | plus)
        self.assertEqual(self.told(self.client(2)), plain | challenges | plus)
        self.assertEqual(self.told(self.client(3)), challenges)
        self.assertEqual(self.told(tls4), {"USER", "XOAUTH2", "OAUTHBEARER"})
        self.assertEqual(self.told(self.client(5)), {"PLAIN"})

    def test_what_is_not_offered_is_refused(self):
        client = self.client(5)
        for command in ("AUTH CRAM-MD5", "AUTH SCRAM-SHA-256", "AUTH LOGIN", "AUTH XOAUTH2", "AUTH NONE", "AUTH APOP",
                        "AUTH USER"):
            self.assertEqual(client.command(command), b"-ERR this mechanism is not offered")
        self.assertEqual(client.command("APOP ann " + "0" * 32), b"-ERR APOP is not offered here")
        self.assertEqual(client.command("USER ann"), b"-ERR USER is not offered here")
        self.assertEqual(client.command("AUTH PLAIN " + encode(b"\0ann\0wrong")), WRONG)


def bearer(mechanism, user, token):
    return (f"n,a={user},\1auth=Bearer {token}\1\1" if mechanism == "OAUTHBEARER" else
            f"user={user}\1auth=Bearer {token}\1\1").encode()


class Tokens(MechanismsCase):
    """XOAUTH2 and OAUTHBEARER: a token of the client's own."""

    listeners = ({**CLEAR, "mechanisms": ["XOAUTH2", "OAUTHBEARER", "USER"]}, STARTTLS, IMPLICIT)
    REASON = b'{"status":"invalid_token","schemes":"bearer"}'

    def test_refused_token_is_told_why(self):
        """In JSON, which is answered, and then comes the -ERR (RFC 7628 section 3.2.3). ann's password is here: no token
        proves her, not even the password itself."""
        for mechanism, answer in (("OAUTHBEARER", encode(b"\1")), ("XOAUTH2", ""), ("XOAUTH2", encode(b"anything"))):
            for initial in (True, False):
                with self.subTest(mechanism=mechanism, initial=initial):
                    client, said = self.client(), encode(bearer(mechanism, "ann", "pencil"))
                    if initial:
                        reply = client.command(f"AUTH {mechanism} {said}")
                    else:
                        self.assertEqual(client.command(f"AUTH {mechanism}"), b"+ ")
                        reply = client.command(said)
                    self.assertEqual(decode(reply), self.REASON)
                    self.assertEqual(client.command(answer), WRONG)
                    self.assertRegex(client.command("CAPA"), rb"^\+OK")
        self.assertIn("a token proves nobody whose password is here", self.gate.log())

    def test_refused_token_may_be_cancelled(self):
        client = self.client()
        self.assertEqual(decode(client.command("AUTH XOAUTH2 " + encode(bearer("XOAUTH2", "ann", "x")))), self.REASON)
        self.assertEqual(client.command("*"), b"-ERR authentication cancelled")
        self.opens(client, client.login("ann", "pencil"))

    def test_malformed_response(self):
        client = self.client()
        for mechanism in ("OAUTHBEARER", "XOAUTH2"):
            for response in (b"", b"\1", b"user=ann", bearer(mechanism, "", "x"), bearer(mechanism, "ann", ""),
                             bearer(mechanism, "ann", "a b"), bearer(mechanism, "a\nn", "x"),
                             bearer(mechanism, "ann", "x")[:-1], b"p=tls-unique,a=ann,\1auth=Bearer x\1\1"):
                self.assertEqual(client.command(f"AUTH {mechanism} {encode(response)}"), MALFORMED)

    def test_token_without_a_user(self):
        """RFC 7628 allows that, but a maildrop has a name."""
        self.assertEqual(self.client().command("AUTH OAUTHBEARER " + encode(b"n,,\1auth=Bearer x\1\1")), MALFORMED)
        self.assertRegex(self.gate.log(), 'status=malformed msg="the client names no user beside its token')

    def said(self, mechanism, user):
        """All that a client hears that shows a token."""
        client = self.client()
        return [client.command(f"AUTH {mechanism} " + encode(bearer(mechanism, user, "abc"))), client.command("")]

    def test_plugin_that_takes_no_tokens(self):
        """Whether there is an account does not show."""
        for mechanism in ("XOAUTH2", "OAUTHBEARER"):
            heard = [self.said(mechanism, user) for user in ("ann", "nobody-here")]
            self.assertEqual(decode(heard[0][0]), self.REASON)
            self.assertEqual(heard[0][1], WRONG)
            self.assertEqual(heard[1], heard[0])
        self.assertIn("takes no OAuth token", self.gate.log())

    def test_is_not_offered_unless_listed_or_in_clear(self):
        for listener in (1, 2):
            self.assertEqual(self.client(listener).command("AUTH XOAUTH2"), b"-ERR this mechanism is not offered")


class WithoutAccounts(MechanismsCase):
    def setUp(self):
        self.serve(accounts=False)

    def test_nothing_is_offered_that_nobody_can_use(self):
        for listener in (0, 2):
            client = self.client(listener)
            self.assertEqual(client.greeting, b"+OK popgate ready")
            self.assertIn(b"SASL PLAIN LOGIN\r\n", client.multiline("CAPA"))
            self.assertEqual(client.command("AUTH CRAM-MD5"), b"-ERR this mechanism is not offered")


@unittest.skipIf(os.geteuid() != 0 or SANITIZED, "only root looks into other processes; a sanitizer keeps what was freed")
class Memory(MechanismsCase):
    """Who holds what: the accounts' passwords are the broker's alone, and a token is gone once it was refused."""

    listeners = ({**CLEAR, "mechanisms": ["XOAUTH2", "APOP", "CRAM-MD5", *(SCRAMS if GSASL else ())]},)

    def kinds(self, role):
        return {kind for pid in self.gate.pids(role) for kind, _ in memory_places(pid)}

    def test_passwords_of_accounts(self):
        secret = marker("Z")
        self.accounts[0]["secret"] = secret
        self.write()
        self.reload()
        for prove in (apop, cram):
            client = self.client()
            self.opens(client, prove(client, "ann", secret))
        client = self.client()
        if GSASL:
            reply = scramclient.login(client, "SCRAM-SHA-256", Scram("SCRAM-SHA-256", "ann", secret))
        else:
            reply = cram(client, "ann", secret)
        self.assertRegex(reply, OPEN)  # and stays open
        self.assertTrue(self.gate.pids("session"))
        self.gate.wait_until(lambda: len(self.gate.pids("broker")) == 1, "the old broker to end")
        for role in ("front", "spawner", "session", "supervisor"):
            self.assertEqual(self.kinds(role), set(), role)
        self.assertIn("Z", self.kinds("broker"))
        self.assertEqual(places(self.gate.log().encode()), [])

    def test_tokens_that_were_refused(self):
        for user, letter in (("ann", "A"), ("eve", "E")):
            client = self.client()
            reply = client.command("AUTH XOAUTH2 " + encode(bearer("XOAUTH2", user, marker(letter))))
            self.assertRegex(reply, rb"^\+ ")
        self.gate.wait_until(lambda: not self.gate.pids("session"), "the sessions to end")
        for process in self.gate.processes():
            self.assertEqual(memory_places(process.pid), [], process)
        self.assertEqual(places(self.gate.log().encode()), [])


class Session(MechanismsCase):
    """`popgate session` has nobody to prove accounts."""

    def test_refuses_a_configuration_with_accounts(self):
        done = subprocess.run((PROGRAM, "session", "-c", self.gate.config_file), input=b"QUIT\r\n", timeout=30,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
        self.assertEqual((done.returncode, done.stdout), (3, b""), done)
        self.assertIn(b"local accounts need `popgate serve`", done.stderr)


class Makers(MechanismsCase):
    """Clients that others made."""

    listeners = (CLEAR, STARTTLS, IMPLICIT, NO_TLS)

    def test_poplib(self):
        client = poplib.POP3("127.0.0.1", self.gate.ports[3], timeout=30)
        self.assertRegex(client.apop("ann", "pencil"), OPEN)
        client.quit()

    @staticmethod
    def has_scram():
        return "gsasl" in subprocess.run(("curl", "--version"), stdout=subprocess.PIPE, text=True, check=False).stdout

    def curl(self, options, listener=3):
        return subprocess.run(("curl", "-sS", "-m", "30", "-u", "ann:pencil", "--login-options", options,
                               f"pop3://127.0.0.1:{self.gate.ports[listener]}/"),
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)

    @unittest.skipUnless(shutil.which("curl"), "curl is missing")
    def test_curl(self):
        for option in ("AUTH=+APOP", "AUTH=CRAM-MD5", *(("AUTH=SCRAM-SHA-1", "AUTH=SCRAM-SHA-256") if GSASL and self.has_scram() else ())):
            with self.subTest(option=option):
                done = self.curl(option)
                self.assertEqual((done.returncode, len(done.stdout.split("\n"))), (0, 4), done.stdout)
                self.assertRegex(self.gate.log(),
                                 rf"event=login user=ann .*mechanism={option.removeprefix('AUTH=').lstrip('+')} .*status=ok")

    @unittest.skipUnless(shutil.which("fetchmail"), "fetchmail is missing")
    def test_fetchmail(self):
        for way in ("proto apop", "proto pop3 auth cram-md5"):
            with self.subTest(way=way):
                control = self.gate.path("fetchmailrc")
                with open(control, "w", encoding="utf-8") as file:
                    file.write(f"poll 127.0.0.1 {way} port {self.gate.ports[3]}\n  user ann password pencil\n"
                               "  sslproto '' keep mda '/bin/cat >/dev/null'\n")
                os.chmod(control, 0o600)
                done = subprocess.run(("fetchmail", "-f", control, "--check", "--nosyslog", "--pidfile",
                                       self.gate.path("fetchmail.pid"), "-i", self.gate.path("ids")),
                                      stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60, check=False,
                                      env={**os.environ, "HOME": self.gate.folder})
                self.assertIn("3 messages for ann", done.stdout)


if __name__ == "__main__":
    tap.main()
