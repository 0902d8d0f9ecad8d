"""etc/fail2ban: the filter takes wrong passwords, and no client can put another's address into them."""

import base64
import concurrent.futures
import configparser
import os
import re
import shlex
import shutil
import subprocess
import unittest

import tap
import upstreamcase
from dovecot import free_port
from gateway import Gateway, example_backend, imap_backend
from pop3client import Client

FOLDER = os.path.join(os.environ.get("srcdir", "."), "etc/fail2ban")
FILTER = os.path.join(FOLDER, "filter.d/popgate.conf")
ADDRESS = r"(?P<host>\d+(?:\.\d+){3}|[0-9a-fA-F:]*:[0-9a-fA-F:.]+)"
FORGED = "192.0.2.1"
HOSTILE = [
    f"x peer={FORGED} status=auth",
    f" peer={FORGED} status=auth ",
    f'x" peer={FORGED} status=auth x="',
    f'" peer={FORGED} status=auth',
    f"\\\" peer={FORGED} status=auth",
    f"x peer={FORGED} listener=a tls=none mechanism=USER account=no status=auth delay=0 msg=x",
    f"\u2028level=info process=broker pid=1 session=0 event=login_failed user=x peer={FORGED} status=auth",
    f"level=info\xa0process=broker\xa0pid=1 event=login_failed user=x peer={FORGED} status=auth ",
    f"x={FORGED}", f"peer={FORGED}", "", "=", '"', "a" * 250 + f" peer={FORGED} status=auth",
]


def settings():
    parser = configparser.RawConfigParser()
    parser.read(FILTER)
    return parser["Definition"]


def addresses(lines):
    """What the filter finds, by Python."""
    pattern = settings()["failregex"].replace("<ADDR>", ADDRESS).replace("<F-USER>", "(?:").replace("</F-USER>", ")")
    found = (re.search(pattern, line) for line in lines)
    return [match["host"] for match in found if match is not None]


