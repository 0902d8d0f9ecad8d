"""`make check-valgrind`: the unit tests and the dialogues under valgrind's memcheck. A fault of memory, or a block that
was lost, fails the test it happens in. Arguments: unit tests to run."""

import os
import shutil
import subprocess
import sys
import tempfile

TOP = os.environ.get("srcdir", ".")
BUILD = os.environ.get("builddir", ".")
MEMCHECK = ("valgrind", "--quiet", "--vgdb=no", "--error-exitcode=99", "--leak-check=full", "--errors-for-leak-kinds=definite",
            "--show-leak-kinds=definite", "--num-callers=25", f"--suppressions={TOP}/tests/analysis/valgrind.supp")
# What cannot run there, and why.
LEFT_OUT = {
    "heap_test": "is about glibc's heap, which valgrind replaces",
    "input_test": "sets a limit of descriptors, which valgrind has some of its own beyond",
    "ipc_test": "sets a limit of descriptors, which valgrind has some of its own beyond",
}


def unit_tests(names):
    failed = 0
    for path in names:
        name = os.path.basename(path)
        if name in LEFT_OUT:
            print(f"{name}: left out: it {LEFT_OUT[name]}", flush=True)
            continue
        # a child that a test kills, or that ends in the middle, has not given back what it inherited
        done = subprocess.run((*MEMCHECK, "--child-silent-after-fork=yes", os.path.join(BUILD, path)),
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              errors="replace", check=False)
        print(f"{name}: {'clean' if done.returncode == 0 else f'exit status {done.returncode}'}", flush=True)
        if done.returncode != 0:
            failed += 1
            print("".join(line for line in done.stdout.splitlines(True) if not line.startswith("ok ")), flush=True)
    return failed


def dialogues():
    """With a popgate that is valgrind with popgate in it."""
    with tempfile.TemporaryDirectory(prefix="popgate-memcheck-") as folder:
        wrapper = os.path.join(folder, "popgate")
        with open(wrapper, "w", encoding="utf-8") as file:
            words = " ".join(f"'{word}'" for word in (*MEMCHECK, os.environ.get("POPGATE", "./popgate")))
            file.write(f"#!/bin/sh\nexec {words} \"$@\"\n")
        os.chmod(folder, 0o755)
        os.chmod(wrapper, 0o755)
        return subprocess.run((sys.executable, os.path.join(TOP, "tests/dialogue/dialogue_test.py")), check=False,
                              env={**os.environ, "POPGATE": wrapper, "DIALOGUE_PATIENCE": "120"}).returncode


def main():
    if shutil.which("valgrind") is None:
        print("valgrind is not installed: apt-get install valgrind")
        sys.exit(1)
    failed = unit_tests(sys.argv[1:])
    if dialogues() != 0:
        failed += 1
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
