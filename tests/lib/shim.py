"""Faults of the machine, made inside popgate's processes by a preloaded module (shim.c).

    shim = Shim()
    with Gateway([...], environment=shim.environment) as gate:
        shim.fail("session", 7)          # the seventh allocation of every session from now on
        ...
        shim.set_clock(10 * YEAR)

Shim(clock_alone=True) lets no allocation fail, and works beside a sanitizer too."""

import atexit
import mmap
import os
import shutil
import struct
import subprocess
import tempfile
import unittest

from gateway import SANITIZED

_AT, _CALLS, _FAILED, _MORE, _CLOCK, _SYSLOG, _FOLDERS, _RENAMES = 16, 24, 32, 40, 48, 56, 160, 168


class Shim:
    _modules = {}

    def __init__(self, clock_alone=False):
        if SANITIZED and not clock_alone:
            raise unittest.SkipTest("a sanitizer has allocation functions of its own")
        self.folder = tempfile.mkdtemp(prefix="popgate-shim-", dir="/tmp")
        os.chmod(self.folder, 0o755)
        atexit.register(shutil.rmtree, self.folder, True)
        path = os.path.join(self.folder, "control")
        with open(path, "wb") as file:
            file.write(bytes(4096))
        os.chmod(path, 0o666)
        with open(path, "r+b") as file:
            self.page = mmap.mmap(file.fileno(), 4096)
        self.environment = {"LD_PRELOAD": self._build("-DCLOCK_ALONE" if clock_alone else "-UCLOCK_ALONE"),
                            "POPGATE_SHIM": path}
        if SANITIZED:  # it wants to be loaded first
            self.environment["ASAN_OPTIONS"] = ":".join(filter(None, (os.environ.get("ASAN_OPTIONS"),
                                                                      "verify_asan_link_order=0")))

    @classmethod
    def _build(cls, flag):
        if flag not in cls._modules:
            folder = tempfile.mkdtemp(prefix="popgate-shim-", dir="/tmp")
            os.chmod(folder, 0o755)
            atexit.register(shutil.rmtree, folder, True)
            module = os.path.join(folder, "shim.so")
            source = os.path.join(os.path.dirname(os.path.abspath(__file__)), "shim.c")
            subprocess.run((*os.environ.get("CC", "cc").split(), "-shared", "-fPIC", "-O1", "-fno-builtin", flag, "-o",
                            module, source), check=True)
            cls._modules[flag] = module
        return cls._modules[flag]

    def _get(self, offset):
        return struct.unpack_from("q", self.page, offset)[0]

    def _set(self, offset, value):
        struct.pack_into("q", self.page, offset, value)

    def fail(self, process, at, more=0):
        """From now on the allocation number `at` of such processes fails, and `more` behind it. 0: none, they are
        counted."""
        self.page[0:16] = bytes(16)
        for offset, value in ((_AT, at), (_CALLS, 0), (_FAILED, 0), (_MORE, more)):
            self._set(offset, value if at > 0 or offset != _AT else 1 << 62)
        self.page[0:16] = f"popgate-{process}".encode()[:15].ljust(16, b"\0")

    def rest(self):
        self.page[0:16] = bytes(16)

    @property
    def calls(self):
        return self._get(_CALLS)

    @property
    def failed(self):
        return self._get(_FAILED)

    def set_clock(self, seconds):
        self._set(_CLOCK, seconds)

    def set_syslog(self, path):
        self.page[_SYSLOG:_SYSLOG + 104] = path.encode().ljust(104, b"\0")

    def fail_folders(self):
        """fsync of a folder fails."""
        self._set(_FOLDERS, 1)

    def fail_renames(self):
        self._set(_RENAMES, 1)
