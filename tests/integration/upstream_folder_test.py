"""Folders that a login asks for, of an IMAP server and of a Maildir: by their name, or by what they are for."""

import os
import unittest

import accountlist
import dovecot
import tap
from accountlist import account
from gateway import Gateway, imap_backend
from localmail import LocalMail
from pop3client import Client

FINE = rb"^\+OK"
PERMANENT = rb"^-ERR \[SYS/PERM\]"

SPECIAL = """
namespace inbox {
  mailbox Spam {
    special_use = \\Junk
    auto = create
  }
  mailbox "Gelöschtes & mehr" {
    special_use = \\Trash
    auto = create
  }
}
"""
TRASH = "Gel&APY-schtes &- mehr"


def message(subject):
    return f"Subject: {subject}\r\n\r\ntext\r\n".encode()


class Visits(unittest.TestCase):
    def login(self, gate, user):
        client = Client(gate.port)
        self.addCleanup(client.close)
        self.assertRegex(client.login(user, "secret"), FINE)
        return client

    def refused(self, gate, user, words):
        gate.expect_warning(words)
        with Client(gate.port) as client:
            self.assertRegex(client.login(user, "secret"), PERMANENT)

    def subjects(self, client):
        count = int(client.command("STAT").split()[1])
        return [client.multiline(f"RETR {n}").split(b"\r\n")[0].partition(b" ")[2].decode()
                for n in range(1, count + 1)]


@unittest.skipUnless(dovecot.available(), "needs Dovecot")
class Imap(Visits):
    @classmethod
    def setUpClass(cls):
        cls.server = dovecot.Dovecot(more=SPECIAL)
        cls.addClassCleanup(cls.server.stop)
        cls.server.start()

    def gateway(self, user, folders, **settings):
        """user-N asks for the N-th folder."""
        gate = Gateway([imap_backend(self.server, **settings)], accounts="accounts")
        self.addCleanup(gate.stop)
        accountlist.write(gate, *(account(f"{user}-{number}", upstream_user=user, folder=folder)
                                  for number, folder in enumerate(folders)))
        return gate.start()

    def fill(self, user):
        for folder in ("INBOX", "Spam", '"Work/Old \\"stuff\\""', f'"{TRASH}"'):
            self.server.append(user, [message(f"in {folder}")], folder)

    def test_a_folder_by_its_name(self):
        self.fill("named")
        gate = self.gateway("named", ["Spam", 'Work/Old "stuff"', "Gelöschtes & mehr", "inbox"])
        for number, folder in enumerate(("Spam", '"Work/Old \\"stuff\\""', f'"{TRASH}"', "INBOX")):
            with self.subTest(folder=folder):
                self.assertEqual(self.subjects(self.login(gate, f"named-{number}")), [f"in {folder}"])

    def test_a_folder_by_its_use(self):
        self.fill("used")
        gate = self.gateway("used", ["\\Junk", "\\trash", "\\Sent", "\\Nothing"])
        self.assertEqual(self.subjects(self.login(gate, "used-0")), ["in Spam"])
        self.assertEqual(self.subjects(self.login(gate, "used-1")), [f'in "{TRASH}"'])
        self.refused(gate, "used-2", "the server tells of no folder for .*Sent")
        self.refused(gate, "used-3", "the folder that the login asks for is no special use")

    def test_a_folder_by_its_use_of_who_takes_utf8(self):
        self.fill("wide")
        gate = self.gateway("wide", ["\\Trash"])
        with Client(gate.port) as client:
            self.assertRegex(client.command("UTF8"), FINE)
            self.assertRegex(client.login("wide-0", "secret"), FINE)
            self.assertEqual(self.subjects(client), [f'in "{TRASH}"'])

    def test_a_folder_that_is_not_there(self):
        self.refused(self.gateway("none", ["Nowhere"]), "none-0", "event=login_failed .*status=perm")

    def test_one_lock_whatever_the_folder_is_called(self):
        self.fill("locked")
        gate = self.gateway("locked", ["\\Trash", "Gelöschtes & mehr", "INBOX"])
        self.login(gate, "locked-0")
        gate.allow_warning("event=login_failed .*status=in_use")
        with Client(gate.port) as client:
            self.assertRegex(client.login("locked-1", "secret"), rb"^-ERR \[IN-USE\]")
        self.login(gate, "locked-2")

    def test_what_goes_to_the_trash_and_what_is_in_it(self):
        for number, trash in enumerate(("Gelöschtes & mehr", "\\Trash")):
            user = f"binned{number}"
            with self.subTest(trash=trash):
                self.fill(user)
                gate = self.gateway(user, ["INBOX", "\\Trash", "Gelöschtes & mehr"], delete="move", trash_folder=trash)
                client = self.login(gate, f"{user}-0")
                self.assertRegex(client.command("DELE 1"), FINE)
                self.assertRegex(client.command("QUIT"), FINE)
                self.assertEqual(len(self.server.bodies(user, f'"{TRASH}"')), 2)
                for way in (1, 2):
                    client = self.login(gate, f"{user}-{way}")
                    self.assertRegex(client.command("DELE 1"), FINE)
                    self.assertRegex(client.command("QUIT"), FINE)
                    self.assertEqual(len(self.server.bodies(user, f'"{TRASH}"')), 2 - way)

    def test_a_use_in_the_settings(self):
        self.fill("set")
        gate = self.gateway("set", ["INBOX"], folder="\\Junk")
        client = Client(gate.port)
        self.addCleanup(client.close)
        self.assertRegex(client.login("set", "secret"), FINE)
        self.assertEqual(self.subjects(client), ["in Spam"])


