"""What clients send as a credential, and what of it reaches the server: nothing where it is malformed, and every
octet as it came where it is not."""

import base64
import os
import re
import shlex
import unittest

import tap
from gateway import Gateway, imap_backend
from imapscript import CAPABILITY, Server
from pop3client import Client

MAIL = {101: b"Subject: first\r\n\r\nbody of the first\r\n"}
QUOTED = "IMAP4rev1 SASL-IR UIDPLUS ID"
MALFORMED = rb"^-ERR malformed credential$"
NO_BASE64 = rb"^-ERR the response is not base64$"


def code(octets):
    return base64.b64encode(octets).decode()


def at_once(client, *octets):
    return client.command("AUTH PLAIN " + code(octets[0]))


def later(client, *octets):
    client.command("AUTH PLAIN")
    return client.command(code(octets[0]))


def by_login(client, name, password=b"secret"):
    client.command("AUTH LOGIN")
    reply = client.command(code(name))
    return client.command(code(password)) if reply.startswith(b"+") else reply


class CredentialsCase(unittest.TestCase):
    """Before one scripted server."""

    def serve(self, capability=CAPABILITY, **options):
        self.server = Server(MAIL, capability=capability)
        self.addCleanup(self.server.close)
        self.gate = Gateway([imap_backend(port=self.server.port)], **options)
        self.addCleanup(self.gate.stop)
        self.gate.start()

    def client(self):
        client = Client(self.gate.port)
        self.addCleanup(client.close)
        return client

    def nothing_went_upstream(self):
        self.assertEqual((self.server.connections, self.server.received), (0, []))

    def goes_upstream(self, client):
        """The connection is still good for a good credential."""
        self.assertRegex(client.login("ann", "secret"), rb"^\+OK")
        self.assertRegex(client.command("QUIT"), rb"^\+OK")


class Malformed(CredentialsCase):
    def refused(self, way, pattern, *octets):
        with self.subTest(way=way.__name__, octets=octets):
            client = self.client()
            self.assertRegex(way(client, *octets), pattern)
            self.assertRegex(client.command("CAPA"), rb"^\+OK")
            client.close()
            self.nothing_went_upstream()

    def test_input_14_name_that_is_not_utf8(self):
        self.serve()
        for name in (b"a\xff", b"\xc3", b"a\xc0\xafb", b"\xed\xa0\x80", b"\xf4\x90\x80\x80"):
            client = self.client()
            client.send(b"USER " + name + b"\r\n")
            self.assertEqual(client.line(), b"-ERR the name is not UTF-8")
            self.assertEqual(client.command("PASS secret"), b"-ERR USER comes first")
            self.refused(at_once, MALFORMED, b"\0" + name + b"\0secret")
            self.refused(later, MALFORMED, b"\0" + name + b"\0secret")
            self.refused(by_login, MALFORMED, name)
        self.nothing_went_upstream()
        self.goes_upstream(self.client())

    def test_input_15_response_with_cr_lf_or_nul_inside(self):
        self.serve()
        for bad in (b"\r", b"\n", b"\r\n", b"\0", b"\r\na2 LOGOUT\r\n"):
            for place in (b"\0a%sb\0secret", b"\0ann\0sec%sret", b"\0ann\0secret%s", b"\0ann\0%ssecret"):
                self.refused(at_once, MALFORMED, place % bad)
                self.refused(later, MALFORMED, place % bad)
            self.refused(at_once, rb"^-ERR (malformed|\[AUTH\])", b"ann" + bad + b"\0ann\0secret")
            self.refused(by_login, MALFORMED, b"a" + bad + b"b")
            self.refused(by_login, MALFORMED, b"ann", b"sec" + bad + b"ret")
            self.refused(by_login, MALFORMED, b"ann", b"secret" + bad)
        self.nothing_went_upstream()
        self.goes_upstream(self.client())

    def test_input_15_pass_with_cr_or_nul_inside(self):
        self.serve()
        for bad, reply in ((b"\r", rb"^-ERR malformed"), (b"\0", rb"^-ERR NUL")):
            client = self.client()
            client.command("USER ann")
            client.send(b"PASS sec" + bad + b"ret\r\n")
            self.assertRegex(client.line(), reply)
        self.nothing_went_upstream()

    def test_input_16_malformed_sasl(self):
        """Too few fields, bad base64, `*`, a megabyte: -ERR, and whoever is there beside notices nothing."""
        self.serve()
        other = self.client()
        self.assertRegex(other.login("other", "secret"), rb"^\+OK")
        self.server.connections, self.server.received[:] = 0, []
        for octets in (b"ann", b"\0ann", b"ann\0secret", b"\0\0secret", b"\0", b"\0\0"):
            self.refused(at_once, MALFORMED, octets)
            self.refused(later, MALFORMED, octets)
        good = code(b"\0ann\0secret")
        for text in (good[:-1], good[:-2], good + "=", good + "!", "!" + good, good[:5] + " " + good[5:], "====", "A",
                     "=GFu", good[:-2] + "+=", good[:4] + "-_" + good[6:]):
            self.refused(self.raw_at_once, NO_BASE64, text)
            self.refused(self.raw_later, NO_BASE64, text)
        self.refused(self.raw_later, rb"^-ERR authentication cancelled$", "*")
        self.refused(self.raw_at_once, NO_BASE64, "*")
        for way in (self.raw_at_once, self.raw_later):
            self.refused(way, rb"^-ERR line too long$", "A" * (1 << 20))
            self.assertRegex(other.command("NOOP"), rb"^\+OK")
        self.assertEqual(other.multiline("RETR 1"), MAIL[101])
        self.goes_upstream(self.client())

    @staticmethod
    def raw_at_once(client, text):
        return client.command("AUTH PLAIN " + text)

    @staticmethod
    def raw_later(client, text):
        client.command("AUTH PLAIN")
        return client.command(text)

    def test_input_17_authorization_identity_of_another(self):
        self.serve()
        for identity in (b"bob", b"Ann", b"ANN", b"an", b"annn", b"ann ", b"*", b"\xff"):
            self.refused(at_once, rb"^-ERR \[AUTH\]", identity + b"\0ann\0secret")
            self.refused(later, rb"^-ERR \[AUTH\]", identity + b"\0ann\0secret")
        self.assertRegex(at_once(self.client(), b"ann\0ann\0secret"), rb"^\+OK")
        self.assertEqual(self.server.connections, 1)

    def test_input_18_empty_password(self):
        self.serve()
        client = self.client()
        for line in ("PASS", "PASS "):
            client.command("USER ann")
            self.assertRegex(client.command(line), rb"^-ERR malformed")
        self.refused(at_once, MALFORMED, b"\0ann\0")
        self.refused(later, MALFORMED, b"ann\0ann\0")
        self.refused(by_login, MALFORMED, b"ann", b"")
        self.nothing_went_upstream()
        self.goes_upstream(client)


