"""Runs testssl.sh against popgate's two ways to TLS, with the default profile, and fails at anything that it rates
MEDIUM or worse. What depends on the test's own certificate authority (its chain, revocation, CAA) is set aside.

Not a part of `make check`: it takes minutes. testssl.sh is looked for when this runs; Debian has it as a package."""

import json
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

from gateway import IMPLICIT, STARTTLS, Gateway, example_backend

NAMES = ("testssl.sh", "testssl")
BAD = ("MEDIUM", "HIGH", "CRITICAL", "FATAL")
# Findings about an authority that nobody outside of this test knows, which offers no revocation.
SET_ASIDE = ("cert_chain_of_trust", "cert_crlDistributionPoints", "cert_ocspURL", "cert_revocation",
             "cert_crlRevoked", "cert_ocspRevoked", "OCSP_stapling", "DNS_CAArecord", "certificate_transparency")


def is_set_aside(finding):
    return finding["id"].split(" ")[0] in SET_ASIDE


def run(program, gate, name, port, *options):
    """All findings for one port."""
    output = gate.path(f"{name}.json")
    command = (program, "--quiet", "--color", "0", "--warnings", "off", "--nodns", "min", "--ip", "127.0.0.1",
               "--add-ca", gate.ca_file, "--jsonfile", output, *options, f"localhost:{port}")
    with open(gate.path(f"{name}.txt"), "wb") as text:
        subprocess.run(command, stdin=subprocess.DEVNULL, stdout=text, stderr=subprocess.STDOUT, check=False)
    try:
        with open(output, encoding="utf-8") as file:
            return json.load(file)
    except (OSError, ValueError):
        with open(gate.path(f"{name}.txt"), encoding="utf-8", errors="replace") as text:
            sys.exit(f"{program} left no readable result:\n{text.read()}")


def judge(name, findings):
    """Prints what counts; returns how many there are."""
    bad = [one for one in findings if one["severity"] in BAD]
    for one in bad:
        word = "set aside" if is_set_aside(one) else "BAD"
        print(f"  {word}: {one['severity']} {one['id']}: {one['finding']}")
    count = sum(not is_set_aside(one) for one in bad)
    print(f"{name}: {len(findings)} findings, {count} of severity {BAD[0]} or above", flush=True)
    # One that ended early would find nothing either.
    if not {"TLS1_2", "TLS1_3", "cert_chain_of_trust", "heartbleed", "ROBOT", "RC4"} <= {one["id"] for one in findings}:
        print(f"{name}: testssl.sh did not come to its end")
        count += 1
    return count


def main():
    program = next((found for found in map(shutil.which, NAMES) if found), None)
    if program is None:
        sys.exit("testssl.sh is not on this machine; on Debian: apt-get install testssl.sh")
    gate = Gateway([example_backend()], listeners=(IMPLICIT, STARTTLS))
    days = [time.strftime("%Y%m%d000000Z", time.gmtime(time.time() + day * 86400)) for day in (-1, 89)]
    gate.use_certificate(*gate.authority.issue("short-lived", valid=days))
    with gate:
        ways = {"implicit": (gate.ports[0],), "stls": (gate.ports[1], "--starttls", "pop3")}
        with ThreadPoolExecutor() as both:
            runs = {name: both.submit(run, program, gate, name, *way) for name, way in ways.items()}
        bad = sum(judge(name, done.result()) for name, done in runs.items())
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
