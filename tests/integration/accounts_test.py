"""Local accounts: who is proved how, from where, and what opens the mailbox then; and what is told of who is not."""

import datetime
import os
import re
import shutil
import signal
import statistics
import subprocess
import tempfile
import threading
import time

import tap
from gateway import imap_backend
from imapscript import Server
from upstreamcase import LOCAL, UpstreamCase

OK = rb"^\+OK"
AUTH = rb"^-ERR \[AUTH\]"
TEMP = rb"^-ERR \[SYS/TEMP\]"
PERM = rb"^-ERR \[SYS/PERM\]"
# of `secret`, by a cheap kind and by the one that popgate makes
CHEAP = "$5$rounds=1000$saltsalt$eKLZU9t9OoPWrqOQsoTIKG0aYkZ5rGOoOQhiIvoSWX2"
# no password's; a processor needs seconds to say so
SLOW = "$6$rounds=9000000$saltsalt$" + "a" * 86
MAIL = {101: b"Subject: first\r\n\r\nbody\r\n"}
UPSTREAM = "the upstream's own secret"


def run(gate, *words, given=None):
    """popgate WORDS... -c FILE"""
    return subprocess.run((gate.program, *words, "-c", gate.config_file), input=given, text=True, capture_output=True,
                          timeout=60, check=False)


