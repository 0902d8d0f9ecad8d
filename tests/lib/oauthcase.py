"""What the tests of OAuth share: a provider, and a gateway whose plugin takes its tokens."""

import base64
import glob
import os
import shutil
import sqlite3

import plugincase
from gateway import PLUGINS, PROGRAM
from oauthserver import OAuthServer
from upstreamcase import UpstreamCase


def without_oauth():
    """Whether popgate was built so."""
    with open(PROGRAM, "rb") as file:
        return b"tokens.sqlite" not in file.read()


class OAuthCase(UpstreamCase):
    """Accounts ann and others, with the local password `local`."""

    def setUp(self):
        if without_oauth():
            self.skipTest("popgate was built without OAuth")

    def provide(self, *, users=("ann",), provider=None, server=None, backends=None, **sections):
        """Prepares all; `provider`: settings of it."""
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
        plugincase.build(folder, "token", os.path.join(plugincase.SOURCE, "tests/integration/token_plugin.c"))
        self.gate.sections["plugin_directory"] = self.gate.plugins = folder

    def popgate(self, *words, status=0, said=""):
        """Runs a verb; what it prints."""
        return plugincase.popgate(*words, "-c", self.gate.config_file, status=status, said=said)[status != 0]

    def log_in(self, user="ann"):
        """Has the owner allow it, by device."""
        return self.popgate("oauth", "login", user, "--device")

    def rows(self):
        """What stands in the store: [(provider, account, octets)]."""
        with sqlite3.connect(self.gate.path("state/tokens.sqlite")) as database:
            found = database.execute("SELECT provider, account, sealed FROM tokens").fetchall()
        database.close()
        return found

    def asked(self, grant="refresh_token"):
        """The requests of that kind so far."""
        return [form for path, form in self.server.asked if path == "/token" and form["grant_type"].endswith(grant)]
