"""Login names: forms with a domain and without, and folders that a name asks for. Whatever a client writes, it goes where
the routes lead."""

import base64
import hashlib
import hmac
import re
import socket
import subprocess
import time
import unittest

import accountlist
import dovecot
import scramclient
import tap
from accountlist import account
from gateway import CLEAR, Gateway, example_backend, imap_backend
from imapscript import Server
from localmail import LocalMail
from pop3client import Client

FINE = rb"^\+OK"
AUTH = b"-ERR [AUTH] wrong name or password"
MESSAGES = {101: b"Subject: 1\r\n\r\n1\r\n"}
VIEWS = {"folder_delimiter": "+", "folders": ["Archive", "inbox", "Lists/popgate", "Ärger & Co", "\\Junk"]}


class NamesCase(unittest.TestCase):
    def gateway(self, backends, **options):
        gate = Gateway(backends, **options)
        self.addCleanup(gate.stop)
        return gate.start()

    def scripted(self, on=None, capability=None, **options):
        self.server = Server(MESSAGES, on=on, **({} if capability is None else {"capability": capability}))
        self.addCleanup(self.server.close)
        return self.gateway([imap_backend(port=self.server.port)], **options)

    def try_login(self, gate, user, password="secret", port=0):
        with Client(gate.ports[port]) as client:
            client.send(b"USER " + (user if isinstance(user, bytes) else user.encode()) + b"\r\n")
            client.line()
            return client.command(f"PASS {password}")

    def upstream_user(self):
        """Whom the last login was for."""
        for line in reversed(self.server.received):
            if match := re.search(r" LOGIN \"?([^ \"]*)", line):
                return match.group(1)
            if match := re.search(r" AUTHENTICATE PLAIN (\S+)", line):
                return base64.b64decode(match.group(1)).split(b"\0")[1].decode()
        return None


class Forms(NamesCase):
    def test_forms_of_one_name(self):
        gate = self.scripted(listeners=[CLEAR, {**CLEAR, "default_domain": "example.net", "percent_domain": False}],
                             default_domain="example.org", percent_domain=True)
        for port, given, user in ((0, "ann", "ann@example.org"), (0, "ann%example.com", "ann@example.com"),
                                  (0, "ann@example.com", "ann@example.com"), (0, "a%b@c", "a%b@c"),
                                  (1, "ann", "ann@example.net"), (1, "a%b", "a%b@example.net")):
            self.assertRegex(self.try_login(gate, given, port=port), FINE)
            self.assertEqual(self.upstream_user(), user)
            gate.wait_for_log(rf"event=session_end user={re.escape(user)} ")

    def test_without_a_word_names_stay_as_they_are(self):
        gate = self.scripted()
        for name in ("ann", "ann%example.org", "%n", "ann+Junk", "a@b@c"):
            self.assertRegex(self.try_login(gate, name), FINE)
            self.assertEqual(self.upstream_user(), name)

    def test_routes_and_waiting_know_one_name(self):
        gate = self.gateway([example_backend()], default_domain="example.org", percent_domain=True,
                            limits={"login_penalty": 15}, routes=[{"users": "*@example.org", "backend": "example"}])
        begun = time.monotonic()
        self.assertEqual(self.try_login(gate, "ann", "wrong"), AUTH)
        self.assertEqual(self.try_login(gate, "ann%example.org", "wrong"), AUTH)
        self.assertGreater(time.monotonic() - begun, 5.8)
        self.assertEqual(len(re.findall(r"event=login_failed user=ann@example.org ", gate.log())), 2)
        self.assertRegex(self.try_login(gate, "bob", "password"), FINE)

    def test_accounts_know_one_name(self):
        server = Server(MESSAGES)
        self.addCleanup(server.close)
        gate = Gateway([imap_backend(port=server.port)], accounts="accounts", default_domain="example.org",
                       percent_domain=True, routes=[{"users": "*@example.org", "backend": "main"}])
        self.addCleanup(gate.stop)
        accountlist.write(gate, account("ann@example.org", upstream_user="other", upstream_secret="hers"))
        gate.start()
        for name in ("ann", "ann%example.org", "Ann@Example.ORG"):
            self.assertRegex(self.try_login(gate, name), FINE)
        proof = base64.b64encode(b"\0other\0hers").decode()
        self.assertEqual(len([line for line in server.received if proof in line]), 3, server.received)

    def test_input_87_no_client_chooses_a_host(self):
        gate = self.scripted(routes=[{"users": "*@example.org", "backend": "main"}, {"users": "bob*", "backend": "main"}],
                             percent_domain=True)
        with socket.socket() as trap:
            trap.bind(("127.0.0.1", 0))
            trap.listen()
            trap.settimeout(0.3)
            host = f"127.0.0.1:{trap.getsockname()[1]}"
            for name in (f"ann@{host}", f"ann%{host}", f"ann@[127.0.0.1]:{trap.getsockname()[1]}", "ann@localhost",
                         f"imap://ann@{host}", f"ann@example.org@{host}", f"ann%example.org@{host}"):
                self.assertEqual(self.try_login(gate, name), AUTH)
            self.assertEqual(self.server.connections, 0)
            # one that a route takes goes where that leads, with all of its name
            self.assertRegex(self.try_login(gate, f"bob@{host}"), FINE)
            self.assertEqual(self.upstream_user(), f"bob@{host}")
            with self.assertRaises(TimeoutError):
                trap.accept()


