"""`make analyze`: clang-tidy, gcc -fanalyzer and cppcheck over src and plugins, mandoc over the manual pages, those of
them that are installed. Any finding fails. An exception stands where it is made, with its reason: NOLINT or NOLINTNEXTLINE for clang-tidy,
cppcheck-suppress for cppcheck, and for gcc, which has no word for it, `fanalyzer:` in a comment on the line.

    make analyze                           all of it
    make analyze ANALYZEFLAGS='gcc src/front/*.c'    some tools, some files"""

import concurrent.futures
import glob
import os
import re
import shutil
import subprocess
import sys

TOP = os.environ.get("srcdir", ".")
BUILD = os.environ.get("builddir", ".")


def make_variable(name):
    with open(os.path.join(BUILD, "Makefile"), encoding="utf-8") as file:
        match = re.search(rf"^{name} = (.*)$", file.read(), re.M)
    return match.group(1).split() if match else []


FLAGS = ["-std=gnu11", "-D_GNU_SOURCE", f"-I{BUILD}", "-Isrc", "-Iinclude", '-DPLUGIN_DIRECTORY="/x"',
         '-DCONFIG_FILE="/x"', '-DRUNTIME_DIRECTORY="/x"', '-DSTATE_DIRECTORY="/x"', *make_variable("OPENSSL_CFLAGS"),
         *make_variable("LIBCONFIG_CFLAGS"), *make_variable("LIBEVENT_CFLAGS")]


def run(*command):
    done = subprocess.run(command, cwd=TOP, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, check=False)
    return done.returncode, done.stdout


def clang_tidy(path):
    status, said = run("clang-tidy", "-quiet", path, "--", *FLAGS)
    said = re.sub(r"^\d+ warnings? generated\.\n|^Suppressed .*\n|^Use -header-filter.*\n", "", said, flags=re.M)
    return said if status != 0 or re.search(r": (warning|error):", said) else ""


def is_explained(warning):
    """Whether the line that gcc complains about says `fanalyzer:`."""
    path, number = re.match(r"(.*?):(\d+):", warning).groups()
    with open(os.path.join(TOP, path), encoding="utf-8") as file:
        return "fanalyzer:" in file.read().split("\n")[int(number) - 1]


def gcc(path):
    status, said = run("gcc", *FLAGS, "-O1", "-Wall", "-Wextra", "-fanalyzer", "-c", "-o", "/dev/null", path)
    parts = re.split(r"(?m)^(?=\S+?:\d+:\d+: warning: )", said)
    left = [part for part in parts if re.match(r"\S+?:\d+:\d+: warning: ", part) and not is_explained(part)]
    return "".join(left) if status == 0 else said


def cppcheck(*paths):
    status, said = run("cppcheck", "--quiet", "--enable=warning,performance,portability", "--inline-suppr",
                       "--error-exitcode=1", "--std=c11", "-D_GNU_SOURCE", "-D__linux__", "-Isrc", "-Iinclude", f"-I{BUILD}",
                       *paths)
    return said if status != 0 else ""


def mandoc(path):
    """Whether other programs' pages are installed here is no matter of this one."""
    _, said = run("mandoc", "-Tlint", path)
    return "".join(line for line in said.splitlines(keepends=True)
                   if line.startswith(f"mandoc: {path}:") and "referenced manual not found" not in line)


TOOLS = {"cppcheck": cppcheck, "gcc": gcc, "clang-tidy": clang_tidy, "mandoc": mandoc}
SOURCES, MANUALS = ("src/*.c", "src/*/*.c", "plugins/*/*.c"), ("doc/*.[1-9]",)


def files_for(name, given):
    """Those that were given and are of the tool's kind, or all."""
    if given:
        return [path for path in given if path.endswith((".c", ".h")) == (name != "mandoc")]
    return sorted(os.path.relpath(path, TOP) for pattern in (MANUALS if name == "mandoc" else SOURCES)
                  for path in glob.glob(os.path.join(TOP, pattern)))


def main():
    tools = [word for word in sys.argv[1:] if word in TOOLS] or list(TOOLS)
    given = [os.path.relpath(word, TOP) if os.path.isabs(word) else word for word in sys.argv[1:] if word not in TOOLS]
    failed, ran = False, False
    for name in tools:
        if shutil.which(name) is None:
            print(f"{name}: not installed, left out")
            continue
        files = files_for(name, given)
        if not files:
            continue
        ran = True
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            found = [cppcheck(*files)] if name == "cppcheck" else list(pool.map(TOOLS[name], files))
        findings = "".join(found)
        print(findings, end="")
        print(f"{name}: {len(files)} files, " + ("findings" if findings else "clean"), flush=True)
        failed = failed or bool(findings)
    if not ran:
        print("none of them is installed: apt-get install clang-tidy cppcheck gcc mandoc")
    sys.exit(1 if failed or not ran else 0)


if __name__ == "__main__":
    main()