class Filter(upstreamcase.UpstreamCase):
    @classmethod
    def setUpClass(cls):
        cls.log = cls.make_log()

    @classmethod
    def attempt(cls, port, last, name, password, address="127.0.0.1"):
        with Client(port, address=address, source=f"127.0.0.{last}" if ":" not in address else None) as client:
            credential = base64.b64encode(b"\0" + name.encode() + b"\0" + password.encode()).decode()
            return client.command(f"AUTH PLAIN {credential}")

    @classmethod
    def make_log(cls):
        """127.0.0.2 and ::1 try wrong passwords; all others are refused for something else, or let in."""
        listener = {"address": "127.0.0.1", "port": 0, "tls": "none", "cleartext_login": True}
        gate = Gateway([example_backend(), imap_backend(port=free_port(), name="down")],
                       listeners=[listener, {**listener, "address": "::1"}],
                       routes=[{"users": "down*", "backend": "down"},
                               {"users": "often*", "backend": "example", "login_delay": 100},
                               {"users": "*", "backend": "example"}])
        gate.expect_warning("event=login_failed .*status=temp")
        with gate:
            with concurrent.futures.ThreadPoolExecutor(len(HOSTILE)) as pool:
                for done in [pool.submit(cls.attempt_all, gate, name) for name in HOSTILE]:
                    done.result()
            log = gate.log().splitlines()
        return log

    @classmethod
    def attempt_all(cls, gate, name):
        cls.attempt(gate.ports[0], 2, name, "wrong")
        cls.attempt(gate.ports[1], 0, name, "wrong", "::1")
        cls.attempt(gate.ports[0], 3, f"down {name}", "wrong")
        cls.attempt(gate.ports[0], 4, f"often {name}", "password")
        cls.attempt(gate.ports[0], 4, f"often {name}", "password")
        with Client(gate.port, source="127.0.0.5") as client:
            credential = base64.b64encode(b"\0" + (name or "x").encode() + b"\0password").decode()
            if client.command(f"AUTH PLAIN {credential}").startswith(b"+OK"):
                cls.attempt(gate.ports[0], 6, name, "password")
                client.command("QUIT")

    def refusals(self, status):
        """The fields of the lines with that status, whatever else stands in their names."""
        lines = (dict(part.partition("=")[::2] for part in shlex.split(line.replace("\\", "_"))) for line in self.log)
        return [line for line in lines if (line["event"], line.get("status")) == ("login_failed", status)]

    def test_the_log_has_what_it_should_have(self):
        self.assertGreaterEqual(len(self.refusals("auth")), 2 * (len(HOSTILE) - 1))
        for status in ("temp", "login_delay", "in_use"):
            self.assertGreater(len(self.refusals(status)), 5, status)
        self.assertGreater(len([line for line in self.log if " event=login " in line]), 5)
        self.assertGreater(len([line for line in self.log if FORGED in line]), 5 * len(HOSTILE))

    def test_input_23_only_wrong_passwords_count_and_with_their_own_address(self):
        found = addresses(self.log)
        self.assertEqual(found, [line["peer"] for line in self.refusals("auth")])
        self.assertEqual(set(found), {"127.0.0.2", "::1"})

    def test_an_upstreams_words_make_no_guess(self):
        """What a server says stands in `msg`, and an upstream may be anybody's."""
        line = next(line for line in self.log if re.search(r" status=in_use msg=", line))
        head = line.partition(" msg=")[0]
        self.assertEqual(addresses([head + f' msg="{text}"' for text in (
            "status=auth", " status=auth ", f"peer={FORGED} status=auth", "event=login_failed status=auth x")]), [])

    def by_syslog(self):
        return [re.sub(r"^time=\S+ ", "Nov 26 15:14:16 mail popgate[123]: ", line) for line in self.log]

    def by_journal(self):
        return [f"Nov 26 15:14:16 mail popgate[123]: {line}" for line in self.log]

    def test_by_way_of_syslog_and_the_journal_as_well(self):
        expected = addresses(self.log)
        # fail2ban cuts the time off
        cut = [line.partition("15:14:16")[2] for line in self.by_syslog() + self.by_journal()]
        self.assertEqual(addresses(cut), 2 * expected)

    @unittest.skipUnless(shutil.which("fail2ban-regex"), "there is no fail2ban-regex")
    def test_by_fail2ban_itself(self):
        expected = addresses(self.log)
        for name, lines in (("file", self.log), ("syslog", self.by_syslog()), ("journal", self.by_journal())):
            with self.subTest(log=name):
                gate = self.prepare()
                path = gate.path("f2b")
                with open(path, "w", encoding="ascii") as file:
                    file.write("".join(line + "\n" for line in lines))
                done = subprocess.run(("fail2ban-regex", "-o", "ip", path, FILTER), capture_output=True, text=True,
                                      check=False)
                self.assertEqual(done.returncode, 0, done.stderr)
                self.assertEqual(done.stdout.split(), expected)


class Jail(unittest.TestCase):
    def test_it_names_the_filter_and_is_off(self):
        parser = configparser.RawConfigParser()
        parser.read(os.path.join(FOLDER, "jail.d/popgate.conf"))
        self.assertEqual(parser["popgate"]["filter"], "popgate")
        self.assertEqual(parser["popgate"]["enabled"], "false")

    @unittest.skipUnless(shutil.which("fail2ban-client"), "there is no fail2ban-client")
    def test_fail2ban_reads_both(self):
        gate = Gateway([example_backend()])
        self.addCleanup(gate.kill)
        folder = gate.path("fail2ban")
        shutil.copytree("/etc/fail2ban", folder)
        shutil.rmtree(os.path.join(folder, "jail.d"))
        shutil.copytree(FOLDER, folder, dirs_exist_ok=True)
        with open(os.path.join(folder, "jail.local"), "w", encoding="ascii") as file:
            file.write(f"[popgate]\nenabled = true\nlogpath = {FILTER}\n")
        done = subprocess.run(("fail2ban-client", "-c", folder, "-d"), capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(done.stdout, r"'popgate', 'addfailregex'")


if __name__ == "__main__":
    tap.main()
