"""What the log says, where it goes, and what it never holds."""

import base64
import hmac
import os
import random
import re
import shlex
import socket
import tempfile
import unittest

import tap
from dovecot import free_port
from gateway import CLEAR, IMPLICIT, Gateway, config_text, example_backend
from pop3client import Client

MARK = "Mark-of-a-Secret-7391"


def fields(line):
    """The logfmt fields of one line."""
    return dict(part.partition("=")[::2] for part in shlex.split(line))


def made_device():
    """A device's password, and what the accounts file keeps of it."""
    salt, letters = os.urandom(16), "".join(random.choices("abcdefghijkmnpqrstuvwxyz23456789", k=20))
    digest = hmac.digest(salt, letters.encode(), "sha256")
    return ("-".join(letters[i:i + 5] for i in range(0, 20, 5)),
            "$".join(base64.b64encode(part).decode() for part in (salt, digest)))


def gateway(**sections):
    return Gateway(backends=[example_backend(password=MARK)], **sections)


def log_in(gate, name="joe", password=MARK):
    client = Client(gate.port)
    client.command(f"USER {name}")
    return client, client.command(f"PASS {password}")


class Lines(unittest.TestCase):
    def test_session_ends_in_one_line_that_sums_it_up(self):
        """A session ends in one line with user, peer, TLS, messages, octets, deletions, seconds and reason."""
        with gateway() as gate:
            client, reply = log_in(gate)
            self.assertTrue(reply.startswith(b"+OK"), reply)
            size = len(client.multiline("RETR 1"))
            client.command("DELE 2")
            client.command("QUIT")
            client.close()
            line = gate.wait_for_log(r".*event=session_end.*").group(0)
            end = fields(line)
            self.assertEqual((end["user"], end["peer"], end["tls"], end["reason"]), ("joe", "127.0.0.1", "none", "quit"))
            self.assertEqual((end["messages"], end["retrieved"], end["deleted"]), ("3", "1", "1"))
            self.assertEqual(int(end["octets"]), size + len(".\r\n"))
            self.assertEqual(end["seconds"], "0")
            self.assertEqual(gate.log().count("event=session_end"), 1)

    def test_each_login_is_one_line_accepted_or_refused(self):
        """Who, from where, how, by what password, whereto, and what came of it."""
        listeners = [{**CLEAR, "name": "scanners"}, IMPLICIT]
        password, key = made_device()
        gate = gateway(listeners=listeners)
        self.addCleanup(gate.kill)
        gate.sections["accounts"] = gate.path("accounts")
        with open(gate.path("accounts"), "w", encoding="utf-8") as file:
            file.write(config_text({"accounts": [
                {"user": "ann", "secret": "mine", "upstream_secret": MARK,
                 "devices": [{"name": "the \"old\" scanner", "key": key}]}]}))
        os.chmod(gate.path("accounts"), 0o600)
        gate.start()
        common = {"peer": "127.0.0.1", "backend": "example"}
        scanners = {**common, "listener": "scanners", "tls": "none", "mechanism": "USER"}
        tls = {**common, "listener": "127.0.0.1:0", "tls": "TLSv1.3", "mechanism": "USER"}
        for port, user, given, expected in (
                (0, "joe", MARK, {**scanners, "user": "joe", "account": "no", "status": "ok"}),
                (0, "joe", "x", {**scanners, "user": "joe", "account": "no", "status": "auth", "delay": "0"}),
                (0, "ann", "mine", {**scanners, "user": "ann", "account": "yes", "status": "ok"}),
                (0, "Ann", password, {**scanners, "user": "Ann", "account": "yes", "status": "ok",
                                      "device": "the _x22old_x22 scanner"}),
                (1, "ann", "mine", {**tls, "user": "ann", "account": "yes", "status": "ok"}),
                (1, "ann", "x", {**tls, "user": "ann", "account": "yes", "status": "auth", "delay": "0"})):
            with self.subTest(user=user, password=given):
                before = len(self.logins(gate))
                with Client(gate.ports[port], tls=port == 1) as client:
                    client.login(user, given)
                    client.command("QUIT")
                gate.wait_until(lambda: len(self.logins(gate)) > before, "a line")
                lines = self.logins(gate)
                self.assertEqual(len(lines), before + 1)
                line = fields(lines[-1].replace("\\x", "_x"))
                self.assertEqual(line["event"], "login" if expected["status"] == "ok" else "login_failed")
                self.assertEqual({name: value for name, value in line.items() if name not in
                                  ("time", "level", "process", "pid", "session", "event", "msg")}, expected)
        self.assertNotIn(password, gate.log())
        gate.stop()

    @staticmethod
    def logins(gate):
        return [line for line in gate.log().splitlines() if " level=info " in line and " event=login" in line]

    def test_every_line_about_a_connection_carries_its_session_id(self):
        """The lines of one login and its session carry one session id."""
        with gateway(log={"level": "debug"}) as gate:
            client, _ = log_in(gate)
            client.command("QUIT")
            client.close()
            gate.wait_for_log("event=session_end")
            ids = {fields(line).get("session") for line in gate.log().splitlines()
                   if " process=session " in line or " process=broker " in line}
            self.assertEqual(len(ids), 1, gate.log())
            self.assertRegex(ids.pop(), "^[0-9a-f]{16}$")

    def test_name_with_control_characters_stays_on_one_harmless_line(self):
        """A login name with escape sequences and quotes is one line of printable octets."""
        with gateway() as gate:
            _, reply = log_in(gate, name="a\x7fb\tc \"x\" user=root \u2028\\")
            self.assertTrue(reply.startswith(b"-ERR"), reply)
            _, reply = log_in(gate, name='q"x" user=root \u2028\\', password="wrong")
            self.assertTrue(reply.startswith(b"-ERR [AUTH]"), reply)
            line = gate.wait_for_log(r".*event=login_failed.*status=auth.*").group(0)
            self.assertRegex(line, r"^[\x20-\x7e]+$")
            self.assertEqual(fields(line.replace("\\x", "_x"))["user"], "q_x22x_x22 user=root _xe2_x80_xa8_x5c")

    def test_password_is_in_no_line_no_argument_and_no_environment(self):
        """Neither a right nor a wrong password appears in the log or in /proc."""
        wrong = MARK[::-1]
        with gateway(log={"level": "debug"}) as gate:
            _, refused = log_in(gate, password=wrong)
            client, accepted = log_in(gate)
            self.assertTrue(refused.startswith(b"-ERR [AUTH]") and accepted.startswith(b"+OK"))
            for process in gate.processes():
                for name in ("cmdline", "environ"):
                    with open(f"/proc/{process.pid}/{name}", "rb") as file:
                        text = file.read()
                    self.assertNotIn(MARK.encode(), text)
                    self.assertNotIn(wrong.encode(), text)
            client.command("QUIT")
            client.close()
            gate.wait_for_log("event=session_end")
            self.assertNotIn(MARK, gate.log())
            self.assertNotIn(wrong, gate.log())


