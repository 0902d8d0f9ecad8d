"""Plugin maildir: a local Maildir as the maildrop, beside others that deliver, read and remove there."""

import base64
import os
import poplib
import random
import re
import shutil
import subprocess
import sys
import time
import unittest

import dovecot
import localmail
import messages
import tap
from dovecot import Dovecot, free_port
from gateway import SANITIZED, Gateway
from localmail import PASSWORD, LocalMail
from pop3client import Client


def letter(number):
    return b"Subject: letter %d\n\nthis is letter %d\n" % (number, number)


# Changes flags without end, in no order.
RENAMES = """
import os, random, sys
os.chdir(sys.argv[1])
while True:
    names = os.listdir()
    random.shuffle(names)
    for name in names:
        os.rename(name, name.partition(":")[0] + ":2," + random.choice(["", "F", "FS", "S", "RS"]))
"""


class Case(unittest.TestCase):
    """A gateway and a user with five letters for each test."""

    settings = {}
    count = 5
    user = "ann"

    def setUp(self):
        self.mail = LocalMail()
        self.addCleanup(self.mail.remove)
        self.mail.add(self.user)
        for number in range(1, self.count + 1):
            self.mail.deliver(self.user, letter(number))
        self.prepare()
        self.gate = self.start(**self.settings)

    def prepare(self):
        """What must be there before the gateway starts."""

    def start(self, **settings):
        more = {"user": "nobody"} if os.geteuid() == 0 else {}
        gate = Gateway([self.mail.backend(**settings)], sandbox="auto", **more)
        self.addCleanup(gate.stop)
        return gate.start()

    def client(self, user=None, password=PASSWORD, expected=rb"^\+OK", gate=None):
        client = Client((gate or self.gate).port)
        self.addCleanup(client.close)
        self.assertRegex(client.login(user or self.user, password), expected)
        return client

    def warned(self, pattern):
        self.gate.expect_warning(pattern)

    @staticmethod
    def listed(client):
        return [int(line.split()[1]) for line in client.multiline("LIST").splitlines()]

    @staticmethod
    def ids(client):
        return [line.split()[1].decode() for line in client.multiline("UIDL").splitlines()]

    def visit(self, gate=None):
        """{unique id: message}, in order, of one session; sizes are those that are listed."""
        with self.client(gate=gate) as client:
            sizes, ids, found = self.listed(client), self.ids(client), {}
            self.assertEqual(len(set(ids)), len(ids))
            for number, one in enumerate(ids, 1):
                found[one] = client.multiline(f"RETR {number}")
                self.assertEqual(len(found[one]), sizes[number - 1], one)
            self.assertEqual(client.command("STAT"), b"+OK %d %d" % (len(ids), sum(sizes)))
            self.assertRegex(client.command("QUIT"), rb"^\+OK")
            return found

    def left(self, folder=None):
        """The numbers of the letters that are there."""
        return sorted(int(octets.split()[2]) for octets in self.mail.files(self.user, folder).values())


