"""Builds the fuzz targets with clang's libFuzzer and runs them, or takes what they have found into the corpus:
`make fuzz` and `make fuzz-corpus`. What to compile comes from the Makefile in the environment."""

import argparse
import concurrent.futures
import glob
import hashlib
import os
import re
import shutil
import subprocess
import sys
import time

TOP = os.environ.get("srcdir", ".")
BUILD = os.environ.get("builddir", ".")
HERE = os.path.join(TOP, "tests/fuzz")
WORK = os.path.join(BUILD, "fuzz")
CLANG = os.environ.get("CLANG", "clang")

SANITIZE = ("-fsanitize=address,undefined", "-fno-sanitize-recover=undefined", "-fno-omit-frame-pointer")
DICTIONARIES = {"line": "pop3", "authorization": "pop3", "sasl": "pop3", "session": "pop3", "conf": "conf", "accounts": "conf",
                "url": "conf", "guard": "imap", "reply": "imap", "imap": "imap", "answer": "oauth", "redirect": "oauth"}
# Libraries that lose memory over malformed input, which makes the search for leaks slow; `make check` searches too.
LEAKY = ("accounts", "conf", "imap")
LARGEST = {"line": 80000, "session": 20000, "message": 16400, "guard": 4096, "imap": 8192, "proxy": 5000,
           "answer": 16385, "redirect": 8192}
KEPT = 300  # inputs of a target in the corpus
KEPT_SIZE = 4096  # octets of one


def words(name):
    return os.environ.get(name, "").split()


def is_built(path):
    """Whether all of src that the target includes is part of this build."""
    with open(path, encoding="utf-8") as file:
        sources = [f"src/{name}.c" for name in re.findall(r'^#include "(\w+/\w+)\.h"', file.read(), re.M)]
    return all(one in words("FUZZ_SOURCES") for one in sources if os.path.exists(os.path.join(TOP, one)))


def targets():
    return sorted(os.path.basename(path)[:-len("_fuzz.c")] for path in glob.glob(os.path.join(HERE, "*_fuzz.c"))
                  if is_built(path))


def corpus(target):
    return os.path.join(HERE, "corpus", target)


