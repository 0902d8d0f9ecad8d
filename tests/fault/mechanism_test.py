"""The mechanisms of AUTHENTICATE, with servers that keep to them and servers that lie. No lie gets in, no password goes
out where it need not, and nothing of a secret comes into the log."""

import base64
import shutil
import ssl
import tempfile
import unittest
import unittest.mock

import accountlist
import certificates
import tap
from faultcase import FINE, MESSAGES, TEMPORARY, FaultCase
from features import GSASL, needs_scram
from gateway import CLEAR, Gateway, imap_backend
from imapscript import HANG_UP, Server
from pop3client import Client
from scramserver import ScramServer, encode

AUTH = rb"^-ERR \[AUTH\]"
PERMANENT = rb"^-ERR \[SYS/PERM\]"
BASE = "IMAP4rev1 SASL-IR UIDPLUS"
TOKEN = "ya29.secret-Token_~+/x=="


class MechanismCase(FaultCase):
    listeners = (CLEAR,)

    def visit(self, capability, on=None, *, user="ann", password="secret", accounts=(), ask=None, settings=None, **more):
        """What a login is told. ask: a command instead of USER and PASS."""
        self.server = Server(MESSAGES, on=on, capability=f"{BASE} {capability}".strip(), **more)
        self.addCleanup(self.server.close)
        sections = {"accounts": "accounts"} if accounts else {}
        self.gate = Gateway([imap_backend(port=self.server.port, **(settings or {}))], listeners=self.listeners,
                            limits={"upstream_timeout": 4}, **sections)
        self.addCleanup(self.gate.stop)
        if accounts:
            accountlist.write(self.gate, *accounts)
        self.gate.allow_warning("event=login_failed")
        self.gate.start()
        with Client(self.gate.port) as client:
            reply = client.command(ask) if ask else client.login(user, password)
            while reply.startswith(b"+ "):  # what is wrong with a token
                reply = client.command("AQ==")
            return reply

    def shown(self):
        """The arguments of AUTHENTICATE and LOGIN that have come."""
        return [line.partition(" ")[2] for line in self.server.commands("AUTHENTICATE") + self.server.commands("LOGIN")]

    def nothing_leaks(self, *secrets):
        log = self.gate.log().upper()
        for secret in secrets:
            self.assertNotIn(secret.upper(), log)


class Choice(MechanismCase):
    def chosen(self, capability, **options):
        handlers = {"AUTHENTICATE": lambda talk, tag, rest: talk.line(f"{tag} NO [AUTHENTICATIONFAILED] no"),
                    "LOGIN": lambda talk, tag, rest: talk.line(f"{tag} NO [AUTHENTICATIONFAILED] no")}
        reply = self.visit(capability, handlers, **options)
        lines = [line.partition(" ")[2] for line in self.server.received]
        lines = [line.split(" ") for line in lines if line.split(" ")[0] in ("LOGIN", "AUTHENTICATE")]
        self.assertLess(len(lines), 2)
        return " ".join(lines[0][:1 + (lines[0][0] == "AUTHENTICATE")]) if lines else reply

    def test_in_clear_what_shows_no_password_comes_first(self):
        scram = ("AUTHENTICATE SCRAM-SHA-256", "AUTHENTICATE SCRAM-SHA-1") if GSASL else ("AUTHENTICATE PLAIN",) * 2
        for capability, expected in (("AUTH=PLAIN AUTH=SCRAM-SHA-1 AUTH=SCRAM-SHA-256", scram[0]),
                                     ("AUTH=PLAIN AUTH=SCRAM-SHA-1 LITERAL+", scram[1]),
                                     ("AUTH=PLAIN AUTH=LOGIN", "AUTHENTICATE PLAIN"),
                                     ("AUTH=PLAIN AUTH=SCRAM-SHA-256-PLUS", "AUTHENTICATE PLAIN"),
                                     ("AUTH=LOGIN", "LOGIN"), ("", "LOGIN"),
                                     ("AUTH=LOGIN LOGINDISABLED", "AUTHENTICATE LOGIN")):
            with self.subTest(capability=capability):
                self.assertEqual(self.chosen(capability), expected)

    def test_a_fixed_one_is_never_replaced(self):
        everything = "AUTH=PLAIN AUTH=LOGIN AUTH=SCRAM-SHA-1 AUTH=SCRAM-SHA-256 AUTH=XOAUTH2 AUTH=OAUTHBEARER"
        scram = [(kind.lower(), f"AUTHENTICATE {kind}") for kind in ("SCRAM-SHA-1", "SCRAM-SHA-256")] if GSASL else []
        for auth, expected in (("plain", "AUTHENTICATE PLAIN"), ("login", "LOGIN"), ("sasl-login", "AUTHENTICATE LOGIN"), *scram):
            with self.subTest(auth=auth):
                self.assertEqual(self.chosen(everything, settings={"auth": auth}), expected)
        for auth in ("plain", *(("scram-sha-256",) if GSASL else ()), "sasl-login", "xoauth2", "oauthbearer"):
            with self.subTest(auth=auth):
                self.assertRegex(self.chosen("AUTH=SCRAM-SHA-1", settings={"auth": auth}), PERMANENT)
                self.assertIn("auth is fixed to", self.gate.log())

    def test_a_password_is_shown_to_no_mechanism_of_tokens(self):
        self.assertRegex(self.chosen("AUTH=XOAUTH2 AUTH=OAUTHBEARER AUTH=EXTERNAL LOGINDISABLED"), PERMANENT)
        self.assertEqual(self.shown(), [])