class Reading(Case):
    def test_letters_come_in_the_order_of_their_delivery(self):
        self.assertEqual(list(self.visit().values()), [messages.on_the_wire(letter(n)) for n in range(1, 6)])

    def test_python_reads_it(self):
        client = poplib.POP3("127.0.0.1", self.gate.port, timeout=10)
        client.user("ann")
        client.pass_(PASSWORD)
        self.assertEqual(client.stat()[0], 5)
        self.assertIn(b"Subject: letter 3", client.top(3, 0)[1])
        client.quit()

    @unittest.skipUnless(shutil.which("curl"), "needs curl")
    def test_curl_reads_and_removes(self):
        url = f"pop3://127.0.0.1:{self.gate.port}"
        run = ["curl", "-s", "-S", "-u", f"ann:{PASSWORD}", "--max-time", "20"]
        listed = subprocess.run([*run, url], stdout=subprocess.PIPE, check=True).stdout
        self.assertEqual(listed, b"".join(b"%d 39\r\n" % n for n in range(1, 6)))
        read = subprocess.run([*run, f"{url}/3"], stdout=subprocess.PIPE, check=True).stdout
        self.assertEqual(read, messages.on_the_wire(letter(3)))
        subprocess.run([*run, "-X", "DELE", "-l", f"{url}/3"], stdout=subprocess.PIPE, check=True)
        self.assertEqual(self.left(), [1, 2, 4, 5])

    def test_a_listed_size_is_what_is_sent(self):
        odd = (b"", b"\n", b"\r\n", b"a", b"a\r", b"a\n", b"a\r\n", b"a\r\r\n", b"\ra\nb\r\nc\rd\n", b".\n..\n.a\n",
               b"Subject: x\n\n.\n.", b"Subject: x\r\n\r\nlast line without end", b"\n\n\n", b"a\n\r", b"x" * 65535 + b"\r\n",
               b"x" * 65535 + b"\n" + b"y" * 65535 + b"\r", b"x" * 65536 + b"\n\n", b"x" * 131071 + b"\r\n\n")
        for octets in odd:
            self.mail.deliver("ann", octets)
        for _ in range(2):  # counted, and remembered
            self.assertEqual(list(self.visit().values())[5:], [messages.on_the_wire(octets) for octets in odd])

    def test_random_messages_arrive_as_they_are_listed(self):
        rng = random.Random(7)
        octets = [messages.some_message(rng) for _ in range(60)]
        for one in octets:
            self.mail.deliver("ann", one, where=rng.choice(("new", "cur")))
        self.assertEqual(list(self.visit().values())[5:], [messages.on_the_wire(one) for one in octets])

    def test_top_is_cut(self):
        self.mail.deliver("ann", b"Subject: long\n\none\ntwo\nthree\n" + b"x\n" * 100000)
        with self.client() as client:
            self.assertEqual(client.multiline("TOP 6 2"), b"Subject: long\r\n\r\none\r\ntwo\r\n")
            self.assertEqual(client.multiline("TOP 1 99"), messages.on_the_wire(letter(1)))

    def test_flags_and_moves_of_others_change_no_unique_id(self):
        before = self.visit()
        self.mail.see("ann", "")
        self.assertEqual(self.visit(), before)
        for name in list(self.mail.files("ann")):
            self.mail.rename("ann", name, name + "FRS")
        self.assertEqual(self.visit(), before)

    def test_reading_changes_nothing(self):
        before = self.mail.files("ann")
        self.visit()
        self.assertEqual(self.mail.files("ann"), before)

    def test_a_name_that_is_no_unique_id_is_digested(self):
        for name in ("1700000900.M1P1." + "h" * 100, "1700000901.a b", "1700000902.M1P1.h\u00f6st", "1700000903." + "h" * 59,
                     "1700000904." + "h" * 60):
            self.mail.deliver("ann", letter(9), name=name)
        ids = list(self.visit())[5:]
        for one in (*ids[:3], ids[4]):
            self.assertRegex(one, r"^[0-9a-f]{40}$")
        self.assertEqual(ids[3], "1700000903." + "h" * 59)
        self.mail.see("ann")
        self.assertEqual(list(self.visit())[5:], ids)

    def test_a_size_in_the_name_is_believed_where_it_can_be_true(self):
        octets = letter(6)
        true, disk = len(messages.on_the_wire(octets)), len(octets)
        for number, fields in enumerate((f",S={disk},W={true}", f",W={true}", f",S={disk}", f",S={disk},W={disk - 1}",
                                         f",S={disk},W={3 * disk}", ",W=99999999999999999999", ",W=-1", ",W=", ",W=1x")):
            self.mail.deliver("ann", octets, name=f"17000009{number:02}.M1P1.host{fields}:2,S", where="cur")
        self.visit()
        # no reading of what the name tells
        self.mail.deliver("ann", octets, name=f"1700001000.M1P1.host,S={disk},W={true + 1}:2,", where="cur")
        with self.client() as client:
            self.assertEqual(self.listed(client)[-1], true + 1)

    def test_a_colon_in_a_name_is_no_end_of_it(self):
        for name in ("mail-12:30:01", "mail-12:45:00"):
            self.mail.deliver("ann", letter(len(self.mail.files("ann")) + 1), name=name)
        self.assertEqual(len(self.visit()), 7)
        self.mail.see("ann")
        self.assertIn("mail-12:30:01", self.visit())

    def test_a_message_in_new_and_cur_counts_once(self):
        name = self.mail.deliver("ann", letter(6))
        os.link(self.mail.place("ann", f"new/{name}"), self.mail.place("ann", f"cur/{name}:2,S"))
        with self.client() as client:
            self.assertEqual(len(self.ids(client)), 6)
            client.command("DELE 6")
            self.assertRegex(client.command("QUIT"), rb"^\+OK")
        self.assertEqual(self.left(), [1, 2, 3, 4, 5])

    def test_a_maildir_that_is_not_there_is_not_empty(self):
        self.mail.write(self.mail.password_file("bob"), localmail.QUICK.encode())
        self.warned("No such file")
        self.client("bob", expected=rb"^-ERR \[SYS/PERM\]")

    @unittest.skipIf(SANITIZED, "has no sandbox")
    def test_it_works_in_the_sandbox_and_without_root(self):
        self.client()
        with open(f"/proc/{self.gate.pids('session')[0]}/status", encoding="ascii") as file:
            status = file.read()
        self.assertRegex(status, r"Seccomp:\t2\n")
        self.assertNotRegex(status, r"Uid:.*\t0\b")

    def test_one_session_at_a_time(self):
        self.client()
        self.client(expected=rb"^-ERR \[IN-USE\]")


