"""Maildirs in a private folder, for plugin maildir.

    with LocalMail() as mail:
        mail.add("ann")
        mail.deliver("ann", b"Subject: one\\n\\ntext\\n")
        Gateway([mail.backend()])

Every account has the password `secret`. As root all belongs to nobody, whom popgate's processes run as then."""

import atexit
import os
import shutil
import tempfile

PASSWORD = "secret"
YESCRYPT = "$y$j9T$abcdefghijklmnopqrstu/$GOBj9MnQX2XXRYb4Fyz9668D5epsKc/lpFQOxVhyXjA"
SHA512 = "$6$saltsaltsalt$PMWE8DTlam1JU37Piyk43bHcMxTJq6sgu5DKB0/tGPjanN35jcY68QkpDfPFUGPWX5uCxIQkSPzMmqEiVNgts."
# Few rounds, for tests that log in often.
QUICK = "$5$rounds=1000$saltsalt$eKLZU9t9OoPWrqOQsoTIKG0aYkZ5rGOoOQhiIvoSWX2"


class LocalMail:
    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="popgate-mail-", dir="/tmp")
        os.chmod(self.folder, 0o755)
        atexit.register(self.remove)
        self.number = 0
        for name in ("mail", "passwords"):
            self.make(os.path.join(self.folder, name))

    def remove(self):
        atexit.unregister(self.remove)
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.remove()

    def backend(self, **settings):
        return {"name": "local", "plugin": "maildir", "path": f"{self.folder}/mail/%u/Maildir",
                "password_file": f"{self.folder}/passwords/%u", **settings}

    # ---- files ------------------------------------------------------------------

    @staticmethod
    def own(path):
        if os.geteuid() == 0:
            shutil.chown(path, "nobody", "nogroup")

    def make(self, path):
        """Folders, as many as lack."""
        if not os.path.isdir(path):
            self.make(os.path.dirname(path))
            os.mkdir(path, 0o755)
            self.own(path)

    def write(self, path, octets, mode=0o600):
        with open(path, "wb") as file:
            file.write(octets)
        os.chmod(path, mode)
        self.own(path)

    def home(self, user):
        return os.path.join(self.folder, "mail", user, "Maildir")

    def password_file(self, user):
        return os.path.join(self.folder, "passwords", user)

    def place(self, user, where="", folder=None):
        """The path of a Maildir, or of a folder in it or in its folder `folder`."""
        return os.path.join(self.home(user), f".{folder}" if folder else "", where)

    # ---- mail -------------------------------------------------------------------

    def add(self, user, hash_=QUICK):
        self.write(self.password_file(user), hash_.encode() + b"\n")
        self.add_folder(user)

    def add_folder(self, user, folder=None):
        for where in ("cur", "new", "tmp"):
            self.make(self.place(user, where, folder))

    def deliver(self, user, octets, name=None, where="new", folder=None):
        """Returns the file's name."""
        self.number += 1
        if name is None:
            name = f"{1700000000 + self.number}.M{self.number}P1.host"
        self.write(os.path.join(self.place(user, where, folder), name), octets)
        return name

    def files(self, user, folder=None):
        """{where/name: octets} of all that lies in new and cur."""
        found = {}
        for where in ("new", "cur"):
            for name in os.listdir(self.place(user, where, folder)):
                path = os.path.join(self.place(user, where, folder), name)
                if os.path.isfile(path):
                    with open(path, "rb") as file:
                        found[f"{where}/{name}"] = file.read()
        return found

    def rename(self, user, name, new_name):
        """Both as in files()."""
        os.rename(self.place(user, name), self.place(user, new_name))

    def see(self, user, flags="S"):
        """What another client does that has seen all that is new."""
        for name in os.listdir(self.place(user, "new")):
            self.rename(user, f"new/{name}", f"cur/{name}:2,{flags}")