class Strangers(MechanismCase):
    """Where there are accounts, who has none hears of a credential that is of no use what a wrong one is told; without
    accounts it is the administrator's fault."""

    listeners = ({**CLEAR, "mechanisms": ["XOAUTH2", "USER"]},)
    CASES = (({"auth": "xoauth2"}, "AUTH=XOAUTH2 AUTH=PLAIN", None, "auth is fixed to XOAUTH2, which takes no password"),
             ({}, "AUTH=XOAUTH2 LOGINDISABLED", None, "the server disables LOGIN"),
             ({"auth": "plain"}, "AUTH=XOAUTH2 AUTH=PLAIN", "token", "plugin imap takes no OAuth token"),
             ({}, "AUTH=PLAIN", "token", "the server offers no mechanism for an OAuth token"))

    def told(self, user, case, accounts):
        settings, capability, kind, why = case
        ask = "AUTH XOAUTH2 " + encode(f"user={user}\1auth=Bearer {TOKEN}\1\1") if kind else None
        reply = self.visit(capability, user=user, password="wrong", ask=ask, accounts=accounts, settings=settings)
        if user == "bob" or not accounts:
            self.assertIn(why, self.gate.log())
        self.assertEqual(self.shown(), [])
        self.gate.stop()
        return reply

    def test_input_22_who_has_an_account_does_not_show(self):
        account = accountlist.account("ann", upstream_secret="secret")
        for case in self.CASES:
            with self.subTest(case=case):
                heard = {self.told(user, case, [account]) for user in ("ann", "bob")}
                self.assertEqual(heard, {b"-ERR [AUTH] wrong name or password"})

    def test_without_accounts_it_is_no_wrong_password(self):
        for case in self.CASES:
            with self.subTest(case=case):
                self.assertRegex(self.told("bob", case, ()), PERMANENT)