def refuse_wrong(talk, tag, rest):
    if '"secret"' in rest:
        return talk.usual("LOGIN", tag, rest)
    talk.line(f"{tag} NO [AUTHENTICATIONFAILED] wrong")
    return None


class Views(NamesCase):
    ROUTES = [{"users": "*", "backend": "main", **VIEWS}]

    def views(self, capability="IMAP4rev1 UIDPLUS", **options):
        return self.scripted({"LOGIN": refuse_wrong}, capability=capability, routes=self.ROUTES, **options)

    def selected(self):
        return self.server.commands("SELECT")[-1].partition(" ")[2]

    def test_listed_folders_are_opened(self):
        gate = self.views()
        for name, user, folder in (("ann", "ann", '"INBOX"'), ("ann+Archive", "ann", '"Archive"'),
                                   ("ann+Archive@example.org", "ann@example.org", '"Archive"'),
                                   ("ann+INBOX", "ann", '"INBOX"'), ("ann+iNbox@x", "ann@x", '"INBOX"'),
                                   ("ann+Lists/popgate", "ann", '"Lists/popgate"'),
                                   ("ann+Ärger & Co@x", "ann@x", '"&AMQ-rger &- Co"')):
            self.assertRegex(self.try_login(gate, name), FINE, name)
            self.assertEqual(self.upstream_user(), user)
            self.assertEqual(self.selected().replace("INBOX", '"INBOX"').replace('""', '"'), folder)
        gate.wait_for_log(r"event=session_end user=ann@example.org .*folder=Archive ")

    def test_input_86_others_are_refused_as_a_wrong_password_is(self):
        gate = self.views()
        for name in ("ann+Secret", "ann+archive", "ann+Archive/Sub", "ann+", "ann+@example.org", "ann++", "ann++Archive",
                     "ann+Archive+Archive", "ann+../..", "ann+../../INBOX", "ann+%2e%2e", "ann+*", "ann+Lists", "ann+\\Sent",
                     "ann+sent", 'ann+"', "ann+{3}", "ann+Archive ", "ann+\u00e4rger & Co", "ann+A\u0308rger & Co",
                     "ann+" + "x" * 200):
            before = len(self.server.commands("LOGIN"))
            with self.subTest(name=name):
                self.assertEqual(self.try_login(gate, name, "wrong"), AUTH)
                self.assertEqual(self.try_login(gate, name), AUTH)
                # both were proved by the upstream
                self.assertEqual(len(self.server.commands("LOGIN")), before + 2)
        # asked ahead for what the settings say, if at all
        self.assertEqual([line for line in self.server.commands("SELECT") if "INBOX" not in line], [])
        gate.wait_for_log(r"event=login_failed user=ann .*folder=Secret .*the folder is not one that this name may ask for")

    def test_input_86_hostile_names_ask_nobody(self):
        gate = self.views()
        for name in ("+Archive", "+", "+Archive@example.org", "++"):
            self.assertEqual(self.try_login(gate, name), AUTH, name)
        for name in (b"ann+\xff", b"ann+\xc0\xaf", b"ann+Arch\x1bive", b"ann+\x7f", b"ann\x01+Archive"):
            self.assertRegex(self.try_login(gate, name), rb"^-ERR (?!\[AUTH\])", name)
        token = base64.b64encode(b"\0ann+" + b"x" * 1020 + b"\0secret").decode()
        with Client(gate.port) as client:
            self.assertEqual(client.command(f"AUTH PLAIN {token}"), AUTH)
        token = base64.b64encode(b"\0ann+" + b"x" * 1021 + b"\0secret").decode()
        with Client(gate.port) as client:
            self.assertRegex(client.command(f"AUTH PLAIN {token}"), rb"^-ERR")
        self.assertLessEqual(len(self.server.commands("LOGIN")), 1)
        self.assertEqual([line for line in self.server.commands("SELECT") if "INBOX" not in line], [])

    def test_at_once_or_step_by_step_a_right_password_opens_no_other_folder(self):
        for capability in ("IMAP4rev1 UIDPLUS", "IMAP4rev1 SASL-IR LITERAL+ UIDPLUS AUTH=PLAIN ENABLE"):
            gate = self.views(capability)
            before = len(self.server.received)
            self.assertEqual(self.try_login(gate, "ann+Secret"), AUTH)
            self.assertGreater(len(self.server.received), before)
            self.assertRegex(self.try_login(gate, "ann+Archive"), FINE)

    def test_waiting_is_for_the_user_whatever_the_folder(self):
        gate = self.views(limits={"login_penalty": 15})
        begun = time.monotonic()
        self.assertEqual(self.try_login(gate, "ann+Archive", "wrong"), AUTH)
        self.assertEqual(self.try_login(gate, "ann+Secret"), AUTH)
        self.assertGreater(time.monotonic() - begun, 5.8)
        self.assertRegex(gate.log(), r"event=login_failed user=ann .*folder=Secret .*delay=4 ")
        self.assertRegex(self.try_login(gate, "bob+Archive"), FINE)

    def test_a_kept_drop_is_of_one_folder(self):
        gate = self.views(limits={"keep_open": 20})
        for name in ("ann+Archive", "ann", "ann+Archive", "ann"):
            with Client(gate.port) as client:
                self.assertRegex(client.login(name, "secret"), FINE)
                self.assertRegex(client.command("QUIT"), FINE)
            time.sleep(0.2)
        self.assertEqual(len(self.server.commands("LOGIN")), 2)
        self.assertEqual(self.try_login(gate, "ann+Secret"), AUTH)
        self.assertEqual(len(self.server.commands("LOGIN")), 3)