class Proofs(UpstreamCase):
    """Before plugin example, whose mailboxes `password` opens."""

    def serve(self, **options):
        self.prepare(helpers=1, **options)
        self.add("Ann", hash=CHEAP, upstream_secret="password")
        self.accounts[0].pop("secret")

    def device(self, user, name):
        done = run(self.gate, "account", "device", "add", user, name)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout.strip()

    def test_hash(self):
        self.serve()
        self.start()
        self.assertRegex(self.login("ann", "secret"), OK)
        self.assertRegex(self.login("ANN", "secret"), OK)
        for wrong in ("Secret", "secret ", "secre", "password", CHEAP, "s" * 240):
            self.assertRegex(self.login("ann", wrong), AUTH)
        self.gate.stop()

    def test_hash_that_fits_nothing(self):
        self.serve()
        for user, text in (("star", "*"), ("locked", "!" + CHEAP), ("strange", "$99$x"), ("cut", CHEAP[:-1])):
            self.add(user, hash=text, upstream_secret="password")
            self.accounts[-1].pop("secret")
        self.start()
        for user in ("star", "locked", "strange", "cut"):
            for password in ("secret", "*", "!"):
                self.assertRegex(self.login(user, password), AUTH)
        self.assertRegex(self.login("ann", "secret"), OK)
        self.gate.stop()

    def test_device_passwords(self):
        """With hyphens and without, in capitals; each device's own; beside the hash and alone."""
        self.serve()
        self.add("bob", upstream_secret="password", disabled=True)
        self.accounts[-1].pop("secret")
        self.write()
        self.gate.write_config()
        phone, desk, bobs = self.device("ann", "phone"), self.device("ann", "desk"), self.device("bob", "only one")
        self.assertEqual(run(self.gate, "account", "enable", "bob").returncode, 0)
        self.gate.start()
        for password in (phone, phone.replace("-", ""), phone.upper(), phone.replace("-", "").upper(), desk, "secret"):
            self.assertRegex(self.login("ann", password), OK, password)
        self.assertRegex(self.login("bob", bobs), OK)
        for user, password in (("ann", bobs), ("bob", phone), ("bob", "secret"), ("ann", phone[:-1]), ("ann", phone + "a"),
                               ("ann", phone[:-1] + ("a" if phone[-1] != "a" else "b"))):
            self.assertRegex(self.login(user, password), AUTH)
        self.assertRegex(self.gate.log(), r"event=login .*device=phone")
        self.assertEqual(run(self.gate, "account", "device", "remove", "ann", "phone", "--reload").returncode, 0)
        self.assertRegex(self.login("ann", phone), AUTH)
        self.assertRegex(self.login("ann", desk), OK)
        self.gate.stop()

    def uses(self, *user):
        """{device's name: (when, from where)} of `account device list`, and what it says beside."""
        done = run(self.gate, "account", "device", "list", *user)
        self.assertEqual(done.returncode, 0, done.stderr)
        rows = [re.split(r"\s{2,}", line.rstrip()) for line in done.stdout.splitlines()[1:]]
        return {row[-3]: tuple(row[-2:]) for row in rows}, done.stderr

    def see_use(self, password, name, after):
        """A login by the device's password is in the list; the agent notes it a moment later, and none for a while after
        it could not."""
        deadline = time.monotonic() + 30
        while True:
            self.assertRegex(self.login("ann", password), OK)
            time.sleep(0.05)
            seen = self.uses("ann")[0][name]
            if seen[0] != "never" or time.monotonic() > deadline:
                break
        self.assertEqual(seen[1], "127.0.0.1")
        when = datetime.datetime.strptime(seen[0], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=datetime.timezone.utc)
        self.assertTrue(after - 1 <= when.timestamp() <= time.time() + 1, seen)

    def test_last_use_of_a_device(self):
        """Of the one whose password it was, and over a restart; a wrong password and another device's are no use."""
        self.serve()
        self.write()
        self.gate.write_config()
        phone, desk = self.device("ann", "phone"), self.device("ann", "desk")
        self.gate.start()
        self.assertRegex(self.login("ann", "secret"), OK)
        self.assertRegex(self.login("ann", phone[:-1]), AUTH)
        begun = time.time()
        self.see_use(desk, "desk", begun)
        self.assertEqual(self.uses("ann")[0]["phone"], ("never", "-"))
        seen = self.uses()
        self.assertEqual(seen, ({"phone": ("never", "-"), "desk": seen[0]["desk"]}, ""))
        self.gate.signal(signal.SIGTERM)
        self.gate.check_end()
        self.assertEqual(self.uses(), seen)
        self.gate.start()
        self.assertEqual(self.uses("ann"), seen)
        self.see_use(phone, "phone", begun)
        self.assertEqual(run(self.gate, "account", "device", "remove", "ann", "phone").returncode, 0)
        self.device("ann", "phone")
        self.assertEqual(self.uses("ann")[0]["phone"], ("never", "-"))  # another password
        self.gate.stop()

    def test_input_81_damaged_record_of_uses_stops_nobody(self):
        self.serve()
        self.write()
        self.gate.write_config()
        phone = self.device("ann", "phone")
        self.gate.start()
        record = self.gate.path("state/devices.sqlite")
        with open(record, "w", encoding="ascii") as file:
            file.write("no database of any kind" * 40)
        os.chmod(record, 0o600)
        if os.geteuid() == 0:
            shutil.chown(record, "nobody")
        self.gate.expect_warning("the last use of devices is not noted: .*devices.sqlite is damaged: move it away")
        for _ in range(3):
            self.assertRegex(self.login("ann", phone), OK)
        self.gate.wait_for_log("devices.sqlite is damaged")
        found, told = self.uses("ann")
        self.assertEqual(found, {"phone": ("unknown", "-")})
        self.assertRegex(told, "when devices were used is not known: .*devices.sqlite is damaged: move it away")
        os.unlink(record)
        begun = time.time()
        self.see_use(phone, "phone", begun)
        self.assertEqual(len(re.findall("devices.sqlite is damaged", self.gate.log())), 1)
        self.gate.stop()

    def test_state_directory_that_cannot_be_stops_nobody(self):
        self.serve(state_directory="/dev/null/state")
        self.write()
        self.gate.write_config()
        phone = self.device("ann", "phone")
        self.gate.expect_warning("the last use of devices is not noted: .*state_directory /dev/null/state")
        self.gate.start()
        self.assertRegex(self.login("ann", phone), OK)
        self.assertEqual(self.uses("ann")[0], {"phone": ("unknown", "-")})
        self.gate.stop()

    def test_device_password_does_not_go_upstream(self):
        """Without a secret of the account's, and with a plugin that wants one, it is refused, as the administrator's fault."""
        self.serve()
        self.accounts[0].pop("upstream_secret")
        self.add("bob", upstream_secret="password")
        self.write()
        self.gate.write_config()
        password = self.device("ann", "phone")
        done = run(self.gate, "check")
        self.assertEqual(done.returncode, 3)
        self.assertRegex(done.stderr, r"accounts:\d+: the account `Ann` asks for .*--upstream-secret.*, which plugin example "
                                      "of backend `example` cannot do")
        self.gate.start()
        done = run(self.gate, "reload")  # one account's fault keeps nobody else out
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(done.stderr, "the account `Ann` asks for .*\n.*who is concerned is refused until that is mended")
        self.assertRegex(self.login("bob"), OK)
        self.gate.expect_warning("login_failed .*status=perm")
        self.assertRegex(self.login("ann", password), PERM)
        self.gate.stop()

    def test_password_proved_here_may_open_the_mailbox_too(self):
        self.serve()
        self.accounts[0].pop("upstream_secret")
        self.accounts[0].pop("hash")
        self.write()
        self.gate.write_config()
        self.assertEqual(run(self.gate, "passwd", "ann", given="password\n").returncode, 0)
        self.gate.start()
        self.assertRegex(self.login("ann", "password"), OK)
        self.assertRegex(self.login("ann", "other"), AUTH)
        self.assertRegex(self.login("somebody", "password"), OK)  # has no account: the upstream decides
        self.assertRegex(self.login("somebody", "other"), AUTH)
        self.gate.stop()

    def test_networks(self):
        self.serve()
        self.accounts[0]["networks"] = ["192.0.2.0/24", "2001:db8::/32"]
        self.add("bob", upstream_secret="password", networks="127.0.0.0/8")
        self.start()
        self.assertRegex(self.login("ann", "secret"), AUTH)
        self.assertRegex(self.login("bob"), OK)
        self.assertRegex(self.gate.log(), "may not be used from this network")
        self.gate.stop()

    def test_however_its_name_is_written_an_account_goes_one_way(self):
        self.serve()
        self.gate.sections["routes"] = [{"users": "Ann", "backend": "example"}]
        self.accounts[0].pop("backend")
        self.start()
        for name in ("Ann", "ann", "ANN"):
            self.assertRegex(self.login(name, "secret"), OK)
        self.gate.stop()

    def test_route_with_a_secret_is_for_accounts_alone(self):
        self.serve()
        secret = self.gate.path("secret")
        with open(secret, "w", encoding="ascii") as file:
            file.write("password\n")
        os.chmod(secret, 0o600)
        if os.geteuid() == 0:
            shutil.chown(secret, "nobody")
        self.gate.sections["routes"] = [{"users": "*", "backend": "example", "secret_file": secret}]
        self.accounts[0].pop("upstream_secret")
        self.accounts[0].pop("backend")
        self.add("bare")
        for key in ("secret", "backend"):
            self.accounts[-1].pop(key)
        self.start()
        self.assertRegex(self.login("ann", "secret"), OK)
        for user in ("nobody", "bare"):
            for password in ("password", "secret", "x"):
                self.assertRegex(self.login(user, password), AUTH)
        self.gate.stop()


