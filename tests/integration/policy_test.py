"""What users may whose password is right: LOGIN-DELAY, sessions at a time, octets a day."""

import base64
import hashlib
import hmac
import os
import signal
import time

import tap
import upstreamcase
from gateway import CLEAR, example_backend, imap_backend
from imapscript import Server
from pop3client import Client

FINE = rb"^\+OK"
TOO_SOON = rb"^-ERR \[LOGIN-DELAY\] "
IN_USE = rb"^-ERR \[IN-USE\] "
QUOTA = rb"^-ERR \[SYS/TEMP\] the quota of this day "
WRONG = rb"^-ERR \[AUTH\] "
OTHER = "127.0.0.2"  # an address that has never logged in


class _Case(upstreamcase.UpstreamCase):
    def begin(self, *accounts, route=None, **sections):
        """accounts: (user, settings); they open the example's mailbox by a secret of their own."""
        self.prepare([example_backend()], routes=[{"users": "*", "backend": "example", **(route or {})}], **sections)
        for user, settings in accounts:
            self.add(user, **{"upstream_secret": "password", **settings})
        if accounts:
            return self.start()
        return self.gate.start()

    def login(self, user, password="password", expected=FINE, source=None):
        """A session that goes on; None where the login is refused."""
        client = Client(self.gate.port, source=source, timeout=60)
        self.addCleanup(client.close)
        self.assertRegex(client.login(user, password), expected)
        return client

    def visit(self, user, password="password"):
        client = self.login(user, password)
        self.assertRegex(client.command("QUIT"), FINE)

    def capa(self, client):
        return [line for line in client.multiline("CAPA").decode().split("\r\n") if line.startswith("LOGIN-DELAY")]

    def reload(self, times=1):
        self.gate.signal(signal.SIGHUP)
        self.gate.wait_until(lambda: self.gate.log().count("configuration reloaded") == times, "the reload")


class Delay(_Case):
    def test_of_an_account(self):
        self.begin(("ann", {"login_delay": 2}), ("bob", {}))
        self.visit("ann", "local")
        began = time.monotonic()
        self.login("ann", "local", TOO_SOON)
        self.visit("bob", "local")
        self.visit("bob", "local")
        time.sleep(max(0.0, began + 2.1 - time.monotonic()))
        self.visit("ann", "local")
        line = self.gate.wait_for_log(".*event=login_failed.*").group()
        self.assertIn(" level=info ", line)
        self.assertRegex(line, r" user=ann .*status=login_delay\b")

    def test_the_password_is_proved_first(self):
        self.begin(("ann", {"login_delay": 100}), route={"login_delay": 100})
        self.visit("ann", "local")
        self.login("ann", "guess", WRONG)
        self.visit("eve")
        self.login("eve", "guess", WRONG)
        self.login("eve", "guess", WRONG, source=OTHER)
        self.login("eve", "password", TOO_SOON)
        self.login("eve", "password", TOO_SOON, source=OTHER)

    def test_whatever_the_password_is_proved_by(self):
        """By a digest as by a password; the refusal comes where the exchange ends."""
        self.begin(("ann", {"login_delay": 100}))
        for secret, expected in (("local", FINE), ("local", TOO_SOON), ("guess", WRONG)):
            client = Client(self.gate.port)
            self.addCleanup(client.close)
            stamp = client.greeting[client.greeting.index(b"<"):client.greeting.index(b">") + 1]
            digest = hashlib.md5(stamp + secret.encode()).hexdigest()
            self.assertRegex(client.command(f"APOP ann {digest}"), expected)
            if expected is FINE:
                client.command("QUIT")
            client = Client(self.gate.port)
            self.addCleanup(client.close)
            challenge = base64.b64decode(client.command("AUTH CRAM-MD5")[2:])
            digest = hmac.new(secret.encode(), challenge, "md5").hexdigest()
            expected = TOO_SOON if secret == "local" else WRONG
            self.assertRegex(client.command(base64.b64encode(f"ann {digest}".encode()).decode()), expected)
            self.assertRegex(client.command("NOOP"), rb"^-ERR")

    def test_a_refused_login_begins_no_new_delay(self):
        self.begin(route={"login_delay": 2})
        began = time.monotonic()
        self.visit("eve")
        while time.monotonic() < began + 1.8:
            self.login("eve", "password", TOO_SOON)
            time.sleep(0.2)
        time.sleep(0.5)
        self.visit("eve")

    def test_it_is_no_wrong_password(self):
        """No penalty for it, and the next login need not wait."""
        self.begin(("ann", {"login_delay": 100}), limits={"login_penalty": 15})
        self.visit("ann", "local")
        began = time.monotonic()
        for _ in range(12):
            self.login("ann", "local", TOO_SOON)
        self.assertLess(time.monotonic() - began, 2)
        self.assertNotIn(" status=auth ", self.gate.log())

    def test_a_user_is_one_whatever_his_name_is_spelled_like(self):
        self.begin(("ann", {"login_delay": 100}), route={"login_delay": 100})
        self.visit("ann", "local")
        self.login("ANN", "local", TOO_SOON)
        self.visit("eve")
        self.login("EVE", "password", TOO_SOON)

    def test_a_reload_and_the_death_of_the_broker_forget_nothing(self):
        self.begin(route={"login_delay": 100})
        self.visit("eve")
        self.reload()
        self.login("eve", "password", TOO_SOON)
        self.gate.wait_until(lambda: len(self.gate.pids("broker")) == 1, "the old broker to end")
        self.gate.expect_warning("event=process_died")
        self.gate.kill_process("broker")
        self.gate.wait_until(lambda: self.gate.pids("broker"), "another broker")
        self.gate.wait_until(lambda: Client(self.gate.port).login("eve", "password").startswith(b"-ERR [LOGIN-DELAY]"),
                             "a refusal by the new broker")
        self.gate.allow_warning("event=login_failed .*status=temp")

    def test_the_session_that_was_opened_in_vain_lets_go(self):
        self.begin(route={"login_delay": 1})
        self.visit("eve")
        self.login("eve", "password", TOO_SOON)
        self.gate.wait_until(lambda: not self.gate.pids("session"), "the session to end")
        time.sleep(1)
        self.visit("eve")