class Accounts(NamesCase):
    def accounts(self, *accounts, **sections):
        self.server = Server(MESSAGES, on={"LOGIN": refuse_wrong}, capability="IMAP4rev1 UIDPLUS")
        self.addCleanup(self.server.close)
        gate = Gateway([imap_backend(port=self.server.port)], accounts="accounts", **sections,
                       routes=[{"users": "*", "backend": "main", "folder_delimiter": "+", "folders": ["Archive"]}])
        self.addCleanup(gate.stop)
        accountlist.write(gate, *accounts)
        return gate.start()

    def test_an_account_is_proved_first_and_its_list_counts(self):
        gate = self.accounts(account("ann", folders=["Own"]), account("bob"),
                             account("carol", backend="main"), account("dora", folder="Hers", folders=["Own"]))
        for name, folder in (("ann+Own", "Own"), ("bob+Archive", "Archive"), ("carol", "INBOX"), ("dora", "Hers"),
                             ("dora+Own", "Own")):
            self.assertRegex(self.try_login(gate, name), FINE, name)
            self.assertIn(folder, self.server.commands("SELECT")[-1])
        asked = self.server.connections
        for name in ("ann+Archive", "bob+Own", "carol+Archive", "dora+Hers", "nobody+Archive", "nobody+Own"):
            for password in ("secret", "wrong"):
                if (name, password) != ("nobody+Archive", "secret"):
                    self.assertEqual(self.try_login(gate, name, password), AUTH, name)
        # who has no account was proved by the upstream, all others here
        self.assertEqual(self.server.connections, asked + 3)


    def test_who_answers_a_challenge_is_the_same_by_each_name(self):
        gate = self.accounts(account("ann@example.org", secret="pencil", upstream_secret="secret"),
                             default_domain="example.org", percent_domain=True)

        def cram(client, name):
            challenge = base64.b64decode(client.command("AUTH CRAM-MD5").partition(b" ")[2])
            digest = hmac.new(b"pencil", challenge, "md5").hexdigest()
            return client.command(base64.b64encode(f"{name} {digest}".encode()).decode())

        def apop(client, name):
            stamp = client.greeting.split(b" ")[-1]
            return client.command(f"APOP {name} {hashlib.md5(stamp + b'pencil').hexdigest()}")

        def scram(client, name):
            return scramclient.login(client, "SCRAM-SHA-256", scramclient.Scram("SCRAM-SHA-256", name, "pencil"))

        ways = [cram, apop]
        with Client(gate.port) as client:
            if b"SCRAM-SHA-256" in client.multiline("CAPA"):
                ways.append(scram)
        for way in ways:
            for name, folder in (("ann", "INBOX"), ("ann%example.org", "INBOX"), ("ann+Archive", "Archive"),
                                 ("ann+Archive%example.org", "Archive"), ("ann+Archive@example.org", "Archive")):
                with Client(gate.port) as client:
                    self.assertRegex(way(client, name), FINE, (way, name))
                self.assertIn(folder, self.server.commands("SELECT")[-1])
            for name in ("ann+Secret", "ann@example.com", "bob+Archive"):
                with Client(gate.port) as client:
                    self.assertEqual(way(client, name), AUTH, (way, name))


