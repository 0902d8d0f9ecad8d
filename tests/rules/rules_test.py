"""The rules that the source tree keeps: who includes whom, what only one place may use, how long
a file or function may be, what a module exports. doc/DESIGN.md says why."""

import glob
import os
import re
import shutil
import subprocess
import unittest

import tap

TOP = os.environ.get("srcdir", ".")
BUILD = os.environ.get("builddir", ".")
MODULES = os.environ.get("POPGATE_PLUGINS", os.path.join(BUILD, "plugins/.libs"))

PROCESSES = ("supervisor", "front", "broker", "session", "helper", "agent", "accounts")
MAY_INCLUDE = {"common": {"common"}, "pop3": {"pop3", "common"}, "state": {"state", "common"},
               **{process: {process, "pop3", "common"} for process in PROCESSES}}
for user in ("agent", "accounts"):
    MAY_INCLUDE[user].add("state")
STANDARD = {"assert.h", "ctype.h", "errno.h", "float.h", "inttypes.h", "limits.h", "math.h", "setjmp.h", "signal.h",
            "stdarg.h", "stdbool.h", "stddef.h", "stdint.h", "stdio.h", "stdlib.h", "string.h", "time.h"}
BANNED = ("strcpy", "stpcpy", "strcat", "sprintf", "vsprintf", "strtok", "strtok_r", "alloca", "atoi", "atol", "atoll",
          "select", "gets")
# Switches over octets, over integers of a library; one over an enum has no default.
DEFAULTS = {"src/common/route.c": 1, "plugins/imap/body.c": 2, "plugins/imap/guard.c": 1}
LINES_MAX = 500
FUNCTION_MAX = 60

_COMMENT_OR_TEXT = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)


def paths(*patterns):
    """Files below the top, named from there."""
    found = []
    for pattern in patterns:
        found += glob.glob(os.path.join(TOP, pattern), recursive=True)
    return sorted(os.path.relpath(path, TOP) for path in found)


def text_of(path):
    with open(os.path.join(TOP, path), encoding="utf-8") as file:
        return file.read()


def code_of(path):
    """Without comments and the content of strings; the lines stay where they are."""
    def blank(match):
        found = match.group()
        if found.startswith("/"):
            return "\n" * found.count("\n")
        return found[0] * 2
    return _COMMENT_OR_TEXT.sub(blank, text_of(path))


def includes(path):
    """Pairs of < or \" and the name."""
    return re.findall(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"]+)[>"]', text_of(path), re.M)


def functions(path):
    """Name and number of lines of each function; braces of functions stand in the first column."""
    start, name = None, None
    for number, line in enumerate(code_of(path).split("\n"), 1):
        if line and line[0] not in " \t#{}/":
            match = re.search(r"(\w+)\(", line)
            name = match.group(1) if match else name
        if line == "{":
            start = number
        elif line.startswith("}") and start is not None:
            yield name, number - start + 1
            start = None


def uses(pattern, *where):
    """The files whose code holds it."""
    return {path for path in paths(*where) if re.search(pattern, code_of(path))}


def make_variable(name):
    try:
        with open(os.path.join(BUILD, "Makefile"), encoding="utf-8") as file:
            match = re.search(rf"^{name} = (.*)$", file.read(), re.M)
    except FileNotFoundError:
        match = None
    return match.group(1).split() if match else []


CC = make_variable("CC") or ["cc"]
LIBRARIES = [flag for name in ("OPENSSL_CFLAGS", "LIBCONFIG_CFLAGS", "LIBEVENT_CFLAGS", "ETPAN_CFLAGS", "CPPFLAGS")
             for flag in make_variable(name)]


