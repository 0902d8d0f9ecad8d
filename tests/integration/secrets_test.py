"""No password anywhere but where it belongs: memory of every process, logs, arguments, environment, disk."""

import base64
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import unittest

import tap
from dovecot import free_port
from features import GSASL
from gateway import CLEAR, IMPLICIT, SANITIZED, Gateway, config_text, imap_backend
from imapscript import Server
from marker import marker, memory_places, places
from pop3client import Client
from scramserver import ScramServer

MAIL = {101: b"Subject: first\r\n\r\nbody of the first\r\n"}
SPREAD = "IMAP4rev1 SASL-IR UIDPLUS ID"  # LOGIN by a quoted string
FLIGHT = "IMAP4rev1 SASL-IR LITERAL+ UIDPLUS ID"


def code(text):
    return base64.b64encode(text.encode()).decode()


def user_pass(client, user, password):
    client.command(f"USER {user}")
    return client.command(f"PASS {password}")


def plain_at_once(client, user, password):
    return client.command("AUTH PLAIN " + code(f"\0{user}\0{password}"))


def plain(client, user, password):
    client.command("AUTH PLAIN")
    return client.command(code(f"\0{user}\0{password}"))


def login(client, user, password):
    client.command("AUTH LOGIN")
    client.command(code(user))
    return client.command(code(password))


WAYS = (user_pass, plain_at_once, plain, login)
WRONG = "0123456789"  # letters of markers that the server refuses


class SecretsCase(unittest.TestCase):
    def serve(self, *, upstream_tls=False, capability=SPREAD, log=None, reader=None, port=None, **options):
        """reader: reads the log, where it is no file."""
        self.gate = Gateway(listeners=[CLEAR, IMPLICIT], log=log or {"level": "debug"}, **options)
        self.gate.log = reader or self.gate.log
        self.addCleanup(self.gate.stop)
        certificate = self.gate.authority.issue("upstream") if upstream_tls else None
        self.server = Server(MAIL, on={"LOGIN": self.judge, "AUTHENTICATE": self.judge}, capability=capability + (" STARTTLS" if upstream_tls else ""),
                             certificate=certificate)
        self.addCleanup(self.server.close)
        settings = {"security": "starttls", "ca_file": self.gate.ca_file} if upstream_tls else {}
        self.gate.sections["backends"] = [imap_backend(port=port or self.server.port, reconnect_timeout=5, **settings)]
        self.gate.sections["routes"] = [{"users": "*", "backend": "main"}]
        self.gate.start()

    @staticmethod
    def judge(talk, tag, rest):
        """Accepts all markers but the wrong ones, whose command it repeats."""
        text = rest
        if rest.startswith("PLAIN"):
            if " " not in rest:
                talk.send("+ \r\n")
                text = rest + " " + talk.file.readline().decode().strip()
            text = base64.b64decode(text.split(" ")[1]).decode()
        if places(text.encode())[0][1] in WRONG:
            talk.line(f"{tag} NO [AUTHENTICATIONFAILED] wrong: {rest}")
        else:
            talk.ok(tag, f"[CAPABILITY {talk.server.capability}] logged in")

    def client(self, port):
        client = Client(port, tls=port == self.gate.ports[1])
        self.addCleanup(client.close)
        return client

    def check(self, sessions=None, copies=1):
        """Nothing in any process but each session's own, so many times at most. sessions: {pid: letter}."""
        sessions = sessions or {}
        self.gate.wait_until(lambda: set(self.gate.pids("session")) <= set(sessions), "old sessions to end")
        for process in self.gate.processes():
            found = memory_places(process.pid) if os.geteuid() == 0 else []
            for name in ("cmdline", "environ") if os.geteuid() == 0 else ("cmdline",):
                with open(f"/proc/{process.pid}/{name}", "rb") as file:
                    found += [(kind, name) for _, kind in places(file.read())]
            kinds = [kind for kind, _ in found]
            allowed = [sessions.get(process.pid)] if process.pid in sessions and os.geteuid() == 0 else []
            if copies > 1 and allowed:
                self.assertEqual(set(kinds) - {"base64"}, set(allowed), f"{process}: {found}")
                self.assertLessEqual(len(kinds), copies, f"{process}: {found}")
            else:
                self.assertEqual(kinds, allowed, f"{process}: {found}")

    def disk(self):
        """The files below the gateway's folder that hold a marker."""
        found = []
        for folder, _, names in os.walk(self.gate.folder):
            for name in names:
                path = os.path.join(folder, name)
                if os.path.isfile(path):
                    with open(path, "rb") as file:
                        found += [path] if places(file.read()) else []
        return found


