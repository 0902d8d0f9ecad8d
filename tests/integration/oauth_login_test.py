"""`popgate oauth`: how a person is led through a login, by device and by browser."""

import array
import contextlib
import fcntl
import os
import pty
import socket
import subprocess
import termios
import threading
import time
import unittest

import tap
from oauthcase import BrowserLogin, OAuthCase
from oauthserver import OAuthServer, always

OK = rb"^\+OK"


def has_ipv6():
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


class Device(OAuthCase):
    def login_fails(self, words):
        self.assertRegex(self.popgate("oauth", "login", "ann", status=1), words)

    def say(self):
        """All that a login says, in order, where it is read by no terminal."""
        return subprocess.run((self.gate.program, "oauth", "login", "ann", "-c", self.gate.config_file), text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False).stdout

    def test_headline_is_there_where_there_is_something_to_do_and_comes_first(self):
        self.provide()
        self.server.on["/device"] = [always(400, {"error": "invalid_scope"})]
        self.assertRegex(self.say(), r"\Apopgate oauth login: .*invalid_scope\n\Z")
        self.server.device_script = ["access_denied"]
        self.assertRegex(self.say(), r"(?s)\ATo let popgate open the mailbox of ann at test:\n.*\npopgate oauth login: [^\n]*\n\Z")
        self.gate.sections["oauth"][0].pop("device_endpoint")
        self.gate.write_config()
        with socket.create_server(("127.0.0.1", 0)) as taken:
            said = self.popgate("oauth", "login", "ann", "--port", str(taken.getsockname()[1]), status=1)
        self.assertNotIn("To let", said)

    def test_waits_as_long_as_it_is_told_to(self):
        """RFC 8628, 3.5."""
        self.provide()
        self.server.device_script = ["authorization_pending", "authorization_pending", "ok"]
        said = self.log_in_by_device()
        self.assertIn("WDJB-MJHT", said)
        self.assertIn("Waiting", said)
        self.assertIn("popgate oauth status ann", said)
        self.assertEqual(len(self.asked("device_code")), 3)
        self.assertIn("good", self.popgate("oauth", "status", "ann"))

    def test_slows_down_when_it_is_asked_to(self):
        self.provide()
        times = []
        self.server.device_script = ["slow_down", "ok"]
        self.server.on["/token"] = lambda form: times.append(os.times().elapsed)
        self.log_in_by_device()
        self.assertEqual(len(times), 2)
        self.assertGreater(times[1] - times[0], 5.5)

    def test_person_who_says_no(self):
        self.provide()
        self.server.device_script = ["authorization_pending", "access_denied"]
        self.login_fails("access_denied")
        self.assertEqual(self.rows(), [])

    def test_code_that_expires(self):
        self.provide()
        self.server.device_script = ["authorization_pending"] * 99
        self.server.device_lifetime = 2
        self.login_fails("expired")

    def test_provider_that_gives_nothing_to_refresh(self):
        self.provide()
        self.server.on["/token"] = lambda form: (200, self.server.new_tokens(refresh=False))
        self.login_fails("cannot be refreshed")
        self.assertEqual(self.rows(), [])

    def test_what_a_provider_sends_is_harmless_on_a_terminal(self):
        self.provide()
        self.server.on["/device"] = always(400, {"error": "invalid_scope", "error_description": "\x1b[2J\u009bspoof"})
        said = self.popgate("oauth", "login", "ann", status=1)
        self.assertIn("invalid_scope", said)
        self.assertNotIn("\x1b", said)
        self.server.on["/device"] = always(200, {"device_code": "x", "user_code": "A", "verification_uri": "javascript:x"})
        self.login_fails("malformed")

    def test_who_and_what_is_told_plainly(self):
        self.provide()
        self.add("plain")
        self.write()
        for words, pattern in ((("login", "nobody"), "no account `nobody`"), (("login", "plain"), "no key `oauth`"),
                               (("login",), "whose"), ((), "login, status or logout"),
                               (("login", "ann", "--device", "--browser"), "exclude")):
            with self.subTest(words=words):
                self.assertRegex(self.popgate("oauth", *words, status=2), pattern)
        self.assertIn("popgate oauth login ann", self.popgate_status_of_none())
        self.assertIn("no token", self.popgate("oauth", "logout", "ann"))

    def popgate_status_of_none(self):
        done = subprocess.run((self.gate.program, "oauth", "status", "-c", self.gate.config_file), text=True,
                              stdout=subprocess.PIPE, check=False)
        self.assertEqual(done.returncode, 1)
        return done.stdout

    def test_picture_is_drawn_on_a_terminal(self):
        self.provide()
        reader, terminal = pty.openpty()
        octets = bytearray()

        def read():
            try:
                while chunk := os.read(reader, 65536):
                    octets.extend(chunk)
            except OSError:
                pass

        thread = threading.Thread(target=read, daemon=True)
        thread.start()
        subprocess.run((self.gate.program, "oauth", "login", "ann", "-c", self.gate.config_file), stdin=terminal,
                       stdout=terminal, check=True)
        os.close(terminal)
        thread.join(10)
        os.close(reader)
        if "▀".encode() not in octets:
            self.skipTest("popgate was built without libqrencode")
        self.assertIn("█".encode(), octets)