class Remembering(Case):
    def remembered(self):
        try:
            with open(self.mail.place("ann", "popgate-sizes"), "rb") as file:
                return file.read()
        except FileNotFoundError:
            return None

    def test_sizes_are_remembered_as_long_as_the_messages_are_there(self):
        self.visit()
        first = self.remembered()
        self.assertEqual(first.split(b"\n")[0], b"popgate-sizes 1")
        self.assertEqual(len(first.splitlines()), 6)
        stamp = os.stat(self.mail.place("ann", "popgate-sizes")).st_ino
        self.visit()
        self.assertEqual(os.stat(self.mail.place("ann", "popgate-sizes")).st_ino, stamp)
        name = sorted(self.mail.files("ann"))[0]
        os.unlink(self.mail.place("ann", name))
        self.mail.deliver("ann", letter(6))
        self.visit()
        self.assertEqual(len(self.remembered().splitlines()), 6)
        self.assertNotIn(name[4:].encode(), self.remembered())

    def test_what_is_remembered_is_not_read_again(self):
        self.visit()
        text = self.remembered().replace(b"%d s" % len(messages.on_the_wire(letter(1))), b"12345 s")
        self.mail.write(self.mail.place("ann", "popgate-sizes"), text)
        with self.client() as client:
            self.assertEqual(self.listed(client), [12345] * 5)

    def test_damage_is_left_out(self):
        for text in (b"", b"popgate-sizes 2\n1 s x\n", b"\0" * 1000, b"popgate-sizes 1\n" + b"x" * 100000 + b"\n9 s",
                     b"popgate-sizes 1\n" + b"".join(b"99 %s\n" % name.encode()[4:] for name in self.mail.files("ann"))):
            self.mail.write(self.mail.place("ann", "popgate-sizes"), text)
            self.visit()
            self.assertEqual(len(self.remembered().splitlines()), 6, text[:100])

    def test_a_link_in_its_place_is_not_followed(self):
        other = os.path.join(self.mail.folder, "other")
        self.mail.write(other, b"popgate-sizes 1\n")
        os.symlink(other, self.mail.place("ann", "popgate-sizes"))
        self.visit()
        with open(other, "rb") as file:
            self.assertEqual(file.read(), b"popgate-sizes 1\n")

    def test_a_folder_that_takes_no_file_is_no_fault(self):
        os.chmod(self.mail.place("ann"), 0o555)
        self.assertEqual(len(self.visit()), 5)


class Others(Case):
    """Others at work in the middle of a session."""

    def test_flags_are_followed(self):
        with self.client() as client:
            self.mail.see("ann")
            for number in range(1, 6):
                self.assertEqual(client.multiline(f"RETR {number}"), messages.on_the_wire(letter(number)))
            for name in list(self.mail.files("ann")):
                self.mail.rename("ann", name, name.replace(":2,S", ":2,RST"))
            self.assertEqual(client.multiline("RETR 2"), messages.on_the_wire(letter(2)))

    def test_a_listing_misses_nothing_that_is_renamed_meanwhile(self):
        self.mail.see("ann")
        for number in range(6, 8001):
            self.mail.deliver("ann", b"x\n", name=f"{1700000000 + number}.M{number}P1.host,W=3:2,", where="cur")
        other = subprocess.Popen([sys.executable, "-c", RENAMES, self.mail.place("ann", "cur")])
        try:
            for _ in range(12):
                with self.client() as client:
                    self.assertRegex(client.command("STAT"), rb"^\+OK 8000 ")
                    client.command("QUIT")
                self.gate.wait_until(lambda: not self.gate.pids("session"), "the session to end")
        finally:
            other.kill()
            other.wait()

    def test_an_id_stays_with_one_of_two_messages_of_one_name(self):
        self.mail.deliver("ann", letter(6), name="1800000000.x")
        self.mail.deliver("ann", letter(7), name="1800000000.x:2,S", where="cur")
        before = self.visit()
        self.assertEqual(len(before), 6)
        self.mail.rename("ann", "new/1800000000.x", "cur/1800000000.x:2,F")
        self.mail.rename("ann", "cur/1800000000.x:2,S", "new/1800000000.x")
        self.assertEqual(self.visit(), before)

    def test_what_vanishes_is_missing_alone(self):
        names = sorted(self.mail.files("ann"))
        with self.client() as client:
            os.unlink(self.mail.place("ann", names[1]))
            self.warned("fetch_failed")
            self.assertRegex(client.command("RETR 2"), rb"^-ERR")
            self.assertEqual(client.multiline("RETR 3"), messages.on_the_wire(letter(3)))
            client.command("DELE 2")
            client.command("DELE 4")
            self.assertRegex(client.command("QUIT"), rb"^\+OK")
        self.assertEqual(self.left(), [1, 3, 5])

    def test_deliveries_change_no_number(self):
        with self.client() as client:
            self.mail.deliver("ann", letter(6), name="1000000000.M1P1.early")
            self.mail.see("ann")
            self.assertRegex(client.command("STAT"), rb"^\+OK 5 ")
            self.assertEqual(client.multiline("RETR 1"), messages.on_the_wire(letter(1)))
            client.command("DELE 1")
            self.assertRegex(client.command("QUIT"), rb"^\+OK")
        self.assertEqual(self.left(), [2, 3, 4, 5, 6])

    def test_a_message_that_is_cut_short_is_never_whole(self):
        name = self.mail.deliver("ann", b"Subject: letter 6\n\n" + b"x" * 70000000)
        with self.client() as client:
            client.send(b"RETR 6\r\n")
            client.socket.recv(1000)
            os.truncate(self.mail.place("ann", f"new/{name}"), 100)
            self.warned("fetch_failed|shorter")
            self.assertFalse(client.rest().endswith(b"\r\n.\r\n"))