class Alike(UpstreamCase):
    """An account that is disabled, one that is not there, and a wrong password, in reply and in time."""

    ROUNDS = 9

    def test_input_22_unknown_disabled_and_wrong_are_alike(self):
        self.prepare(helpers=1)
        self.gate.sections["routes"] = [{"users": "*@nowhere", "backend": "example"}]
        self.accounts = [{"user": user, "backend": "example", "hash": "!", "upstream_secret": "password", **more}
                         for user, more in (("ann", {}), ("off", {"disabled": True}), ("far", {"networks": "192.0.2.1"}))]
        self.write()
        self.gate.write_config()
        for user in ("ann", "off", "far"):
            self.assertEqual(run(self.gate, "passwd", user, given="right\n").returncode, 0)
        with open(self.gate.path("accounts"), encoding="utf-8") as file:
            text = file.read()
        with open(self.gate.path("accounts"), "w", encoding="utf-8") as file:
            file.write(text.replace("accounts = (", 'accounts = ( { user = "shut"; hash = "!x"; upstream_secret = "password"; '
                                                    'backend = "example"; },', 1))
        self.gate.start()
        replies, times = {}, {}
        for _ in range(self.ROUNDS):
            for user, password in (("ann", "wrong"), ("off", "right"), ("off", "wrong"), ("far", "right"), ("who", "right"),
                                   ("shut", "right")):
                begun = time.monotonic()
                replies.setdefault((user, password), set()).add(self.login(user, password))
                times.setdefault((user, password), []).append(time.monotonic() - begun)
        self.assertEqual(len(set.union(*replies.values())), 1, replies)
        medians = {key: statistics.median(values) for key, values in times.items()}
        # all but the hash's time is a small part of it; a missing hash would be a tenth
        self.assertLess(max(medians.values()), 3 * min(medians.values()) + 0.05, medians)
        self.assertGreater(min(medians.values()), 0.2 * max(medians.values()), medians)
        self.gate.stop()


