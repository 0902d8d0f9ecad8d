"""The store of tokens: what lies on the disk, what a torn one or another key does, and others who have it meanwhile."""

import base64
import os
import shutil
import sqlite3
import threading
import time

import tap
from oauthcase import OAuthCase
from oauthserver import OAuthServer

OK = rb"^\+OK"
PERM = rb"^-ERR \[SYS/PERM\]"


class Store(OAuthCase):
    """What lies on the disk."""

    def begin(self):
        self.provide(users=("ann", "bob"))
        self.log_in("ann")
        self.log_in("bob")

    def test_nothing_is_readable_and_nobody_else_may_read(self):
        self.begin()
        state = self.gate.path("state")
        self.assertEqual(os.stat(state).st_mode & 0o777, 0o700)
        for name in os.listdir(state):
            path = os.path.join(state, name)
            self.assertEqual(os.stat(path).st_mode & 0o077, 0, name)
            with open(path, "rb") as file:
                content = file.read()
            for token in (*self.server.refresh_tokens, *self.server.access_tokens, "refresh-", "access-"):
                self.assertNotIn(token.encode(), content)

    def test_rows_cannot_be_swapped(self):
        self.begin()
        with sqlite3.connect(self.gate.path("state/tokens.sqlite")) as database:
            database.execute("UPDATE tokens SET sealed = (SELECT sealed FROM tokens WHERE account = 'bob')")
        database.close()
        self.gate.start()
        self.gate.expect_warning(r"login_failed .*user=ann .*status=perm .*damaged")
        self.assertRegex(self.login("ann"), PERM)
        self.assertRegex(self.login("bob"), OK)
        self.gate.stop()

    def test_another_key_is_a_fault_at_the_start(self):
        self.begin()
        key = self.gate.path("token.key")
        shutil.copy(key, key + ".old")
        with open(key, "w", encoding="ascii") as file:
            file.write(base64.b64encode(os.urandom(32)).decode())
        self.assertIn("is not the one that", self.popgate("check", status=3))
        self.gate.launch()
        self.assertEqual(self.gate.process.wait(20), 3)
        self.assertIn("is not the one that", self.gate.log())

    def test_key_that_is_missing_open_or_none(self):
        self.provide()
        key = self.gate.path("token.key")
        os.chmod(key, 0o644)
        self.assertIn("chmod 600", self.popgate("check", status=3))
        with open(key, "w", encoding="ascii") as file:
            file.write("too short\n")
        os.chmod(key, 0o600)
        self.assertIn("openssl rand -base64 32", self.popgate("check", status=3))
        os.unlink(key)
        self.assertIn("No such file", self.popgate("check", status=3))
        del self.gate.sections["token_key_file"]
        self.gate.write_config()
        self.assertIn("openssl rand -base64 32", self.popgate("check", status=3))

    def test_damaged_store_is_told(self):
        self.begin()
        path = self.gate.path("state/tokens.sqlite")
        with open(path, "r+b") as file:
            file.write(b"not a database at all")
        self.assertIn("damaged", self.popgate("check", status=3))


class Held(OAuthCase):
    """Others who have the store for a while."""

    def hold_store(self, seconds, how="BEGIN; SELECT * FROM tokens"):
        """Somebody else has it for so long."""
        database = sqlite3.connect(self.gate.path("state/tokens.sqlite"), isolation_level=None, check_same_thread=False)
        for statement in how.split("; "):
            database.execute(statement).fetchall()
        timer = threading.Timer(seconds, database.close)
        timer.start()
        self.addCleanup(timer.join)

    def test_store_that_somebody_has_holds_up_nobody_else(self):
        self.provide()
        self.add("bob", secret_file="/nonexistent/secret")
        self.write()
        self.log_in()
        self.gate.start()
        self.gate.expect_warning(r"login_failed .*user=bob .*nonexistent")
        replies = []
        self.hold_store(4, "BEGIN EXCLUSIVE")
        thread = threading.Thread(target=lambda: replies.append(self.login("ann")))
        thread.start()
        time.sleep(0.5)
        started = time.monotonic()
        self.assertRegex(self.login("bob"), PERM)
        self.assertLess(time.monotonic() - started, 2)
        thread.join(30)
        self.assertRegex(replies[0], OK)
        self.gate.stop()

    def test_new_refresh_token_is_kept_though_somebody_reads_the_store(self):
        self.provide(server=OAuthServer(lifetime=80))  # the agent asks anew, sessions are content
        self.log_in()
        self.gate.start()
        self.server.on["/token"] = [lambda form: self.hold_store(7)]
        self.assertRegex(self.login("ann"), OK)
        self.assertRegex(self.login("ann"), OK)
        self.assertEqual(len({form["refresh_token"] for form in self.asked()}), 2)
        self.gate.stop()


if __name__ == "__main__":
    tap.main()
