"""The way to an IMAP server that may be somebody else: STARTTLS that is spoilt, referrals, certificates, pins. No octet
of a credential leaves before the server has proved who it is."""

import os
import shutil
import ssl
import subprocess
import tempfile
import time
import unittest
import warnings

import certificates
import tap
from faultcase import FINE, MESSAGES, TEMPORARY, FaultCase
from gateway import Gateway, imap_backend
from imapscript import CAPABILITY, HANG_UP, Server
from pop3client import Client
from proxy import Proxy

PERMANENT = rb"^-ERR \[SYS/PERM\]"
SECRETS = (b"secret", b"AGFubgBzZWNyZXQ=", b"LOGIN", b"AUTHENTICATE")  # of ann and her password


class SecureCase(FaultCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="popgate-certificates-", dir="/tmp")
        cls.addClassCleanup(shutil.rmtree, cls.folder, ignore_errors=True)
        cls.authority = certificates.Authority(os.path.join(cls.folder, "own"))
        cls.foreign = certificates.Authority(os.path.join(cls.folder, "foreign"), "somebody else")
        cls.certificate = cls.authority.issue("server")

    def secure(self, on=None, implicit=False, capability=CAPABILITY + " STARTTLS", certificate=None, **settings):
        """Options of serve() for a server with TLS."""
        return {"on": on, "certificate": certificate or self.certificate, "implicit": implicit, "capability": capability,
                "settings": {"security": "tls" if implicit else "starttls", "ca_file": self.authority.file,
                             "host": "localhost", **settings}}

    def no_credential_came(self):
        text = "\n".join(self.server.received).upper().encode()
        for secret in SECRETS:
            self.assertNotIn(secret.upper(), text)

    def refused(self, options, pattern=TEMPORARY, words="", status="temp|protocol", **more):
        self.login_fails(pattern, status=status, **options, **more)
        if words:
            self.assertIn(words, self.gate.log())
        self.no_credential_came()


class Starttls(SecureCase):
    def test_starttls_that_keeps_the_rules_serves(self):
        client = self.serve(**self.secure())
        self.log_in(client)
        self.assertEqual(client.multiline("RETR 1"), MESSAGES[101])

    def test_input_35_starttls_that_is_not_offered(self):
        for capability in (CAPABILITY, "IMAP4rev1", CAPABILITY + " XSTARTTLS STARTTLS2"):
            with self.subTest(capability=capability):
                self.refused(self.secure(capability=capability), words="offers no STARTTLS")
                self.assertEqual(self.server.commands("STARTTLS"), [])

    def test_input_35_starttls_that_is_refused(self):
        for reply in ("{tag} NO later", "{tag} NO [AUTHENTICATIONFAILED] log in in clear", "{tag} BAD what", "+ go on",
                      "* BYE not here"):
            with self.subTest(reply=reply):
                self.refused(self.secure({"STARTTLS": lambda talk, tag, rest, reply=reply:
                                          talk.line(reply.format(tag=tag))}), words="STARTTLS")

    def test_input_35_starttls_that_is_not_answered(self):
        for end in (lambda talk, tag, rest: HANG_UP, lambda talk, tag, rest: talk.wait()):
            self.refused(self.secure({"STARTTLS": end}), words="STARTTLS")

    def test_input_36_preauth_before_tls(self):
        for line in ("* PREAUTH welcome", "* PREAUTH [CAPABILITY IMAP4rev1 STARTTLS AUTH=PLAIN] welcome"):
            with self.subTest(line=line):
                self.refused(self.secure({"GREETING": lambda talk, tag, rest, line=line: talk.line(line)}),
                             words="PREAUTH is refused")
                self.assertEqual(self.server.received, [])

    def test_input_37_octets_behind_the_ok_to_starttls(self):
        # Answers to what will be asked next, made up by somebody in between.
        untagged = "* CAPABILITY IMAP4rev1 AUTH=PLAIN\r\n"
        for injected in (untagged, untagged + "{next} OK done\r\n", "* OK hello\r\n", "x"):
            with self.subTest(injected=injected):
                def inject(talk, tag, _rest, injected=injected):
                    following = str(int(tag) + 1) if tag.isdigit() else "x"
                    talk.send(f"{tag} OK begin\r\n" + injected.format(next=following))
                    talk.start_tls()
                self.refused(self.secure({"STARTTLS": inject}), words="goes on in clear")

    def test_input_37_octets_a_moment_later(self):
        def inject(talk, tag, _rest):
            talk.ok(tag, "begin")
            time.sleep(0.1)
            talk.line("* CAPABILITY IMAP4rev1 AUTH=PLAIN")
            talk.start_tls()
        self.refused(self.secure({"STARTTLS": inject}), words="STARTTLS")

    def test_input_38_what_was_said_before_tls_is_forgotten(self):
        def liar(talk, tag, _rest):
            talk.line("* CAPABILITY IMAP4rev1 STARTTLS LOGINDISABLED")
            talk.line("* 99 EXISTS")
            talk.line("* 98 FETCH (UID 666 RFC822.SIZE 5)")
            talk.line("* OK [UIDVALIDITY 666] from before")
            talk.ok(tag, "[CAPABILITY IMAP4rev1 LOGINDISABLED] begin")
            talk.start_tls()
        client = self.serve(**self.secure({"STARTTLS": liar}))
        self.assertRegex(client.login("ann", "secret"), rb"^\+OK 3 ")
        self.assertEqual(client.multiline("UIDL"), b"1 7.101\r\n2 7.102\r\n3 7.105\r\n")
        commands = [line.split(" ")[1] for line in self.server.received]
        self.assertEqual(commands[:3], ["STARTTLS", "CAPABILITY", "AUTHENTICATE"])

    def test_input_38_capabilities_of_the_greeting_are_forgotten(self):
        for lie in ("STARTTLS LOGINDISABLED", "STARTTLS AUTH=PLAIN SASL-IR"):
            with self.subTest(lie=lie):
                client = self.serve(**self.secure({"GREETING": lambda talk, tag, rest, lie=lie:
                                                   talk.line(f"* OK [CAPABILITY IMAP4rev1 {lie}] ready")},
                                                  capability="IMAP4rev1 UIDPLUS"))
                self.log_in(client)
                self.assertEqual(self.server.commands("LOGIN"), ['LOGIN "ann" "secret"'])
                self.assertEqual(len(self.server.commands("CAPABILITY")), 1)

    def test_handshake_that_never_comes_is_temporary_within_the_time(self):
        def stall(talk, tag, _rest):
            talk.ok(tag, "begin")
            talk.wait(4)
            return HANG_UP
        self.refused(self.secure({"STARTTLS": stall}))


