"""Configurations that popgate does not start with: exit status 3, and a line with file, line, key and remedy."""

import os
import re
import subprocess
import tempfile
import unittest

import tap
from gateway import PLUGINS, PROGRAM

FINE = {
    "listeners": '({ address = "127.0.0.1"; port = 0; tls = "none"; cleartext_login = true; })',
    "backends": '({ name = "main"; plugin = "imap"; host = "127.0.0.1"; port = 9; security = "none"; })',
    "routes": '({ users = "*"; backend = "main"; })',
}


def backend(more):
    return {**FINE, "backends": f'({{ name = "main"; plugin = "imap"; {more} }})'}


class Refused(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="popgate-refusal-")
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.file = os.path.join(self.folder, "popgate.conf")

    def run_verb(self, verb, *options):
        return subprocess.run((PROGRAM, verb, *options), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=20, check=False)

    def said(self, sections, last=""):
        """What `serve` and `check` alike say of the file; the sections stand one a line, behind two."""
        text = f'plugin_directory = "{PLUGINS}";\nruntime_directory = "{self.folder}/run";\n'
        text += "".join(f"{key} = {value};\n" for key, value in sections.items()) + last
        with open(self.file, "w", encoding="utf-8", newline="") as file:
            file.write(text)
        told = []
        for verb in ("serve", "check"):
            done = self.run_verb(verb, "-c", self.file)
            self.assertEqual(done.returncode, 3, done.stdout)
            told.append([line for line in done.stdout.decode().splitlines() if f"{self.file}:" in line])
            self.assertRegex(done.stdout, rb"(?m)^[\x20-\x7e]+$")
        self.assertEqual(told[0], told[1])
        self.assertEqual(len(told[0]), 1, told[0])
        return told[0][0].partition(f"{self.file}:")[2]

    def test_input_67_unknown_key(self):
        self.assertEqual(self.said(FINE, "lmits = {};\n"), "6: unknown key `lmits`: did you mean `limits`?")
        self.assertEqual(self.said(FINE, "limits = { idle_timout = 600; };\n"),
                         "6: unknown key `idle_timout` in `limits`: did you mean `idle_timeout`?")
        self.assertRegex(self.said(backend('hots = "x"; host = "127.0.0.1"; security = "none";')),
                         r"^4: .*`hots`.*did you mean `host`")

    def test_input_67_key_that_stands_twice(self):
        self.assertRegex(self.said(FINE, "fronts = 1;\nfronts = 2;\n"), r"^7: .*`fronts`.*\b6\b")
        self.assertRegex(self.said(FINE, 'routes = ({ users = "b"; backend = "main"; });\n'), r"^6: .*`routes`.*\b5\b")
        self.assertRegex(self.said(backend('host = "127.0.0.1"; security = "none"; host = "127.0.0.2";')),
                         r"^4: .*`host`")

    def test_input_67_value_of_the_wrong_type(self):
        self.assertEqual(self.said(FINE, 'fronts = "2";\n'), "6: `fronts` takes a number, not a string")
        self.assertEqual(self.said(FINE, "limits = { idle_timeout = true; };\n"),
                         "6: `idle_timeout` in `limits` takes a number, not true or false")
        self.assertRegex(self.said(backend("host = 5;")), r"^4: .*`host`.*takes a string, not a number")
        self.assertRegex(self.said(FINE, "user = {};\n"), r"^6: `user` takes a string, not a group")

    def test_input_74_cr_or_lf_in_host_or_folder(self):
        """Neither as an escape nor as the octet itself."""
        for octets in ("\\r", "\\n", "\\r\\n", "\\x0a", "\\x0d", "\n", "a\\r\\nA1 LOGOUT"):
            for key, rest in (("host", 'security = "none";'), ("folder", 'host = "127.0.0.1"; security = "none";'),
                              ("trash_folder", 'host = "127.0.0.1"; security = "none"; delete = "move";'),
                              ("ca_file", 'host = "localhost";')):
                with self.subTest(key=key, octets=octets):
                    self.assertRegex(self.said(backend(f'{rest} {key} = "x{octets}y";')),
                                     rf"^[45]: .*`?{key}`?.*(control character|no host name has)")

    def test_input_74_cr_or_lf_in_a_url(self):
        for url in ("imap://a%0d%0ab", "imap://a\r\nb", "imap://a\nb:143", "imaps://a%0Ab:993", "imap://a/x\r\ny"):
            with self.subTest(url=url):
                done = self.run_verb("serve", "--imap", url, "--plugin-dir", PLUGINS)
                self.assertEqual(done.returncode, 3, done.stdout)
                self.assertRegex(done.stdout, rb"--imap")
                self.assertFalse(re.search(rb"[\r\x00-\x09]", done.stdout), done.stdout)


if __name__ == "__main__":
    tap.main()
