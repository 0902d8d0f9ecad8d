"""doc/SETUP.md, as an administrator follows it: what stands there is done, line by line, before a provider of this
machine. Only names, ports and folders are others."""

import base64
import os
import re
import shlex
import subprocess
import unittest

import certificates
import tap
from gateway import Gateway, example_backend
from imapscript import Server
from oauthcase import BrowserLogin, without_oauth
from oauthserver import CLIENT, SECRET, OAuthServer
from pop3client import Client

GUIDE = os.path.join(os.environ.get("srcdir", "."), "doc", "SETUP.md")
MAIL = b"Subject: set up\r\n\r\ntext\r\n"
OWNER = "nobody" if os.geteuid() == 0 else subprocess.check_output(("id", "-un"), text=True).strip()

# What the commands of the guide find in the shell.
SHELL = """
set -e
sudo() {{ "$@"; }}
popgate() {{ {program} "$@" -c {conf}; }}
"""


def chapters():
    """{heading: its indented blocks}"""
    with open(GUIDE, encoding="utf-8") as file:
        parts = re.split(r"^## (.*)\n", file.read(), flags=re.M)
    return {heading: [re.sub(r"^    ", "", block, flags=re.M).strip("\n") + "\n" for block in re.findall(r"(?:^    .*\n|^\n(?=    ))+", text, re.M)]
            for heading, text in zip(parts[1::2], parts[2::2])}


