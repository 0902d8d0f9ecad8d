"""`popgate plugin-test` finds each way in which a module breaks the contract (shaky_plugin.c), and nothing else."""

import concurrent.futures
import os
import re
import shutil
import subprocess
import tempfile

import tap
from gateway import PROGRAM, SANITIZED
from plugincase import SHAKY, WRONG, FolderCase, build, popgate, verdicts

# A way of shaky_plugin.c: the first check that finds it, what that says (# is any number), and the others that fail with it.
WAYS = {
    "any-folder": ("takes: a folder",
        "a folder that is not there: expected PERM or TEMP, came success"),
    "any-master": ("takes: a master user",
        "another's password for the user: expected AUTH or PERM, came success"),
    "any-token": ("takes: a token",
        "a token that is none: expected AUTH or PERM, came success"),
    "crash-folder": ("takes: a folder",
        "the process ended in open by signal 6 (Aborted)"),
    "empty-is-none": ("takes: an empty password",
        "a password that is empty: expected AUTH or PERM, came success"),
    "folder-is-auth": ("takes: a folder",
        "a folder that is not there: expected PERM or TEMP, came AUTH: no such folder"),
    "none-refused": ("takes: no secret",
        "expected open to succeed without a secret, came AUTH: refused"),
    "renews-on": ("takes: a token",
        "expected one call of renew() at most, came 2"),
    "abort-open": ("open",
        "the process ended in open by signal 6 (Aborted)"),
    "add-ignored": ("list: add refuses",
        "expected no add() after the one that was refused, came 4",
        "refresh: add refuses"),
    "add-success": ("list: add refuses",
        "expected -1 with STOPPED, came success",
        "refresh: add refuses"),
    "add-temp": ("list: add refuses",
        "list: expected STOPPED, came TEMP: no",
        "refresh: add refuses"),
    "any-password": ("open: wrong password",
        "expected AUTH, came success"),
    "blank-id": ("list",
        "message 1: expected one that popgate takes, came: the backend listed a message without a valid unique id"),
    "commit-ignores-deadline": ("commit: deadline has passed",
        "expected TEMP, came success"),
    "commit-lies": ("commit: a part",
        "message 1 is told to be gone: expected a listing without it, unless the settings only mark or keep, came one with it",
        "refresh: after commit"),
    "commit-neighbour": ("commit: a part",
        "message 2 was not to be removed: expected it to be listed again, came a listing without it"),
    "commit-refuses": ("commit: a part",
        "expected commit to succeed, came PERM: read-only",
        "close: after commit",
        "refresh: after commit"),
    "commit-silent": ("commit: a part",
        "expected gone[] all 1 of a commit that succeeds, came 0 for message 1",
        "close: after commit"),
    "configure-asks-wrongly": ("configure",
        "the process ended in configure by signal 6 (Aborted)"),
    "configure-refuses": ("configure",
        "expected configure to succeed, came PERM: not today"),
    "configure-temp": ("configure",
        "configure: expected PERM, came TEMP: not today"),
    "crash-commit": ("commit: a part",
        "the process ended in commit by signal 11 (Segmentation fault)",
        "commit: deadline has passed",
        "close: after commit",
        "refresh: after commit"),
    "crash-configure": ("configure",
        "the process ended in configure by signal 11 (Segmentation fault)"),
    "crash-fetch": ("fetch",
        "the process ended in fetch by signal 11 (Segmentation fault)"),
    "crash-list": ("list",
        "the process ended in list by signal 11 (Segmentation fault)"),
    "crash-offers": ("open",
        "the process ended in offers by signal 11 (Segmentation fault)"),
    "crash-open": ("open",
        "the process ended in open by signal 11 (Segmentation fault)"),
    "crash-prefetch": ("prefetch: followed",
        "the process ended in prefetch by signal 11 (Segmentation fault)",
        "prefetch: never followed",
        "prefetch: other messages",
        "prefetch: pauses",
        "refresh: after reading"),
    "double-id": ("list",
        "expected a listing that popgate takes, came: the backend listed one unique id for two messages"),
    "drop-of-failure": ("open: wrong password",
        "expected no drop of an open that failed, came one",
        "open: nothing left of a refused one"),
    "enough-fails": ("fetch: headers",
        "message 1: expected fetch to succeed, came STOPPED: enough",
        "fetch: the sink has enough"),
    "exit-commit": ("commit: a part",
        "the process ended in commit with exit code 0",
        "commit: deadline has passed",
        "close: after commit",
        "refresh: after commit"),
    "exit-configure": ("configure",
        "the process ended in configure with exit code 0"),
    "exit-fetch": ("fetch",
        "the process ended in fetch with exit code 0"),
    "exit-open": ("open",
        "the process ended in open with exit code 0"),
    "fewer-octets": ("fetch: the same again",
        "message 1: expected 79 octets again, came 76",
        "fetch: after a refusal",
        "prefetch: other messages",
        "refresh: after reading",
        "sessions: two at once",
        "refresh: after commit"),
    "forward-only": ("fetch: backwards",
        "message 4: expected the same octets again, came others",
        "prefetch: other messages",
        "refresh: after reading",
        "sessions: two at once"),
    "gone-ignored": ("fetch: the client goes",
        "expected STOPPED, came success"),
    "gone-late": ("fetch: the client goes",
        "expected an end within 1 s, came one after # ms"),
    "gone-temp": ("fetch: the client goes",
        "expected STOPPED, came TEMP: gone"),
    "half-header": ("fetch: headers",
        "message 1: expected the empty line after the header, came an end before it"),
    "hint-confuses": ("prefetch: other messages",
        "message 4: expected what comes without a hint, came other octets",
        "refresh: after reading"),
    "huge-size": ("list",
        "message 1: expected one that popgate takes, came: the backend listed an impossible size"),
    "late-auth": ("commit: deadline has passed",
        "commit: expected TEMP, came AUTH: too late"),
    "late-commit-perm": ("commit: deadline has passed",
        "commit: expected TEMP, came PERM: too late"),
    "late-lie": ("commit: deadline has passed",
        "expected no removal to begin, came gone[] 1 for message 1"),
    "late-list": ("list: deadline has passed",
        "expected an end within 1 s, came one after # ms",
        "refresh: deadline has passed"),
    "late-list-perm": ("list: deadline has passed",
        "list: expected TEMP, came PERM: too late",
        "refresh: deadline has passed"),
    "late-open": ("open: deadline has passed",
        "expected an end within 1 s, came one after # ms"),
    "late-perm": ("open: deadline has passed",
        "expected TEMP, came PERM: too late"),
    "late-removal": ("commit: deadline has passed",
        "expected no removal to begin, came a listing without message 1"),
    "leak": ("close: after open",
        "expected # open descriptors as before open, came #",
        "open: nothing left of a refused one",
        "close: after list",
        "close: after fetch",
        "close: after a refused fetch",
        "close: after commit"),
    "lock-first": ("open: the lock",
        "expected lock() after credential(), came lock() first",
        "open: wrong password"),
    "lock-never": ("open: the lock",
        "expected one call of lock() in open, came 0"),
    "lock-twice": ("open: the lock",
        "expected one call of lock() in open, came 2"),
    "long-gone": ("commit: a part",
        "expected 2 octets of gone[] to be written, came one more",
        "close: after commit"),
    "long-id": ("list",
        "message 1: expected one that popgate takes, came: the backend listed a message without a valid unique id"),
    "no-deadline": ("fetch: the upstream is silent",
        "expected a wait that ends, came one without a deadline"),
    "no-drop": ("open",
        "expected a drop of a successful open, came none"),
    "no-end": ("open: wrong password",
        "open: expected an error text that ends, came one without NUL",
        "open: nothing left of a refused one"),
    "no-id": ("list",
        "message 1: expected one that popgate takes, came: the backend listed a message without a valid unique id"),
    "no-status": ("open: wrong password",
        "open: expected a status of the header, came 77",
        "open: nothing left of a refused one"),
    "no-text": ("open: wrong password",
        "open: expected an error text that ends, came none",
        "open: nothing left of a refused one"),
    "odd-gone": ("commit: a part",
        "expected 0 or 1 in gone[], came 2",
        "close: after commit"),
    "one-instance": ("configure: two instances",
        "the process ended in destroy by signal 6 (Aborted)",
        "destroy: an instance"),
    "open-ignores-deadline": ("open: deadline has passed",
        "expected TEMP, came success"),
    "open-leaks": ("open: nothing left of a refused one",
        "expected # open descriptors as before open, came #"),
    "other-header": ("fetch: headers",
        "message 1: expected a header that begins the whole message, came another"),
    "other-octets": ("fetch: the same again",
        "message 1: expected the same octets again, came others",
        "fetch: after a refusal",
        "prefetch: other messages",
        "refresh: after reading",
        "sessions: two at once",
        "refresh: after commit"),
    "crash-refresh": ("refresh: the same again",
        "the process ended in refresh by signal 11 (Segmentation fault)",
        "refresh: after reading",
        "refresh: add refuses",
        "refresh: deadline has passed",
        "refresh: after commit"),
    "refresh-auth": ("refresh: deadline has passed",
        "refresh: expected TEMP, came AUTH: too late"),
    "refresh-fails": ("refresh: the same again",
        "expected refresh to succeed, came TEMP: never again",
        "refresh: after reading",
        "refresh: add refuses",
        "refresh: after commit"),
    "refresh-late": ("refresh: deadline has passed",
        "expected an end within 1 s, came one after # ms"),
    "refresh-locks": ("refresh: the same again",
        "expected no lock() in refresh, came 1",
        "refresh: after reading"),
    "refresh-spoils": ("refresh: after reading",
        "message 2: expected the octets of before, came others",
        "refresh: after commit"),
    "refresh-stale": ("refresh: after commit",
        "message 1: expected the octets of what was message 2 before, came others"),
    "refusal-ignored": ("fetch: refused at once",
        "expected no write after the one that was refused, came 7",
        "fetch: refused in the middle",
        "fetch: after a refusal"),
    "refusal-spoils": ("fetch: after a refusal",
        "expected the same octets again, came others"),
    "refusal-success": ("fetch: refused at once",
        "expected -1 with STOPPED, came success",
        "fetch: refused in the middle",
        "fetch: after a refusal"),
    "refusal-temp": ("fetch: refused at once",
        "expected STOPPED, came TEMP: refused",
        "fetch: refused in the middle",
        "fetch: after a refusal"),
    "secret-in-log": ("open: wrong password",
        "expected no secret in log(), came the password"),
    "secret-in-text": ("open: wrong password",
        "open: expected no secret in the error text, came the password",
        "open: nothing left of a refused one"),
    "sink-counts": ("fetch: slow reader",
        "expected time in the sink not to count, came TEMP: too slow"),
    "spin-configure": ("configure",
        "no end of configure within 4 s"),
    "spin-fetch": ("fetch",
        "no end of fetch within 4 s"),
    "spin-list": ("list",
        "no end of list within 4 s"),
    "spin-open": ("open",
        "no end of open within 4 s"),
    "temp-for-auth": ("open: wrong password",
        "expected AUTH, came TEMP: refused"),
    "timeout-ignored": ("fetch: the upstream is silent",
        "expected TEMP, came success"),
    "timeout-stopped": ("fetch: the upstream is silent",
        "expected TEMP, came STOPPED: silent"),
    "two-lines": ("open: wrong password",
        "open: expected an error text of one line, came a control character",
        "open: nothing left of a refused one"),
    "unstable-count": ("list: the same again",
        "message 2: expected the id id.2 again, came id.1",
        "fetch: backwards",
        "prefetch: followed",
        "prefetch: other messages",
        "prefetch: pauses",
        "refresh: the same again",
        "refresh: after reading",
        "open: UTF-8",
        "commit: a part"),
    "unstable-id": ("list: the same again",
        "message 1: expected the id id.1.0 again, came id.2.0",
        "refresh: the same again",
        "refresh: after reading",
        "open: UTF-8",
        "commit: a part",
        "commit: deadline has passed"),
    "unstable-size": ("list: the same again",
        "message 1: expected 80 octets again, came 81",
        "fetch: sizes",
        "refresh: the same again",
        "refresh: after reading"),
    "one-session": ("sessions: two at once",
        "message 1: expected fetch to succeed, came TEMP: somebody else is here"),
    "utf8-ids": ("open: UTF-8",
        "message 1: expected the id id.0 again, came utf8.0"),
    "utf8-refused": ("open: UTF-8",
        "expected open to succeed with POPGATE_OPEN_UTF8, came PERM: no such letters"),
    "wrong-size": ("fetch: sizes",
        "message 1: expected 80 octets as listed, came 79"),
    "wrong-status": ("open: wrong password",
        "open: expected one of AUTH, TEMP, PERM, IN_USE, PROTOCOL, STOPPED, came GONE: refused",
        "open: nothing left of a refused one"),
}
# The ways that end a check in time: nothing else needs much of it.
PATIENCE = 4
AT_ONCE = 12 if SANITIZED else 32  # runs: a check of a slow reader waits two seconds and a half in each
CRASH = "with exit code 1" if SANITIZED else "by signal 11 (Segmentation fault)"


