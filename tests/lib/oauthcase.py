"""What the tests of OAuth share: a provider, and a gateway whose plugin takes its tokens."""

import atexit
import base64
import functools
import glob
import http.client
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import tempfile
import urllib.parse

import plugincase
from gateway import PLUGINS, PROGRAM
from oauthserver import SECRET, OAuthServer
from shim import Shim
from upstreamcase import UpstreamCase


def without_oauth():
    """Whether popgate was built so."""
    with open(PROGRAM, "rb") as file:
        return b"tokens.sqlite" not in file.read()


@functools.cache
def token_plugin():
    """The module, built once."""
    folder = tempfile.mkdtemp(prefix="popgate-token-", dir="/tmp")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return plugincase.build(folder, "token", os.path.join(plugincase.SOURCE, "tests/integration/token_plugin.c"))


class BrowserLogin:
    """`popgate oauth login --browser` of a gateway's account, up to where it waits for the browser."""

    def __init__(self, gate, *words, user="ann", stdin=subprocess.DEVNULL):
        self.process = subprocess.Popen((gate.program, "oauth", "login", user, "--browser", *words, "-c", gate.config_file),
                                        stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                        env={**os.environ, **gate.environment})
        self.said = ""
        try:
            while "Waiting" not in self.said:
                line = self.process.stdout.readline()
                if not line:
                    raise AssertionError(self.said)
                self.said += line
        except BaseException:
            self.close()
            raise
        self.url = urllib.parse.urlsplit(re.search(r"^https?://\S+", self.said, re.M).group())
        self.query = dict(urllib.parse.parse_qsl(self.url.query))
        self.port = urllib.parse.urlsplit(self.query["redirect_uri"]).port

    def visit(self, target, host="127.0.0.1"):
        """What the browser is answered."""
        connection = http.client.HTTPConnection(host, self.port, timeout=10)
        connection.request("GET", target)
        answer = connection.getresponse()
        answer.read()
        connection.close()
        return answer.status

    def end(self, status=0):
        """All that it said, when it ends so."""
        self.said += self.process.stdout.read()
        if self.process.wait(60) != status:
            raise AssertionError(self.said)
        return self.said

    def close(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


class OAuthCase(UpstreamCase):
    """Accounts ann and others, with the local password `local`."""

    clock = None

    def setUp(self):
        if without_oauth():
            self.skipTest("popgate was built without OAuth")

    def provide(self, *, users=("ann",), provider=None, server=None, backends=None, movable=False, **sections):
        """Prepares all; `provider`: settings of it; `movable`: later() will be called."""
        if movable:
            self.clock, self.ahead = Shim(clock_alone=True), 0
            sections["environment"] = self.clock.environment
        self.server = server or OAuthServer()
        self.addCleanup(self.server.close)
        gate = self.prepare(backends or [{"name": "mail", "plugin": "token", "accepts": self.server.accepts}], **sections)
        if backends is None:
            self.build_plugin()
        key = gate.path("token.key")
        with open(key, "w", encoding="ascii") as file:
            file.write(base64.b64encode(os.urandom(32)).decode() + "\n")
        os.chmod(key, 0o600)
        gate.sections.update({"oauth": [self.server.provider(**(provider or {}))], "token_key_file": key,
                              "state_directory": gate.path("state")})
        for user in users:
            self.add(user, oauth="test")
        self.write()
        gate.write_config()
        return gate

    def build_plugin(self):
        folder = self.gate.path("plugins")
        os.mkdir(folder)
        for path in glob.glob(os.path.join(PLUGINS, "*.so")):
            shutil.copy(path, folder)
        shutil.copy(token_plugin(), folder)
        self.gate.sections["plugin_directory"] = self.gate.plugins = folder

    def popgate(self, *words, status=0, said=""):
        """Runs a verb; what it prints."""
        return plugincase.popgate(*words, "-c", self.gate.config_file, status=status, said=said)[status != 0]

    def later(self, seconds):
        """So much later by the wall clock, which all of popgate's dates are of."""
        self.ahead += seconds
        self.clock.set_clock(self.ahead)

    def log_in(self, user="ann"):
        """Has the owner allow it, in a browser, which takes no time; what is said."""
        login = BrowserLogin(self.gate, user=user)
        try:
            login.visit("/?" + self.server.allow(login.query))
            return login.end()
        finally:
            login.close()

    def log_in_by_device(self, user="ann"):
        """The same by device, which takes a second."""
        return self.popgate("oauth", "login", user, "--device")

    def rows(self):
        """What stands in the store: [(provider, account, octets)]."""
        with sqlite3.connect(self.gate.path("state/tokens.sqlite")) as database:
            found = database.execute("SELECT provider, account, sealed FROM tokens").fetchall()
        database.close()
        return found

    def damage_rows(self):
        """A flipped bit in each."""
        with sqlite3.connect(self.gate.path("state/tokens.sqlite")) as database:
            for provider, account, sealed in database.execute("SELECT provider, account, sealed FROM tokens").fetchall():
                database.execute("UPDATE tokens SET sealed = ? WHERE provider = ? AND account = ?",
                                 (bytes([*sealed[:-1], sealed[-1] ^ 1]), provider, account))
        database.close()

    def let_application_ask(self):
        """The provider gives it tokens for all accounts: nobody logs in."""
        path = self.gate.path("client.secret")
        with open(path, "w", encoding="ascii") as file:
            file.write(SECRET + "\n")
        os.chmod(path, 0o600)
        self.gate.sections["oauth"][0].update(grant="client_credentials", client_secret_file=path)
        self.gate.write_config()

    def asked(self, grant="refresh_token"):
        """The requests of that kind so far."""
        return [form for path, form in self.server.asked if path == "/token" and form["grant_type"].endswith(grant)]


class RefreshCase(OAuthCase):
    """A first token that must be refreshed at the first login."""

    def begin(self, **options):
        """A gateway that runs; ann has logged in at the provider, and her first token lives too short for the
        first login."""
        server = options.pop("server", None) or OAuthServer(lifetime=30)
        self.provide(server=server, **options)
        for account in self.accounts:
            self.log_in(account["user"])
        self.server.lifetime = 3600
        self.gate.start()

    def reload(self):
        """Another generation, once it serves."""
        before = set(self.gate.pids("agent"))
        self.gate.write_config()
        self.gate.signal(signal.SIGHUP)
        self.gate.wait_until(lambda: self.gate.pids("agent") and not before & set(self.gate.pids("agent")),
                             "the new generation alone")
