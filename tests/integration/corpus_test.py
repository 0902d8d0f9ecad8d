"""Awkward messages arrive octet for octet as the IMAP server holds them, line ends made CRLF."""

import hashlib
import re
import time
import unittest

import dovecot
import tap
from dovecot import PASSWORD, Dovecot
from gateway import Gateway, imap_backend
from pop3client import Client
from proxy import Proxy

HEADER = b"From: a@example.org\r\nTo: b@example.org\r\nSubject: %s\r\n\r\n"


def _nested(depth):
    text = b"Content-Type: text/plain\r\n\r\nthe innermost\r\n"
    for level in range(depth):
        mark = b"mark%d" % level
        text = (b"Content-Type: multipart/mixed; boundary=" + mark + b"\r\n\r\n--" + mark + b"\r\n" + text +
                b"\r\n--" + mark + b"--\r\n")
    return b"Subject: nested\r\nMIME-Version: 1.0\r\n" + text


SIGNED = (b"Subject: signed\r\nMIME-Version: 1.0\r\nContent-Type: multipart/signed; micalg=pgp-sha256;\r\n"
          b"\tprotocol=\"application/pgp-signature\"; boundary=\"sig\"\r\n\r\nThis is signed.\r\n--sig\r\n"
          b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
          b"trailing blanks   \r\n\ttabs\t\r\n- -- dash\r\n.\r\n\r\n\r\n--sig\r\n"
          b"Content-Type: application/pgp-signature\r\n\r\n-----BEGIN PGP SIGNATURE-----\r\n\r\nAAAA=\r\n=AAAA\r\n"
          b"-----END PGP SIGNATURE-----\r\n\r\n--sig--\r\n")

CORPUS = {
    "leading dots": HEADER % b"dots" + b".one\r\n..two\r\n...three\r\nno dot\r\n.\r\n..\r\n",
    "only a dot": HEADER % b"a dot" + b".\r\n",
    "dots at the seams of blocks": HEADER % b"seams" + (b"." * 4093 + b"\r\n") * 60,
    "no line end at the end": HEADER % b"no end" + b"the last line is open",
    "dot and no line end at the end": HEADER % b"open dot" + b"text\r\n.",
    "empty body": HEADER % b"empty",
    "header without empty line": b"From: a@example.org\r\nSubject: only a header\r\n",
    "one header line, open": b"Subject: open",
    "body of empty lines": HEADER % b"blank" + b"\r\n" * 50,
    "line of 100 kB": HEADER % b"long" + b"x" * 100_000 + b"\r\nend\r\n",
    "header line of 60 kB": b"Subject: long header\r\nX-Long: " + b"y" * 60_000 + b"\r\n\r\nbody\r\n",
    "8 bit": HEADER % b"8 bit" + bytes(range(128, 256)) + "\r\nÄÖÜ ß € 日本\r\n".encode() + b"\xff\xfe\r\n",
    "control characters": HEADER % b"controls" + bytes(c for c in range(1, 32) if c not in (10, 13)) + b"\x7f\r\n",
    "looks like protocol": HEADER % b"protocol" + b"* 1 FETCH (UID 1 BODY[] {3}\r\nabc)\r\nA1 OK done\r\n-ERR\r\n"
                           b"+OK\r\n",
    "deep MIME": _nested(60),
    "signed": SIGNED,
    "CR in the middle of lines": HEADER % b"CR" + b"a\rb\r\rc\r\n\r.\r\n",
    "CR CR LF": HEADER % b"CR CR LF" + b"a\r\r\n\r\r\nb\r\n",
    "CR at the end": HEADER % b"CR at the end" + b"last\r",
    "odd header": b"Subject: odd\r\n : no name\r\nNo colon\r\n\tfolded\r\n\r\nbody\r\n",
}


def canonical(message):
    """As POP3 carries it: each LF is a CRLF, the last line closed, a lone CR itself."""
    message = re.sub(rb"(?<!\r)\n", b"\r\n", message)
    if message.endswith(b"\r"):
        return message + b"\n"
    return message if message.endswith(b"\r\n") else message + b"\r\n"


def digest(octets):
    return hashlib.sha256(octets).hexdigest()


def top_of(message, count):
    """Header, empty line and count lines of the body."""
    header, empty, body = message.partition(b"\r\n\r\n")
    if not empty:
        return message
    lines = body.split(b"\r\n")[:-1]
    return header + empty + b"".join(line + b"\r\n" for line in lines[:count])


def setUpModule():
    if not dovecot.available():
        raise unittest.SkipTest("there is no Dovecot on this machine")