class Removing(Case):
    def test_only_what_was_deleted_goes(self):
        self.mail.see("ann")
        with self.client() as client:
            client.command("DELE 2")
            client.command("DELE 5")
            self.assertEqual(self.left(), [1, 2, 3, 4, 5])
            self.assertRegex(client.command("QUIT"), rb"^\+OK")
        self.assertEqual(self.left(), [1, 3, 4])

    def test_rset_takes_it_back(self):
        with self.client() as client:
            client.command("DELE 2")
            client.command("RSET")
            client.command("DELE 3")
            self.assertRegex(client.command("QUIT"), rb"^\+OK")
        self.assertEqual(self.left(), [1, 2, 4, 5])

    def test_flags_that_change_before_quit_are_followed(self):
        with self.client() as client:
            for number in (1, 2, 4):
                client.command(f"DELE {number}")
            self.mail.see("ann")
            self.assertRegex(client.command("QUIT"), rb"^\+OK")
        self.assertEqual(self.left(), [3, 5])

    def test_without_quit_nothing_goes(self):
        for end in (lambda client: client.close(), lambda client: self.gate.kill_process("session")):
            with self.client() as client:
                client.command("DELE 1")
                self.gate.allow_warning("died")
                end(client)
            self.gate.wait_until(lambda: not self.gate.pids("session"), "the session to end")
            self.assertEqual(self.left(), [1, 2, 3, 4, 5])

    def test_what_cannot_be_removed_is_told(self):
        with self.client() as client:
            client.command("DELE 1")
            os.chmod(self.mail.place("ann", "new"), 0o555)
            self.warned("1 of 1 messages could not be removed")
            self.assertRegex(client.command("QUIT"), rb"^-ERR")
        os.chmod(self.mail.place("ann", "new"), 0o755)
        self.assertEqual(self.left(), [1, 2, 3, 4, 5])

    def test_keep(self):
        gate = self.start(delete="keep")
        with self.client(gate=gate) as client:
            client.command("DELE 1")
            self.assertRegex(client.command("QUIT"), rb"^\+OK")
        self.assertEqual(self.left(), [1, 2, 3, 4, 5])

    def test_flag(self):
        gate = self.start(delete="flag")
        names = sorted(self.mail.files("ann"))
        self.mail.rename("ann", names[1], "cur/" + names[1][4:] + ":2,SW")
        with self.client(gate=gate) as client:
            for number in (1, 2):
                client.command(f"DELE {number}")
            self.assertRegex(client.command("QUIT"), rb"^\+OK")
        found = self.mail.files("ann")
        self.assertEqual(set(found), {"cur/" + names[0][4:] + ":2,T", "cur/" + names[1][4:] + ":2,STW", *names[2:]})
        self.assertEqual(len(self.visit()), 5)
        with self.client(gate=gate) as client:  # once more
            client.command("DELE 1")
            self.assertRegex(client.command("QUIT"), rb"^\+OK")
        self.assertEqual(self.mail.files("ann"), found)

    def test_a_copy_that_has_the_flag_will_do(self):
        gate = self.start(delete="flag")
        names = [name[4:] for name in sorted(self.mail.files("ann"))]
        gate.expect_warning("1 of 2 messages could not be removed: File exists")
        with self.client(gate=gate) as client:
            for number in (1, 2):
                client.command(f"DELE {number}")
            self.mail.deliver("ann", letter(1), name=names[0] + ":2,T", where="cur")
            self.mail.deliver("ann", letter(9), name=names[1] + ":2,T", where="cur")
            self.assertRegex(client.command("QUIT"), rb"^-ERR")
        self.assertEqual(self.left(), [1, 1, 2, 3, 4, 5, 9])

    def test_move(self):
        gate = self.start(delete="move", trash_folder="Old/Trash")
        names = sorted(self.mail.files("ann"))
        self.mail.rename("ann", names[1], "cur/" + names[1][4:] + ":2,FS")
        for number in (1, 2):  # the folder is made, then there
            with self.client(gate=gate) as client:
                client.command("DELE 1")
                self.assertRegex(client.command("QUIT"), rb"^\+OK")
        self.assertEqual(self.left(), [3, 4, 5])
        self.assertEqual(self.mail.files("ann", "Old.Trash"),
                         {names[0]: letter(1), "cur/" + names[1][4:] + ":2,FS": letter(2)})
        self.assertTrue(os.path.isdir(self.mail.place("ann", "tmp", "Old.Trash")))

    def test_move_takes_both_files_of_a_message(self):
        gate = self.start(delete="move", trash_folder="Trash")
        name = self.mail.deliver("ann", letter(6))
        os.link(self.mail.place("ann", f"new/{name}"), self.mail.place("ann", f"cur/{name}:2,S"))
        with self.client(gate=gate) as client:
            client.command("DELE 6")
            self.assertRegex(client.command("QUIT"), rb"^\+OK")
        self.assertEqual(self.left(), [1, 2, 3, 4, 5])
        self.assertEqual(self.left("Trash"), [6, 6])

    def test_move_writes_over_nothing(self):
        gate = self.start(delete="move", trash_folder="Trash")
        name = sorted(self.mail.files("ann"))[0]
        self.mail.add_folder("ann", "Trash")
        self.mail.deliver("ann", letter(9), name=name[4:], folder="Trash")
        gate.expect_warning("could not be removed")
        with self.client(gate=gate) as client:
            client.command("DELE 1")
            self.assertRegex(client.command("QUIT"), rb"^-ERR")
        self.assertEqual(self.left("Trash"), [9])
        self.assertEqual(self.left(), [1, 2, 3, 4, 5])

    def test_a_folder_of_the_maildir(self):
        self.mail.add_folder("ann", "Lists.popgate")
        self.mail.deliver("ann", letter(7), folder="Lists.popgate")
        gate = self.start(folder="Lists/popgate")
        with self.client(gate=gate) as client:
            self.assertEqual(client.multiline("RETR 1"), messages.on_the_wire(letter(7)))
            client.command("DELE 1")
            self.assertRegex(client.command("QUIT"), rb"^\+OK")
        self.assertEqual(self.left("Lists.popgate"), [])
        self.assertEqual(self.left(), [1, 2, 3, 4, 5])