class Referral(FaultCase):
    """RFC 2221, of a login; RFC 2193, of a mailbox."""

    def refer(self, point, line, follows=False):
        with Server(MESSAGES) as elsewhere:
            url = f"imap://ann@127.0.0.1:{elsewhere.port}/"

            def answer(talk, tag, rest):
                talk.line(line.format(tag=tag, url=url))
                return talk.usual(point, tag, rest) if follows else None
            client = self.serve({point: answer})
            self.gate.allow_warning("event=login_failed .*status=(perm|temp|protocol)")
            reply = client.login("ann", "secret")
            self.assertRegex(reply, FINE if follows else rb"^-ERR \[SYS/(PERM|TEMP)\]")
            self.assertEqual(elsewhere.connections, 0)
            self.assertEqual(self.server.connections, 1)

    def test_input_39_a_login_that_is_refused_with_a_referral(self):
        self.refer("AUTHENTICATE", "{tag} NO [REFERRAL {url}] go there")

    def test_input_39_a_login_that_is_accepted_with_a_referral(self):
        self.refer("AUTHENTICATE", "* OK [REFERRAL {url}] better go there", follows=True)

    def test_input_39_a_greeting_with_a_referral(self):
        self.refer("GREETING", "* BYE [REFERRAL {url}] go there")

    def test_input_39_a_mailbox_that_is_refused_with_a_referral(self):
        self.refer("SELECT", "{tag} NO [REFERRAL {url}INBOX] go there")

    def test_input_39_a_listing_that_is_refused_with_a_referral(self):
        self.refer("LISTING", "{tag} NO [REFERRAL {url}INBOX] go there")


class Logindisabled(SecureCase):
    def test_input_41_no_login_in_clear(self):
        self.login_fails(PERMANENT, status="perm", capability="IMAP4rev1 LOGINDISABLED UIDPLUS")
        self.no_credential_came()

    def test_input_41_no_login_under_tls(self):
        for implicit in (False, True):
            with self.subTest(implicit=implicit):
                self.refused(self.secure(implicit=implicit, capability="IMAP4rev1 STARTTLS LOGINDISABLED"), PERMANENT,
                             words="disables LOGIN", status="perm")

    def test_input_41_authenticate_instead(self):
        client = self.serve(**self.secure(implicit=True, capability="IMAP4rev1 LOGINDISABLED AUTH=PLAIN"))
        self.log_in(client)
        self.assertEqual(self.server.commands("LOGIN"), [])
        self.assertEqual(len(self.server.commands("AUTHENTICATE")), 1)