class Kept(_Case):
    """A drop that is kept open proves a password without asking the upstream."""

    def begin_kept(self, delay):
        self.server = Server({101: b"Subject: one\r\n\r\n"}, on={"AUTHENTICATE": self.check})
        self.addCleanup(self.server.close)
        self.prepare([imap_backend(port=self.server.port)], limits={"keep_open": 30},
                     routes=[{"users": "*", "backend": "main", "login_delay": delay}])
        self.gate.start()

    @staticmethod
    def check(talk, tag, rest):
        if rest.endswith(base64.b64encode(b"\0eve\0password").decode()):
            return talk.usual("AUTHENTICATE", tag, rest)
        return talk.line(f"{tag} NO [AUTHENTICATIONFAILED] no")

    def logins(self):
        return len(self.server.commands("AUTHENTICATE"))

    def test_it_is_not_asked_and_the_drop_goes_on_being_kept(self):
        self.begin_kept(2)
        began = time.monotonic()
        self.visit("eve")
        session = self.gate.pids("session")
        while time.monotonic() < began + 1.5:
            self.login("eve", "password", TOO_SOON)
        time.sleep(max(0.0, began + 2.1 - time.monotonic()))
        self.visit("eve")
        self.login("eve", "password", TOO_SOON)
        self.assertEqual(self.logins(), 1)
        self.assertEqual(self.gate.pids("session"), session)
        self.assertEqual(len(os.listdir(f"/proc/{session[0]}/fd")), self.descriptors(session[0]))
        self.assertEqual(self.gate.log().count("event=session_end"), 2)

    def descriptors(self, pid):
        """None that a login brought is left: a login more makes no difference."""
        self.login("eve", "password", TOO_SOON)
        return len(os.listdir(f"/proc/{pid}/fd"))

    def test_a_wrong_password_is_proved_upstream_and_told_as_one(self):
        self.begin_kept(100)
        self.visit("eve")
        self.login("eve", "guess", WRONG)
        self.assertEqual(self.logins(), 2)
        self.login("eve", "password", TOO_SOON)
        self.assertEqual(self.logins(), 3)

    def test_who_comes_after_it_is_served_like_any_other(self):
        """Above all, only his own QUIT keeps the drop again."""
        self.begin_kept(1)
        self.visit("eve")
        self.login("eve", "password", TOO_SOON)
        time.sleep(1.1)
        client = self.login("eve", "password")
        self.assertEqual(self.logins(), 1)
        self.assertRegex(client.command("DELE 1"), FINE)
        client.close()
        self.gate.wait_for_log("reason=disconnected")
        self.gate.wait_until(lambda: not self.gate.pids("session"), "the session to end")
        self.assertEqual(len(self.server.messages), 1)

    def test_a_client_that_leaves_takes_nothing_along(self):
        """Whether it was asked for its drop or, since that was busy, the upstream."""
        self.begin_kept(100)
        self.visit("eve")
        for _ in range(20):
            client = Client(self.gate.port)
            client.send(b"USER eve\r\nPASS password\r\n")
            client.close()
        self.gate.wait_until(lambda: len(self.gate.pids("session")) <= 1, "the sessions to end")
        self.login("eve", "password", TOO_SOON)
        self.assertEqual(len(self.server.messages), 1)


