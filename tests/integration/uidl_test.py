"""A unique id is one content: over sessions, restarts of popgate and of the server, and when the folder is made anew."""

import unittest

import dovecot
import tap
from dovecot import Dovecot
from gateway import Gateway, imap_backend
from imaprival import BOX, Connection
from pop3client import Client

WARNINGS = "fetch_failed|login_failed|commit_failed|process_died|session_died"


def letters(text, count=5):
    return [f"Subject: {text} {n}\r\n\r\nthis is {text} {n}\r\n".encode() for n in range(count)]


@unittest.skipUnless(dovecot.available(), "needs Dovecot")
class UniqueIds(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Dovecot(by_guid=True).start()
        cls.addClassCleanup(cls.server.stop)

    def setUp(self):
        self.user = self.id().rpartition(".")[2][-30:]
        self.server.append(self.user, letters("old"), folder=BOX)
        self.start()
        self.known = {}  # all ids of this test, and their contents

    def start(self):
        self.gate = Gateway([imap_backend(self.server, folder=BOX)])
        self.addCleanup(self.gate.kill)
        self.gate.allow_warning(WARNINGS)
        self.gate.start()

    def client(self):
        client = Client(self.gate.port)
        self.addCleanup(client.close)
        self.assertRegex(client.login(self.user, "secret"), rb"^\+OK")
        return client

    def ids(self, client):
        return [line.split()[1] for line in client.multiline("UIDL").splitlines()]

    def visit(self, *deleted):
        """One session: its ids. Each id's content is what it ever was."""
        with self.client() as client:
            ids = self.ids(client)
            for number, one in enumerate(ids, 1):
                content = client.multiline(f"RETR {number}")
                self.assertEqual(self.known.setdefault(one, content), content)
            for number in deleted:
                client.command(f"DELE {number}")
            self.assertRegex(client.command("QUIT"), rb"^\+OK")
        self.assertEqual(len(set(self.known.values())), len(self.known))
        return ids

    def anew(self, count=5):
        """The folder is deleted and made anew, with as many messages: the same UIDs under another UIDVALIDITY."""
        other = Connection(self.server.imap_port, self.user, "secret")
        self.assertEqual(other.get().delete(BOX)[0], "OK")
        other.close()
        self.server.append(self.user, letters("new", count), folder=BOX)

    def test_invariant_08_ids_stay_over_restarts_of_popgate_and_of_the_server(self):
        ids = self.visit()
        self.assertEqual(len(ids), 5)
        self.gate.stop()
        self.start()
        self.assertEqual(self.visit(), ids)
        self.server.halt()
        self.server.start()
        self.assertEqual(self.visit(), ids)
        for role in ("front", "spawner", "broker"):
            self.gate.kill_process(role)
        self.gate.wait_until(lambda: all(self.gate.pids(role) for role in ("front", "spawner", "broker")), "processes")
        self.gate.kill()
        self.start()
        self.assertEqual(self.visit(), ids)

    def test_invariant_08_an_id_is_not_used_again_after_its_message_has_gone(self):
        ids = self.visit(2, 5)
        self.server.append(self.user, letters("later", 2), folder=BOX)
        more = self.visit()
        self.assertEqual(more[:3], [ids[0], ids[2], ids[3]])
        self.assertFalse(set(more[3:]) & set(ids))

    def test_invariant_08_no_id_is_used_again_after_uidvalidity_has_changed(self):
        ids = self.visit()
        self.anew()
        new = self.visit()
        self.assertEqual([one.partition(b".")[2] for one in new], [one.partition(b".")[2] for one in ids])
        self.assertFalse(set(new) & set(ids))
        self.gate.stop()
        self.start()
        self.assertEqual(self.visit(), new)

    def test_invariant_06_a_session_never_shows_a_message_of_the_new_folder_under_an_old_number(self):
        for lost in (False, True):
            with self.subTest(lost=lost):
                with self.client() as client:
                    ids = self.ids(client)
                    self.assertEqual(len(ids), 5)
                    self.assertRegex(client.command("DELE 1"), rb"^\+OK")
                    self.anew()
                    if lost:
                        self.server.halt()
                        self.server.start()
                    for number in range(2, 6):
                        reply = client.command(f"RETR {number}")
                        if reply.startswith(b"+OK"):
                            self.assertNotIn(b"new", client.lines())
                        else:
                            self.assertRegex(reply, rb"^-ERR")
                    self.assertRegex(client.command("QUIT"), rb"^-ERR")
                self.assertEqual(len(self.server.bodies(self.user, BOX)), 5)


if __name__ == "__main__":
    tap.main()