class Literal(CredentialsCase):
    """What the server gets is what the client sent, in each form that a credential goes upstream in."""

    NAMES = ("%n", "%u@%d%%", "../../../etc/passwd", 'a"b', "back\\slash", '"', "\\", "{9}", "{9+}", "a {3}", "(a)", "*",
             "ann NOOP", "$(id)", "'; --", "~ann", "ann@", "@", "NIL", "%s%n%x", "-", ".lock", "j\u00f6rg", "\u2028x")
    FORMS = {"quoted": QUOTED, "plain": f"{QUOTED} AUTH=PLAIN", "plain_later": "IMAP4rev1 UIDPLUS AUTH=PLAIN",
             "one_flight": f"{QUOTED} LITERAL+"}

    def given(self):
        """Name and password of the last login, as the server understands them."""
        at, line = [(at, line) for at, line in enumerate(self.server.received)
                    if re.search(r" (LOGIN|AUTHENTICATE) ", line)][-1]
        command = line.partition(" ")[2]
        if command.startswith("AUTHENTICATE PLAIN"):
            text = command.partition("PLAIN")[2].strip() or self.server.received[at + 1]
            identity, name, password = base64.b64decode(text).split(b"\0")
            self.assertEqual(identity, b"")
            return name, password
        octets = command.encode("utf-8", "surrogateescape")
        literal = re.fullmatch(rb"LOGIN \{(\d+)\}\r\n(.*) \{(\d+)\}\r\n(.*)", octets, re.S)
        if literal:
            self.assertEqual((int(literal[1]), int(literal[3])), (len(literal[2]), len(literal[4])))
            return literal[2], literal[4]
        words = re.fullmatch(rb'LOGIN "((?:[^"\\]|\\["\\])*)" "((?:[^"\\]|\\["\\])*)"', octets)
        self.assertIsNotNone(words, octets)
        return tuple(re.sub(rb"\\(.)", rb"\1", word) for word in words.groups())

    def one(self, name, password):
        client = self.client()
        client.command(f"USER {name}")
        client.send(b"PASS " + password + b"\r\n")
        self.assertRegex(client.line(), rb"^\+OK")
        self.assertEqual(self.given(), (name.encode(), password))
        self.assertRegex(client.command("QUIT"), rb"^\+OK")
        client.close()
        # its farewell must not come between the lines of the next
        self.gate.wait_until(self.server.is_idle, "the session to leave the server")

    def test_input_19_every_octet_of_a_password_counts(self):
        passwords = (b" ", b"   ", b" a", b"a ", b"a  b ", b" %n \"x\\ {3} ", b"\ta\t", b"\\", b'"', b"\x01\x1f\x7f",
                     b"caf\xe9", "\u00e9\u20ac ".encode(), b"*", b"=", bytes(range(14, 256)).replace(b"\x7f", b"")[:200])
        for form, capability in self.FORMS.items():
            with self.subTest(form):
                self.serve(capability)
                for password in passwords:
                    self.one("ann", password)
                self.gate.stop()

    def test_input_20_names_are_taken_literally_upstream(self):
        for form, capability in self.FORMS.items():
            with self.subTest(form):
                self.serve(capability)
                for name in self.NAMES:
                    self.one(name, b"secret")
                self.gate.stop()

    def test_input_20_names_are_taken_literally_by_routes_locks_and_log(self):
        self.serve(routes=[{"users": "*@example.org", "backend": "main", "upstream_user": "%n=%d=%u"},
                           {"users": "*", "backend": "main"}])
        for name in self.NAMES:
            for user, upstream in ((f"{name}@example.org", f"{name}=example.org={name}@example.org"), (name, name)):
                client = self.client()
                if "@" in name and user != name:
                    upstream = f"{name}=example.org={user}"  # the last @ parts them
                self.assertRegex(client.login(user, "secret"), rb"^\+OK", user)
                self.assertEqual(self.given()[0], upstream.encode())
                if user == "../../../etc/passwd":
                    self.in_use(user)
                client.command("QUIT")
                client.close()
                self.logged(user)
        self.assertEqual([name for name in os.listdir(self.gate.path("run")) if not re.fullmatch(r"\d\d\.lock|popgate\.pid", name)], [])

    def in_use(self, user):
        """The lock is this very name's."""
        self.assertRegex(self.client().login(user, "secret"), rb"^-ERR \[IN-USE\]")
        self.assertRegex(self.client().login(user + "x", "secret"), rb"^\+OK")

    def logged(self, user):
        """One line for the session, with the name in it, escaped."""
        harmless = "".join(chr(octet) if 0x20 <= octet < 0x7f and octet not in b'"\\' else f"_x{octet:02x}"
                           for octet in user.encode())
        wanted = ("session_end", harmless)
        self.gate.wait_until(lambda: wanted in self.events(), f"a line about {user}")

    def events(self):
        found = []
        for line in self.gate.log().splitlines():
            self.assertRegex(line, r"^time=[\x20-\x7e]+$")
            words = dict(word.partition("=")[::2] for word in shlex.split(line.replace("\\x", "_x").replace("'", "\\'")))
            found.append((words.get("event"), words.get("user", "").replace("\\'", "'")))
        return found