class Announced(_Case):
    def test_nothing_without_a_delay(self):
        self.begin(("ann", {}))
        client = Client(self.gate.port)
        self.addCleanup(client.close)
        self.assertEqual(self.capa(client), [])
        self.assertRegex(client.login("ann", "local"), FINE)
        self.assertEqual(self.capa(client), [])

    def test_one_for_all(self):
        self.begin(route={"login_delay": 60})
        client = Client(self.gate.port)
        self.addCleanup(client.close)
        self.assertEqual(self.capa(client), ["LOGIN-DELAY 60"])
        self.assertRegex(client.login("eve", "password"), FINE)
        self.assertEqual(self.capa(client), ["LOGIN-DELAY 60"])

    def test_each_user_is_told_his_own_once_he_is_known(self):
        self.begin(("ann", {"login_delay": 300}), ("bob", {"backend": "example"}), ("cid", {"disabled": True,
                   "login_delay": 900}), route={"login_delay": 60})
        for user, password, own in (("ann", "local", 300), ("bob", "local", 0), ("eve", "password", 60)):
            with self.subTest(user=user):
                client = Client(self.gate.port)
                self.addCleanup(client.close)
                self.assertEqual(self.capa(client), ["LOGIN-DELAY 300 USER"])
                self.assertRegex(client.login(user, password), FINE)
                self.assertEqual(self.capa(client), [f"LOGIN-DELAY {own}"])


class Sessions(_Case):
    def begin_many(self, most=2):
        """One upstream user by two backends has two maildrops, and two locks."""
        backends = [example_backend(name=name) for name in ("one", "two", "three")]
        self.prepare(backends, listeners=[{**CLEAR, "name": name} for name in ("one", "two", "three")],
                     routes=[{"users": "*", "listener": name, "backend": name, "max_sessions": most}
                             for name in ("one", "two", "three")])
        self.accounts.append({"user": "ann", "secret": "local", "upstream_secret": "password", "max_sessions": most})
        return self.start()

    def at(self, number, expected=FINE):
        client = Client(self.gate.ports[number], timeout=60)
        self.addCleanup(client.close)
        self.assertRegex(client.login("ann", "local"), expected)
        return client

    def test_of_an_account_at_a_time(self):
        self.begin_many()
        first = self.at(0)
        self.at(1)
        self.at(2, IN_USE)
        self.assertRegex(self.gate.wait_for_log(".*event=login_failed.*").group(), "level=info .*status=max_sessions")
        self.assertRegex(first.command("QUIT"), FINE)
        self.at(2)
        self.at(0, IN_USE)

    def test_whoever_leaves_without_a_word_makes_room_too(self):
        self.begin_many(1)
        self.at(0).close()
        self.gate.wait_for_log("reason=disconnected")
        self.at(1)
        self.gate.expect_warning("session_died")
        self.gate.expect_warning("session died")
        for pid in self.gate.pids("session"):
            os.kill(pid, signal.SIGKILL)
        self.gate.wait_for_log("event=session_died")
        self.at(2)

    def test_who_comes_back_at_once_is_not_one_too_many(self):
        for limits in ({}, {"keep_open": 30}):
            with self.subTest(limits=limits):
                self.begin(route={"max_sessions": 1}, limits=limits)
                for _ in range(200):
                    self.visit("eve")

    def test_sessions_of_before_a_reload_count(self):
        self.begin_many()
        first = self.at(0)
        self.at(1)
        self.reload()
        self.at(2, IN_USE)
        self.assertRegex(first.command("QUIT"), FINE)
        self.at(2)


    def test_those_of_a_dead_broker_count_no_more(self):
        """Nobody would tell when they end."""
        self.begin_many(1)
        self.at(0)
        self.at(1, IN_USE)
        self.gate.expect_warning("event=process_died")
        self.gate.allow_warning("event=login_failed .*status=temp")
        before = self.gate.kill_process("broker")
        self.gate.wait_until(lambda: set(self.gate.pids("broker")) - set(before), "another broker")
        self.gate.wait_until(lambda: self.gate_lets_in(1), "a login")

    def gate_lets_in(self, number):
        with Client(self.gate.ports[number]) as client:
            return client.login("ann", "local").startswith(b"+OK")