class Words(MechanismCase):
    """AUTHENTICATE PLAIN and LOGIN."""

    @staticmethod
    def questions(*texts, end="OK in"):
        def handler(talk, tag, _rest):
            for text in texts:
                talk.line(f"+ {text}")
                line = talk.file.readline().decode().strip()
                talk.server.received.append("x " + line)
            talk.line(f"{tag} {end}")
        return handler

    def test_sasl_login(self):
        for texts in (("VXNlcm5hbWU6", "UGFzc3dvcmQ6"), ("", "")):
            self.assertRegex(self.visit("AUTH=LOGIN LOGINDISABLED", {"AUTHENTICATE": self.questions(*texts)},
                                        password="gehéim"), FINE)
            self.assertEqual([line for line in self.server.received if line.startswith("x ")],
                             ["x " + encode("ann"), "x " + encode("gehéim")])

    def test_sasl_login_that_is_refused(self):
        for end, pattern in (("NO [AUTHENTICATIONFAILED] no", AUTH), ("NO [UNAVAILABLE] later", TEMPORARY),
                             (f"NO wrong {encode('secret')}", AUTH)):
            self.assertRegex(self.visit("AUTH=LOGIN LOGINDISABLED", {"AUTHENTICATE": self.questions("", "", end=end)}), pattern)
            self.nothing_leaks(encode("secret"), "=secret")

    def test_too_many_questions_and_too_few(self):
        for count in (0, 1, 3, 4):
            with self.subTest(count=count):
                self.assertRegex(self.visit("AUTH=LOGIN LOGINDISABLED", {"AUTHENTICATE": self.questions(*["x"] * count)}),
                                 TEMPORARY)
        for count in (2, 3):
            self.assertRegex(self.visit("AUTH=PLAIN", {"AUTHENTICATE": self.questions(*[""] * count)}), TEMPORARY)

    def test_a_question_after_ok(self):
        def late(talk, tag, rest):
            talk.usual("AUTHENTICATE", tag, rest)
            talk.line("+ and more?")
        self.assertRegex(self.visit("AUTH=PLAIN", {"AUTHENTICATE": late}), rb"^(\+OK|-ERR \[SYS/TEMP\])")

    def test_questions_without_end(self):
        for text in ("A" * 3000000, "\0" * 10, "A" * 60000):
            self.assertRegex(self.visit("AUTH=PLAIN", {"AUTHENTICATE": self.questions(*[text] * 3)}), TEMPORARY)

    def test_a_master_user(self):
        master = accountlist.account("ann", upstream_user="ann.up", auth_user="boss", upstream_secret="s3cret")
        for capability, settings in (("AUTH=PLAIN", {}), ("AUTH=PLAIN LITERAL+", {}), ("AUTH=PLAIN AUTH=LOGIN", {"auth": "plain"})):
            with self.subTest(capability=capability):
                self.assertRegex(self.visit(capability, accounts=[master], settings=settings), FINE)
                self.assertEqual(self.shown(), ["PLAIN " + encode("ann.up\0boss\0s3cret")])
        self.assertRegex(self.visit("AUTH=LOGIN", accounts=[master]), PERMANENT)
        self.assertEqual(self.shown(), [])


