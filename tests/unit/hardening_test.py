"""What configure promises about hardening is in the linked program and in the modules, as readelf sees them."""

import os
import re
import subprocess
import unittest

import tap

PROGRAM = os.environ["POPGATE"]
PLUGINS = os.environ["POPGATE_PLUGINS"]


def flags_of(variable):
    with open(os.path.join(os.environ["builddir"], "Makefile"), encoding="utf-8") as file:
        return re.search(rf"(?m)^{variable} =(.*)$", file.read())[1].split()


def said_by(*command):
    return subprocess.run(command, stdout=subprocess.PIPE, encoding="utf-8", check=True,
                          env={**os.environ, "LC_ALL": "C"}).stdout


def readelf(*arguments):
    return said_by("readelf", "-W", *arguments)


def disassembled(path):
    return said_by("objdump", "-d", path)


def modules():
    return sorted(os.path.join(PLUGINS, name) for name in os.listdir(PLUGINS) if name.endswith(".so"))


HARDENED = "-fstack-protector-strong" in flags_of("HARDEN_CFLAGS")


class HardeningTest(unittest.TestCase):
    def check_each(self, check):
        for path in (PROGRAM, *modules()):
            with self.subTest(os.path.basename(path)):
                check(path)

    def asked(self, *flags):
        have = flags_of("HARDEN_CFLAGS") + flags_of("HARDEN_LDFLAGS") + flags_of("PIE_LDFLAGS")
        if not HARDENED or not set(flags) <= set(have):
            self.skipTest("not asked of this build, or not known to this compiler")

    def test_position_independent(self):
        self.asked("-pie")
        self.assertRegex(readelf("-h", PROGRAM), r"Type: +DYN")
        self.assertRegex(readelf("-d", PROGRAM), r"FLAGS_1.*\bPIE\b")

    def test_bound_at_start_and_read_only_then(self):
        self.asked("-Wl,-z,relro", "-Wl,-z,now")
        self.check_each(lambda path: self.assertRegex(readelf("-d", path), r"FLAGS_1.*\bNOW\b"))
        self.check_each(lambda path: self.assertIn("GNU_RELRO", readelf("-l", path)))

    def test_no_executable_stack(self):
        self.asked("-Wl,-z,noexecstack")
        self.check_each(lambda path: self.assertRegex(readelf("-l", path), r"GNU_STACK .* RW +0x"))

    def test_stack_protector(self):
        self.asked("-fstack-protector-strong")
        self.check_each(lambda path: self.assertIn("__stack_chk_fail", readelf("--dyn-syms", path)))

    def test_fortified_calls(self):
        self.asked("-D_FORTIFY_SOURCE=3")
        self.check_each(lambda path: self.assertRegex(readelf("--dyn-syms", path), r"__v?snprintf_chk"))

    @unittest.skipUnless(os.uname().machine == "x86_64", "for x86-64 processors")
    def test_control_flow_protection(self):
        # The note that has it enforced needs start files of the system with it too; the marks are ours.
        self.asked("-fcf-protection=full")
        self.check_each(lambda path: self.assertGreater(disassembled(path).count("endbr64"), 5))

    def test_no_library_path_is_built_in(self):
        self.check_each(lambda path: self.assertNotRegex(readelf("-d", path), r"R(UN)?PATH"))


if __name__ == "__main__":
    tap.main()