class Rules(unittest.TestCase):
    """Each failure names the file and the rule."""

    maxDiff = None

    def check(self, faults):
        self.assertEqual(sorted(set(faults)), [])

    def compile(self, program, *flags):
        return subprocess.run((*program, *flags, "-fsyntax-only", "-"), stdin=subprocess.DEVNULL, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)

    def test_there_is_something_to_look_at(self):
        self.assertGreater(len(paths("src/**/*.c")), 40)
        self.assertEqual({path.split("/")[1] for path in paths("src/*/*.c")}, set(MAY_INCLUDE))
        self.assertEqual(paths("src/*.[ch]"), ["src/main.c"])
        self.assertGreater(sum(1 for path in paths("src/**/*.c") for _ in functions(path)), 400)

    # ---- who sees whom ----------------------------------------------------------

    def test_each_folder_of_src_includes_only_what_it_may(self):
        faults = []
        for path in paths("src/*/*.[ch]"):
            folder = path.split("/")[1]
            for kind, name in includes(path):
                if kind == '"' and name != "config.h" and name.split("/")[0] not in MAY_INCLUDE[folder]:
                    faults.append(f"{path} includes {name}")
        self.check(faults)

    def test_own_headers_are_named_from_src(self):
        self.check(f"{path} includes {name}" for path in paths("src/**/*.[ch]") for kind, name in includes(path)
                   if kind == '"' and name != "config.h" and not os.path.exists(os.path.join(TOP, "src", name)))

    def test_a_source_includes_its_own_header_first(self):
        self.check(path for path in paths("src/*/*.c")
                   if os.path.exists(os.path.join(TOP, path[:-1] + "h")) and
                   includes(path)[0] != ('"', path[len("src/"):-1] + "h"))

    def test_src_never_sees_libetpan(self):
        self.check(f"{path} includes {name}" for path in paths("src/**/*.[ch]") for _, name in includes(path)
                   if "etpan" in name)

    def test_plugins_see_the_contract_their_own_folder_and_libraries(self):
        faults = []
        for path in paths("plugins/**/*.[ch]"):
            folder = os.path.dirname(path)
            for kind, name in includes(path):
                own = os.path.exists(os.path.join(TOP, folder, name)) and "/" not in name
                foreign = os.path.exists(os.path.join(TOP, "src", name)) or name == "config.h"
                if (kind == '"' and not own) or (kind == "<" and foreign):
                    faults.append(f"{path} includes {name}")
        self.check(faults)

    def test_plugin_contract_includes_only_standard_headers(self):
        self.check(name for kind, name in includes("include/popgate/plugin.h") if kind != "<" or name not in STANDARD)

    def test_tls_is_in_one_place_of_each_side(self):
        allowed = {"src/front/tls.c", "plugins/imap/transport.c", "plugins/imap/trust.c",
                   "plugins/imap/rehearsal.c"}
        self.check(path for path in paths("src/**/*.[ch]", "plugins/**/*.[ch]") for _, name in includes(path)
                   if name in ("openssl/ssl.h", "event2/bufferevent_ssl.h") and path.replace(".h", ".c") not in allowed)

    def test_libconfig_is_seen_by_the_configuration_alone(self):
        self.check(path for path in paths("src/**/*.[ch]", "plugins/**/*.[ch]", "include/**/*.h")
                   for _, name in includes(path)
                   if name == "libconfig.h" and not path.startswith("src/common/conf"))

    def test_code_is_loaded_in_two_places(self):
        self.assertEqual(uses(r"\bdlopen\s*\(|\bdlmopen\s*\(", "src/**/*.[ch]", "plugins/**/*.[ch]"),
                         {"src/session/plugin.c", "src/agent/http.c"})

    # ---- how it is written --------------------------------------------------------

    def test_dangerous_functions_are_used_nowhere(self):
        word = re.compile(rf"\b({'|'.join(BANNED)})\s*\(")
        self.check(f"{path} uses {name}" for path in paths("src/**/*.[ch]", "plugins/**/*.[ch]", "include/**/*.h",
                                                           "tests/unit/*.[ch]")
                   for name in word.findall(code_of(path)))

    def test_switches_over_enums_have_no_default(self):
        found = {path: len(re.findall(r"\bdefault\s*:", code_of(path)))
                 for path in paths("src/**/*.[ch]", "plugins/**/*.[ch]")}
        self.check(f"{path}: {count} default:" for path, count in found.items() if count > DEFAULTS.get(path, 0))

    def test_no_file_is_too_long(self):
        self.check(f"{path}: {lines} lines" for path in paths("src/**/*.[ch]", "plugins/**/*.[ch]", "include/**/*.h")
                   if (lines := text_of(path).count("\n")) > LINES_MAX)

    def test_no_function_is_too_long(self):
        self.check(f"{path}: {name} has {lines} lines" for path in paths("src/**/*.c", "plugins/**/*.c")
                   for name, lines in functions(path) if lines > FUNCTION_MAX)

    # ---- headers -------------------------------------------------------------------

    def test_each_header_compiles_alone(self):
        faults = []
        for path in paths("src/**/*.h", "plugins/**/*.h"):
            own = ("-I", os.path.join(TOP, "src"), "-I", BUILD) if path.startswith("src/") else ()
            done = self.compile(CC, "-std=gnu11", "-D_GNU_SOURCE", "-Wall", "-Werror", "-I", os.path.join(TOP, "include"),
                                *own, *LIBRARIES, "-x", "c", "-include", os.path.join(TOP, path))
            if done.returncode != 0:
                faults.append(f"{path}: {done.stdout}")
        self.check(faults)

    def test_plugin_contract_compiles_alone_as_c11(self):
        done = self.compile(CC, "-std=c11", "-pedantic", "-Wall", "-Wextra", "-Werror", "-x", "c", "-include",
                            os.path.join(TOP, "include/popgate/plugin.h"))
        self.assertEqual(done.returncode, 0, done.stdout)

    def test_plugin_contract_compiles_alone_as_cpp(self):
        program = next((name for name in ("c++", "g++", "clang++") if shutil.which(name)), None)
        if program is None:
            self.skipTest("there is no C++ compiler")
        done = self.compile((program,), "-std=c++11", "-pedantic", "-Wall", "-Wextra", "-Werror", "-x", "c++", "-include",
                            os.path.join(TOP, "include/popgate/plugin.h"))
        self.assertEqual(done.returncode, 0, done.stdout)

    # ---- modules -------------------------------------------------------------------

    def test_each_module_exports_its_plugin_and_nothing_else(self):
        modules = glob.glob(os.path.join(MODULES, "*.so"))
        self.assertEqual({os.path.basename(path)[:-3] for path in modules},
                         {path.split("/")[1] for path in paths("plugins/*/*.c")})
        for path in modules:
            with self.subTest(module=path):
                done = subprocess.run(("nm", "-D", "--defined-only", path), stdout=subprocess.PIPE, text=True, check=True)
                names = [line.split()[-1] for line in done.stdout.splitlines()]
                self.assertEqual([name for name in names if "asan" not in name], ["popgate_plugin"])

    def test_libetpan_is_used_for_parsing_alone(self):
        # never its sockets and TLS, which verify nothing and call select; nor its senders, which copy credentials
        used = {"capability_data_free", "connect", "extension_data_new", "extension_register", "extension_unregister_all",
                "free", "new", "parse_response", "read_line", "response_free", "selection_info_free",
                "selection_info_new", "set_msg_att_handler", "set_msg_body_handler", "set_progress_callback"}
        allowed = {"mailimap_" + name for name in used} | {"mailstream_close", "mailstream_low_new", "mailstream_new"}
        done = subprocess.run(("nm", "-D", "--undefined-only", os.path.join(MODULES, "imap.so")), stdout=subprocess.PIPE,
                              text=True, check=True)
        names = {line.split()[-1].partition("@")[0] for line in done.stdout.splitlines()}
        self.assertEqual({name for name in names if name.startswith("mail")} - allowed, set())
        self.assertNotIn("select", names)

    # ---- the command table -----------------------------------------------------------

    def command_table(self):
        """Each verb with the names of the states it belongs to."""
        code = text_of("src/pop3/command.c")
        macros = dict(re.findall(r"^#define (\w+)\s+\((.*)\)$", code, re.M))
        table = {}
        for verb, flags in re.findall(r'^\s*\{"[A-Z0-9]+", (VERB_\w+), (.*), ARGUMENTS_\w+\}', code, re.M):
            for name, meaning in macros.items():
                flags = re.sub(rf"\b{name}\b", meaning, flags)
            self.assertNotIn(verb, table)
            table[verb] = {name for name in ("AUTHORIZATION", "TRANSACTION") if f"COMMAND_{name}" in flags}
        return table

    def test_every_verb_is_in_the_command_table(self):
        verbs = set(re.findall(r"\b(VERB_\w+)\b", code_of("src/pop3/command.h"))) - {"VERB_COUNT"}
        table = self.command_table()
        self.assertEqual(set(table), verbs)
        self.assertEqual([verb for verb, states in table.items() if not states], [])

    def test_every_command_has_a_handler_in_each_of_its_states_and_in_no_other(self):
        table = self.command_table()
        for state, path in (("AUTHORIZATION", "src/pop3/authorization.c"), ("TRANSACTION", "src/session/commands.c")):
            with self.subTest(state=state):
                handled = re.findall(r"\[(VERB_\w+)\] = handle_(\w+)", code_of(path))
                self.assertEqual({verb for verb, _ in handled}, {verb for verb, states in table.items() if state in states})
                self.assertEqual([(verb, name) for verb, name in handled if verb != f"VERB_{name.upper()}"], [])

    # ---- hostile input -----------------------------------------------------------

    def numbers_of_tests(self, word):
        """The numbers in names of tests: functions of Python and cmocka, files of dialogues."""
        names = {os.path.basename(path) for path in paths("tests/dialogue/*.pop3")}
        for path in paths("tests/*/*_test.py"):
            names |= set(re.findall(r"^    def (test_\w+)", text_of(path), re.M))
        for path in paths("tests/unit/*_test.c"):
            names |= set(re.findall(r"cmocka_unit_test\w*\(\s*(\w+)", text_of(path)))
        return {int(number) for name in names for number in re.findall(rf"(?:^|_){word}_(\d\d)(?=\D|$)", name)}

    def check_numbers(self, word, pattern, section):
        listed = {int(number) for number in re.findall(pattern, section, re.M)}
        waiting = {int(number) for number in re.findall(rf"{word}_(\d\d)", text_of("doc/HOSTILE.md").split("## Not yet")[1])}
        self.assertEqual(listed, set(range(1, len(listed) + 1)))
        tested = self.numbers_of_tests(word)
        self.check([f"{word}_{number:02}: no test" for number in listed - waiting - tested] +
                   [f"{word}_{number:02}: a test, but no such number" for number in tested - listed] +
                   [f"{word}_{number:02}: has a test, and stands under Not yet" for number in waiting & tested])

    def test_each_invariant_has_a_test(self):
        self.check_numbers("invariant", r"^(\d+)\. ", text_of("doc/HOSTILE.md").split("## From the client")[0])

    def test_each_hostile_input_has_a_test(self):
        self.check_numbers("input", r"^\| (\d+) \| ", text_of("doc/HOSTILE.md"))


if __name__ == "__main__":
    tap.main()
