"""Tokens while processes die, are replaced or told to stop, and where what came cannot be written."""

import os
import re
import signal
import threading

import tap
from oauthcase import RefreshCase
from oauthserver import stall

OK = rb"^\+OK"
TEMP = rb"^-ERR \[SYS/TEMP\]"


class Death(RefreshCase):
    def test_input_65_two_generations_make_one_refresh(self):
        """The agent of before a reload, and the one after it."""
        self.begin()
        self.server.on["/token"] = stall(3)
        replies = []
        thread = threading.Thread(target=lambda: replies.append(self.login("ann")))
        thread.start()
        self.gate.wait_until(self.asked, "the first to ask")
        self.gate.signal(signal.SIGHUP)
        self.gate.wait_until(lambda: len(self.gate.pids("agent")) == 2, "a second agent")
        replies.append(self.login("ann"))
        thread.join(30)
        self.assertEqual(len(self.asked()), 1, replies)
        self.assertTrue(all(re.match(rb"^\+OK|^-ERR \[IN-USE\]", reply) for reply in replies), replies)
        self.gate.allow_warning("in_use")
        self.gate.stop()

    def test_new_refresh_token_survives_an_agent_that_dies(self):
        """It dies while the provider thinks: the child goes on, and stores what comes."""
        self.begin()
        self.server.on["/token"] = [stall(2)]
        self.gate.expect_warning("process_died role=agent")
        self.gate.allow_warning("login_failed")
        thread = threading.Thread(target=self.login, args=("ann",))
        thread.start()
        self.gate.wait_until(self.asked, "the request")
        before = self.rows()
        self.gate.kill_process("agent")
        thread.join(30)
        self.gate.wait_until(lambda: self.rows() != before, "the token to be stored")
        self.gate.wait_until(lambda: self.gate.pids("agent"), "another agent")
        self.assertRegex(self.login("ann"), OK)
        self.assertEqual(len(self.asked()), 1)
        self.gate.stop()

    def test_new_refresh_token_survives_a_stop_in_a_hurry(self):
        # who has started popgate may end all that is left of it when it has ended
        self.begin(limits={"shutdown_timeout": 0})
        self.server.on["/token"] = [stall(7)]  # past the time when all that is left is killed
        with self.client() as client:
            client.command("USER ann")
            client.send(b"PASS local\r\n")
            self.gate.wait_until(self.asked, "the request")
            before = self.rows()
            self.gate.signal(signal.SIGTERM)
            self.gate.process.wait(30)
        self.assertNotEqual(self.rows(), before)

    def test_store_that_cannot_be_written_spends_no_refresh_token(self):
        if os.geteuid() != 0:
            self.skipTest("needs another owner")
        self.begin()
        state = self.gate.path("state")
        os.chown(os.path.join(state, "tokens.sqlite"), 65534, 65534)
        os.chmod(os.path.join(state, "tokens.sqlite"), 0o400)
        self.gate.expect_warning(r"login_failed .*status=temp .*readonly")
        self.assertRegex(self.login("ann"), TEMP)
        self.assertEqual(self.asked(), [])
        os.chmod(os.path.join(state, "tokens.sqlite"), 0o600)
        self.assertRegex(self.login("ann"), OK)
        self.gate.stop()


if __name__ == "__main__":
    tap.main()