@needs_scram
class Scram(MechanismCase):
    def talk(self, server, capability="AUTH=SCRAM-SHA-256 AUTH=PLAIN", **options):
        self.scram = server
        reply = self.visit(capability, {"AUTHENTICATE": server}, **options)
        self.nothing_leaks(encode("secret"), "msg=\"secret")
        for line in self.server.received:
            self.assertNotIn("secret", line)
            self.assertNotIn(encode("\0ann\0secret"), line)
        return reply

    def test_the_truth(self):
        for capability in ("AUTH=SCRAM-SHA-256", "AUTH=SCRAM-SHA-1"):
            self.assertRegex(self.talk(ScramServer(), capability), FINE)
            self.assertTrue(self.scram.seen[0].startswith("n,,n=ann,r="))
        self.assertRegex(self.talk(ScramServer(iterations=200000)), FINE)

    def test_without_sasl_ir(self):
        self.server = None
        global BASE
        base, BASE = BASE, "IMAP4rev1"
        try:
            self.assertRegex(self.talk(ScramServer()), FINE)
        finally:
            BASE = base

    def test_names_and_passwords_beyond_ascii(self):
        self.assertRegex(self.talk(ScramServer("gehéim"), password="gehéim", user="a=n,n"), FINE)
        self.assertTrue(self.scram.seen[0].startswith("n,,n=a=3Dn=2Cn,r="))
        self.assertRegex(self.talk(ScramServer("IX"), password="I\u00adX"), FINE)  # SASLprep

    def test_a_master_user(self):
        master = accountlist.account("ann", upstream_user="ann.up", auth_user="boss", upstream_secret="secret")
        self.assertRegex(self.talk(ScramServer(), accounts=[master]), FINE)
        self.assertTrue(self.scram.seen[0].startswith("n,a=ann.up,n=boss,r="))

    def test_a_wrong_password(self):
        self.assertRegex(self.talk(ScramServer("other")), AUTH)

    def test_a_proof_that_is_refused_in_the_last_message(self):
        for end in ("NO [AUTHENTICATIONFAILED] no", "NO no", "BAD what"):
            self.assertRegex(self.talk(ScramServer(last=lambda _: "e=invalid-proof", then=end)), AUTH)
        self.assertRegex(self.talk(ScramServer(last=lambda _: "e=other-error", then="NO no")), TEMPORARY)
        self.assertRegex(self.talk(ScramServer(last=lambda _: "e=invalid-proof", then="OK in")), TEMPORARY)

    def test_input_92_a_server_that_does_not_prove_itself(self):
        lies = (None, lambda _: "v=" + encode(b"x" * 32), lambda _: "v=", lambda _: "", lambda text: text + "x",
                lambda text: text[:-5], lambda text: text.replace("v=", "w="), lambda text: "v=" + encode(b"x" * 3000),
                lambda text: text + "\0", lambda text: "x=1," + text, lambda _: "v=AAAA")
        for number, last in enumerate(lies):
            with self.subTest(number=number):
                self.assertRegex(self.talk(ScramServer(last=last)), TEMPORARY)
                self.assertEqual(self.server.commands("SELECT"), [])
                self.assertIn("SCRAM: the server sends", self.gate.log())

    def test_a_server_that_accepts_without_asking(self):
        for handler in (lambda talk, tag, rest: talk.ok(tag, "in"),
                        lambda talk, tag, rest: (talk.line("+ "), talk.file.readline(), talk.ok(tag, "in"))[2]):
            self.assertRegex(self.visit("AUTH=SCRAM-SHA-256", {"AUTHENTICATE": handler}), TEMPORARY)
            self.assertEqual(self.server.commands("SELECT"), [])

    def test_input_92_first_messages_that_are_lies(self):
        nonce = lambda text: text.split(",")[0]
        lies = (lambda text: text.replace("Zz9", ""),                            # nothing of the server's
                lambda text: "r=" + "x" * 40 + text[text.index(","):],           # nothing of ours
                lambda text: text[:3] + "x" + text[4:],
                lambda text: text.replace("4096", "1"), lambda text: text.replace("4096", "0"),
                lambda text: text.replace("4096", "2147483648"), lambda text: text.replace("4096", "99999999999999999999"),
                lambda text: text.replace("4096", "-1"), lambda text: text.replace("4096", "04096"),
                lambda text: text.replace("4096", "4096x"), lambda text: text.replace("i=4096", "i="),
                lambda text: text.replace("4096", "1000001"), lambda text: nonce(text),
                lambda text: f"{nonce(text)},s=,i=4096", lambda text: f"{nonce(text)},s=!!!!,i=4096",
                lambda text: "m=must," + text, lambda text: "", lambda text: text + "\0", lambda text: text + "," + "x" * 3000,
                lambda text: "e=other-error")
        for number, first in enumerate(lies):
            with self.subTest(number=number):
                self.assertRegex(self.talk(ScramServer(first=first)), TEMPORARY)
                self.assertEqual(self.scram.seen[1:], self.scram.seen[:1] if number == 16 else [])  # asked all the same

    def test_challenges_that_are_none(self):
        for text in ("!!!", "A", "=", "====", "A===", "AAAA====", "AA=A", "A" * 8000, "A" * 500000, "\t"):
            with self.subTest(text=text[:10]):
                handler = lambda talk, tag, rest, text=text: (talk.line("+ " + text), talk.wait(1), HANG_UP)[2]
                self.assertRegex(self.visit("AUTH=SCRAM-SHA-256", {"AUTHENTICATE": handler}), TEMPORARY)

    def test_no_other_mechanism_after_a_refusal(self):
        self.talk(ScramServer("other"))
        self.assertEqual(len(self.shown()), 1)
        self.talk(ScramServer(last=None))
        self.assertEqual(len(self.shown()), 1)