class Logged(CredentialsCase):
    def test_input_23_name_with_controls_is_one_escaped_line(self):
        self.serve()
        for name in (b"ann\x1b[2J", b"ann\r\nlevel=warn event=forged", b"\x9b31m", b"a\nb", b"\x07", b"a\x7fb"):
            before = len(self.gate.log().splitlines())
            self.assertRegex(at_once(self.client(), b"\0" + name + b"\0secret"), MALFORMED)
            line = self.gate.wait_for_log(r"(?s).*event=login_failed [^\n]*").group(0).splitlines()[-1]
            self.assertEqual(len(self.gate.log().splitlines()), before + 1)
            self.assertRegex(line, r"^[\x20-\x7e]+$")
            escaped = "".join(chr(octet) if 0x20 <= octet < 0x7f else f"\\x{octet:02x}" for octet in name)
            self.assertIn(escaped, line)
            self.assertNotRegex(line, r"^(?!time=)")
        client = self.client()
        client.send(b"USER ann\x1b[31m\r\n")
        client.line()
        self.assertRegex(client.command("PASS secret"), MALFORMED)
        self.gate.wait_for_log(r'user=ann_x1b\[31m |user="ann\\x1b\[31m"')
        self.nothing_went_upstream()


class OneLock(unittest.TestCase):
    def test_input_75_another_upstream_is_another_maildrop_another_case_is_not(self):
        servers = [Server(MAIL), Server({7: b"Subject: elsewhere\r\n\r\nelsewhere\r\n"})]
        for server in servers:
            self.addCleanup(server.close)
        gate = Gateway([imap_backend(port=server.port, name=f"server{n}") for n, server in enumerate(servers)],
                       routes=[{"users": "*@a.example", "backend": "server0", "upstream_user": "%n"},
                               {"users": "*", "backend": "server1", "upstream_user": "%n"}])
        self.addCleanup(gate.stop)
        gate.start()
        clients = [self.log_in(gate, "ann@a.example"), self.log_in(gate, "ann")]
        self.assertEqual(clients[0].multiline("RETR 1"), MAIL[101])
        self.assertIn(b"elsewhere", clients[1].multiline("RETR 1"))
        for name in ("Ann@a.example", "aNN"):
            with Client(gate.port) as client:
                self.assertRegex(client.login(name, "secret"), rb"^-ERR \[IN-USE\]")
        clients[0].command("DELE 1")
        self.assertRegex(clients[0].command("QUIT"), rb"^\+OK")
        self.assertEqual((len(servers[0].messages), len(servers[1].messages)), (0, 1))
        self.assertIn(b"elsewhere", clients[1].multiline("RETR 1"))
        again = self.log_in(gate, "ANN@a.example")
        self.assertEqual(again.command("STAT"), b"+OK 0 0")
        # what the server is told is what the client wrote
        self.assertTrue(any(b"\0ANN\0" in base64.b64decode(line.split(" ")[2]) for line in
                            servers[0].commands("AUTHENTICATE")))

    def log_in(self, gate, name):
        client = Client(gate.port)
        self.addCleanup(client.close)
        self.assertRegex(client.login(name, "secret"), rb"^\+OK")
        return client


if __name__ == "__main__":
    tap.main()