class Strangers(Case):
    """Files and names that are not what they should be."""

    def other(self):
        """Somebody else's mail."""
        self.mail.add("bob")
        name = self.mail.deliver("bob", letter(66))
        return self.mail.place("bob", f"new/{name}")

    def test_links_pipes_and_folders_are_no_messages(self):
        other, new = self.other(), self.mail.place("ann", "new")
        os.symlink(other, os.path.join(new, "1600000000.link,W=9"))
        os.mkfifo(os.path.join(new, "1600000001.pipe,W=9"))
        os.mkdir(os.path.join(new, "1600000002.folder,W=9"))
        self.mail.write(os.path.join(new, ".hidden"), b"hidden")
        self.mail.write(os.path.join(new, ":2,S"), b"nameless")
        self.assertEqual(list(self.visit().values()), [messages.on_the_wire(letter(n)) for n in range(1, 6)])

    def test_a_message_that_becomes_a_link_or_a_pipe_is_gone(self):
        other, names = self.other(), sorted(self.mail.files("ann"))
        with self.client() as client:
            os.unlink(self.mail.place("ann", names[0]))
            os.symlink(other, self.mail.place("ann", names[0]))
            os.unlink(self.mail.place("ann", names[1]))
            os.mkfifo(self.mail.place("ann", names[1]))
            self.warned("fetch_failed")
            for number in (1, 2):
                self.assertRegex(client.command(f"RETR {number}"), rb"^-ERR")
            client.multiline("RETR 3")

    def test_linked_folders_are_not_entered(self):
        self.other()
        for part in ("cur", "new"):
            path = self.mail.place("ann", part)
            os.rename(path, path + ".away")
            os.symlink(self.mail.place("bob", part), path)
            self.warned("Not a directory|symbolic")
            self.client(expected=rb"^-ERR \[SYS/PERM\]")
            os.unlink(path)
            os.rename(path + ".away", path)
        os.rename(self.mail.home("ann"), self.mail.home("ann") + ".away")
        os.symlink(self.mail.home("bob"), self.mail.home("ann"))
        self.client(expected=rb"^-ERR \[SYS/PERM\]")

    def test_a_linked_trash_is_not_entered(self):
        self.other()
        gate = self.start(delete="move", trash_folder="Trash")
        os.symlink(self.mail.home("bob"), self.mail.place("ann", folder="Trash").rstrip("/"))
        gate.expect_warning("Trash")
        with self.client(gate=gate) as client:
            client.command("DELE 1")
            self.assertRegex(client.command("QUIT"), rb"^-ERR")
        self.assertEqual(self.left(), [1, 2, 3, 4, 5])

    def test_a_message_that_may_not_be_read_is_told(self):
        self.mail.see("ann")
        name = sorted(self.mail.files("ann"))[1]
        os.chmod(self.mail.place("ann", name), 0)
        self.warned("fetch_failed")
        with self.client() as client:
            self.assertEqual(len(self.listed(client)), 5)
            self.assertRegex(client.command("RETR 2"), rb"^-ERR \[SYS/PERM\]")
            client.multiline("RETR 3")

    def test_names_that_lead_elsewhere_are_no_users(self):
        self.mail.write(os.path.join(self.mail.folder, "mail", "secret"), localmail.QUICK.encode())
        for name in ("../ann", "..", ".", "a/b", "ann/", "/ann", "ann@..", "ann@", "@ann", "%n", ".ann", "ann@.x", "./ann",
                     "../mail/secret", "ann\t", "x" * 300):
            self.client(name, expected=rb"^-ERR")
        self.assertEqual(len(self.visit()), 5)

    def test_hostile_uidlist(self):
        names = [name[4:] for name in sorted(self.mail.files("ann"))]
        lines = ["3 V1 N99 Gx", f"1 :{names[1]}", f"2 P{names[0]} :{names[2]}", f"3 Psame :{names[3]}", f"4 Psame :{names[4]}",
                 "5 P :nobody", "x", "6", "7 W", f"4 :{names[0]}"]
        self.mail.write(self.mail.place("ann", "dovecot-uidlist"), "\n".join(lines).encode() + b"\n8 :half")
        found = self.visit()
        self.assertEqual(list(found.items()),
                         [("0000000100000001", messages.on_the_wire(letter(2))), (names[2], messages.on_the_wire(letter(3))),
                          ("same", messages.on_the_wire(letter(4))), (names[4], messages.on_the_wire(letter(5))),
                          (names[0], messages.on_the_wire(letter(1)))])
        self.assertEqual(self.visit(), found)

    def test_a_uidlist_that_cannot_be_read_changes_no_id(self):
        uidlist, sizes = self.mail.place("ann", "dovecot-uidlist"), self.mail.place("ann", "popgate-sizes")
        names = [name[4:] for name in sorted(self.mail.files("ann"))]
        self.mail.write(uidlist, b"3 V1 N9 Gx\n" + b"".join(b"%d :%s\n" % (n, name.encode()) for n, name in
                                                            enumerate(names, 1)))
        found = self.visit()
        os.chmod(uidlist, 0)
        self.warned("dovecot-uidlist: Permission denied")
        self.client(expected=rb"^-ERR \[SYS/PERM\]")
        os.chmod(uidlist, 0o600)
        octets = os.path.getsize(uidlist)
        os.truncate(uidlist, 1 << 30)
        self.warned("dovecot-uidlist: File too large")
        self.client(expected=rb"^-ERR \[SYS/TEMP\]")
        os.truncate(uidlist, octets)
        self.assertEqual(self.visit(), found)
        os.chmod(sizes, 0)
        self.warned("popgate-sizes: Permission denied")
        self.client(expected=rb"^-ERR \[SYS/PERM\]")
        os.unlink(sizes)
        os.mkfifo(sizes)
        self.assertEqual(self.visit(), found)

    def test_what_dovecot_numbers_later_keeps_its_id(self):
        uidlist = self.mail.place("ann", "dovecot-uidlist")
        names = [name[4:] for name in sorted(self.mail.files("ann"))]
        self.mail.write(uidlist, b"3 V1 N2 Gx\n1 :%s\n" % names[0].encode())
        found = self.visit()
        self.assertEqual(list(found), ["0000000100000001", *names[1:]])
        self.mail.write(uidlist, b"3 V1 N9 Gx\n" + b"".join(b"%d :%s\n" % (n, name.encode()) for n, name in
                                                            enumerate(names, 1)))
        self.assertEqual(self.visit(), found)