class Octets(_Case):
    """The example's first message has some hundred octets."""

    def test_a_message_more_is_refused_and_the_next_login(self):
        self.begin(("ann", {"max_octets": 300}), ("bob", {}))
        client = self.login("ann", "local")
        client.multiline("RETR 1")
        for _ in range(20):
            reply = client.command("RETR 1")
            if not reply.startswith(b"+OK"):
                break
            client.lines()
        self.assertRegex(reply, QUOTA)
        self.assertRegex(client.command("TOP 1 0"), QUOTA)
        self.assertRegex(client.command("DELE 1"), FINE)
        self.assertRegex(client.command("STAT"), rb"^\+OK 2 ")
        self.assertRegex(client.command("QUIT"), FINE)
        self.login("ann", "local", QUOTA)
        self.login("ann", "guess", WRONG)
        self.visit("bob", "local")
        self.assertRegex(self.gate.wait_for_log(".*event=login_failed.*").group(), "level=info .*status=max_octets")

    def read(self, turn):
        """What a session of ann's was sent, as far as it counts; None: she is refused."""
        client = Client(self.gate.port, timeout=60)
        self.addCleanup(client.close)
        reply = client.login("ann", "local")
        if not reply.startswith(b"+OK"):
            self.assertRegex(reply, QUOTA)
            return None
        sent = len(client.command("RETR 1") + client.lines()) + len("\r\n.\r\n")
        if turn % 2 == 0:
            client.command("QUIT")
        client.close()
        self.gate.wait_until(lambda: self.gate.log().count("event=session_end") == turn + 1, "the session's end")
        return sent

    def test_sessions_add_up_over_a_reload_however_they_end(self):
        for limits in ({}, {"keep_open": 30}):
            with self.subTest(limits=limits):
                self.begin(("ann", {"max_octets": 2000}), limits=limits)
                sent = []
                while (octets := self.read(len(sent))) is not None:
                    sent.append(octets)
                    if sum(sent) > 1000 and "reloaded" not in self.gate.log():
                        self.reload()
                self.assertGreaterEqual(sum(sent), 2000)
                self.assertLess(sum(sent[:-1]), 2000)

    def test_the_last_session_of_before_a_reload_counts(self):
        """Its front and broker end with it, once it has told."""
        self.begin(("ann", {"max_octets": 50}))
        client = self.login("ann", "local")
        client.multiline("RETR 1")
        brokers = self.gate.pids("broker")
        self.reload()
        client.close()
        self.gate.wait_until(lambda: not set(brokers) & set(self.gate.pids("broker")), "the old broker to end")
        self.login("ann", "local", QUOTA)


class Networks(_Case):
    def test_from_elsewhere_and_disabled_it_looks_like_a_wrong_password(self):
        self.begin(("ann", {"networks": ["127.0.0.2/32"]}), ("bob", {"disabled": True}))
        self.login("ann", "local", WRONG)
        self.login("ann", "local", FINE, source=OTHER)
        self.login("bob", "local", WRONG)
        self.assertRegex(self.gate.log(), r"event=login_failed user=ann .*status=auth .*may not be used from this network")
        self.assertRegex(self.gate.log(), r"event=login_failed user=bob .*status=auth .*the account is disabled")


if __name__ == "__main__":
    tap.main()