@unittest.skipIf(SANITIZED, "a sanitizer keeps what has been freed")
class Invariant(SecretsCase):
    def test_invariant_13_wrong_and_right_passwords(self):
        """Each way to log in, in clear and under TLS, beside another user's session: one copy each."""
        self.serve()
        other = self.client(self.gate.port)
        self.assertRegex(user_pass(other, "other", marker("a")), rb"^\+OK")
        sessions = {self.gate.pids("session")[0]: "a"}
        self.check(sessions)
        letters = iter("bcdefghi")
        for port in self.gate.ports:
            for way in WAYS:
                with self.subTest(way=way.__name__, tls=port != self.gate.port):
                    self.one_client(port, way, next(letters), sessions)
        self.assertRegex(other.command("QUIT"), rb"^\+OK")
        self.check()
        self.assertEqual(self.disk(), [])

    def one_client(self, port, way, letter, sessions):
        client = self.client(port)
        self.assertRegex(way(client, "ann", marker("1")), rb"^-ERR \[AUTH\]")
        self.check(sessions)
        self.assertRegex(way(client, "ann", marker(letter)), rb"^\+OK")
        own = {pid: letter for pid in self.gate.pids("session") if pid not in sessions}
        self.check({**sessions, **own})
        self.assertTrue(client.multiline("RETR 1"))
        self.check({**sessions, **own})
        self.assertRegex(client.command("QUIT"), rb"^\+OK")
        client.close()

    def test_invariant_13_towards_the_server(self):
        """However the credential goes upstream, and after a lost connection was made anew: one copy."""
        kinds = {"quoted": {}, "one_flight": {"capability": FLIGHT},
                 "plain_at_once": {"capability": f"{SPREAD} AUTH=PLAIN"},
                 "plain": {"capability": "IMAP4rev1 UIDPLUS AUTH=PLAIN"}, "literal": {"suffix": "\u00e9"},
                 "login": {"capability": "IMAP4rev1 UIDPLUS LOGINDISABLED AUTH=LOGIN", "handler": self.ask_twice},
                 "scram": {"capability": "IMAP4rev1 UIDPLUS LOGINDISABLED AUTH=SCRAM-SHA-256",
                           "handler": ScramServer(marker("k"))}}
        if not GSASL:
            del kinds["scram"]
        for upstream_tls in (False, True):
            for name, kind in kinds.items():
                with self.subTest(name, tls=upstream_tls):
                    self.serve(upstream_tls=upstream_tls, capability=kind.get("capability", SPREAD))
                    self.server.on["AUTHENTICATE"] = kind.get("handler", self.judge)
                    self.one_reconnect(marker("k") + kind.get("suffix", ""))
                    self.gate.stop()
                    self.server.close()

    @staticmethod
    def ask_twice(talk, tag, _rest):
        for question in ("VXNlcm5hbWU6", "UGFzc3dvcmQ6"):
            talk.line(f"+ {question}")
            talk.file.readline()
        talk.ok(tag)

    def one_reconnect(self, password):
        client = self.client(self.gate.port)
        self.assertRegex(user_pass(client, "ann", password), rb"^\+OK")
        sessions = {self.gate.pids("session")[0]: "k"}
        self.check(sessions)
        self.server.say("", hang_up=True)
        self.assertTrue(client.multiline("RETR 1"))
        self.assertEqual(self.server.connections, 2)
        self.check(sessions)
        self.assertRegex(client.command("QUIT"), rb"^\+OK")
        self.check()
        self.assertEqual(self.disk(), [])

    def test_invariant_13_server_that_is_down(self):
        self.serve(port=free_port())
        self.gate.expect_warning("status=temp")
        for port in self.gate.ports:
            for way in WAYS:
                self.assertRegex(way(self.client(port), "ann", marker("a")), rb"^-ERR \[SYS/TEMP\]")
        self.check()
        self.gate.stop()
        self.assertEqual(self.disk(), [])

    def test_invariant_13_credentials_that_come_to_nothing(self):
        """Half a line, a line too long or with NUL, bad base64, a command in clear, what is pipelined, a client
        that leaves: nothing stays behind."""
        self.serve()
        self.server.on["LOGIN"] = lambda talk, tag, rest: talk.wait()
        ends = [b"PASS " + self.secret(), b"PASS " + self.secret() * 6 + b"\r\n", b"PASS \0" + self.secret() + b"\r\n",
                b"AUTH PLAIN " + code(self.secret().decode()).encode() + b"!\r\n", b"AUTH PLAIN\r\n" + self.secret(),
                b"PSAS " + self.secret() + b"\r\n", b"AUTH LOGIN " + self.secret() + b"\r\n",
                b"USER ann\r\nPASS x\r\n" + (b"USER ann\r\nPASS " + self.secret() + b"\r\n") * 50]
        for port in self.gate.ports:
            for octets in ends:
                with self.subTest(octets=octets[:20], tls=port != self.gate.port):
                    client = self.client(port)
                    received = len(self.server.received)
                    client.send(octets)
                    if octets.startswith(b"USER"):
                        self.gate.wait_until(lambda: len(self.server.received) > received, "LOGIN to go upstream")
                    client.close()
                    self.gate.wait_until(lambda: not self.connected(port), "the front to let the client go")
                    self.check()

    @staticmethod
    def secret():
        return marker("z").encode()

    def connected(self, port):
        """Whether the front still has a connection of ours."""
        with open("/proc/net/tcp", encoding="ascii") as file:
            return any(line.split()[1].endswith(f":{port:04X}") and line.split()[3] in ("01", "08")
                       for line in list(file)[1:])

    def test_invariant_13_login_under_way(self):
        """While the server is asked, only the session that asks holds it."""
        self.serve()
        self.gate.expect_warning("status=temp")
        self.server.on["LOGIN"] = lambda talk, tag, rest: talk.wait()
        for port in self.gate.ports:
            for way in WAYS:
                with self.subTest(way=way.__name__, tls=port != self.gate.port):
                    received = len(self.server.received)
                    client = self.client(port)
                    threading.Thread(target=self.ignoring, args=(way, client, "ann", marker("a")), daemon=True).start()
                    self.gate.wait_until(lambda: len(self.server.received) > received, "LOGIN to go upstream")
                    self.check({self.gate.pids("session")[0]: "a"}, copies=3)
                    self.server.say("", hang_up=True)
                    self.gate.wait_until(lambda: not self.gate.pids("session"), "the session to end")
        self.check()

    @staticmethod
    def ignoring(way, *arguments):
        try:
            way(*arguments)
        except (OSError, EOFError):
            pass