# Ways in which nothing goes wrong, or nothing that a check could blame. The slowest is begun first.
SOUND = ("slow-upstream", "needs-descriptors", "large", "writes-less", "no-octets", "empty", "offers-nothing", "takes-nothing")


def run_way(folder, module, way):
    """(exit status, verdicts)"""
    settings = os.path.join(folder, f"{way}.conf")
    with open(settings, "w", encoding="ascii") as file:
        file.write(f'state = "{folder}/{way}"; way = "{way}";')
    patience = PATIENCE if way.startswith("spin-") else 60
    done = subprocess.run((PROGRAM, "plugin-test", module, "--settings", settings, "--user", "ann", "--destructive",
                           "--deadline", str(patience)), input="open sesame\n", stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL, text=True, check=False)
    return done.returncode, verdicts(done.stdout)


class Wrong(FolderCase):
    """Each fault is found, by the checks that look for it, in these words."""

    @classmethod
    def setUpClass(cls):
        folder = tempfile.mkdtemp(prefix="popgate-ways-", dir="/tmp")
        cls.addClassCleanup(shutil.rmtree, folder)
        os.chmod(folder, 0o755)
        module, ways = build(folder, "shaky", SHAKY), (*SOUND, *WAYS)
        with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
            cls.found = dict(zip(ways, pool.map(lambda way: run_way(folder, module, way), ways)))

    def test_every_way(self):
        for way, (check, text, *others) in WAYS.items():
            with self.subTest(way=way):
                status, told = self.found[way]
                failed = {name: verdict for name, verdict in told.items() if verdict.startswith("FAILED")}
                self.assertEqual(status, 1, told)
                self.assertEqual(list(failed), [check, *others])
                pattern = re.escape(text.replace("by signal 11 (Segmentation fault)", CRASH)).replace(r"\#", r"\d+")
                self.assertRegex(failed[check], f"^FAILED: {pattern}$")

    def test_what_a_sound_one_may_do(self):
        nothing = "not tried: nothing was refused: the message came in "
        ways = {"needs-descriptors": ("close: after commit", "ok"), "large": ("fetch: headers", "ok"),
                "writes-less": ("fetch: refused in the middle", f"{nothing}1 write"),
                "no-octets": ("fetch: refused at once", f"{nothing}0 writes"),
                "slow-upstream": ("fetch: slow reader", "ok")}
        for way, (check, verdict) in ways.items():
            with self.subTest(way=way):
                status, told = self.found[way]
                self.assertEqual((status, told[check]), (0, verdict), told)

    def test_what_is_no_fault(self):
        status, told = self.found["empty"]
        self.assertEqual((status, told["list"], told["fetch"], told["fetch: headers"]),
                         (0, "ok (0 messages, 0 octets)", "not tried: the maildrop has 0 messages, 1 are needed",
                          "not tried: `fetch` was not tried"))
        status, told = self.found["offers-nothing"]
        self.assertEqual((status, told["prefetch: followed"], told["fetch: sizes"]),
                         (0, "not tried: not offered for this drop", "ok (not declared exact; 0 of 5 differ)"))

    def test_what_an_instance_does_not_take_is_not_asked_for(self):
        status, told = self.found["takes-nothing"]
        self.assertEqual((status, told["takes: a token"], told["takes: no secret"]),
                         (0, "not tried: the plugin takes no token", "not tried: the plugin takes no login without a secret"))
        module = build(self.folder, "shaky", SHAKY, "-DDECLARED=POPGATE_TAKES_FOLDER")
        status, told = run_way(self.folder, module, "none")
        self.assertEqual((status, told["takes"], told["takes: a folder"]),
                         (1, "FAILED: expected bits that are in capabilities too, came 0xe0 more", "ok"))

    def test_what_hangs_on_a_check_that_failed_is_not_tried(self):
        _, told = self.found["crash-list"]
        self.assertEqual({verdict for name, verdict in told.items() if name.startswith(("fetch", "list: "))},
                         {"not tried: `list` failed"})
        self.assertEqual(told["close: after open"], "ok")

    def run_data(self, number, exported):
        """What is said of a module whose data say that."""
        folder = self.path(str(number))
        os.mkdir(folder)
        module = build(folder, "shaky", SHAKY, f"-DEXPORTED={exported}")
        settings = self.write(f"settings.{number}", f'state = "{self.path("state")}";')
        return subprocess.run((PROGRAM, "plugin-test", module, "--settings", settings), stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True, check=False).stdout

    def test_data(self):
        keys = ".keys = (const struct popgate_key[]){{%s}, {.name = NULL}}"
        key = '.name = "state", .help = "x"'
        wrong = (
                ('.version = NULL', "names", "expected a version of one line, came `NULL`"),
                ('.version = ""', "names", "expected a version of one line, came ``"),
                ('.summary = "one\\ntwo"', "names", "expected a summary of one line, came `one?two`"),
                ('.capabilities = 0x101', "capabilities", "expected bits that ABI 1.3 knows, came 0x100 too"),
                ('.abi_minor = 1, .capabilities = 9', "capabilities", "expected bits that ABI 1.1 knows, came 0x8 too"),
                (keys % '.name = "State", .help = "x"', "settings", "expected keys of a-z 0-9 _, came `State`"),
                (keys % '.name = "plugin", .help = "x"', "settings",
                 "expected keys that popgate does not read itself, came `plugin`"),
                (keys % '.name = "state"', "settings", "`state`: expected a help of one line, came `NULL`"),
                (keys % '.name = "state", .help = "Which ones."', "settings",
                 "`state`: expected a help without a final dot, came `Which ones.`"),
                (keys % f"{key}, .type = 77", "settings", "`state`: expected a type of the header, came 77"),
                (keys % f"{key}, .flags = 8", "settings", "`state`: expected flags of the header, came 0x8"),
                (keys % f"{key}, .type = POPGATE_KEY_INT, .min = 3, .max = 2", "settings",
                 "`state`: expected a range, came from 3 to 2"),
                (keys % f"{key}, .type = POPGATE_KEY_CHOICE", "settings", "`state`: expected choices, came none"),
                (keys % f"{key}, .type = POPGATE_KEY_CHOICE, .choices = (const char *const[]){{\"a\", \"a\", NULL}}",
                 "settings", '`state`: expected each choice once, came "a" twice'),
                (keys % f"{key}, .flags = POPGATE_KEY_REQUIRED, .fallback = \"y\"", "settings",
                 "`state`: expected no default of a required key, came `y`"),
                (keys % f"{key}, .flags = POPGATE_KEY_REQUIRED | POPGATE_KEY_SECRET, .fallback = \"y\"", "settings",
                 "`state`: expected no default of a required key, came one"),
                (keys % f"{key}, .type = POPGATE_KEY_CHOICE, .choices = (const char *const[]){{\"a\", NULL}}, "
                 '.flags = POPGATE_KEY_SECRET, .fallback = "y"', "settings",
                 "`state`: expected a default that fits its key, came another"),
                (keys % f"{key}, .type = POPGATE_KEY_INT, .fallback = \"5\", .min = 1, .max = 4", "settings",
                 "expected a default that fits its key, came: the key table: `state` is 5: it must be from 1 to 4"),
                (keys % f"{key}, .type = POPGATE_KEY_BOOL, .fallback = \"yes\"", "settings",
                 "expected a default that fits its key, came: the key table: `state` has a default that is neither true nor "
                 "false"),
                (keys % f"{key}}}, {{{key}", "settings", "expected each key once, came `state` twice"))
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            found = list(pool.map(self.run_data, range(len(wrong)), [exported for exported, _, _ in wrong]))
        for (exported, check, text), report in zip(wrong, found):
            with self.subTest(exported=exported):
                self.assertIn(f"\n{check}: FAILED: {text}\n", report)

    def test_what_the_loader_refuses(self):
        for name, flags, text in (
                ("major", ("-DMAJOR=POPGATE_ABI_MAJOR+1",), "was built for plugin ABI 2.3, this popgate has 1.3: upgrade "
                 "popgate, or rebuild the plugin with its header"),
                ("minor", ("-DMINOR=POPGATE_ABI_MINOR+1",), "was built for plugin ABI 1.4, this popgate has 1.3: upgrade "
                 "popgate, or rebuild the plugin with its header"),
                ("magic", ("-DMAGIC=1",), "exports something else as `popgate_plugin`: rebuild it with popgate's header"),
                ("open", ("-DOPEN=NULL",), "lacks the function open"),
                ("symbol", ("-DSYMBOL=popgate_other",), "exports no `popgate_plugin`: it is not a popgate plugin")):
            with self.subTest(name=name):
                module = build(self.folder, name, WRONG, "-DNEVER", f'-DNAME="{name}"', *flags)
                report, _ = popgate("plugin-test", module, status=1)
                told = verdicts(report)
                self.assertEqual(told["module"], f"FAILED: plugin {name}: {module} {text}")
                self.assertEqual({verdict for check, verdict in told.items() if check != "module"},
                                 {"not tried: `module` failed"})


if __name__ == "__main__":
    tap.main()