@needs_scram
class Bound(MechanismCase):
    """SCRAM under TLS."""

    @classmethod
    def setUpClass(cls):
        folder = tempfile.mkdtemp(prefix="popgate-certificates-", dir="/tmp")
        cls.addClassCleanup(shutil.rmtree, folder, ignore_errors=True)
        cls.authority = certificates.Authority(folder)
        cls.certificate = cls.authority.issue("server")

    def talk(self, server, capability, version=None, **settings):
        self.scram = server
        if version is not None:
            settings["tls_minimum"] = "1.3"
        context = ssl.SSLContext.wrap_socket

        def limited(own, *arguments, **options):
            own.maximum_version = version or ssl.TLSVersion.TLSv1_2
            return context(own, *arguments, **options)
        with unittest.mock.patch.object(ssl.SSLContext, "wrap_socket", limited):
            return self.visit(capability, {"AUTHENTICATE": server}, certificate=self.certificate, implicit=True,
                              settings={"security": "tls", "host": "localhost", "ca_file": self.authority.file, **settings})

    def unique(self, talk):
        return talk.socket.get_channel_binding("tls-unique")

    def test_tls_unique(self):
        for kind in ("SCRAM-SHA-256", "SCRAM-SHA-1"):
            both = f"AUTH={kind} AUTH={kind}-PLUS"
            self.assertRegex(self.talk(ScramServer(binding=self.unique), both, auth=kind.lower()), FINE)
            self.assertTrue(self.shown()[0].startswith(f"{kind}-PLUS "))
            self.assertTrue(self.scram.seen[0].startswith("p=tls-unique,,n=ann,"))
            # what somebody in the middle would see
            self.assertRegex(self.talk(ScramServer(binding=lambda talk: b"x" * 12), both, auth=kind.lower()), AUTH)

    def test_tls_exporter(self):
        reply = self.talk(ScramServer(binding=None), "LOGINDISABLED AUTH=SCRAM-SHA-256-PLUS", ssl.TLSVersion.TLSv1_3)
        self.assertRegex(reply, FINE)
        self.assertTrue(self.scram.seen[0].startswith("p=tls-exporter,,n=ann,"))
        self.assertEqual(len(self.scram.bound), 32)
        self.assertNotEqual(self.scram.bound, bytes(32))

    def test_not_bound_where_the_server_is_not(self):
        self.assertRegex(self.talk(ScramServer(), "AUTH=SCRAM-SHA-256", auth="scram-sha-256"), FINE)
        self.assertTrue(self.scram.seen[0].startswith("n,,"))

    def test_under_tls_it_is_not_the_first(self):
        self.assertRegex(self.talk(lambda talk, tag, rest: talk.usual("AUTHENTICATE", tag, rest),
                                   "AUTH=PLAIN AUTH=SCRAM-SHA-256-PLUS"), FINE)
        self.assertTrue(self.shown()[0].startswith("PLAIN "))