@unittest.skipUnless(dovecot.available(), "needs Dovecot")
class Mailboxes(NamesCase):
    MORE = """
namespace inbox {
  mailbox Spam {
    special_use = \\Junk
    auto = create
  }
  mailbox Archive {
    auto = create
  }
}
"""

    @classmethod
    def setUpClass(cls):
        cls.server = dovecot.Dovecot(more=cls.MORE)
        cls.addClassCleanup(cls.server.stop)
        cls.server.start()

    def open(self, gate, name):
        client = Client(gate.port)
        self.addCleanup(client.close)
        self.assertRegex(client.login(name, "secret"), FINE)
        return client

    def test_two_folders_at_the_same_time(self):
        for folder in ("INBOX", "Spam", "Archive"):
            self.server.append("twice", [f"Subject: {folder} {n}\r\n\r\ntext\r\n".encode() for n in (1, 2, 3)], folder)
        gate = self.gateway([imap_backend(self.server)], routes=[
            {"users": "*", "backend": "main", "folder_delimiter": "+", "folders": ["Archive", "Spam", "\\Junk"]}])
        inbox, junk, archive = (self.open(gate, name) for name in ("twice", "twice+junk", "twice+Archive"))
        for client, folder in ((inbox, "INBOX"), (junk, "Spam"), (archive, "Archive")):
            self.assertIn(f"Subject: {folder} 1\r\n".encode(), client.multiline("RETR 1"))
        ids = [client.multiline("UIDL") for client in (inbox, junk, archive)]
        self.assertEqual(len(set(ids)), 3)
        # the same folder by its other name has one lock
        gate.allow_warning("event=login_failed .*status=in_use")
        with Client(gate.port) as client:
            self.assertRegex(client.login("twice+Spam", "secret"), rb"^-ERR \[IN-USE\]")
        for client, number in ((inbox, 1), (junk, 2), (archive, 3)):
            self.assertRegex(client.command(f"DELE {number}"), FINE)
        self.assertRegex(junk.command("QUIT"), FINE)
        self.assertEqual([len(self.server.bodies("twice", folder)) for folder in ("INBOX", "Spam", "Archive")], [3, 2, 3])
        self.assertRegex(inbox.command("QUIT"), FINE)
        archive.close()
        for folder, left in (("INBOX", (2, 3)), ("Spam", (1, 3)), ("Archive", (1, 2, 3))):
            bodies = b"".join(self.server.bodies("twice", folder).values())
            self.assertEqual([n for n in (1, 2, 3) if f"Subject: {folder} {n}".encode() in bodies], list(left))
        # its ids are its own still
        self.assertEqual(self.open(gate, "twice+Spam").multiline("UIDL").splitlines()[0], ids[1].splitlines()[0])

    def test_a_listed_folder_that_is_not_there(self):
        gate = self.gateway([imap_backend(self.server)], routes=[
            {"users": "*", "backend": "main", "folder_delimiter": "+", "folders": ["Nowhere"]}])
        gate.expect_warning("event=login_failed user=gone .*folder=Nowhere .*status=perm")
        self.assertEqual(self.try_login(gate, "gone+Nowhere", "wrong"), AUTH)
        self.assertRegex(self.try_login(gate, "gone+Nowhere"), rb"^-ERR \[SYS/PERM\]")


