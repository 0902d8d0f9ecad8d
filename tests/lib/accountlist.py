"""An accounts file for a Gateway.

    gate = Gateway(backends, accounts="accounts")
    write(gate, account("ann", folder="Junk"))

Every account has the password `secret`, and opens its mailbox with what the test says beside."""

import os

from gateway import config_text

PASSWORD = "secret"
HASH = "$5$rounds=1000$saltsalt$eKLZU9t9OoPWrqOQsoTIKG0aYkZ5rGOoOQhiIvoSWX2"


def account(user, **settings):
    return {"user": user, "hash": HASH, **settings}


def write(gate, *accounts, name="accounts"):
    """Into the gateway's folder."""
    path = gate.path(name)
    with open(path, "w", encoding="utf-8") as file:
        file.write(config_text({"accounts": list(accounts)}))
    os.chmod(path, 0o600)