class Certificates(unittest.TestCase):
    """One gateway; the user's name chooses the server, its fault and the way to it."""

    @classmethod
    def setUpClass(cls):
        SecureCase.setUpClass.__func__(cls)
        good, own = cls.certificate, cls.authority.file
        self_signed = (cls.foreign.file, os.path.join(cls.foreign.folder, "ca.key"))
        other_key = cls.authority.issue("other-key")
        stranger = cls.foreign.issue("server")
        cls.pin = certificates.pin_of(good[0])
        # certificate, settings; what the log says, or nothing where the login is good
        cls.cases = {
            "good": (good, {}, ""),
            "selfsigned": (self_signed, {}, "self-signed, and not a trusted one"),
            "unknown": (stranger, {}, "issued by an unknown authority"),
            "othername": (cls.authority.issue_other_name(), {}, "made for another name"),
            "otheraddress": (cls.authority.issue("no-address", alternatives="DNS:localhost"), {"host": "127.0.0.1"},
                             "made for another address"),
            "expired": (cls.authority.issue_expired(), {}, "expired"),
            "premature": (cls.authority.issue_premature(), {}, "not valid yet"),
            "systemca": (good, {"ca_file": None}, "issued by an unknown authority"),
            "pinned": (good, {"pin": cls.pin}, ""),
            "twopins": (good, {"pin": f"{certificates.pin_of(other_key[0])};{cls.pin}"}, ""),
            "otherpin": (good, {"pin": certificates.pin_of(other_key[0])}, f"its key is not pinned: {cls.pin}"),
            "pinnedunknown": (stranger, {"pin": certificates.pin_of(stranger[0])}, "issued by an unknown authority"),
            "itself": (stranger, {"ca_file": stranger[0]}, ""),
        }
        cls.servers, backends, routes = {}, [], []
        for name, (certificate, settings, _) in cls.cases.items():
            for security in ("tls", "starttls"):
                user = f"{name}-{security}"
                server = Server(MESSAGES, certificate=certificate, implicit=security == "tls",
                                capability=CAPABILITY + " STARTTLS")
                cls.addClassCleanup(server.close)
                cls.servers[user] = server
                wished = {"security": security, "ca_file": own, **settings}
                backends.append(imap_backend(name=user, port=server.port,
                                             **{key: value for key, value in wished.items() if value is not None}))
                routes.append({"users": user, "backend": user})
        cls.gate = Gateway(backends, routes=routes, limits={"upstream_timeout": 10})
        cls.addClassCleanup(cls.gate.stop)
        cls.gate.allow_warning("event=login_failed")
        cls.gate.start()

    def login(self, user):
        with Client(self.gate.port) as client:
            return client.login(user, "secret")

    def check(self, *names):
        for name in names:
            words = self.cases[name][2]
            for user in (f"{name}-tls", f"{name}-starttls"):
                with self.subTest(user=user):
                    server, reply = self.servers[user], self.login(user)
                    if words:
                        self.assertRegex(reply, PERMANENT)
                        line = self.gate.wait_for_log(f"level=warn .*event=login_failed user={user} .*").group()
                        self.assertIn("status=perm", line)
                        self.assertIn(f'certificate: {words}', line)
                        # Nothing was said but what leads to TLS.
                        self.assertEqual([item.split(" ")[1] for item in server.received],
                                         [] if server.implicit else ["STARTTLS"])
                    else:
                        self.assertRegex(reply, FINE)
                    self.assertEqual(server.connections, 1)

    def test_input_40_self_signed(self):
        self.check("selfsigned")

    def test_input_40_unknown_authority(self):
        self.check("unknown", "systemca")

    def test_input_40_other_name(self):
        self.check("othername", "otheraddress")

    def test_input_40_expired(self):
        self.check("expired", "premature")

    def test_good_certificates_serve(self):
        self.check("good", "itself")

    def test_the_pinned_key_serves(self):
        self.check("pinned", "twopins")

    def test_input_40_another_key_than_the_pinned_one(self):
        self.check("otherpin")

    def test_input_40_a_pin_replaces_no_authority(self):
        self.check("pinnedunknown")


