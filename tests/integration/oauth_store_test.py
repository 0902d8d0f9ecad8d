"""The store of tokens: what lies on the disk, what a torn one or another key does, and others who have it meanwhile."""

import base64
import os
import shutil
import signal
import sqlite3
import subprocess
import threading
import time

import tap
from gateway import example_backend
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


class Damaged(OAuthCase):
    """ann and bob have tokens, carol needs none."""

    def begin(self):
        self.provide(users=("ann", "bob"), server=OAuthServer(older=True))
        secret = self.gate.path("carol.secret")
        with open(secret, "w", encoding="ascii") as file:
            file.write("password\n")
        os.chmod(secret, 0o600)
        self.gate.sections["backends"].append(example_backend())
        self.add("carol", backend="example", secret_file=secret)
        self.write()
        self.gate.write_config()
        self.log_in("ann")
        self.log_in("bob")
        self.path = self.gate.path("state/tokens.sqlite")
        self.good = self.path + ".good"
        os.rename(self.path, self.good)
        os.chown(secret, *self.owner())

    def again(self):
        """Another start, in the same folder."""
        if self.gate.process is not None:
            self.gate.signal(signal.SIGTERM)
            self.assertEqual(self.gate.process.wait(20), 0)
        self.gate.start()

    def restore(self):
        if os.path.isdir(self.path) and not os.path.islink(self.path):
            os.rmdir(self.path)
        elif os.path.lexists(self.path):
            os.unlink(self.path)
        shutil.copy2(self.good, self.path)
        shutil.chown(self.path, *self.owner())

    def owner(self):
        status = os.stat(self.good)
        return status.st_uid, status.st_gid

    def octets(self):
        with open(self.good, "rb") as file:
            return file.read()

    def put(self, octets):
        with open(self.path, "r+b") as file:
            file.write(octets)
            file.truncate(len(octets))

    def flip(self, at):
        octets = bytearray(self.octets())
        octets[at] ^= 0x10
        self.put(bytes(octets))

    def state(self):
        """What lies there."""
        if os.path.islink(self.path):
            return os.readlink(self.path)
        if os.path.isdir(self.path):
            return "a folder"
        with open(self.path, "rb") as file:
            return file.read()

    def replace_by(self, make):
        os.unlink(self.path)
        make(self.path)

    def make_other(self, path):
        """A good database of somebody else's."""
        with sqlite3.connect(path) as database:
            database.execute("CREATE TABLE letters (text)")
        database.close()
        os.chmod(path, 0o600)
        os.chown(path, *self.owner())

    def say(self, *words):
        """What a verb says when it fails; within its time."""
        done = subprocess.run((self.gate.program, *words, "-c", self.gate.config_file), stdin=subprocess.DEVNULL, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60, check=False)
        self.assertNotEqual(done.returncode, 0, done.stdout)
        return done.stdout

    def test_input_81_damaged_store(self):
        """Its accounts alone are refused; who can do something about it is told, before somebody logs in for nothing; it
        stays as it is, and once it is back all is well, without a restart."""
        self.begin()
        whole = len(self.octets())
        damages = {
            "is empty": lambda: self.put(b""),
            "is damaged": lambda: self.put(self.octets()[:whole // 2 - 300]),
            "is damaged ": lambda: self.put(b"not a database at all" * 500),
            "is damaged  ": lambda: self.flip(100),  # the kind of the first page
            "is damaged   ": lambda: self.flip(whole // 4096 * 4096 - 4096),  # and of the last
            "is damaged    ": lambda: self.replace_by(self.make_other),
            "is no file": lambda: self.replace_by(os.mkdir),
            "is no file ": lambda: self.replace_by(lambda path: os.symlink(self.good, path)),
        }
        self.gate.expect_warning(r"login_failed .*user=ann .*status=perm .*state/tokens.sqlite is (damaged|empty|no file)")
        self.gate.expect_warning(r"event=tokens_unusable msg=.*state/tokens.sqlite is (damaged|empty|no file).*move it away")
        for words, damage in damages.items():
            words = words.strip()
            with self.subTest(words=words):
                self.restore()
                self.again()
                self.assertRegex(self.login("ann"), OK)
                damage()
                before = self.state()
                self.assertRegex(self.login("ann"), PERM)
                self.again()
                self.assertRegex(self.login("ann"), PERM)
                self.assertRegex(self.login("carol"), OK)
                for verb in (("check",), ("oauth", "status"), ("oauth", "login", "ann", "--device"),
                             ("oauth", "logout", "ann")):
                    self.assertRegex(self.say(*verb), f"{self.path} {words}: .*move it away with tokens.sqlite-journal")
                self.assertEqual(self.state(), before)
                self.restore()
                self.assertRegex(self.login("ann"), OK)
        self.assertEqual({path for path, _ in self.server.asked}, {"/token"})  # no device was to be logged in
        self.gate.stop()

    def test_input_81_flipped_bit_in_one_token(self):
        self.begin()
        self.restore()
        sealed = dict(row[1:] for row in self.rows())["ann"]
        self.flip(self.octets().index(sealed) + len(sealed) // 2)
        self.again()
        self.gate.expect_warning(r"login_failed .*user=ann .*status=perm .*the stored token of ann is damaged: .popgate oauth login")
        self.assertRegex(self.login("ann"), PERM)
        self.assertRegex(self.login("bob"), OK)
        self.assertRegex(self.say("oauth", "status"), "(?s)ann .*damaged.*bob .*good")
        self.log_in("ann")
        self.assertRegex(self.login("ann"), OK)
        self.gate.stop()

    def test_input_81_flipped_bit_in_the_token_of_an_application(self):
        """It asks for another."""
        self.provide(users=("ann", "bob"))
        self.let_application_ask()
        self.popgate("oauth", "login", "ann")
        self.damage_rows()
        self.gate.start()
        self.assertRegex(self.login("bob"), OK)
        self.assertRegex(self.login("ann"), OK)
        self.assertEqual(len(self.asked("client_credentials")), 2)
        self.damage_rows()
        self.assertIn("one is there", self.popgate("oauth", "login", "ann"))
        self.assertEqual(len(self.asked("client_credentials")), 3)
        self.damage_rows()
        self.assertRegex(self.say("oauth", "status"), "(?s)ann .*damaged: the next login.*bob .*damaged: the next login")
        self.assertIn("forgotten", self.popgate("oauth", "logout", "ann"))
        self.assertRegex(self.login("ann"), OK)
        self.gate.stop()

    def test_input_81_flipped_bit_in_the_proof_of_the_key(self):
        """The tokens prove it too."""
        self.begin()
        self.restore()
        with sqlite3.connect(self.path) as database:
            proof = database.execute("SELECT sealed FROM proof").fetchone()[0]
        database.close()
        self.flip(self.octets().index(proof) + len(proof) // 2)
        self.again()
        self.assertRegex(self.login("ann"), OK)
        self.gate.stop()

    def test_input_81_another_key(self):
        """What runs goes on; reload and login are refused, and nothing is written."""
        self.begin()
        self.restore()
        self.again()
        key = self.gate.path("token.key")
        shutil.copy(key, key + ".old")
        with open(key, "w", encoding="ascii") as file:
            file.write(base64.b64encode(os.urandom(32)).decode())
        before = self.state()
        self.gate.expect_warning("process_died role=agent exit=3")
        self.gate.expect_warning("the new configuration does not start")
        self.gate.signal(signal.SIGHUP)
        self.gate.wait_for_log("is not the one that")
        self.gate.wait_for_log("the new configuration does not start")
        self.assertRegex(self.login("ann"), OK)
        for verb in (("check",), ("reload",), ("oauth", "login", "ann", "--device"), ("oauth", "status")):
            self.assertIn(f"is not the one that {self.path} was encrypted with: put the old key back", self.say(*verb))
        self.assertEqual(self.state(), before)
        os.rename(key + ".old", key)
        self.popgate("check")
        self.gate.stop()

    def test_input_81_store_that_was_moved_away(self):
        """Another is made, unless what is left of the old would be played back into it."""
        self.begin()
        self.gate.start()
        self.gate.expect_warning(r"login_failed .*user=ann .*status=perm .*there is no token yet")
        self.gate.expect_warning(r"login_failed .*user=ann .*status=perm .*is missing, though its -journal is there")
        journal = self.path + "-journal"
        os.unlink(self.path)
        with open(journal, "wb") as file:
            file.write(b"of the old one" * 100)
        self.assertRegex(self.login("ann"), PERM)
        self.assertRegex(self.say("oauth", "login", "ann", "--device"), "its -journal is there")
        self.assertFalse(os.path.exists(self.path))
        os.unlink(journal)
        self.assertRegex(self.login("ann"), PERM)
        self.log_in("ann")
        self.assertRegex(self.login("ann"), OK)
        self.assertEqual(sorted(os.listdir(self.gate.path("state"))), ["tokens.lock", "tokens.sqlite", "tokens.sqlite.good"])
        self.gate.stop()


class Held(OAuthCase):
    """Others who have the store for a while."""

    def hold_store(self, how="BEGIN; SELECT * FROM tokens"):
        """Somebody else has it until what is returned is called."""
        database = sqlite3.connect(self.gate.path("state/tokens.sqlite"), isolation_level=None, check_same_thread=False)
        for statement in how.split("; "):
            database.execute(statement).fetchall()
        return database.close

    def hold_store_for(self, seconds):
        timer = threading.Timer(seconds, self.hold_store())
        timer.start()
        self.addCleanup(timer.join)

    def test_store_that_somebody_has_holds_up_nobody_else(self):
        """Neither at the start, which waits for it a while and then goes on, nor later."""
        self.provide()
        self.add("bob", secret_file="/nonexistent/secret")
        self.write()
        self.log_in()
        self.gate.expect_warning(r"event=tokens_unusable .*locked")
        self.gate.expect_warning(r"login_failed .*user=bob .*nonexistent")
        self.gate.allow_warning(r"login_failed .*user=ann .*locked")
        release, replies = self.hold_store("BEGIN EXCLUSIVE"), []
        self.gate.start()
        thread = threading.Thread(target=lambda: replies.append(self.login("ann")))
        thread.start()
        time.sleep(0.5)
        self.assertRegex(self.login("bob"), PERM)
        release()
        thread.join(60)
        self.assertRegex(replies[0], rb"^\+OK|^-ERR \[SYS/TEMP\]")  # it waits for some seconds
        self.assertRegex(self.login("ann"), OK)
        self.gate.stop()

    # longer than one try to write takes
    LONG = 7

    def test_new_refresh_token_is_kept_though_somebody_reads_the_store(self):
        self.provide(server=OAuthServer(lifetime=30))  # the agent asks anew, sessions are content
        self.log_in()
        self.gate.start()
        self.server.on["/token"] = [lambda form: self.hold_store_for(self.LONG)]
        self.assertRegex(self.login("ann"), OK)
        self.assertRegex(self.login("ann"), OK)
        self.assertEqual(len({form["refresh_token"] for form in self.asked()}), 2)
        self.gate.stop()

    def test_login_is_kept_though_somebody_reads_the_store(self):
        self.provide()
        self.server.on["/token"] = [lambda form: self.hold_store_for(self.LONG)]
        self.assertIn("Done", self.log_in())
        self.assertIn("good", self.popgate("oauth", "status", "ann"))


if __name__ == "__main__":
    tap.main()