class Token(MechanismCase):
    listeners = ({**CLEAR, "mechanisms": ["XOAUTH2", "OAUTHBEARER", "USER"]},)
    ASK = "AUTH OAUTHBEARER " + encode(f"n,a=ann,\1auth=Bearer {TOKEN}\1\1")
    BEARER = "AUTH=OAUTHBEARER AUTH=PLAIN"
    XOAUTH2 = "AUTH=XOAUTH2 AUTH=PLAIN"

    def show(self, capability, on=None, **options):
        reply = self.visit(capability, on, ask=self.ASK, **options)
        self.nothing_leaks(TOKEN, TOKEN[5:], encode(TOKEN))
        return reply

    @staticmethod
    def refuse(json, end, answers):
        def handler(talk, tag, _rest):
            talk.line("+ " + (json if json.startswith("raw:") else encode(json)).removeprefix("raw:"))
            answers.append(talk.file.readline().decode().strip())
            talk.line(f"{tag} {end}")
        return handler

    def test_the_message_that_shows_it(self):
        self.assertRegex(self.show(self.BEARER + " AUTH=XOAUTH2"), FINE)
        self.assertEqual(self.shown(), ["OAUTHBEARER " + encode(
            f"n,a=ann,\1host=127.0.0.1\1port={self.server.port}\1auth=Bearer {TOKEN}\1\1")])
        self.assertRegex(self.show(self.XOAUTH2), FINE)
        self.assertEqual(self.shown(), ["XOAUTH2 " + encode(f"user=ann\1auth=Bearer {TOKEN}\1\1")])

    def test_a_server_that_asks_for_it_first(self):
        def ask(talk, tag, rest):
            talk.line("+ ")
            talk.server.received.append("x " + talk.file.readline().decode().strip())
            talk.ok(tag)
        self.assertRegex(self.show(self.XOAUTH2, {"AUTHENTICATE": ask}), FINE)
        self.assertIn("x " + encode(f"user=ann\1auth=Bearer {TOKEN}\1\1"), self.server.received)

    def test_a_token_is_never_shown_as_a_password(self):
        self.assertRegex(self.show("AUTH=PLAIN AUTH=LOGIN AUTH=SCRAM-SHA-256"), PERMANENT)
        self.assertIn("the server offers no mechanism for an OAuth token", self.gate.log())
        self.assertEqual(self.shown(), [])

    def test_a_refusal_is_explained_and_answered(self):
        for status, end, pattern in (("invalid_token", "NO no", AUTH), ("400", "NO no", AUTH), ("401", "NO [ALERT] no", AUTH),
                                     ("insufficient_scope", "NO no", PERMANENT),
                                     ("insufficient_scope", "NO [AUTHENTICATIONFAILED] no", PERMANENT),
                                     ("invalid_token", "NO [UNAVAILABLE] later", TEMPORARY), ("503", "NO no", TEMPORARY),
                                     ("other", "NO [AUTHENTICATIONFAILED] no", AUTH), ("other", "NO hm", TEMPORARY)):
            for capability, answer in ((self.BEARER, "AQ=="), (self.XOAUTH2, "")):
                with self.subTest(status=status, end=end, capability=capability):
                    answers = []
                    json = '{"schemes":"Bearer", "status" : "%s","scope":"mail"}' % status
                    reply = self.show(capability, {"AUTHENTICATE": self.refuse(json, end, answers)})
                    self.assertRegex(reply, pattern)
                    self.assertEqual(answers, [answer])

    def test_a_refusal_without_words(self):
        self.assertRegex(self.show(self.XOAUTH2, {"AUTHENTICATE": lambda talk, tag, _:
                                                  talk.line(f"{tag} NO AUTHENTICATE failed.")}), AUTH)
        for capability in (self.XOAUTH2, self.BEARER):
            for text in (TOKEN, "{rest}", encode(TOKEN)):
                def repeat(talk, tag, rest, text=text):
                    talk.line(f"{tag} NO invalid: {text.format(rest=rest)}")
                self.assertRegex(self.show(capability, {"AUTHENTICATE": repeat}), AUTH)
                self.assertIn("in words that may repeat the password", self.gate.log())

    def test_input_93_refusals_that_are_lies(self):
        lies = ("", "{", '{"status"', '{"status":', '{"status":"', '{"status":7}', '{"status":"%s"}' % TOKEN, "\0\0", "[" * 3000,
                "raw:!!!!", "raw:" + "A" * 100000, '{"status":"' + "x" * 5000)
        for json in lies:
            with self.subTest(json=json[:20]):
                reply = self.show(self.BEARER, {"AUTHENTICATE": self.refuse(json, "NO [AUTHENTICATIONFAILED] no", [])})
                self.assertRegex(reply, rb"^-ERR \[(AUTH|SYS/TEMP)\]")

    def test_input_93_ok_after_a_refusal_lets_nobody_in(self):
        self.assertRegex(self.show(self.BEARER, {"AUTHENTICATE": self.refuse('{"status":"400"}', "OK in", [])}), TEMPORARY)
        self.assertEqual(self.server.commands("SELECT"), [])

    def test_a_token_of_the_clients_own_is_not_tried_twice(self):
        handler = {"AUTHENTICATE": lambda talk, tag, _: talk.line(f"{tag} NO [AUTHENTICATIONFAILED] no")}
        self.assertRegex(self.show(self.XOAUTH2, handler), AUTH)
        self.assertEqual(len(self.shown()), 1)

    def test_a_long_one_goes_in_a_line_of_its_own(self):
        token = "t" * 7000
        seen = []

        def ask(talk, tag, rest):
            seen.append(rest)
            talk.line("+")
            seen.append(talk.file.readline().decode().strip())
            talk.ok(tag)
        ask_long = "AUTH OAUTHBEARER " + encode(f"n,a=ann,\1auth=Bearer {token}\1\1")
        if len(ask_long) > 12000:
            raise unittest.SkipTest("no client could send it")
        self.assertRegex(self.visit(self.XOAUTH2, {"AUTHENTICATE": ask}, ask=ask_long), FINE)
        self.assertEqual(seen, ["XOAUTH2", encode(f"user=ann\1auth=Bearer {token}\1\1")])

    def test_names_that_need_quoting(self):
        ask = "AUTH XOAUTH2 " + encode(f"user=a,n=n\1auth=Bearer {TOKEN}\1\1")
        self.assertRegex(self.visit(self.BEARER, ask=ask), FINE)
        self.assertIn("n,a=a=2Cn=3Dn,", base64.b64decode(self.shown()[0].split(" ")[1]).decode())


if __name__ == "__main__":
    tap.main()
