"""What popgate was built with, and marks for tests that need it."""

import os
import unittest

with open(os.path.join(os.environ.get("builddir", "."), "config.h"), encoding="utf-8") as _file:
    _CONFIG = _file.read()
GSASL = "#define HAVE_GSASL 1" in _CONFIG
OAUTH = "#define WITH_OAUTH 1" in _CONFIG

needs_scram = unittest.skipUnless(GSASL, "built without GNU libgsasl")
