"""How long popgate takes to read an accounts file, and how much memory: `accounts.py [COUNT] [--keep FILE]`.
Run it as the tests are run (POPGATE, POPGATE_PLUGINS); a benchmark, never a test."""

import argparse
import base64
import os
import resource
import subprocess
import sys
import tempfile
import time

HASH = "$y$j9T$abcdefghijklmnopqrstu/$GOBj9MnQX2XXRYb4Fyz9668D5epsKc/lpFQOxVhyXjA"


def account(number):
    """One account's text; they are of several kinds."""
    keys = [f'user = "user{number:06}@example.org";', f'hash = "{HASH}";']
    if number % 12 == 0:
        key = base64.b64encode(number.to_bytes(16, "big")).decode() + "$" + base64.b64encode(bytes(32)).decode()
        keys.append(f'devices = ( {{ name = "phone"; key = "{key}"; }}, {{ name = "desk"; key = "{key}"; }} );')
    if number % 3 == 0:
        keys.append(f'upstream_user = "box{number}"; upstream_secret = "secret of {number}";')
    if number % 5 == 0:
        keys.append('networks = ( "192.0.2.0/24", "2001:db8::/32" ); max_sessions = 4;')
    return "\t{ " + " ".join(keys) + " }"


def write(path, count):
    """A sound accounts file."""
    with open(path, "w", encoding="utf-8") as file:
        file.write("# made for a measurement\naccounts = (\n" + ",\n".join(map(account, range(count))) + "\n);\n")
    os.chmod(path, 0o600)


def measure(folder, count):
    """(seconds, KiB at most) of `popgate check`."""
    conf = os.path.join(folder, "popgate.conf")
    with open(conf, "w", encoding="utf-8") as file:
        file.write('listeners = ({ address = "127.0.0.1"; port = 0; tls = "none"; cleartext_login = true; });\n'
                   f'backends = ({{ name = "main"; plugin = "example"; }});\nplugin_directory = "{os.environ["POPGATE_PLUGINS"]}";\n'
                   'routes = ({ users = "*"; backend = "main"; });\n' + ('accounts = "accounts";\n' if count is not None else ""))
    if count is not None:
        write(os.path.join(folder, "accounts"), count)
    best = 1e9
    for _ in range(3):
        begun = time.monotonic()
        done = subprocess.run((os.environ["POPGATE"], "check", "-c", conf), capture_output=True, text=True, check=False)
        best = min(best, time.monotonic() - begun)
    if done.returncode != 0 and "cannot do" not in done.stderr:
        sys.exit(done.stderr)
    return best, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("count", nargs="?", type=int, default=50000)
    options.add_argument("--keep", help="write the file there, and measure nothing")
    given = options.parse_args()
    if given.keep:
        write(given.keep, given.count)
        return
    with tempfile.TemporaryDirectory() as folder:
        without, _ = measure(folder, None)
        seconds, most = measure(folder, given.count)
    print(f"{given.count} accounts: {seconds - without:.2f} s beyond the {without:.2f} s of a check without; {most >> 10} MiB at most")


if __name__ == "__main__":
    main()