class Deaths(UpstreamCase):
    def begin(self, user, password):
        """A login that goes on; its reply comes into the list."""
        replies = []
        thread = threading.Thread(target=lambda: replies.append(self.login(user, password)), daemon=True)
        thread.start()
        return thread, replies

    def kill_in_the_middle(self, role, user, password, busy):
        self.gate.allow_warning(f"event=process_died role={role}")
        self.gate.expect_warning("event=login_failed .*status=temp")
        thread, replies = self.begin(user, password)
        victim = self.gate.pids(role)[0]
        self.gate.wait_until(lambda: busy(victim), f"the {role} to be at work")
        os.kill(victim, signal.SIGKILL)
        thread.join(20)
        self.assertRegex(replies[0], TEMP)
        self.gate.wait_until(lambda: self.gate.pids(role) not in ([], [victim]), "its successor")
        self.gate.wait_until(lambda: re.match(OK, self.login("ann", "secret")), "the next login to work")

    @staticmethod
    def seconds_of(pid):
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
            fields = file.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def test_helper_that_dies_in_mid_check(self):
        self.prepare(helpers=1)
        self.add("ann", hash=CHEAP, upstream_secret="password")
        self.add("slow", hash=SLOW, upstream_secret="password")
        for account in self.accounts:
            account.pop("secret")
        self.start()
        before = self.seconds_of(self.gate.pids("helper")[0])
        self.kill_in_the_middle("helper", "slow", "x", lambda pid: self.seconds_of(pid) > before + 0.1)
        self.gate.stop()

    def test_agent_that_dies_in_mid_fetch(self):
        self.prepare(helpers=1)
        begun = self.gate.path("begun")
        os.mkdir(begun)
        os.chmod(begun, 0o777)
        self.add("ann", secret_command=[self.script("quick.sh", "echo password\n")])
        self.add("slow", secret_command=[self.script("slow.sh", f"touch {begun}/it; sleep 20; echo password\n")])
        self.accounts[0].update(secret="secret")
        self.start()
        self.kill_in_the_middle("agent", "slow", LOCAL, lambda pid: os.path.exists(f"{begun}/it"))
        self.gate.stop()