def check_clang():
    """clang with libFuzzer is no part of what `autogen.sh deps` installs."""
    test = "int LLVMFuzzerTestOneInput(const unsigned char *d, unsigned long n) { return d == 0 && n > 1; }"
    try:
        done = subprocess.run((CLANG, "-x", "c", "-", "-fsanitize=fuzzer,address", "-o", os.devnull), input=test,
                              text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    except FileNotFoundError:
        sys.exit(f"fuzz: there is no {CLANG}. On Debian: apt-get install clang libclang-rt-14-dev (or CLANG=clang-16 ...)")
    if done.returncode != 0:
        sys.exit(f"fuzz: {CLANG} cannot link with libFuzzer. On Debian: apt-get install libclang-rt-14-dev\n{done.stdout}")


def compile_all(sources):
    """Objects of what has changed; returns all their paths."""
    flags = ("-g", "-O1", "-fsanitize=fuzzer-no-link", *SANITIZE, "-DHAVE_CONFIG_H", "-I", BUILD, "-I", HERE,
             *words("FUZZ_CPPFLAGS"), *words("FUZZ_CFLAGS"))
    newest = max(os.path.getmtime(path) for path in glob.glob(os.path.join(TOP, "**/*.h"), recursive=True))
    objects = []
    for source in sources:
        output = os.path.join(WORK, "objects", source.replace("/", "_") + ".o")
        objects.append(output)
        path = os.path.join(TOP, source)
        if os.path.exists(output) and os.path.getmtime(output) > max(os.path.getmtime(path), newest):
            continue
        subprocess.run((CLANG, *flags, "-c", path, "-o", output), check=True)
    return objects


def library(name, sources):
    path = os.path.join(WORK, f"lib{name}.a")
    objects = compile_all([one for one in sources if one.endswith(".c")])
    if os.path.exists(path):
        os.remove(path)
    subprocess.run(("ar", "rcs", path, *objects), check=True)
    return path


def build(names):
    os.makedirs(os.path.join(WORK, "objects"), exist_ok=True)
    own = library("popgate", words("FUZZ_SOURCES"))
    plugins = {"imap": library("imap", words("FUZZ_PLUGIN_SOURCES")), "maildir": library("maildir", words("FUZZ_MAILDIR_SOURCES"))}
    for name in names:
        sources = [f"tests/fuzz/{name}_fuzz.c"] + (["tests/fuzz/imap_peer.c"] if name == "imap" else [])
        with open(os.path.join(TOP, sources[0]), encoding="utf-8") as file:
            text = file.read()
            lib = next((path for plugin, path in plugins.items() if f"plugins/{plugin}/" in text), own)
        subprocess.run((CLANG, "-fsanitize=fuzzer", *SANITIZE, *compile_all(sources), lib, *words("FUZZ_LIBS"), "-o",
                        os.path.join(WORK, name)), check=True)


def folder(name):
    path = os.path.join(WORK, "corpus", name)
    os.makedirs(path, exist_ok=True)
    return path


def run(name, seconds):
    """Returns whether nothing was found."""
    command = [os.path.join(WORK, name), f"-max_total_time={seconds}", "-timeout=20", "-rss_limit_mb=2048",
               "-malloc_limit_mb=512", "-print_final_stats=1", f"-max_len={LARGEST.get(name, 4096)}",
               f"-artifact_prefix={os.path.join(WORK, name)}-"]
    if name in DICTIONARIES:
        command.append(f"-dict={HERE}/{DICTIONARIES[name]}.dict")
    if name in LEAKY:
        command.append("-detect_leaks=0")
    log = os.path.join(WORK, f"{name}.log")
    with open(log, "w", encoding="utf-8") as file:
        done = subprocess.run((*command, folder(name), corpus(name)), stdout=file, stderr=subprocess.STDOUT,
                              check=False)
    with open(log, encoding="utf-8", errors="replace") as file:
        text = file.read()
    coverage = re.findall(r"cov: (\d+) ft: (\d+)", text) or [("0", "0")]
    executions = re.search(r"number_of_executed_units: (\d+)", text)
    told = [f"{name:14} {executions.group(1) if executions else '?':>10} executions  {coverage[-1][0]:>6} edges  "
            f"{coverage[-1][1]:>6} features  {'fine' if done.returncode == 0 else 'FOUND SOMETHING'}"]
    if done.returncode != 0:
        told += [*text.splitlines()[-40:], f"the whole: {log}; again: {os.path.join(WORK, name)} INPUT"]
    print("\n".join(told), flush=True)
    return done.returncode == 0


def merge(name):
    """The smallest inputs that reach everything which the corpus and the last runs reach."""
    merged = os.path.join(WORK, "merged", name)
    shutil.rmtree(merged, ignore_errors=True)
    os.makedirs(merged)
    subprocess.run((os.path.join(WORK, name), "-merge=1", "-detect_leaks=0", "-timeout=20", merged, corpus(name),
                    folder(name)), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
    named = {}
    for path in glob.glob(os.path.join(corpus(name), "*")):
        with open(path, "rb") as file:
            named[file.read()] = os.path.basename(path)
    found = []
    for path in glob.glob(os.path.join(merged, "*")):
        with open(path, "rb") as file:
            found.append(file.read())
    # what has a name stays, whatever it reaches; of the others small and large ones, where there are too many
    kept = {octets: label for octets, label in named.items() if not re.fullmatch(r"[0-9a-f]{40}", label)}
    others = sorted({octets for octets in found if len(octets) <= KEPT_SIZE} - set(kept), key=lambda one: (len(one), one))
    room = max(min(KEPT - len(kept), len(others)), 0)
    kept.update((others[at * len(others) // room], None) for at in range(room))
    write(name, kept)


def write(name, kept):
    for path in glob.glob(os.path.join(corpus(name), "*")):
        os.remove(path)
    for octets, label in kept.items():
        with open(os.path.join(corpus(name), label or hashlib.sha1(octets).hexdigest()), "wb") as file:
            file.write(octets)
    print(f"{name:14} {len(kept):4} inputs, {sum(map(len, kept))} octets")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--time", type=int, default=60, help="seconds for each target")
    parser.add_argument("--jobs", type=int, default=1, help="targets at once (1)")
    parser.add_argument("--merge", action="store_true", help="rewrite the corpus instead")
    parser.add_argument("names", nargs="*", help="targets; all if none is named")
    options = parser.parse_args()
    names = options.names or targets()
    check_clang()
    build(names)
    if options.merge:
        for name in names:
            merge(name)
        return
    begun = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        fine = list(pool.map(lambda name: run(name, options.time), names))
    found = [name for name, one in zip(names, fine) if not one]
    print(f"{len(names)} targets in {time.monotonic() - begun:.0f} s; "
          + (f"something was found: {', '.join(found)}" if found else "nothing was found"))
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