@unittest.skipIf(SANITIZED, "a sanitizer keeps what has been freed")
class Accounts(SecretsCase):
    """What opens mailboxes upstream, and the local passwords that let it: the broker has the former, as long as they
    stand in the accounts file, and each session its own. Nobody else has any once its work is done."""

    USERS = {"ann": "u", "bob": "v", "eve": "f", "dan": "c"}  # whose letter opens the mailbox
    LOCAL = {"ann": "W", "bob": "X", "eve": "Y", "dan": "Z"}  # those of local passwords
    IN_BROKER = {"u", "v"}

    def prepare(self):
        """ann and bob have their secrets in the file, eve in one of her own, dan from a command."""
        self.serve(helpers=2)
        gate = self.gate
        gate.stop()
        secret = gate.folder + "-secret"
        os.mkdir(secret)
        self.addCleanup(shutil.rmtree, secret)
        os.chmod(secret, 0o755)
        self.gate = Gateway([imap_backend(port=self.server.port)], listeners=[CLEAR, IMPLICIT], log={"level": "debug"}, helpers=2,
                            accounts=secret + "/accounts")
        self.addCleanup(self.gate.stop)
        self.fill(secret)
        self.gate.write_config()
        for user in self.USERS:
            subprocess.run(self.gate.command("passwd") + [user], input=self.local(user) + "\n", text=True, check=True,
                           capture_output=True)
        self.gate.start()

    def local(self, user):
        return marker(self.LOCAL[user])

    def fill(self, folder):
        source = {"ann": {"upstream_secret": marker("u")}, "bob": {"upstream_secret": marker("v")},
                  "eve": {"secret_file": "eve"}, "dan": {"secret_command": ["/bin/cat", folder + "/dan"]}}
        for user in ("eve", "dan"):
            with open(f"{folder}/{user}", "w", encoding="ascii") as file:
                file.write(marker(self.USERS[user]) + "\n")
            os.chmod(f"{folder}/{user}", 0o600)
            if os.geteuid() == 0:
                shutil.chown(f"{folder}/{user}", "nobody")
        with open(folder + "/accounts", "w", encoding="ascii") as file:
            file.write(config_text({"accounts": [{"user": user, "hash": "!", **more} for user, more in source.items()]}))
        os.chmod(folder + "/accounts", 0o600)

    def test_invariant_13_upstream_secrets_of_accounts(self):
        self.prepare()
        sessions, clients = {}, []
        for port, users in zip(self.gate.ports, (("ann", "eve"), ("bob", "dan"))):
            for user in users:
                letter = self.USERS[user]
                with self.subTest(user=user, tls=port != self.gate.port):
                    client = self.client(port)
                    self.assertRegex(user_pass(client, user, marker("2")), rb"^-ERR \[AUTH\]")
                    self.check_roles(sessions)
                    self.assertRegex(plain_at_once(client, user, self.local(user)), rb"^\+OK")
                    own = {pid: letter for pid in self.gate.pids("session") if pid not in sessions}
                    self.assertEqual(len(own), 1)
                    sessions.update(own)
                    self.check_roles(sessions)
                    clients.append(client)
        for client in clients:
            self.assertRegex(client.command("QUIT"), rb"^\+OK")
        self.gate.wait_until(lambda: not self.gate.pids("session"), "the sessions to end")
        self.check_roles({})
        self.gate.stop()
        self.assertEqual(self.disk(), [])
        self.assertEqual(places(self.gate.log().encode()), [])

    def check_roles(self, sessions):
        """As check(), but the broker may have what stands in the accounts file."""
        for process in self.gate.processes():
            found = memory_places(process.pid) if os.geteuid() == 0 else []
            for name in ("cmdline", "environ") if os.geteuid() == 0 else ("cmdline",):
                with open(f"/proc/{process.pid}/{name}", "rb") as file:
                    found += [(kind, name) for _, kind in places(file.read())]
            kinds = [kind for kind, _ in found]
            if process.name == "popgate-broker":
                # a piece of a secret's memory that is used again ends in anything, but not in these
                others = {"2", *self.USERS.values(), *self.LOCAL.values()} - self.IN_BROKER
                self.assertEqual(set(kinds) & others, set(), f"{process}: {found}")
            elif os.geteuid() == 0:
                self.assertEqual(kinds, [sessions[process.pid]] if process.pid in sessions else [], f"{process}: {found}")