class Targets(unittest.TestCase):
    def test_log_goes_to_a_file(self):
        """log.to = file writes there, in logfmt with the time first."""
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "popgate.log")
            with gateway(log={"to": "file", "file": path}) as gate:
                gate.wait_for_log("event=listening")
                self.assertTrue(re.match(r"time=\d{4}-\d\d-\d\dT[\d:.]+Z level=info ", gate.log()), gate.log())

    @unittest.skipIf(os.geteuid() != 0 or os.path.exists("/dev/log"), "needs root, and /dev/log to be free")
    def test_log_goes_to_syslog(self):
        """log.to = syslog sends each line to /dev/log, facility mail."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sink:
            sink.bind("/dev/log")
            try:
                os.chmod("/dev/log", 0o666)
                sink.settimeout(10)
                gate = gateway(log={"to": "syslog"}, listeners=[
                    {"address": "127.0.0.1", "port": free_port(), "tls": "none", "cleartext_login": True}])
                gate.launch()
                line = sink.recv(4096).decode()
                self.assertRegex(line, r"^<22>.*popgate\[\d+\]: level=info process=supervisor .*event=listening")
                gate.stop()
            finally:
                os.unlink("/dev/log")

    def test_sink_that_takes_nothing_stalls_nobody(self):
        """A log pipe that nobody reads does not stop the service."""
        port = free_port()
        gate = gateway(listeners=[{"address": "127.0.0.1", "port": port, "tls": "none", "cleartext_login": True}])
        pipe = gate.path("pipe")
        os.mkfifo(pipe)
        reader = os.open(pipe, os.O_RDWR | os.O_NONBLOCK)
        try:
            with self.assertRaises(BlockingIOError):
                while True:
                    os.write(reader, b"x" * 4096)
            gate.prefix = ("sh", "-c", f'exec "$@" 2>{pipe}', "sh")
            gate.launch()
            gate.wait_until(lambda: self.can_connect(port), "popgate to listen")
            with Client(port) as client:
                client.command("USER joe")
                self.assertTrue(client.command(f"PASS {MARK}").startswith(b"+OK"))
            gate.stop()
        finally:
            os.close(reader)

    @staticmethod
    def can_connect(port):
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return True
        except OSError:
            return False


if __name__ == "__main__":
    tap.main()