class Corpus(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Dovecot(store="maildir")
        cls.addClassCleanup(cls.server.stop)
        cls.server.start()
        cls.server.append("reader", CORPUS.values())
        cls.held = list(cls.server.messages("reader").values())
        cls.gate = Gateway([imap_backend(cls.server)])
        cls.addClassCleanup(cls.gate.stop)
        cls.gate.start()

    def client(self, user="reader"):
        client = Client(self.gate.port)
        self.addCleanup(client.close)
        self.addCleanup(lambda: client.command("QUIT"))
        self.assertRegex(client.login(user, PASSWORD), rb"^\+OK")
        return client

    def each(self):
        for number, (name, (size, body)) in enumerate(zip(CORPUS, self.held), 1):
            with self.subTest(message=name):
                yield number, size, body

    def test_each_message_arrives_as_the_server_holds_it(self):
        client = self.client()
        for number, _, body in self.each():
            self.assertEqual(digest(client.multiline(f"RETR {number}")), digest(canonical(body)))

    def test_each_message_arrives_the_same_in_any_order(self):
        client = self.client()
        for number, _, body in reversed(list(self.each())):
            self.assertEqual(digest(client.multiline(f"RETR {number}")), digest(canonical(body)))

    def test_sizes_are_those_of_the_server_and_do_not_change(self):
        client = self.client()
        before = client.multiline("LIST")
        self.assertEqual([int(line.split()[1]) for line in before.splitlines()], [size for size, _ in self.held])
        self.assertRegex(client.command("STAT"), rb"^\+OK %d %d" % (len(self.held), sum(s for s, _ in self.held)))
        for number in range(1, len(self.held) + 1):
            client.multiline(f"RETR {number}")
            client.multiline(f"TOP {number} 3")
        self.assertEqual(client.multiline("LIST"), before)

    def test_top_is_the_header_and_so_many_lines(self):
        client = self.client()
        for number, _, body in self.each():
            for count in (0, 1, 5):
                self.assertEqual(client.multiline(f"TOP {number} {count}"), top_of(canonical(body), count), count)

    def test_top_of_more_lines_than_there_are_is_the_whole(self):
        client = self.client()
        for number, _, body in self.each():
            self.assertEqual(digest(client.multiline(f"TOP {number} 1000000")), digest(canonical(body)))

    def test_files_in_which_only_lf_ends_lines_arrive_with_crlf(self):
        files = [b"Subject: LF\n\n.dot\n\nend\n", b"Subject: mixed\r\n\nlf\ncrlf\r\n.\nlast",
                 b"Subject: NUL\n\nbefore\0after\n"]
        self.server.place("files", files)
        held = list(self.server.bodies("files").values())
        client = self.client("files")
        self.assertEqual(len(held), len(files))
        for number, body in enumerate(held, 1):
            with self.subTest(number=number):
                self.assertEqual(client.multiline(f"RETR {number}"), canonical(body))

    def test_attachment_of_30_mb(self):
        line = b"QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVowMTIzNDU2Nzg5QUJDREVGR0hJSktMTU5PUFFSU1RV\r\n"
        big = HEADER % b"big" + line * (30_000_000 // len(line))
        self.server.append("big", [HEADER % b"small", big, HEADER % b"small"])
        client = self.client("big")
        self.assertEqual(digest(client.multiline("RETR 2")), digest(big))
        self.assertEqual(client.multiline("RETR 3"), HEADER % b"small")


class Thrift(unittest.TestCase):
    """What goes over the line to the IMAP server."""

    @classmethod
    def setUpClass(cls):
        cls.server = Dovecot()
        cls.addClassCleanup(cls.server.stop)
        cls.server.start()
        cls.proxy = Proxy(cls.server.imap_port)
        cls.addClassCleanup(cls.proxy.close)
        cls.gate = Gateway([imap_backend(cls.server, port=cls.proxy.port)])
        cls.addClassCleanup(cls.gate.stop)
        cls.gate.start()

    def open(self, user, messages):
        self.server.append(user, messages)
        client = Client(self.gate.port)
        self.addCleanup(client.close)
        self.assertRegex(client.login(user, PASSWORD), rb"^\+OK")
        return client

    def test_top_never_fetches_the_whole_message(self):
        body = b"0123456789" * 7 + b"\r\n"
        client = self.open("top", [HEADER % b"%d" % i + body * 60_000 for i in range(3)])
        for number, count in ((1, 0), (2, 5), (3, 0), (1, 0), (2, 100)):
            with self.subTest(number=number, count=count):
                before = self.proxy.received
                self.assertEqual(client.multiline(f"TOP {number} {count}"),
                                 HEADER % b"%d" % (number - 1) + body * count)
                self.assertLess(self.proxy.received - before, 300_000)

    def test_listing_reads_no_bodies(self):
        body = b"0123456789" * 7 + b"\r\n"
        before = self.proxy.received
        client = self.open("listing", [HEADER % b"%d" % i + body * 10_000 for i in range(5)])
        client.multiline("LIST")
        client.multiline("UIDL")
        client.command("QUIT")
        self.assertLess(self.proxy.received - before, 20_000)

    def test_reader_that_pauses_does_not_make_the_gateway_hoard(self):
        line = b"0123456789" * 7 + b"\r\n"
        big = HEADER % b"big" + line * 400_000
        client = self.open("pause", [big])
        before = self.proxy.received
        client.send(b"RETR 1\r\n")
        client.line()
        time.sleep(1)
        taken = self.proxy.received - before
        # Sockets' buffers hold some megabytes; the rest stays where it is.
        self.assertLess(taken, 16_000_000)
        self.assertEqual(digest(client.lines()), digest(big))

    def test_password_is_asked_for_once_in_a_session(self):
        before = len(self.proxy.sent)
        client = self.open("once", [HEADER % b"1"])
        client.multiline("RETR 1")
        client.command("QUIT")
        said = bytes(self.proxy.sent[before:])
        self.assertEqual(said.count(b"AUTHENTICATE") + said.count(b"LOGIN"), 1)


if __name__ == "__main__":
    tap.main()
