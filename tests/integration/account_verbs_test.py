"""The verbs passwd and account, which edit the accounts file, and reload and stop, which find the popgate that runs."""

import fcntl
import os
import pty
import random
import re
import select
import shutil
import signal
import stat
import subprocess
import sys
import threading
import time
import unittest

import tap
from gateway import CLEAR, SANITIZED, Gateway, config_text, example_backend
from pop3client import Client
from shim import Shim

sys.path.insert(0, os.path.join(os.environ.get("srcdir", "."), "tests", "bench"))
import accounts as many  # noqa: E402, the generator of the benchmark

OK = rb"^\+OK"
AUTH = rb"^-ERR \[AUTH\]"
DEVICE = r"^[a-km-np-z2-9]{5}(-[a-km-np-z2-9]{5}){3}$"
OTHERS = '''# who may come in
accounts = (
  # the boss
  { user = "boss"; hash = "$5$x"; }, # "quoted" }
  /* and ( one more */ { user = "last"; folder = "a\\\\\\"b" } // end
);
'''


def cells(table):
    """The fields of a printed table's lines."""
    return [re.split(r"\s{2,}", line.rstrip()) for line in table.splitlines()]


class VerbsCase(unittest.TestCase):
    def setUp(self):
        self.gate = Gateway([example_backend()], helpers=1)
        self.addCleanup(self.gate.kill)
        self.file = self.gate.path("accounts")
        self.gate.sections["accounts"] = self.file
        self.gate.write_config()

    def run_verb(self, *words, given=None, prefix=()):
        return subprocess.run((*prefix, self.gate.program, *words, "-c", self.gate.config_file), input=given, text=True,
                              capture_output=True, timeout=60, check=False)

    def good(self, *words, **options):
        done = self.run_verb(*words, **options)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def bad(self, status, pattern, *words, **options):
        before = self.text()
        done = self.run_verb(*words, **options)
        self.assertEqual(done.returncode, status, done.stderr)
        self.assertRegex(done.stderr, pattern)
        self.assertEqual(self.text(), before)
        self.assertEqual([name for name in os.listdir(self.gate.folder) if name.endswith(".new")], [])

    def text(self):
        try:
            with open(self.file, encoding="utf-8") as file:
                return file.read()
        except FileNotFoundError:
            return None

    def write(self, text, mode=0o600):
        with open(self.file, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(self.file, mode)

    def login(self, user, password):
        with Client(self.gate.port) as client:
            reply = client.login(user, password)
            if reply.startswith(b"+OK"):
                client.command("QUIT")
            return reply

    def users(self):
        return [line.split()[0] for line in self.good("account", "list").splitlines()[1:]]


class Editing(VerbsCase):
    def test_first_account_makes_the_file(self):
        self.good("account", "add", "ann@example.org", given="a secret\n")
        self.assertEqual(stat.S_IMODE(os.stat(self.file).st_mode), 0o600)
        self.assertNotIn("a secret", self.text())
        self.assertRegex(self.text(), r'\n\t\tuser = "ann@example.org";\n\t\thash = "\$y\$[^"]+";\n')
        self.assertEqual(self.run_verb("check").returncode, 0)
        self.gate.start()
        self.assertRegex(self.login("ANN@example.org", "another"), AUTH)
        self.gate.stop()

    def test_course_of_an_account(self):
        self.good("account", "add", "ann", "--no-password")
        self.gate.start()
        self.assertRegex(self.login("ann", "password"), OK)  # the upstream proves her
        self.good("passwd", "ann", "--reload", given="password\n")
        self.assertRegex(self.login("ann", "password"), OK)
        self.good("account", "disable", "ann", "--reload")
        self.assertRegex(self.login("ann", "password"), AUTH)
        self.good("account", "enable", "ANN", "--reload")
        self.assertRegex(self.login("ann", "password"), OK)
        self.good("passwd", "ann", "--reload", given="other\n")
        self.assertRegex(self.login("ann", "password"), AUTH)
        self.good("account", "remove", "ann", "--reload")
        self.assertRegex(self.login("ann", "password"), OK)  # proved by the upstream again
        self.gate.stop()

    def test_everything_else_stays_as_it_is(self):
        self.write(OTHERS)
        self.good("account", "add", "ann", given="x\n")
        self.good("account", "device", "add", "boss", "phone")
        self.good("account", "disable", "last")
        self.good("account", "enable", "last")
        self.good("account", "device", "remove", "boss", "phone")
        self.good("account", "remove", "ann")
        self.assertEqual(self.text().replace(" devices = ( );", "").replace('"a\\\\\\"b";', '"a\\\\\\"b"'), OTHERS)

    def test_list_shows_all_but_secrets(self):
        self.good("account", "add", "ann", "--backend", "example", "--upstream-user", "a.b", "--folder", "In\u00e9", "--scram",
                  given="first secret\n")
        self.good("account", "add", "bob", "--device", "phone", "--secret-file", "/etc/popgate/bob", "--network", "::1")
        self.good("account", "add", "off", "--disabled", "--no-password")
        self.good("account", "device", "add", "bob", "desk top")
        shown = self.good("account", "list")
        self.assertEqual(cells(shown),
                         [["USER", "PROVED BY", "DEVICES", "LEADS TO"],
                          ["ann", "hash,scram-sha-1,scram-sha-256", "0", "example:a.b/In\u00e9"],
                          ["bob", "devices", "2", "(routes) by secret_file"],
                          ["off", "upstream", "0", "(routes)", "disabled"]])
        self.assertEqual(cells(self.good("account", "device", "list", "BOB")),
                         [["DEVICE", "LAST USED", "FROM"], ["phone", "never", "-"], ["desk top", "never", "-"]])
        self.assertEqual(cells(self.good("account", "device", "list")),
                         [["USER", "DEVICE", "LAST USED", "FROM"], ["bob", "phone", "never", "-"],
                          ["bob", "desk top", "never", "-"]])
        self.assertNotRegex(shown, r"\$|first secret")
        self.assertEqual([line.split("\t") for line in self.good("account", "list", "--tsv").split("\n")],
                         [["ann", "hash,scram-sha-1,scram-sha-256", "0", "example", "a.b", "In\u00e9", "", ""],
                          ["bob", "devices", "2", "", "", "", "secret_file", ""],
                          ["off", "upstream", "0", "", "", "", "", "disabled"], [""]])
        self.assertEqual(self.good("account", "device", "list", "bob", "--tsv"),
                         "bob\tphone\tnever\t-\nbob\tdesk top\tnever\t-\n")

    def test_list_of_devices_makes_nothing(self):
        state = self.gate.sections.pop("state_directory", self.gate.path("state"))
        self.gate.write_config()
        self.good("account", "add", "bob", "--device", "phone")
        for sections, home in (({"state_directory": state}, None), ({}, self.gate.path("home"))):
            with self.subTest(sections=sections):
                self.gate.sections.update(sections)
                self.gate.write_config()
                prefix = ("env", "-u", "STATE_DIRECTORY", f"XDG_STATE_HOME={home}") if home else ()
                self.assertEqual(self.good("account", "device", "list", "--tsv", prefix=prefix), "bob\tphone\tnever\t-\n")
                self.assertFalse(os.path.exists(home or state))
                self.gate.sections.pop("state_directory", None)

    def test_passwd_renews_everything_that_the_old_password_opens(self):
        self.write('accounts = ( { user = "ann"; secret = "old"; scram_sha_256 = "4096:QUFB$' + "A" * 43 + "=:" + "A" * 43 +
                   '="; } );\n')
        self.good("passwd", "ann", given="new \"one\\\n")
        self.assertIn('secret = "new \\"one\\\\";', self.text())
        self.assertNotIn("AAAA", self.text())
        self.assertNotIn("scram_sha_1 ", self.text())
        self.assertIn("hash = ", self.text())
        self.bad(1, "SCRAM are made of printable ASCII", "passwd", "ann", given="n\u00e4\n")

    def test_line_that_nothing_asks_for_changes_nothing(self):
        """It was meant for something: perhaps all others stand for what they were not meant for."""
        self.write(OTHERS)
        for words, given in ((("passwd", "boss"), "one\ntwo\n"), (("account", "add", "x"), "one\n\ntwo"),
                             (("account", "add", "x", "--upstream-secret", "--secret"), "one\ntwo\nthree\n"),
                             (("account", "set", "boss", "--upstream-secret"), "one\ntwo\n")):
            self.bad(1, "standard input has more lines than there are secrets to ask for", *words, given=given)
        self.good("account", "set", "boss", "--upstream-secret", given="one\r\n\n")

    def test_account_that_cannot_open_its_mailbox_is_told_of(self):
        """Not refused: the next change may mend it."""
        hindered = "the account `ann` asks for .*--upstream-secret.* which plugin example of backend `example` cannot do"
        for words, given in ((("account", "add", "ann", "--device", "phone"), None),
                             (("account", "device", "add", "ann", "desk"), None),
                             (("account", "device", "renew", "ann", "desk"), None),
                             (("passwd", "--scram", "ann"), "password\n")):
            done = self.run_verb(*words, given=given)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertRegex(done.stderr, hindered)
        done = self.run_verb("account", "add", "bob", given="password\n")
        self.assertNotIn("cannot do", done.stderr)
        done = self.run_verb("account", "set", "ann", "--upstream-secret", given="password\n")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertNotIn("cannot do", done.stderr)
        self.assertNotIn("cannot do", self.run_verb("account", "remove", "ann").stderr)

    def test_device_password_is_printed_once(self):
        self.good("account", "add", "ann", "--no-password")
        first, second = (self.good("account", "device", "add", "ann", name).strip() for name in ("a", "b"))
        self.assertRegex(first, DEVICE)
        self.assertRegex(second, DEVICE)
        self.assertNotEqual(first, second)
        self.assertNotIn(first, self.text())
        self.bad(1, "there is a device of that name already", "account", "device", "add", "ann", "a")
        self.bad(1, "there is no device of that name", "account", "device", "renew", "ann", "c")
        self.assertRegex(self.good("account", "device", "renew", "ann", "a"), DEVICE)
        self.assertEqual(len(re.findall(r'name = "a"', self.text())), 1)
        self.bad(1, "there is no device of that name", "account", "device", "remove", "ann", "c")

    def test_bad_command_lines_change_nothing(self):
        self.write(OTHERS)
        for words, given in ((("passwd",), None), (("passwd", "boss", "secret"), None), (("account",), None),
                             (("account", "add"), None), (("account", "ad", "x"), None), (("account", "device"), None),
                             (("account", "device", "add", "boss"), None), (("account", "remove", "boss", "last"), None),
                             (("account", "list", "boss"), None), (("account", "set", "boss"), None),
                             (("account", "set", "boss", "last", "--folder", "x"), None),
                             (("account", "set", "boss", "--folder"), None), (("account", "set", "boss", "--user", "x"), None),
                             (("account", "set", "boss", "--unset", "user"), None),
                             (("account", "set", "boss", "--unset", "foldr"), None),
                             (("account", "set", "boss", "--no-password"), None),
                             (("account", "set", "boss", "--upstream-secret", "in sight"), None),
                             (("account", "add", "x", "--unset", "folder"), None),
                             (("account", "add", "x", "--secret=in sight", "--no-password"), None),
                             (("account", "remove", "boss", "--backend", "example"), None),
                             (("account", "add", "a\nb", "--no-password"), None),
                             (("account", "add", "", "--no-password"), None)):
            with self.subTest(words=words):
                self.bad(2, "see popgate (account|passwd) --help", *words, given=given)
        self.bad(2, "^popgate account: unrecognized option '--foldr'", "account", "set", "boss", "--foldr", "x")
        self.bad(2, "^popgate account: --unset takes a key of the account", "account", "set", "boss", "--unset", "foldr")
        self.bad(1, "there is an account of that name already", "account", "add", "BOSS", "--no-password")
        self.bad(1, "there is no account `who`", "account", "set", "who", "--folder", "x")
        self.bad(1, "there is no account `who`", "passwd", "who", given="x\n")
        self.bad(1, "the password is empty", "passwd", "boss", given="\n")
        self.bad(1, "the password is empty", "passwd", "boss", given="")
        self.bad(1, "longer than 511", "passwd", "boss", given="x" * 512 + "\n")
        self.bad(1, "the password holds NUL or CR", "passwd", "boss", given="a\0b\n")

    def test_unknown_verb_is_told_of_all_that_there_are(self):
        known = self.good("account", "--help").partition("\nEdits")[0]
        verbs = set()
        for line in known.splitlines():
            words = re.sub(r" [A-Z\[].*", "", line.partition("account ")[2])
            first, _, names = words.rpartition("device ")
            verbs |= {first + "device " * bool(first or words != names) + name for name in names.split(" | ")}
        self.assertIn("device renew", verbs)
        told = self.run_verb("account", "ad").stderr
        self.assertEqual(set(re.split(", or |, ", told.partition(": ")[2].partition("?")[0])), verbs)

    def test_bad_values_are_refused_before_anything_is_asked_in_the_words_of_the_file(self):
        self.write(OTHERS)
        for words, told in ((("--backend", "exmple"),
                             "`backend` in `accounts`: there is no backend `exmple`: did you mean `example`?"),
                            (("--secret-file", "relative"), "`secret_file` takes an absolute path here"),
                            (("--secret-file", "/a", "--oauth", "b"), "`oauth` in `accounts`: there is another source of the secret"),
                            (("--network", "10.0.0.1/8"), "`networks` in `accounts`: `10.0.0.1/8` is no network"),
                            (("--max-sessions", "x"), "`max_sessions` in `accounts` takes a number, not a string"),
                            (("--login-delay", "86401"), "`login_delay` in `accounts` is 86401: it must be from 0 to 86400"),
                            (("--folders", "a"), "`folders` in `accounts` has no use: no route has a `folder_delimiter`")):
            for verb in (("add", "x"), ("set", "boss")):
                with self.subTest(words=words, verb=verb):
                    self.bad(2, "^popgate account: " + re.escape(told), "account", *verb, *words, given=None)

    def test_each_key_has_a_way(self):
        """What the file takes, a new account can be given and an old one; and it can be taken away."""
        key = self.gate.path("key")
        with open(key, "w", encoding="ascii") as file:
            file.write("A" * 43 + "=\n")
        os.chmod(key, 0o600)
        self.gate.sections.update(token_key_file=key, oauth=[{"name": "p", "preset": "microsoft", "client_id": "x"}])
        self.gate.sections["routes"][0]["folder_delimiter"] = "+"
        self.gate.write_config()
        scram = "4096:QUFB$" + "A" * 43 + "=:" + "A" * 43 + "="
        ways = {"disabled": ([], None, "true"), "hash": ([], "$5$x", '"$5$x"'), "scram_sha_256": ([], scram, f'"{scram}"'),
                "scram_sha_1": ([], f"4096:QUFB${'A' * 27}=:{'A' * 27}=", f'"4096:QUFB${"A" * 27}=:{"A" * 27}="'),
                "secret": ([], 'a "b\\', '"a \\"b\\\\"'), "backend": (["example"], None, '"example"'),
                "upstream_user": (["n\u00e9"], None, '"n\u00e9"'), "folder": (["F"], None, '"F"'),
                "upstream_secret": ([], "s", '"s"'), "oauth": (["p"], None, '"p"'), "max_sessions": (["3"], None, "3"),
                "max_octets": (["5000000000"], None, "5000000000"), "login_delay": (["60"], None, "60"),
                "auth_user": (["m"], None, '"m"'), "secret_file": (["/x"], None, '"/x"'),
                "secret_credential": (["c"], None, '"c"'), "folders": (["A", "\\Junk"], None, '( "A", "\\\\Junk" )'),
                "networks": (["::1", "10.0.0.0/8"], None, '( "::1", "10.0.0.0/8" )'),
                "secret_command": (["/bin/echo", "a\tb c"], None, '( "/bin/echo", "a\\x09b c" )')}
        self.write("accounts = ( { user = \"x\"; nothing_like_any = 1; } );\n")
        known = set(re.findall(r"`(\w+)`", self.run_verb("check").stderr.partition("it takes")[2]))
        self.assertEqual(known, set(ways) | {"user", "devices"})
        self.write('accounts = (\n  { user = "ann"; disabled = true; hash = "*"; }, # she\n  # and\n  { user = "bob"; }\n);\n')
        before = self.text()
        for name, (arguments, given, written) in ways.items():
            with self.subTest(name):
                option = "--" + name.replace("_", "-")
                words = [word for argument in arguments for word in (option, argument)] or [option]
                proof = [] if name in ("hash", "secret", "scram_sha_1", "scram_sha_256") else ["--device", "d"]
                self.good("account", "add", "new", *words, *proof, given=given and given + "\n")
                self.assertIn(f"\n  \t{name} = {written};\n", self.text())
                self.good("account", "remove", "new")
                self.assertEqual(self.text(), before)
                self.good("account", "set", "ANN", *words, given=given and given + "\n")
                self.assertIn(f"{name} = {written};", self.text())
                if name not in ("disabled", "hash"):
                    self.assertEqual(self.text().replace(f" {name} = {written};", ""), before)
                    self.good("account", "set", "ann", "--unset", option[2:])
                    self.assertEqual(self.text(), before)
                self.write(before)
        self.good("account", "set", "ann", "--unset", "hash", "--unset", "disabled", "--folder", "Y", "--folder", "X",
                  "--unset", "auth_user")
        self.assertEqual(self.text(), before.replace(' disabled = true; hash = "*";', ' folder = "X";'))

    def test_comments_are_kept_or_what_has_them_is_left(self):
        self.write('accounts = (\n  # Ann\n  { user = "ann"; # she\n    networks /* where */ = ( "192.0.2.0/24", # the office\n'
                   '                 "198.51.100.0/24" ); # both\n    hash = "$5$" // odd\n      "x";\n    max_sessions = 3; # three\n'
                   '    folder = "a # b"; upstream_user = "/* c */"; folders = ( "//" );\n  }\n);\n')
        before = self.text()
        self.gate.sections["routes"][0]["folder_delimiter"] = "+"
        self.gate.write_config()
        for words, given in ((("set", "ann", "--networks", "::1"), None), (("set", "ann", "--hash"), "$5$y\n")):
            with self.subTest(words=words):
                self.bad(1, "accounts: a value that would be replaced has comments inside: edit it by hand; nothing was changed",
                         "account", *words, given=given)
        self.good("account", "set", "ann", "--max-sessions", "5", "--folder", "d", "--upstream-user", "e", "--folders", "f")
        self.assertEqual(self.text(), before.replace("= 3", "= 5").replace("a # b", "d").replace("/* c */", "e").replace(
            '"//"', '"f"'))

    def test_renewed_device_stands_where_it_stood(self):
        self.write('accounts = ( { user = "ann"; devices = (\n' + ",".join(
            f'{{ name = "{name}"; # its owner\n key = "{"A" * 22}==${"A" * 43}="; /* old */ }}' for name in "abc") + " ); } );\n")
        before = self.text()
        self.good("account", "device", "renew", "ann", "b")
        parts = re.split(r'key = "([^"]*)"', self.text())
        self.assertEqual(parts[::2], re.split(r'key = "[^"]*"', before))
        self.assertEqual([key.startswith("AAAA") for key in parts[1::2]], [True, False, True])

    def test_secrets_are_asked_for_one_after_the_other(self):
        self.good("account", "add", "ann", "--upstream-secret", "--scram", given="here\nthere\n")
        self.assertIn('upstream_secret = "there";', self.text())
        self.assertNotIn("here\"", self.text().replace("there", ""))
        self.good("account", "add", "bob", "--secret", "--upstream-secret", "--folder", "x", given="plain\nup\n")
        self.assertRegex(self.text(), r'secret = "plain";\s+upstream_secret = "up";\s+folder = "x";')
        self.bad(1, "upstream_secret is empty", "account", "set", "bob", "--upstream-secret", given="")
        self.bad(1, "accounts: `hash` in `accounts` is no hash of a password", "account", "set", "bob", "--hash", given="plain\n")
        self.bad(1, "because then: `upstream_secret` in `accounts`: there is another source of the secret already",
                 "account", "set", "bob", "--secret-file", "/x")
        self.good("account", "set", "bob", "--unset", "upstream-secret", "--secret-file", "/x")
        self.assertNotIn('"up"', self.text())
        self.bad(1, "because then: the account `bob` opens its mailbox by itself", "account", "set", "bob", "--unset", "secret")
        self.gate.start()
        self.assertRegex(self.login("ann", "there"), AUTH)
        self.gate.stop()

    def test_line_ends_stay_those_of_the_file(self):
        self.write(OTHERS)
        with open(self.file, "w", encoding="utf-8", newline="\r\n") as file:
            file.write(OTHERS)
        self.good("account", "add", "ann", "--no-password", "--folder", "x")
        self.good("account", "set", "boss", "--networks", "::1", "--networks", "::2")
        self.good("account", "device", "add", "last", "phone")
        with open(self.file, "rb") as file:
            text = file.read()
        self.assertEqual(text.count(b"\n"), text.count(b"\r\n"))
        self.assertIn(b'\t\tuser = "ann";\r\n', text.replace(b"  \t", b"\t\t"))

    def test_import_adds_what_another_file_has(self):
        more = self.gate.path("more")

        def write_more(text, mode=0o600):
            with open(more, "w", encoding="utf-8", newline="") as file:
                file.write(text)
            os.chmod(more, mode)
        write_more('# new\naccounts = (\n  # ann\n  { user = "ann"; /* she */ hash = "$5$x";\n    folder = "a\\"}"; },\n'
                   '{ user = "bob"; upstream_secret = "s"; secret = "p" } # he\n);\n')
        self.good("account", "import", more)  # a first file, too
        self.assertEqual(self.users(), ["ann", "bob"])
        self.write(OTHERS)
        self.good("account", "import", more)
        self.assertEqual(self.text(), OTHERS.replace(
            '"a\\\\\\"b" } //', '"a\\\\\\"b" }, //').replace(
                "end\n", 'end\n\t{ user = "ann"; /* she */ hash = "$5$x";\n    folder = "a\\"}"; },\n'
                '\t{ user = "bob"; upstream_secret = "s"; secret = "p" }\n'))
        self.bad(1, "more:4: there is an account `ann` already\n.*more:6: there is an account `bob` already\n.*nothing was changed",
                 "account", "import", more)
        write_more('accounts = ( { user = "BOSS"; } );\n')
        self.bad(1, "there is an account `BOSS` already", "account", "import", more)
        write_more('accounts = ( { user = "eve"; folder = 5; } );\n')
        self.bad(1, "more:1: `folder` in `accounts` takes a string, not a number", "account", "import", more)
        write_more('accounts = ( { user = "eve"; } );\n', 0o640)
        self.bad(1, "more: others than its owner may use the accounts file", "account", "import", more)
        self.bad(1, "moreless: No such file or directory; nothing was changed", "account", "import", more + "less")
        self.bad(2, "it takes one file", "account", "import")
        write_more('accounts = ( { user = "eve"; secret_file = "x"; hash = "*"; } );\n')
        self.good("account", "import", more)  # what is relative means the same from the same folder
        self.assertIn('secret_file = "x"', self.text())
        self.good("account", "remove", "eve")
        os.mkdir(self.gate.path("else"))
        more = self.gate.path("else/more")
        write_more('accounts = (\n{ user = "eve"; secret_file = "x"; hash = "*"; },\n{ user = "abe"; secret_file = "/y"; hash = "*"; },\n'
                   '{ user = "ada"; hash = "*"; secret_file = "../else/z" } );\n')
        self.bad(1, "^.*else/more:2: `secret_file` takes an absolute path here\n.*:4: `secret_file` takes an absolute path here\n"
                 ".*nothing was changed\n$", "account", "import", more)
        write_more('accounts = ( );\n')
        before = self.text()
        self.good("account", "import", more)
        self.assertEqual(self.text(), before)
        with open(self.file, "w", encoding="utf-8", newline="\r\n") as file:
            file.write(OTHERS)
        write_more('accounts = ( { user = "eve";\r\n\t\tdisabled = true; }, { user = "abe";\n } );\r\n')
        self.good("account", "import", more)
        with open(self.file, "rb") as file:
            self.assertNotRegex(file.read(), rb"[^\r]\n|\r\r")

    def test_token_is_told_of_that_is_to_be_allowed_and_one_that_is_left(self):
        self.gate.sections.update(token_key_file="/key", oauth=[
            {"name": "own", "preset": "microsoft", "client_id": "x"},
            {"name": "all", "preset": "microsoft", "client_id": "x", "tenant": "t", "grant": "client_credentials",
             "client_secret_file": "/secret"}])
        self.gate.write_config()
        login, left = "popgate oauth login ann\n", "popgate oauth logout"
        for words, has in ((("add", "ann", "--oauth", "own", "--device", "d"), login), (("set", "ann", "--oauth", "all"), left),
                           (("set", "ann", "--oauth", "own", "--folder", "x"), login), (("set", "ann", "--folder", "y"), None),
                           (("set", "ann", "--oauth", "all"), left), (("remove", "ann"), None),
                           (("add", "ann", "--oauth", "own", "--device", "d"), login), (("remove", "ann"), left)):
            with self.subTest(words=words):
                told = self.run_verb("account", *words).stderr
                self.assertEqual([text in told for text in (login, left)], [text == has for text in (login, left)], told)

    def test_enabling_what_anybody_could_use_is_refused(self):
        self.good("account", "add", "ann", "--no-password", "--disabled", "--secret-file", "/etc/x")
        self.bad(1, f"{self.file}: nothing was changed, because then: the account `ann` opens its mailbox by itself",
                 "account", "enable", "ann")

    def on_terminal(self, words, answers):
        """(status, all that was shown). answers: what is typed in where that is asked."""
        pid, terminal = pty.fork()
        if pid == 0:
            os.execv(self.gate.program, [self.gate.program, *words, "-c", self.gate.config_file])
        shown, before = b"", 0
        for ask, answer in answers:
            while ask not in shown[before:]:
                if not select.select([terminal], [], [], 60)[0]:
                    os.kill(pid, signal.SIGKILL)
                    self.fail(f"waited for {ask} after {shown}")
                shown += os.read(terminal, 4096)
            before = len(shown)
            time.sleep(0.1)
            os.write(terminal, answer + b"\n")
        try:
            while octets := os.read(terminal, 4096):
                shown += octets
        except OSError:
            pass  # the other end has gone
        os.close(terminal)
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), shown

    def test_password_is_asked_for_twice_on_a_terminal_without_echo(self):
        self.good("account", "add", "ann", "--no-password")
        for second, status in ((b"a secret", 0), (b"another", 1)):
            with self.subTest(second):
                done, shown = self.on_terminal(("passwd", "ann"), ((b"Password of ann: ", b"a secret"),
                                                                   (b"The same again: ", second)))
                self.assertEqual(done, status, shown)
                self.assertNotIn(b"secret", shown)
                self.assertIn(b"two differ" if status else b"has a new password", shown)

    def test_other_secrets_are_asked_for_on_a_terminal_too(self):
        again = b"The same again: "
        done, shown = self.on_terminal(("account", "add", "ann", "--upstream-secret"), (
            (b"Password of ann: ", b"key of the house"), (again, b"key of the house"),
            (b"upstream_secret (the password upstream) of ann: ", b"key of the mail"), (again, b"key of the mail")))
        self.assertEqual(done, 0, shown)
        self.assertNotIn(b"key of the", shown)
        self.assertIn('upstream_secret = "key of the mail";', self.text())