class Session(NamesCase):
    """`popgate session`, which asks no broker."""

    def test_names_and_folders(self):
        server = Server(MESSAGES)
        self.addCleanup(server.close)
        gate = Gateway([imap_backend(port=server.port)], routes=Views.ROUTES, default_domain="example.org")
        self.addCleanup(gate.kill)
        gate.write_config()
        for name, reply in (("ann+Archive", "+OK 1 messages"), ("ann", "+OK 1 messages"),
                            ("ann+Secret", AUTH.decode()), ("+Archive", AUTH.decode())):
            done = subprocess.run(gate.command("session"), input=f"USER {name}\r\nPASS secret\r\nQUIT\r\n", text=True,
                                  stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False)
            self.assertIn(reply, done.stdout)
        self.assertIn("Archive", server.commands("SELECT")[0])


class Maildir(NamesCase):
    """Whose passwords the session proves."""

    def test_input_86_folders_of_a_maildir(self):
        with LocalMail() as mail:
            mail.add("ann")
            for folder in ("Junk", "Other"):
                for part in ("new", "cur", "tmp"):
                    mail.make(f"{mail.folder}/mail/ann/Maildir/.{folder}/{part}")
                mail.write(f"{mail.folder}/mail/ann/Maildir/.{folder}/new/1.x", b"Subject: 1\n\n1\n")
            gate = self.gateway([mail.backend()], routes=[
                {"users": "*", "backend": "local", "folder_delimiter": "-", "folders": ["Junk"]}])
            self.assertRegex(self.try_login(gate, "ann"), rb"^\+OK 0 messages")
            self.assertRegex(self.try_login(gate, "ann-Junk"), rb"^\+OK 1 messages")
            for name in ("ann-Other", "ann-", "ann-../../ann/Maildir/.Other", "ann-junk", "nobody-Junk"):
                self.assertEqual(self.try_login(gate, name), AUTH, name)
                self.assertEqual(self.try_login(gate, name, "wrong"), AUTH, name)


class Configuration(NamesCase):
    def test_accounts_that_nobody_could_log_in_as(self):
        for sections, settings, words in (
                ({"default_domain": "example.org"}, {}, "nobody can log in as `ann`: .* reads that as `ann@example.org`"),
                ({}, {"folders": ["A"]}, "`folders` in `accounts` has no use: no route has a `folder_delimiter`")):
            gate = Gateway([example_backend()], accounts="accounts", **sections)
            self.addCleanup(gate.kill)
            accountlist.write(gate, account("ann", upstream_secret="x", **settings))
            gate.write_config()
            done = subprocess.run(gate.command("check"), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                  check=False)
            self.assertNotEqual(done.returncode, 0)
            self.assertRegex(done.stdout, r"accounts:\d+: " + words)

    def test_a_plugin_that_cannot_open_folders(self):
        gate = Gateway([example_backend()], routes=[{"users": "*", "backend": "example", **VIEWS}])
        self.addCleanup(gate.kill)
        gate.write_config()
        for verb in ("check", "serve"):
            done = subprocess.run(gate.command(verb), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                  timeout=20, check=False)
            self.assertNotEqual(done.returncode, 0)
            self.assertRegex(done.stdout, r"popgate.conf:\d+: the route for `\*` asks for a folder, which plugin example")


if __name__ == "__main__":
    tap.main()