class Proving(Case):
    def test_kinds_of_hashes(self):
        for kind in (localmail.YESCRYPT, localmail.SHA512, localmail.QUICK):
            self.mail.add("bob", kind)
            self.client("bob").command("QUIT")
            self.client("bob", "wrong", rb"^-ERR \[AUTH\]")
            self.client("bob", PASSWORD + "x", rb"^-ERR \[AUTH\]")
            self.gate.wait_until(lambda: not self.gate.pids("session"), "the sessions to end")

    def test_strangers_and_wrong_passwords_are_told_alike(self):
        for name, text in (("disabled", b"!" + localmail.QUICK.encode()), ("starred", b"*"), ("empty", b""), ("odd", b"x"),
                           ("two", localmail.QUICK.encode() * 2), ("lines", (localmail.QUICK + "\n").encode() * 2),
                           ("long", b"$5$" + b"x" * 5000)):
            self.mail.add(name)
            self.mail.write(self.mail.password_file(name), text)
        told = {self.refusal(*pair) for pair in (("ann", "wrong"), ("nobody", PASSWORD), ("a/b", PASSWORD), ("ann@x", PASSWORD),
                                                 *((name, PASSWORD) for name in ("disabled", "starred", "empty", "odd", "two",
                                                                                 "lines", "long")))}
        self.assertEqual(len(told), 1, told)
        self.assertRegex(told.pop(), rb"^-ERR \[AUTH\]")

    def refusal(self, user, password):
        with Client(self.gate.port) as client:
            return client.login(user, password)

    def test_who_is_not_there_costs_as_much(self):
        self.mail.add("bob", localmail.YESCRYPT)

        times = {name: [] for name in ("bob", "nobody", "a/b", "x" * 200)}
        for _ in range(6):
            for name, found in times.items():
                begun = time.monotonic()
                self.refusal(name, "wrong")
                found.append(time.monotonic() - begun)
        least = {name: min(found) for name, found in times.items()}
        for name in least:
            self.assertGreater(least[name] * 4, least["bob"], least)

    def test_a_file_that_others_may_read_is_refused(self):
        for mode in (0o640, 0o604, 0o602, 0o610):
            os.chmod(self.mail.password_file("ann"), mode)
            self.client(expected=rb"^-ERR \[SYS/PERM\]")
        self.warned("others may read ann: chmod 600")
        os.chmod(self.mail.password_file("ann"), 0o600)
        self.client()

    def test_a_file_that_popgate_may_not_read_is_told(self):
        os.chmod(self.mail.password_file("ann"), 0)
        self.warned("ann: Permission denied")
        self.client(expected=rb"^-ERR \[SYS/PERM\]")

    def test_a_folder_of_passwords_that_is_away_makes_nobody_a_stranger(self):
        passwords = os.path.join(self.mail.folder, "passwords")
        os.rename(passwords, passwords + ".away")
        self.warned("passwords: No such file")
        self.client(expected=rb"^-ERR \[SYS/PERM\]")
        os.rename(passwords + ".away", passwords)
        self.client()

    def test_a_password_beyond_what_crypt_takes_is_a_wrong_one(self):
        token = base64.b64encode(b"\0ann\0" + b"x" * 600).decode()
        with Client(self.gate.port) as client:
            self.assertRegex(client.command("AUTH PLAIN"), rb"^\+")
            self.assertRegex(client.command(token), rb"^-ERR \[AUTH\]")
        self.gate.wait_for_log("wrong password")
        self.assertNotIn("malformed", self.gate.log())

    def test_a_linked_password_file_is_not_followed(self):
        self.mail.write(os.path.join(self.mail.folder, "hash"), localmail.QUICK.encode())
        os.unlink(self.mail.password_file("ann"))
        os.symlink(os.path.join(self.mail.folder, "hash"), self.mail.password_file("ann"))
        self.warned("ann")
        self.client(expected=rb"^-ERR \[SYS/PERM\]")

    def test_domains(self):
        gate = self.start(path=f"{self.mail.folder}/mail/%d/%n/Maildir", password_file=f"{self.mail.folder}/passwords/%n@%d")
        self.mail.write(self.mail.password_file("cy@example.org"), localmail.QUICK.encode() + b"\n")
        self.mail.add_folder("example.org/cy")
        self.mail.deliver("example.org/cy", letter(1))
        self.assertEqual(self.client("cy@example.org", gate=gate).multiline("RETR 1"), messages.on_the_wire(letter(1)))
        self.client("cy", expected=rb"^-ERR \[AUTH\]", gate=gate)