@unittest.skipIf(SANITIZED, "a sanitizer takes the signal")
class Crashes(SecretsCase):
    """A crash in the middle, in a folder where cores would lie, with a limit of theirs that lets them."""

    def serve(self, **options):
        self.cores = tempfile.mkdtemp(prefix="popgate-cores-", dir="/tmp")
        self.addCleanup(shutil.rmtree, self.cores)
        os.chmod(self.cores, 0o777)
        super().serve(prefix=("sh", "-c", 'ulimit -c unlimited; cd "$0" && exec "$@"', self.cores), **options)

    def test_invariant_13_nothing_is_in_what_a_crash_leaves(self):
        # a process that never was root is one that would leave a core by itself
        for role, unprivileged in (("session", False), ("session", True), ("front", True), ("broker", True)):
            with self.subTest(role, unprivileged=unprivileged):
                self.crash(role, unprivileged)

    def crash(self, role, unprivileged):
        self.serve(unprivileged=unprivileged)
        self.gate.allow_warning("login_failed|process_died|session_died|died")
        self.server.on["LOGIN"] = lambda talk, tag, rest: talk.wait()
        client = self.client(self.gate.ports[1])
        client.send(b"USER ann\r\nPASS " + marker("a").encode() + b"\r\n")
        self.gate.wait_until(lambda: len(self.server.received) > 0, "LOGIN to go upstream")
        victim = self.gate.pids(role)[0]
        os.kill(victim, signal.SIGSEGV)
        self.gate.wait_until(lambda: victim not in [one.pid for one in self.gate.processes()], "it to die")
        self.gate.wait_until(lambda: not self.gate.pids("session"), "the session to end")
        self.gate.wait_until(lambda: self.gate.pids("front") and self.gate.pids("broker"), "its successor")
        self.check()
        self.gate.stop()
        self.assertEqual(os.listdir(self.cores), [])
        self.assertEqual(self.disk(), [])