class Browser(OAuthCase):
    def begin(self, *words, stdin=subprocess.DEVNULL, provider=None):
        """Starts a login; the address for the browser, taken apart."""
        self.provide(provider=provider)
        self.browser = BrowserLogin(self.gate, *words, stdin=stdin)
        self.addCleanup(self.browser.close)
        self.assertEqual(self.browser.url.path, "/authorize")
        self.visit, self.end = self.browser.visit, self.browser.end
        return self.browser.query

    def test_code_with_proof_key_by_the_loopback(self):
        query = self.begin()
        self.assertEqual({name: query[name] for name in ("response_type", "client_id", "scope", "code_challenge_method",
                                                          "login_hint")},
                         {"response_type": "code", "client_id": "popgate-client", "scope": "mail offline",
                          "code_challenge_method": "S256", "login_hint": "ann"})
        self.assertRegex(query["redirect_uri"], r"^http://127\.0\.0\.1:\d+$")
        self.assertGreaterEqual(len(query["state"]), 43)
        self.assertEqual(self.visit("/?" + self.server.allow(query)), 200)
        self.assertIn("Done", self.end())
        form = self.asked("authorization_code")[0]
        self.assertEqual(form["redirect_uri"], query["redirect_uri"])
        self.gate.start()
        self.assertRegex(self.login("ann"), OK)
        self.gate.stop()

    def test_answers_with_another_state_do_not_count(self):
        query = self.begin()
        for target in ("/", "/favicon.ico", "/?code=stolen", "/?code=stolen&state=x", "/?error=access_denied&state=x",
                       "/elsewhere?" + self.server.allow(query)):
            self.assertEqual(self.visit(target), 404, target)
        self.assertEqual(self.asked("authorization_code"), [])
        self.assertEqual(self.visit("/?" + self.server.allow(query)), 200)
        self.end()

    def test_connections_that_say_nothing_hold_nobody_up(self):
        """As browsers open them in advance, or leave a request unfinished; of very many the oldest make way."""
        query = self.begin()
        with contextlib.ExitStack() as stack:
            for number in range(40):
                idle = stack.enter_context(socket.create_connection(("127.0.0.1", self.browser.port)))
                if number % 2:
                    idle.sendall(b"GET /?")
            self.assertEqual(self.visit("/?" + self.server.allow(query)), 200)  # each alone would be waited for longer
            self.end()

    def test_request_may_come_on_a_connection_opened_in_advance_and_in_pieces(self):
        query = self.begin()
        with socket.create_connection(("127.0.0.1", self.browser.port)) as early:
            self.assertEqual(self.visit("/favicon.ico"), 404)
            for piece in (b"GET /?", self.server.allow(query).encode(), b" HTTP/1.1\r\nHost: x\r"):
                early.sendall(piece)
                self.assertEqual(self.visit("/favicon.ico"), 404)
            early.sendall(b"\n\r\n")
            self.assertTrue(early.recv(100).startswith(b"HTTP/1.1 200"))
        self.end()

    @unittest.skipUnless(has_ipv6(), "needs IPv6")
    def test_localhost_may_be_either_loopback(self):
        """Microsoft wants the name, and a browser takes what it finds for it."""
        for host in ("::1", "127.0.0.1"):
            with self.subTest(host=host):
                query = self.begin(provider={"preset": "microsoft"})
                self.assertEqual(query["redirect_uri"], f"http://localhost:{self.browser.port}")
                self.assertEqual(self.visit("/?" + self.server.allow(query), host), 200)
                self.end()
        self.begin()
        with self.assertRaises(ConnectionRefusedError):
            self.visit("/", "::1")

    @unittest.skipUnless(has_ipv6(), "needs IPv6")
    def test_port_that_another_has_on_one_loopback_is_not_taken(self):
        """The browser could end there, with the code."""
        with socket.create_server(("::1", 0), family=socket.AF_INET6) as other:
            self.provide(provider={"preset": "microsoft"})
            port = other.getsockname()[1]
            done = subprocess.run((self.gate.program, "oauth", "login", "ann", "--browser", "--port", str(port), "-c",
                                   self.gate.config_file), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT, text=True, timeout=60, check=False)
            self.assertEqual(done.returncode, 1)
            self.assertRegex(done.stdout, f"cannot listen on ::1, port {port}")

    def test_answer_of_another_issuer_is_refused(self):
        """RFC 9207."""
        for more, words in (("&iss=https%3A%2F%2Fother.example", "from another provider: https://other.example"),
                            ("", "does not say which provider")):
            with self.subTest(more=more):
                query = self.begin(provider={"issuer": "https://login.example"})
                self.visit("/?" + self.server.allow(query) + more)
                self.assertIn(words, self.end(1))
                self.assertEqual((self.asked("authorization_code"), self.rows()), ([], []))
        query = self.begin(provider={"issuer": "https://login.example"})
        self.visit("/?" + self.server.allow(query) + "&iss=https%3A%2F%2Flogin.example")
        self.assertIn("Done", self.end())

    def test_issuer_of_a_preset_is_known(self):
        """But need not be told."""
        for more, status in (("&iss=https%3A%2F%2Fother.example", 1), ("&iss=https%3A%2F%2Faccounts.google.com", 0), ("", 0)):
            with self.subTest(more=more):
                query = self.begin(provider={"preset": "google"})
                self.visit("/?" + self.server.allow(query) + more)
                self.end(status)

    def test_address_can_be_pasted(self):
        query = self.begin(stdin=subprocess.PIPE)
        self.browser.process.stdin.write("what?\n" + query["redirect_uri"] + "/?" + self.server.allow(query) + "\n")
        self.browser.process.stdin.close()
        self.assertIn("Done", self.end())
        self.assertIn("not the address", self.browser.said)

    def address(self, query, more=""):
        """Where the browser ends; the code is the last in it."""
        code, state = self.server.allow(query).split("&")
        return f"{query['redirect_uri']}/?{state}&{code}{more}"

    def type(self, text):
        """Pastes that, and waits until it was read."""
        pipe = self.browser.process.stdin
        pipe.write(text)
        pipe.flush()
        unread = array.array("i", [1])
        while unread[0] and self.browser.process.poll() is None:
            time.sleep(0.01)
            fcntl.ioctl(pipe.fileno(), termios.FIONREAD, unread)

    def test_address_may_come_in_pieces(self):
        """As over a slow line; the end of the input ends it too."""
        for end in ("\n", ""):
            with self.subTest(end=end):
                query = self.begin(stdin=subprocess.PIPE)
                address = self.address(query)
                for piece in ("wh", "at?\n" + address[:9], address[9:-4]):
                    self.type(piece)
                self.browser.process.stdin.write(address[-4:] + end)
                self.browser.process.stdin.close()
                self.assertIn("Done", self.end())
                self.assertEqual(len(self.asked("authorization_code")), 1)
                self.assertEqual(self.browser.said.count("not the address"), 1)

    def test_address_that_is_too_long_is_not_taken_for_its_beginning(self):
        query = self.begin(stdin=subprocess.PIPE)
        self.type(self.address(query, "x" * 100 + "&more=" + "x" * 20000) + "\n")
        self.type(self.address(query) + "\n")
        self.assertIn("Done", self.end())
        self.assertIn("too long for this program", self.browser.said)
        self.assertEqual(len(self.asked("authorization_code")), 1)

    def test_address_that_a_terminal_cuts_is_not_taken(self):
        keyboard, terminal = pty.openpty()
        self.addCleanup(os.close, keyboard)
        query = self.begin(stdin=terminal)
        os.close(terminal)
        os.write(keyboard, (self.address(query, "x" * 4000) + "\n" + self.address(query) + "\n").encode())
        self.assertIn("Done", self.end())
        self.assertIn("too long for a terminal", self.browser.said)
        self.assertEqual(len(self.asked("authorization_code")), 1)

    def test_person_who_says_no_in_the_browser(self):
        query = self.begin()
        self.assertEqual(self.visit(f"/?error=access_denied&state={query['state']}"), 200)
        self.assertIn("denied in the browser", self.end(1))
        self.assertEqual(self.rows(), [])

    def test_port_can_be_chosen(self):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        query = self.begin("--port", str(port))
        self.assertEqual(query["redirect_uri"], f"http://127.0.0.1:{port}")
        self.assertIn(f"ssh -L {port}:127.0.0.1:{port}", self.browser.said)
        self.visit("/?" + self.server.allow(query))
        self.end()

    def test_endpoint_in_clear_must_be_allowed_and_on_the_loopback(self):
        server = OAuthServer(tls=False)
        self.provide(server=server)
        self.assertIn("must begin with https://", self.popgate("check", status=3))
        self.gate.sections["oauth"][0]["insecure_loopback"] = True
        self.gate.write_config()
        self.popgate("check")
        self.log_in()
        self.gate.sections["oauth"][0]["token_endpoint"] = "http://provider.example/token"
        self.gate.write_config()
        self.assertIn("127.0.0.1", self.popgate("check", status=3))


if __name__ == "__main__":
    tap.main()
