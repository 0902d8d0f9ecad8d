"""What the tests of `popgate plugins` and `popgate plugin-test` share."""

import os
import re
import shutil
import subprocess
import tempfile
import unittest

from gateway import PLUGINS, PROGRAM

SOURCE = os.environ.get("srcdir", ".")
SHAKY = os.path.join(SOURCE, "tests/integration/shaky_plugin.c")
WRONG = os.path.join(SOURCE, "tests/unit/wrong_plugin.c")


def build(folder, name, source, *flags):
    path = os.path.join(folder, f"{name}.so")
    subprocess.run((*os.environ.get("CC", "cc").split(), "-shared", "-fPIC", "-O0", "-w", "-I",
                    os.path.join(SOURCE, "include"), *flags, "-o", path, source), check=True)
    os.chmod(path, 0o644)
    return path


def popgate(*arguments, said="", status=0):
    """What the program prints on its standard output and error; its status must be that one."""
    done = subprocess.run((PROGRAM, *arguments), input=said, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          check=False)
    if done.returncode != status:
        raise AssertionError(f"popgate {' '.join(arguments)}: status {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout, done.stderr


def verdicts(report):
    """{check: what is said of it}, of a report."""
    return dict(line.split(": ", 1) if line.count(": ") == 1 else
                re.match(r"(.*?): ((?:ok|FAILED|not tried).*)", line).groups()
                for line in report.partition("\n\n")[0].splitlines())


class FolderCase(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="popgate-sdk-", dir="/tmp")
        os.chmod(self.folder, 0o755)
        self.addCleanup(shutil.rmtree, self.folder)

    def path(self, name):
        return os.path.join(self.folder, name)

    def write(self, name, text):
        with open(self.path(name), "w", encoding="utf-8") as file:
            file.write(text)
        return self.path(name)

    def copy(self, name):
        shutil.copy(os.path.join(PLUGINS, f"{name}.so"), self.folder)
        os.chmod(self.path(f"{name}.so"), 0o644)
        return self.path(f"{name}.so")