class Maildir(Visits):
    def setUp(self):
        self.mail = LocalMail()
        self.addCleanup(self.mail.remove)
        self.mail.add("ann")
        self.mail.deliver("ann", message("inbox"))
        self.folders = {}
        for name in (".Junk", ".Work.Old", ".Trash"):
            for part in ("new", "cur", "tmp"):
                self.mail.make(f"{self.mail.folder}/mail/ann/Maildir/{name}/{part}")
            self.mail.write(f"{self.mail.folder}/mail/ann/Maildir/{name}/new/1.x", message(f"in {name}"))

    def gateway(self, folders, **settings):
        gate = Gateway([self.mail.backend(**settings)], accounts="accounts")
        self.addCleanup(gate.stop)
        accountlist.write(gate, *(account(f"ann-{number}", upstream_user="ann", folder=folder)
                                  for number, folder in enumerate(folders)))
        return gate.start()

    def test_a_folder_by_its_name(self):
        gate = self.gateway(["Junk", "Work/Old", "Work.Old", "Inbox"])
        for number, subject in enumerate(("in .Junk", "in .Work.Old", "in .Work.Old", "inbox")):
            self.assertEqual(self.subjects(self.login(gate, f"ann-{number}")), [subject])

    def test_no_folder_leads_elsewhere(self):
        self.mail.add("bob")
        self.mail.deliver("bob", message("bob's"))
        os.symlink(f"{self.mail.folder}/mail/bob/Maildir", f"{self.mail.folder}/mail/ann/Maildir/.Link")
        for folder in ("../../bob/Maildir", "..", ".", "/", "Junk/../..", "Junk//x", ".Junk", "Link", "Nowhere", "new"):
            with self.subTest(folder=folder):
                gate = self.gateway([folder])
                gate.allow_warning("event=login_failed .*status=(perm|temp)")
                with Client(gate.port) as client:
                    self.assertRegex(client.login("ann-0", "secret"), rb"^-ERR \[SYS/(PERM|TEMP)\]")
                if folder not in ("Link", "Nowhere", "new"):
                    self.assertIn("the folder that the login asks for has a part that is empty", gate.log())

    def test_what_is_in_the_trash(self):
        gate = self.gateway(["Trash"], delete="move", trash_folder="Trash")
        client = self.login(gate, "ann-0")
        self.assertRegex(client.command("DELE 1"), FINE)
        self.assertRegex(client.command("QUIT"), FINE)
        self.assertEqual(os.listdir(f"{self.mail.folder}/mail/ann/Maildir/.Trash/new"), [])

    def test_without_a_password_file(self):
        backend = self.mail.backend()
        del backend["password_file"]
        gate = Gateway([backend], accounts="accounts", limits={"keep_open": 30})
        self.addCleanup(gate.stop)
        accountlist.write(gate, account("ann"), account("bob", upstream_secret="hers", upstream_user="ann"))
        gate.start()
        for _ in range(2):
            client = self.login(gate, "ann")
            self.assertEqual(self.subjects(client), ["inbox"])
            self.assertRegex(client.command("QUIT"), FINE)
        for user in ("ann", "stranger"):
            with Client(gate.port) as client:
                self.assertRegex(client.login(user, "wrong"), rb"^-ERR \[AUTH\]")
        self.assertIn("there is no password_file, and no account has proved the user", gate.log())
        self.refused(gate, "bob", "there is no password_file, and no account has proved the user")


if __name__ == "__main__":
    tap.main()