class Sinks(SecretsCase):
    def test_invariant_13_log_file(self):
        self.serve(log={"level": "debug", "to": "file", "file": tempfile.mkdtemp(prefix="popgate-log-") + "/log"})
        self.addCleanup(shutil.rmtree, os.path.dirname(self.gate.log_file))
        self.log_in_and_fail()
        self.assertIn("event=session_end", self.gate.log())
        self.assertEqual(places(self.gate.log().encode()), [])

    def log_in_and_fail(self):
        for way in WAYS:
            client = self.client(self.gate.port)
            self.assertRegex(way(client, "ann", marker("1")), rb"^-ERR \[AUTH\]")
            self.assertRegex(way(client, "ann", marker("a")), rb"^\+OK")
            self.assertRegex(client.command("QUIT"), rb"^\+OK")
            self.gate.wait_until(lambda: not self.gate.pids("session"), "the session to end")

    @unittest.skipIf(os.geteuid() != 0, "needs root, for a /dev of its own")
    def test_invariant_13_syslog(self):
        """At level debug, with /dev/log a socket of the test's in a name space of popgate's own."""
        folder = tempfile.mkdtemp(prefix="popgate-syslog-", dir="/tmp")
        self.addCleanup(shutil.rmtree, folder)
        os.chmod(folder, 0o755)
        self.lines = []
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sink:
            sink.bind(f"{folder}/log")
            os.chmod(f"{folder}/log", 0o666)
            private = f'mount -t tmpfs -o mode=755 none /dev && ln -s {folder}/log /dev/log && exec "$@"'
            if subprocess.run(("unshare", "-m", "sh", "-c", private, "sh", "true"), stderr=subprocess.DEVNULL,
                              check=False).returncode != 0:
                self.skipTest("no name space can be had here")
            threading.Thread(target=self.collect, args=(sink,), daemon=True).start()
            self.serve(log={"level": "debug", "to": "syslog"}, prefix=("unshare", "-m", "sh", "-c", private, "sh"),
                       reader=lambda: b"\n".join(self.lines).decode())
            self.log_in_and_fail()
            self.gate.stop()
            self.assertIn("event=session_end", self.gate.log())
            self.assertIn("event=login_failed", self.gate.log())
            self.assertEqual(places(self.gate.log().encode()), [])

    def collect(self, sink):
        try:
            while True:
                self.lines.append(sink.recv(65536))
        except OSError:
            pass


if __name__ == "__main__":
    tap.main()