class Safety(VerbsCase):
    def test_two_who_edit_at_once_wait_for_each_other(self):
        self.write(OTHERS)
        threads = [threading.Thread(target=self.good, args=("account", "add", f"user{n}", "--no-password")) for n in range(12)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(sorted(self.users()), sorted(["boss", "last"] + [f"user{n}" for n in range(12)]))

    def test_whoever_has_the_lock_is_waited_for(self):
        self.write(OTHERS)
        folder = os.open(self.gate.folder, os.O_RDONLY)
        fcntl.flock(folder, fcntl.LOCK_EX)
        child = subprocess.Popen((self.gate.program, "account", "disable", "boss", "-c", self.gate.config_file),
                                 stderr=subprocess.DEVNULL)
        time.sleep(0.5)
        self.assertIsNone(child.poll())
        self.write(OTHERS.replace("boss", "Boss"))
        os.close(folder)
        self.assertEqual(child.wait(20), 0)
        self.assertIn('{ user = "Boss"; hash = "$5$x"; disabled = true; }, # "quoted" }', self.text())

    def test_killed_at_any_time_it_leaves_the_old_file_or_the_new(self):
        self.write(OTHERS)
        chance, outcomes = random.Random(5), set()
        for n in range(40):
            before = self.text()
            child = subprocess.Popen((self.gate.program, "account", "add", f"user{n}", "--no-password", "-c",
                                      self.gate.config_file), stderr=subprocess.DEVNULL)
            time.sleep(chance.random() * 0.02)
            child.kill()
            child.wait()
            outcomes.add(self.text() == before)
            self.assertEqual(stat.S_IMODE(os.stat(self.file).st_mode), 0o600)
            self.assertTrue(set(self.users()) >= {"boss", "last"})
        self.good("account", "add", "end", "--no-password")
        self.assertEqual([name for name in os.listdir(self.gate.folder) if name.endswith(".new")], [])

    def test_input_77_full_disk_changes_nothing(self):
        self.write(OTHERS + "#" * 3000 + "\n")
        self.bad(1, "cannot be replaced: File too large", "account", "add", "ann", "--no-password",
                 prefix=("sh", "-c", 'trap "" XFSZ; ulimit -f 1; exec "$@"', "sh"))

    def test_password_that_cannot_be_shown_changes_nothing(self):
        """Its first line is the reader's; whom it does not reach, the old one stays good."""
        self.good("account", "add", "ann", "--device", "phone")
        ends = os.pipe()
        os.close(ends[0])
        self.addCleanup(os.close, ends[1])
        for words in (("device", "renew", "ann", "phone"), ("device", "add", "ann", "desk"), ("add", "bob", "--device", "phone")):
            for where, why in (("/dev/full", "No space left on device"), (f"/proc/self/fd/{ends[1]}", "Broken pipe")):
                with self.subTest(words=words, where=where), open(where, "wb", buffering=0) if where == "/dev/full" else os.fdopen(
                        os.dup(ends[1]), "wb") as out:
                    before = self.text()
                    done = subprocess.run((self.gate.program, "account", *words, "--reload", "-c", self.gate.config_file),
                                          stdout=out, stderr=subprocess.PIPE, text=True, timeout=60, check=False)
                    self.assertEqual(done.returncode, 1, done.stderr)
                    self.assertEqual(done.stderr, f"{self.file}: the new password cannot be written to standard output: {why}; "
                                     "nothing was changed\n")
                    self.assertEqual(self.text(), before)
                    self.assertEqual([name for name in os.listdir(self.gate.folder) if name.endswith(".new")], [])

    def test_list_that_cannot_be_shown_fails(self):
        self.good("account", "add", "ann", "--device", "phone")
        for words in (("account", "list"), ("account", "device", "list", "--tsv")):
            with self.subTest(words=words), open("/dev/full", "wb") as out:
                done = subprocess.run((self.gate.program, *words, "-c", self.gate.config_file), stdout=out,
                                      stderr=subprocess.PIPE, text=True, timeout=60, check=False)
                self.assertEqual((done.returncode, done.stderr),
                                 (1, "popgate account: standard output cannot be written to\n"))

    def test_folder_that_cannot_be_synced_is_told_of(self):
        """The file is the new one by then."""
        shim = Shim(clock_alone=True)
        shim.fail_folders()
        done = subprocess.run((self.gate.program, "account", "add", "ann", "--device", "phone", "--upstream-secret", "-c",
                               self.gate.config_file), env={**os.environ, **shim.environment}, input="password\n",
                              capture_output=True, text=True, timeout=60, check=False)
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stderr, "the account `ann` is there; popgate takes it up(?s:.)*accounts: was replaced, but may be the "
                         "old one again after a loss of power: Input/output error")
        self.gate.start()
        self.assertRegex(self.login("ann", done.stdout.strip()), OK)
        self.gate.stop()

    def test_file_that_cannot_be_put_in_its_place(self):
        """A password was shown by then: it is said to be none."""
        self.write(OTHERS)
        shim = Shim(clock_alone=True)
        shim.fail_renames()
        before = self.text()
        done = subprocess.run((self.gate.program, "account", "device", "add", "boss", "phone", "-c", self.gate.config_file),
                              env={**os.environ, **shim.environment}, capture_output=True, text=True, timeout=60, check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("cannot be replaced: Input/output error", done.stderr)
        self.assertIn("the password that was written is good for nothing", done.stderr)
        self.assertEqual(self.text(), before)

    def test_what_cannot_be_edited_for_certain_is_refused(self):
        more = self.gate.path("more")
        with open(more, "w", encoding="ascii") as file:
            file.write('{ user = "bob"; }\n')
        os.chmod(more, 0o600)
        self.write('accounts = (\n@include "more"\n);\n')
        self.bad(1, "includes other files: edit it by hand; nothing was changed", "account", "add", "ann", "--no-password")
        self.bad(1, "includes other files", "account", "remove", "bob")
        self.write("accounts = ( { user = \"ann\" ;\n")
        self.bad(1, r"accounts:2: syntax error", "account", "add", "bob", "--no-password")
        self.write(OTHERS, 0o644)
        self.bad(1, "chmod 600 it", "account", "add", "bob", "--no-password")

    def test_links(self):
        """A symbolic one is followed, and stays; with a hard one two files would part."""
        os.mkdir(self.gate.path("else"))
        other = self.gate.path("else/there")
        self.write(OTHERS)
        os.rename(self.file, other)
        os.symlink("else/there", self.file)
        self.good("account", "add", "ann", "--no-password")
        self.assertTrue(os.path.islink(self.file))
        self.assertIn("ann", self.users())
        self.assertEqual(os.listdir(self.gate.path("else")), ["there"])
        os.link(other, self.gate.path("twin"))
        self.bad(1, "hard links", "account", "add", "bob", "--no-password")
        os.unlink(other)
        done = self.run_verb("account", "add", "bob", "--no-password")
        self.assertEqual(done.returncode, 1)
        self.assertIn("is a link that leads nowhere", done.stderr)
        self.assertFalse(os.path.exists(other))

    @unittest.skipIf(os.geteuid() != 0, "needs root, to own files as others do")
    def test_owner_stays(self):
        self.write(OTHERS)
        shutil.chown(self.file, "nobody", "nogroup")
        self.good("account", "add", "ann", "--no-password")
        status = os.stat(self.file)
        self.assertEqual((status.st_uid, status.st_gid), (shutil._get_uid("nobody"), shutil._get_gid("nogroup")))  # pylint: disable=W0212
        self.assertEqual(stat.S_IMODE(status.st_mode), 0o600)

    def test_without_accounts_in_the_configuration(self):
        del self.gate.sections["accounts"]
        self.gate.write_config()
        self.bad(1, r'popgate.conf: there are no local accounts: add accounts = "FILE"; to it first', "account", "add", "ann",
                 "--no-password")


class Reload(VerbsCase):
    def start(self):
        self.write(config_text({"accounts": [{"user": "ann", "disabled": True}]}))
        self.gate.start()

    def test_reload_and_stop_say_what_came_of_it(self):
        self.start()
        self.write('accounts = ( { user = "ann"; } );\n')
        self.assertEqual(self.good("reload"), "popgate: reloaded\n")
        self.assertRegex(self.login("ann", "password"), OK)
        self.assertEqual(self.good("stop"), "popgate: stopped\n")
        self.gate.check_end()
        for verb in ("stop", "reload"):
            done = self.run_verb(verb)
            self.assertEqual((done.returncode, done.stdout), (1, ""))
            self.assertRegex(done.stderr, "no popgate runs that has its locks in .*/run")

    def test_input_72_fault_is_told_by_reload_and_nothing_is_sent(self):
        self.start()
        self.write('accounts = (\n{ user = "ann";\ndisabld = true; } );\n')
        done = self.run_verb("reload")
        self.assertEqual((done.returncode, done.stdout), (3, ""))
        self.assertRegex(done.stderr, r"accounts:3: unknown key `disabld`(?s:.)*refused: mend the faults above")
        self.assertNotIn("reload", self.gate.log())
        self.gate.stop()

    def test_input_72_broken_accounts_change_nothing(self):
        """By the signal, without a check before it: file and line are in the log."""
        self.start()
        client = Client(self.gate.port)
        self.addCleanup(client.close)
        self.assertRegex(client.login("bob", "password"), OK)
        self.write('accounts = (\n{ user = "ann"; },\n{ user = "ANN"; } );\n')
        self.gate.expect_warning("the old one stays in force")
        self.gate.allow_warning("event=process_died role=broker")
        self.gate.allow_warning("stands twice")
        self.gate.signal(signal.SIGHUP)
        self.gate.wait_for_log("stays in force")
        self.assertRegex(self.gate.log(), r"accounts:3: the account `ANN` stands twice: remove this one or the one at line 2")
        self.assertRegex(self.login("ann", "password"), AUTH)
        self.assertRegex(client.command("NOOP"), OK)
        self.gate.stop()

    def test_change_counts_after_reload_and_ends_no_session(self):
        self.start()
        client = Client(self.gate.port)
        self.addCleanup(client.close)
        self.assertRegex(client.login("bob", "password"), OK)
        self.assertRegex(self.login("ann", "password"), AUTH)
        self.good("account", "enable", "ann")
        self.assertRegex(self.login("ann", "password"), AUTH)
        self.good("reload")
        self.assertRegex(self.login("ann", "password"), OK)
        self.assertRegex(client.command("RETR 1"), OK)
        client.lines()
        self.good("account", "add", "bob", "--no-password", "--disabled", "--reload")
        self.assertRegex(client.command("QUIT"), OK)
        self.assertRegex(self.login("bob", "password"), AUTH)
        self.gate.stop()

    def test_reload_that_the_supervisor_refuses(self):
        """What a check does not find: a port that somebody else has."""
        self.start()
        with Gateway([example_backend()]) as other:
            self.gate.sections["listeners"].append({**CLEAR, "port": other.port})
            self.gate.write_config()
            self.gate.expect_warning("stays in force")
            self.gate.allow_warning("cannot listen")
            done = self.run_verb("reload")
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertIn("popgate: refused, the old configuration stays in force; its log tells why", done.stderr)
        self.gate.stop()

    @unittest.skipIf(os.geteuid() != 0, "needs root, who edits what another runs")
    def test_root_edits_for_a_popgate_of_another_user(self):
        self.gate.kill()
        self.gate = Gateway([example_backend()], helpers=1, unprivileged=True)
        self.addCleanup(self.gate.kill)
        self.file = self.gate.path("accounts")
        self.gate.sections["accounts"] = self.file
        self.write("accounts = ();\n")
        shutil.chown(self.file, "nobody")
        self.gate.start()
        self.good("account", "add", "ann", "--no-password", "--disabled", "--reload")
        self.assertRegex(self.login("ann", "password"), AUTH)
        self.assertEqual(self.good("stop"), "popgate: stopped\n")
        self.gate.check_end()

    def test_many_accounts_reload_while_logins_go_on(self):
        self.start()
        ends, replies = threading.Event(), []

        def go_on(number):
            """As many logins as come in life, not as many as the machine can do: it has accounts to read."""
            while not ends.wait(0.02):
                replies.append(self.login(f"bob{number}", "password"))
        threads = [threading.Thread(target=go_on, args=(n,), daemon=True) for n in range(3)]
        for thread in threads:
            thread.start()
        many.write(self.file, 10000 if SANITIZED else 50000)  # sanitizers take several times as long for each
        for _ in range(2):
            self.assertEqual(self.good("reload"), "popgate: reloaded\n")
        self.good("account", "add", "carl", "--no-password", "--disabled", "--reload")
        ends.set()
        for thread in threads:
            thread.join(20)
        self.assertGreater(len(replies), 20)
        self.assertEqual([reply for reply in replies if not re.match(OK, reply)], [])
        self.assertRegex(self.login("carl", "password"), AUTH)
        self.gate.stop()


class Finding(VerbsCase):
    """Whom reload and stop signal."""

    def setUp(self):
        super().setUp()
        self.write("accounts = ();\n")

    def test_file_that_was_left_behind_means_nothing(self):
        self.gate.start()
        self.gate.kill_process("")
        os.kill(self.gate.pid, signal.SIGKILL)
        self.gate.process.wait()
        path = os.path.join(self.gate.path("run"), "popgate.pid")
        victim = subprocess.Popen(("sleep", "60"))
        self.addCleanup(victim.wait)
        self.addCleanup(victim.kill)
        for text in (None, f"{victim.pid}\n1 running\n", "", "1\n"):
            if text is not None:
                with open(path, "w", encoding="ascii") as file:
                    file.write(text)
            for verb in ("reload", "stop"):
                done = self.run_verb(verb)
                self.assertEqual(done.returncode, 1)
                self.assertIn("no popgate runs", done.stderr)
        self.assertIsNone(victim.poll())

    def test_supervisor_alone_has_the_file_open(self):
        self.gate.start()
        with Client(self.gate.port) as client:
            self.assertRegex(client.login("ann", "password"), OK)
            self.good("reload")
            self.gate.wait_until(lambda: len(self.gate.processes()) > 8, "both generations")
            found = []
            for process in self.gate.processes():
                for name in os.listdir(f"/proc/{process.pid}/fd"):
                    try:
                        if os.readlink(f"/proc/{process.pid}/fd/{name}").endswith("popgate.pid"):
                            found.append(process.pid)
                    except OSError:
                        pass
            self.assertEqual(found, [self.gate.pid])
        self.gate.stop()

    def test_second_one_in_the_same_folder_leaves_the_first_one_its_own(self):
        self.gate.start()
        second = Gateway([example_backend()], runtime_directory=self.gate.path("run"))
        self.addCleanup(second.kill)
        second.start()
        second.wait_for_log("another popgate has it")
        self.assertEqual(self.good("stop"), "popgate: stopped\n")
        self.gate.check_end()
        with Client(second.port) as client:
            self.assertRegex(client.login("ann", "password"), OK)
        second.stop()

    def test_link_in_its_place_is_not_followed(self):
        os.mkdir(self.gate.path("run"), 0o700)
        with open(self.gate.path("precious"), "w", encoding="ascii") as file:
            file.write("precious\n")
        os.symlink(self.gate.path("precious"), os.path.join(self.gate.path("run"), "popgate.pid"))
        self.gate.start()
        self.gate.wait_for_log("will not find this one")
        with open(self.gate.path("precious"), encoding="ascii") as file:
            self.assertEqual(file.read(), "precious\n")
        self.gate.stop()


if __name__ == "__main__":
    tap.main()
