"""A process that dies again and again, and what one that was killed has left behind."""

import os
import signal
import threading
import time

import tap
from oauthcase import OAuthCase
from oauthserver import OAuthServer, stall


class Failing(OAuthCase):
    """An agent whose key is taken away while popgate runs."""

    def deaths(self):
        return [line for line in self.gate.warnings() if "event=process_died role=agent" in line]

    def test_one_that_cannot_start_is_tried_again_ever_more_seldom(self):
        gate = self.provide()
        gate.expect_warning("event=process_died role=agent")
        gate.start()
        key = gate.path("token.key")
        os.rename(key, key + ".away")
        began = time.monotonic()
        gate.kill_process("agent")
        gate.wait_for_log(r"event=process_died role=agent exit=3 times=4 again_in=1 msg=.*popgate reload", 20)
        # the fifth is started, and dies, without a line of the supervisor's: what says why is its own
        gate.wait_until(lambda: gate.log().count("the token key: ") >= 4, "the fifth agent", 20)
        self.assertEqual(len(self.deaths()), 4)
        self.assertGreater(time.monotonic() - began, 3 * 0.5 + 1 - 0.1)  # the pauses: not less on any machine
        os.rename(key + ".away", key)
        gate.signal(signal.SIGHUP)
        gate.wait_for_log("configuration reloaded")
        gate.wait_until(lambda: gate.pids("agent"), "an agent")
        self.log_in()
        self.assertRegex(self.login("ann"), rb"^\+OK")
        gate.stop()


class Orphans(OAuthCase):
    def log_in_in_vain(self):
        try:
            self.assertRegex(self.login("ann"), rb"^-ERR")
        except (EOFError, OSError):
            pass

    def test_request_of_an_agent_that_was_killed_ends_before_popgate_does(self):
        # who has started popgate may end all that is left of it when it has ended
        gate = self.provide(server=OAuthServer(lifetime=30))  # her first token is not kept for another login
        self.log_in()
        gate.start()
        gate.expect_warning("event=process_died role=agent")
        gate.allow_warning("login_failed")
        self.server.on["/token"] = [stall(7)]
        thread = threading.Thread(target=self.log_in_in_vain)
        thread.start()
        gate.wait_until(self.asked, "the request")
        before = self.rows()
        gate.kill_process("agent")
        gate.signal(signal.SIGTERM)
        gate.process.wait(30)
        self.assertEqual(gate.processes(), [])
        self.assertNotEqual(self.rows(), before)
        thread.join(10)


if __name__ == "__main__":
    tap.main()