def has_pop3():
    return dovecot.available() and any(os.path.exists(os.path.join(folder, "pop3"))
                                       for folder in ("/usr/lib/dovecot", "/usr/libexec/dovecot"))


with_pop3 = unittest.skipUnless(has_pop3(), "needs Dovecot's pop3 (Debian: dovecot-pop3d)")


@unittest.skipUnless(dovecot.available(), "needs Dovecot")
class BesideDovecot(unittest.TestCase):
    """Dovecot has served the same mail, or does so at the same time."""

    FORMATS = ("%08Xu%08Xv", "%08Xv%08Xu", "%v.%u", "%u", "UID%Xu-%010v", "%f", "%%%05u")

    def server(self, mail_format, more=""):
        port = free_port()
        server = Dovecot(store="maildir", more=f"""
protocols = imap pop3
pop3_uidl_format = {mail_format}
service pop3-login {{
  chroot =
  inet_listener pop3 {{
    port = {port}
  }}
  inet_listener pop3s {{
    port = 0
  }}
}}
{more}""")
        self.addCleanup(server.stop)
        return server.start(), port

    def plain_server(self):
        """IMAP alone."""
        server = Dovecot(store="maildir")
        self.addCleanup(server.stop)
        return server.start()

    def gateway(self, server, mail, **settings):
        more = {"user": "nobody"} if os.geteuid() == 0 else {}
        gate = Gateway([mail.backend(path=f"{server.folder}/mail/%u/Maildir", **settings)], **more)
        self.addCleanup(gate.stop)
        return gate.start()

    @staticmethod
    def visit(port, user="ann"):
        """[(unique id, size, octets)]"""
        with Client(port) as client:
            assert client.login(user, PASSWORD).startswith(b"+OK")
            ids = [line.split()[1] for line in client.multiline("UIDL").splitlines()]
            sizes = [int(line.split()[1]) for line in client.multiline("LIST").splitlines()]
            found = [(one, sizes[n], client.multiline(f"RETR {n + 1}")) for n, one in enumerate(ids)]
            client.command("QUIT")
            return found

    def fill(self, server):
        """Mail that has come in several ways, with gaps in the numbers and flags."""
        server.append("ann", [messages.on_the_wire(letter(n)) for n in range(1, 8)])
        server.place("ann", [letter(n) for n in range(8, 11)])
        with server.imap("ann") as imap:
            imap.select()
            imap.store("2,5", "+FLAGS", "\\Deleted")
            imap.expunge()
            imap.store("1,3", "+FLAGS", "\\Seen \\Flagged")

    def compare(self, mail_format, settings, more=""):
        server, port = self.server(mail_format, more)
        self.fill(server)
        before = self.visit(port)
        self.assertEqual(len(before), 8)
        self.assertEqual(self.visit(self.gateway(server, self.local(), **settings).port), before)

    def local(self):
        mail = LocalMail()
        self.addCleanup(mail.remove)
        mail.write(mail.password_file("ann"), localmail.QUICK.encode())
        return mail

    def test_ids_are_dovecots_uids(self):
        server, mail = self.plain_server(), self.local()
        self.fill(server)
        with server.imap("ann") as imap:
            imap.select()
            validity = int(imap.response("UIDVALIDITY")[1][0])
        bodies = server.bodies("ann")
        self.assertEqual(len(bodies), 8)
        found = self.visit(self.gateway(server, mail).port)
        self.assertEqual([(one, octets) for one, _, octets in found],
                         [(b"%08x%08x" % (uid, validity), body) for uid, body in sorted(bodies.items())])
        self.assertEqual([size for _, size, _ in found], [len(octets) for _, _, octets in found])

    def test_what_dovecot_does_in_the_middle_of_a_session(self):
        server, mail = self.plain_server(), self.local()
        self.fill(server)
        bodies = [body for _, body in sorted(server.bodies("ann").items())]
        gate = self.gateway(server, mail)
        gate.expect_warning("fetch_failed")
        with Client(gate.port) as client, server.imap("ann") as imap:
            self.assertRegex(client.login("ann", PASSWORD), rb"^\+OK")
            imap.select()
            imap.store("1:*", "+FLAGS", "\\Seen \\Answered")
            imap.store("4", "+FLAGS", "\\Deleted")
            imap.expunge()
            server.append("ann", [messages.on_the_wire(letter(50))])
            for number in (1, 2, 3, 5, 6, 7, 8):
                self.assertEqual(client.multiline(f"RETR {number}"), bodies[number - 1])
            self.assertRegex(client.command("RETR 4"), rb"^-ERR")
            for number in (1, 4, 8):
                client.command(f"DELE {number}")
            imap.store("2", "-FLAGS", "\\Seen")
            self.assertRegex(client.command("QUIT"), rb"^\+OK")
            imap.noop()
        left = [body for _, body in sorted(server.bodies("ann").items())]
        self.assertEqual(left, [*bodies[1:3], *bodies[4:7], messages.on_the_wire(letter(50))])

    @with_pop3
    def test_no_unique_id_changes(self):
        for mail_format in self.FORMATS:
            with self.subTest(format=mail_format):
                self.compare(mail_format, {} if mail_format == "%08Xu%08Xv" else {"dovecot_uidl_format": mail_format})

    @with_pop3
    def test_ids_on_record_count_before_the_format(self):
        self.compare("%08Xv%08Xu", {"dovecot_uidl_format": "%u"}, "protocol pop3 {\n  pop3_save_uidl = yes\n}\n")

    @with_pop3
    def test_ids_stay_when_dovecot_numbers_the_mail(self):
        server, port = self.server("%08Xu%08Xv")
        self.fill(server)
        mail = self.local()
        gate = self.gateway(server, mail)
        before = self.visit(gate.port)
        path = os.path.join(server.folder, "mail", "ann", "Maildir", "new", "1999999999.M1P1.late")
        mail.write(path, letter(11))
        first = self.visit(gate.port)
        self.assertEqual(first[:8], before)
        self.assertEqual(len(self.visit(port)), 9)  # now Dovecot knows it, and has moved it to cur
        self.assertFalse(os.path.exists(path))
        self.assertEqual(self.visit(gate.port), first)