class Versions(SecureCase):
    def limited(self, version, **settings):
        """A server that speaks this version alone, and what becomes of a login."""
        client = self.serve(**self.secure(implicit=True, **settings))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            self.server.context.set_ciphers("ALL:@SECLEVEL=0")
            self.server.context.minimum_version = self.server.context.maximum_version = version
        self.gate.allow_warning("event=login_failed .*TLS handshake")
        return client.login("ann", "secret")

    def test_tls_1_2_is_the_least_if_not_told_otherwise(self):
        self.assertRegex(self.limited(ssl.TLSVersion.TLSv1_2), FINE)
        self.assertRegex(self.limited(ssl.TLSVersion.TLSv1_1), TEMPORARY)
        self.no_credential_came()

    def test_tls_minimum_is_kept(self):
        self.assertRegex(self.limited(ssl.TLSVersion.TLSv1_3, tls_minimum="1.3"), FINE)
        self.assertRegex(self.limited(ssl.TLSVersion.TLSv1_2, tls_minimum="1.2"), FINE)
        self.assertRegex(self.limited(ssl.TLSVersion.TLSv1_2, tls_minimum="1.3"), TEMPORARY)
        self.no_credential_came()


class Settings(unittest.TestCase):
    def fault(self, **settings):
        gate = Gateway([imap_backend(port=1, **settings)])
        self.addCleanup(gate.kill)
        gate.write_config()
        done = subprocess.run(gate.command("check"), capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 3)
        return done.stderr + done.stdout

    def test_pin_that_is_none_is_refused(self):
        good = "sha256//" + "A" * 43 + "="
        for pin in (good[8:], "sha256/" + good[8:], good + ";", ";" + good, good + " ", good + "=", good[:-1], "sha1//" + good[8:],
                    good.replace("A", "*"), f"{good};;{good}", f"{good},{good}"):
            with self.subTest(pin=pin):
                self.assertRegex(self.fault(security="tls", pin=pin), r"popgate\.conf:\d+: .*pin: must be")

    def test_keys_of_tls_have_no_meaning_without_it(self):
        for key, value in (("pin", "sha256//" + "A" * 43 + "="), ("tls_minimum", "1.3"), ("ca_file", "/dev/null")):
            self.assertIn(f"{key}: has no meaning with security", self.fault(security="none", **{key: value}))

    def test_tls_minimum_takes_no_older_version(self):
        self.assertIn('it must be "1.2" or "1.3"', self.fault(security="tls", tls_minimum="1.0"))


class Credential(SecureCase):
    """On the wire, whatever the settings leave out."""

    def on_the_wire(self, **settings):
        """What a server in clear gets to see of a login."""
        with Server(MESSAGES) as server, Proxy(server.port) as proxy:
            backend = {"name": "main", "plugin": "imap", "host": "127.0.0.1", "port": proxy.port, **settings}
            with Gateway([backend], limits={"upstream_timeout": 1}) as gate, Client(gate.port) as client:
                gate.allow_warning("event=login_failed")
                client.login("ann", "secret")
            return bytes(proxy.sent)

    def test_invariant_14_tls_unless_the_configuration_says_none(self):
        for settings in ({}, {"security": "tls"}, {"security": "starttls"}):
            with self.subTest(settings=settings):
                sent = self.on_the_wire(**settings)
                for secret in SECRETS:
                    self.assertNotIn(secret, sent)
        self.assertIn(SECRETS[1], self.on_the_wire(security="none"))

    def test_invariant_14_a_connection_made_anew_is_verified_as_well(self):
        for implicit in (True, False):
            with self.subTest(implicit=implicit):
                client = self.serve(**self.secure(implicit=implicit))
                self.log_in(client)
                self.assertEqual(len(self.server.commands("AUTHENTICATE")), 1)
                self.server.use_certificate(self.foreign.issue("server"))
                self.server.say("", hang_up=True)
                self.gate.allow_warning("event=fetch_failed .*issued by an unknown authority")
                self.assertRegex(client.command("RETR 1"), TEMPORARY)
                self.assertRegex(client.command("QUIT"), rb"^(\+OK|-ERR)")
                self.assertEqual(self.server.connections, 2)
                self.assertEqual(len(self.server.commands("AUTHENTICATE")), 1)


if __name__ == "__main__":
    tap.main()