class Sources(UpstreamCase):
    """Before a scripted IMAP server, which shows what came."""

    def serve(self, **options):
        self.server = Server(MAIL, capability="IMAP4rev1 SASL-IR UIDPLUS ID", on={"LOGIN": self.judge})
        self.addCleanup(self.server.close)
        self.prepare([imap_backend(port=self.server.port)], helpers=1, log={"level": "debug"}, **options)

    @staticmethod
    def judge(talk, tag, rest):
        if rest.endswith(f' "{UPSTREAM}"'):
            talk.ok(tag, f"[CAPABILITY {talk.server.capability}] logged in")
        else:
            talk.line(f"{tag} NO [AUTHENTICATIONFAILED] wrong: {rest}")

    def secret_file(self, name="up", text=UPSTREAM + "\nmore\n", mode=0o600, owner=None):
        path = self.gate.path(name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(path, mode)
        if os.geteuid() == 0:
            shutil.chown(path, owner or "nobody")
        return path

    def expect(self, user, pattern, words):
        self.gate.expect_warning(rf"event=login_failed .*user={user} .*{words}")
        self.assertRegex(self.login(user), pattern)

    def test_secret_in_the_file(self):
        self.serve()
        self.add("ann", upstream_user="ann.up", upstream_secret=UPSTREAM)
        self.start()
        self.assertRegex(self.login("ann"), OK)
        self.assertEqual(self.server.commands("LOGIN"), [f'LOGIN "ann.up" "{UPSTREAM}"'])
        self.assertRegex(self.login("ann", UPSTREAM), AUTH)
        self.gate.stop()

    def test_check_looks_where_secrets_are_to_come_from(self):
        self.serve()
        good = self.secret_file()
        open_to_all = self.secret_file("open", mode=0o644)
        self.gate.sections["routes"][0].update(users="*@example.org", secret_file=self.gate.path("of the route"))
        self.add("ann", secret_file=good)
        self.add("bob", secret_file=open_to_all)
        self.add("carl", secret_file=self.gate.path("away"))
        self.add("dora", secret_command=["/bin/true"])
        self.add("eve", secret_command=[good])
        self.add("fay", secret_command=["/nonexistent/tell"])
        owner = "root" if os.geteuid() == 0 else None
        self.add("gil", secret_file=self.secret_file("of root", owner=owner))
        self.write()
        self.gate.write_config()
        done = run(self.gate, "check")
        self.assertEqual(done.returncode, 3)
        told = re.findall(r"^\S+/(\S+): the secret of `(.*)` cannot be had: .*/([^/:]+): (.+)$", done.stderr, re.M)
        self.assertEqual([(where.rstrip("0123456789"), who, what) for where, who, what, _ in told],
                         [("popgate.conf:", "*@example.org", "of the route"), ("accounts:", "bob", "open"),
                          ("accounts:", "carl", "away"), ("accounts:", "eve", "up"), ("accounts:", "fay", "tell"),
                          *([("accounts:", "gil", "of root")] if owner else [])])
        self.assertEqual(len(done.stderr.splitlines()), len(told), done.stderr)

    def test_secret_file_is_read_at_each_login(self):
        self.serve()
        path = self.secret_file(text="old\n")
        self.add("ann", secret_file="up")  # relative to the accounts file
        self.start()
        self.expect("ann", PERM, "status=perm")
        self.secret_file()
        self.assertRegex(self.login("ann"), OK)
        os.unlink(path)
        self.expect("ann", PERM, "No such file")
        self.gate.stop()

    def test_input_68_secret_file_that_others_may_read_is_refused(self):
        self.serve()
        for mode in (0o640, 0o604, 0o620, 0o602):
            self.secret_file(f"up{mode:o}", mode=mode)
            self.add(f"m{mode:o}", secret_file=f"up{mode:o}")
        self.secret_file("empty", text="\nsecond line\n")
        self.add("empty", secret_file="empty")
        os.mkdir(self.gate.path("folder"), 0o700)
        self.add("folder", secret_file="folder")
        self.start()
        for mode in (0o640, 0o604, 0o620, 0o602):
            self.expect(f"m{mode:o}", PERM, "others than its owner may use it: chmod 600")
        self.expect("empty", PERM, "first line is empty")
        self.expect("folder", PERM, "folder")
        self.assertEqual(self.server.commands("LOGIN"), [])
        self.gate.stop()

    def test_credential_of_systemd(self):
        self.serve(environment={"CREDENTIALS_DIRECTORY": self.folder()})
        self.add("ann", secret_credential="imap")
        self.add("acl", secret_credential="imap-acl")
        self.add("bob", secret_credential="missing")
        self.add("open", secret_credential="imap-open")
        self.start()
        self.assertRegex(self.login("ann"), OK)
        self.assertRegex(self.login("acl"), OK)
        self.expect("open", PERM, "others than its owner may use it")
        self.expect("bob", PERM, "missing")
        self.gate.stop()

    def folder(self, secret=UPSTREAM):
        """As systemd makes it: the service user's, and nobody else's; where it uses a list of access rights, that looks like
        a right of the group. And one that everybody may read."""
        folder = tempfile.mkdtemp(prefix="popgate-credentials-", dir="/tmp")
        self.addCleanup(shutil.rmtree, folder)
        for name, mode in (("imap", 0o400), ("imap-acl", 0o440), ("imap-open", 0o444)):
            path = os.path.join(folder, name)
            with open(path, "w", encoding="ascii") as file:
                file.write(secret + "\n")
            os.chmod(path, mode)
            if os.geteuid() == 0:
                shutil.chown(path, "nobody")
        if os.geteuid() == 0:
            shutil.chown(folder, "nobody")
        return folder

    def test_credential_without_systemd(self):
        self.serve()
        self.add("ann", secret_credential="imap")
        self.start()
        self.expect("ann", PERM, "credential")
        self.gate.stop()

    def test_stored_secret_that_the_upstream_refuses_is_nobodys_wrong_password(self):
        """[SYS/PERM], never [AUTH]; and the client waits for nothing afterwards."""
        self.serve(limits={"login_penalty": 15})
        self.add("ann", upstream_secret="outdated")
        self.start()
        for _ in range(4):
            begun = time.monotonic()
            self.expect("ann", PERM, "status=perm")
            self.assertLess(time.monotonic() - begun, 2)
        self.gate.stop()

    def test_secret_that_the_upstream_refuses_is_named(self):
        """By where it is, as far as that is no secret itself."""
        self.serve(environment={"CREDENTIALS_DIRECTORY": self.folder("outdated")})
        script = self.script("say.sh", "echo outdated\n")
        self.add("one", upstream_secret="outdated")
        self.add("two", secret_file=self.secret_file(text="outdated\n"))
        self.add("three", secret_command=[script, "word"])
        self.add("four", secret_credential="imap")
        self.add("five")
        self.start()
        for user, words in (("one", "the account's upstream_secret is"), ("four", "the secret from secret_credential imap is"),
                            ("two", f"the secret from secret_file {self.gate.path('up')} is"),
                            ("three", f"the secret from secret_command {script} is")):
            self.expect(user, PERM, f'status=perm msg="{words} refused: login: ')
        self.expect("five", PERM, "msg=\"the account takes the user, and the upstream does not: login: ")
        self.gate.stop()

    def test_no_secret_is_in_the_log(self):
        self.serve()
        secrets = [UPSTREAM, "local secret", "wrong local secret", "outdated"]
        self.add("ann", secret=secrets[1], upstream_secret=UPSTREAM)
        self.add("bob", secret=secrets[1], upstream_secret="outdated")
        self.add("eve", secret=secrets[1], secret_file="up")
        self.secret_file()
        self.start()
        self.gate.expect_warning("status=perm")
        self.assertRegex(self.login("ann", secrets[1]), OK)
        self.assertRegex(self.login("ann", secrets[2]), AUTH)
        self.assertRegex(self.login("bob", secrets[1]), PERM)
        self.assertRegex(self.login("eve", secrets[1]), OK)
        self.gate.stop()
        for secret in secrets:
            self.assertNotIn(secret, self.gate.log())


class Start(UpstreamCase):
    def test_input_68_accounts_file_that_others_may_use_is_no_start(self):
        self.prepare()
        self.add("ann", upstream_secret="password")
        self.write()
        self.gate.write_config()
        os.chmod(self.gate.path("accounts"), 0o644)
        for verb in ("check", "serve"):
            with self.subTest(verb):
                done = run(self.gate, verb)
                self.assertEqual(done.returncode, 3)
                self.assertRegex(done.stderr, r"accounts: others than its owner may use the accounts file: chmod 600 it")
                self.assertNotIn("event=listening", done.stderr)

    def test_fault_is_told_with_its_place_by_check_and_serve(self):
        self.prepare()
        self.add("ann", upstream_secret="password", backnd="example")
        self.write()
        self.gate.write_config()
        for verb in ("check", "serve"):
            with self.subTest(verb):
                done = run(self.gate, verb)
                self.assertEqual(done.returncode, 3)
                self.assertRegex(done.stderr, r"accounts:1: unknown key `backnd` in `accounts`: did you mean `backend`\?")

    def test_check_tells_what_a_plugin_cannot_do(self):
        self.prepare()
        self.gate.sections["routes"] = [{"users": "*", "backend": "example", "auth_user": "master"}]
        self.add("ann", upstream_secret="password", folder="Junk")
        self.write()
        self.gate.write_config()
        done = run(self.gate, "check")
        self.assertEqual(done.returncode, 3)
        self.assertRegex(done.stderr, r"popgate.conf:\d+: the route for `\*` asks for a master user \(auth_user\), which plugin "
                                      "example of backend `example` cannot do")
        self.gate.sections["routes"] = [{"users": "*", "backend": "example"}]
        self.gate.write_config()
        done = run(self.gate, "check")
        self.assertRegex(done.stderr, r"accounts:1: the account `ann` asks for a folder, which plugin example of backend "
                                      "`example` cannot do")


if __name__ == "__main__":
    tap.main()