class Configuring(unittest.TestCase):
    def check(self, pattern, **settings):
        with LocalMail() as mail:
            gate = Gateway([mail.backend(**settings)])
            self.addCleanup(gate.kill)
            gate.write_config()
            done = subprocess.run(gate.command("check"), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                  check=False)
            self.assertEqual(done.returncode == 0, pattern is None, done.stdout)
            if pattern is not None:
                self.assertRegex(done.stdout, pattern)

    def test_example_and_manual_have_every_key(self):
        texts = {}
        for name in ("plugins/maildir/conf.c", "doc/popgate.conf.5", "etc/popgate.conf"):
            with open(os.path.join(os.environ.get("srcdir", "."), name), encoding="utf-8") as file:
                texts[name] = file.read()
        manual = texts["doc/popgate.conf.5"].partition(".Ss The plugin maildir")[2].partition("\n.Ss ")[0]
        example = texts["etc/popgate.conf"].partition('plugin = "maildir"')[2]
        keys = re.findall(r'\.name = "(\w+)"(?:(?!\.name =).)*?\.fallback = "([^"]*)"|\.name = "(\w+)"', texts["plugins/maildir/conf.c"],
                          re.S)
        self.assertEqual(len(keys), 6)
        for key, fallback, plain in keys:
            self.assertIn(f".It Ic {key or plain}\n", manual)
            self.assertRegex(example, rf"#\t{key or plain} = ")
            if key and key != "delete":
                self.assertIn(f"Default:\n.Ql {fallback} ", manual)

    def test_faults_are_told(self):
        self.check(None)
        self.check(None, path="/tmp/Maildir")
        self.check("path: must be an absolute path", path="mail/%u")
        self.check("path: must begin with a folder that is the same", path="/%u/Maildir")
        self.check("path: takes %u, %n, %d", path="/tmp/%x")
        self.check("path: takes %u, %n, %d", path="/tmp/%")
        self.check(r"path: must not hold \. or \.\.", path="/tmp/../%u")
        self.check("path: holds //", path="/tmp//%u")
        self.check("path: holds // or ends in /", path="/tmp/%u/")
        self.check("path: /nowhere: No such file", path="/nowhere/%u")
        self.check("password_file: /etc/passwd is no folder", password_file="/etc/passwd/%u")
        self.check("trash_folder: is required", delete="move")
        self.check("trash_folder: has a meaning only", trash_folder="Trash")
        self.check("trash_folder: must not be the maildrop", delete="move", trash_folder="A/b", folder="A.b")
        self.check("trash_folder: must not be INBOX", delete="move", trash_folder="inbox")
        self.check("folder: has a part that is empty", folder="../x")
        self.check("folder: has a part that is empty", folder="x/")
        self.check("dovecot_uidl_format: takes %u, %v and %f alone", dovecot_uidl_format="%m")
        self.check("dovecot_uidl_format: takes %u, %v and %f alone", dovecot_uidl_format="%g")
        self.check("dovecot_uidl_format: must hold %u or %f", dovecot_uidl_format="%v")
        self.check(None, dovecot_uidl_format="%f")
        self.check(None, dovecot_uidl_format="%v.%u")


if __name__ == "__main__":
    tap.main()