class Setup(unittest.TestCase):
    def setUp(self):
        self.gate = Gateway([example_backend()])
        self.addCleanup(self.gate.kill)
        self.gate.write_config = lambda: None  # the guide's
        authority = certificates.Authority(self.gate.path("tls"))
        self.ca_file = authority.file
        self.mail = Server({101: MAIL}, certificate=authority.issue("mail"), implicit=True,
                           capability="IMAP4rev1 SASL-IR AUTH=PLAIN AUTH=XOAUTH2 UIDPLUS MOVE ID")
        self.addCleanup(self.mail.close)
        self.folder = self.gate.path("etc")
        self.run_block(chapters()["Before"][0])

    def follow(self, heading, provider=""):
        """Writes the chapter's configuration; returns the other blocks. provider: what is added to it."""
        blocks = chapters()[heading]
        conf = next(block for block in blocks if block.startswith("listeners = "))
        own = (f'plugin_directory = "{self.gate.plugins}"; runtime_directory = "{self.gate.path("run")}";\n'
               f'state_directory = "{self.gate.path("state")}"; limits = {{ login_penalty = 0; max_connections = 200; }};\n')
        self.write(self.here(conf) + own)
        for old, new in (('"192.0.2.1"; port = 110;', '"127.0.0.1"; port = 0;'),
                         (re.search(r'host = "[^"]+";', conf).group(),
                          f'host = "localhost"; port = {self.mail.port}; ca_file = "{self.ca_file}";'),
                         (r"client_id", provider + "client_id")):
            conf = conf.replace(old, new)
        conf = re.sub(r'client_id = "[^"]+"', f'client_id = "{CLIENT}"', conf)
        self.ready = self.here(conf) + own
        return [block for block in blocks if not block.startswith("listeners = ")]

    def write(self, text):
        with open(self.gate.config_file, "w", encoding="utf-8") as file:
            file.write(text)

    def here(self, text):
        return re.sub(r"/etc/popgate\b(?!\.)", self.folder, text)

    def run_block(self, block, given=""):
        """What it prints."""
        block = re.sub(r"(-o|chown) popgate\b", rf"\1 {OWNER}", self.here(block)).replace("192.0.2.16", "127.0.0.1")
        shell = SHELL.format(program=shlex.quote(self.gate.program), conf=shlex.quote(self.gate.config_file))
        done = subprocess.run(("bash", "-c", shell + block), input=given, text=True, capture_output=True, timeout=60,
                              cwd=self.gate.folder, check=False)
        self.assertEqual(done.returncode, 0, block + done.stdout + done.stderr)
        return done.stdout

    def check_and_start(self):
        """The configuration of the guide as it stands there, and the one with this machine's names."""
        self.run_block("sudo popgate check")
        self.write(self.ready)
        self.run_block("sudo popgate check")
        self.gate.start()

    def read_mail(self, user, password):
        """What the mailbox was opened with."""
        with Client(self.gate.port, timeout=60) as client:
            self.assertRegex(client.login(user, password), rb"^\+OK", self.gate.log())
            self.assertEqual(client.multiline("TOP 1 0").split(b"\r\n")[0], MAIL.split(b"\r\n", maxsplit=1)[0])
        return base64.b64decode(self.mail.commands("AUTHENTICATE")[-1].split()[-1]).decode()

    def provider(self, *endpoints):
        """Keys of the list `oauth` that lead to a provider of this machine."""
        if without_oauth():
            self.skipTest("popgate was built without OAuth")
        self.oauth = OAuthServer()
        self.addCleanup(self.oauth.close)
        return f'ca_file = "{self.oauth.ca_file}";' + "".join(f' {key} = "{self.oauth.url(path)}";' for key, path in endpoints)

    def device_password(self, printed):
        return re.search(r"^[a-z0-9]{5}(-[a-z0-9]{5}){3}$", printed, re.M).group()

    def test_scanner(self):
        add, again, secret = self.follow("One scanner in front of iCloud")
        password = self.device_password(self.run_block(add, given="app-specific\n"))
        self.check_and_start()
        self.assertEqual(self.read_mail("scanner", password), "\0ann\0app-specific")
        other = self.device_password(self.run_block(again))
        self.run_block(secret, given="newer\n")
        self.assertEqual(self.read_mail("scanner", other), "\0ann\0newer")
        with Client(self.gate.port, timeout=60) as client:
            self.assertRegex(client.login("scanner", password), rb"^-ERR \[AUTH\]")
        self.gate.stop()

    def test_microsoft_each_for_himself(self):
        key, users, status = self.follow("Microsoft 365, each user for himself",
                                         self.provider(("token_endpoint", "/token"), ("device_endpoint", "/device")))
        self.run_block(key)
        self.write(self.ready)
        printed = self.run_block(users)
        self.assertIn("WDJB-MJHT", printed)
        self.check_and_start()
        token = self.oauth.access_tokens[-1]
        self.assertEqual(self.read_mail("ann@example.org", self.device_password(printed)),
                         f"user=ann@example.org\1auth=Bearer {token}\1\1")
        self.assertRegex(self.run_block(status), "ann@example.org at microsoft: good")
        self.gate.stop()

    def test_microsoft_by_one_application(self):
        exchange, secret, loop, more, tried = self.follow("Microsoft 365, hundreds of mailboxes by one application",
                                                          self.provider(("token_endpoint", "/token")))
        self.assertIn("New-ServicePrincipal", exchange)
        self.run_block(secret, given=SECRET + "\n")
        with open(self.gate.path("addresses"), "w", encoding="ascii") as file:
            file.write("eve@example.org\nzoe@example.org\n")
        self.run_block(loop)
        with open(self.gate.path("more"), "w", encoding="ascii") as file:
            file.write(more)
        os.chmod(self.gate.path("more"), 0o600)
        self.run_block("sudo popgate account import more")
        self.check_and_start()
        self.assertIn("nobody has to log in, and one is there", self.run_block(tried))
        with open(self.gate.path("passwords"), encoding="ascii") as file:
            passwords = dict(line.split() for line in file)
        self.assertEqual(list(passwords), ["eve@example.org", "zoe@example.org"])
        self.assertEqual(self.read_mail("zoe@example.org", passwords["zoe@example.org"]),
                         f"user=zoe@example.org\1auth=Bearer {self.oauth.access_tokens[-1]}\1\1")
        self.gate.stop()

    def test_gmail(self):
        secret, users = self.follow("Gmail with OAuth", self.provider(("token_endpoint", "/token"),
                                                                      ("authorization_endpoint", "/authorize")))
        self.run_block(secret, given=SECRET + "\n")
        self.write(self.ready)
        add, login = users.strip().split("\n")
        printed = self.run_block(add)
        self.assertEqual(login, "sudo popgate oauth login ann@gmail.com")
        browser = BrowserLogin(self.gate, user="ann@gmail.com")
        self.addCleanup(browser.close)
        browser.visit("/?" + self.oauth.allow(browser.query))
        browser.end()
        self.check_and_start()
        self.assertEqual(self.read_mail("ann@gmail.com", self.device_password(printed)),
                         f"user=ann@gmail.com\1auth=Bearer {self.oauth.access_tokens[-1]}\1\1")
        self.gate.stop()

    def test_other_listener_is_sound(self):
        """The one with TLS, in the place of the others."""
        tls = next(block for block in chapters()["Before"] if block.startswith("listeners"))
        self.follow("One scanner in front of iCloud")
        files = dict(zip(("cert", "key"), self.gate.authority.issue("gateway")))
        for name, path in files.items():
            tls = tls.replace(f"/etc/ssl/popgate/{name}.pem", path)
        os.chmod(files["key"], 0o600)
        with open(self.gate.config_file, encoding="utf-8") as file:
            self.write(re.sub(r"^listeners.*\n", lambda _: tls, file.read(), flags=re.M))
        self.run_block("sudo popgate account add ann --no-password\nsudo popgate check")


if __name__ == "__main__":
    tap.main()
