"""The benchmark itself, with sizes so small that its figures mean nothing: every work runs, checks the mail that it
moves, and ends up in the table and in the picture."""

import json
import os
import re
import subprocess
import sys
import tempfile
import unittest
import xml.etree.ElementTree

import dovecot
import tap
from gateway import SANITIZED

BENCH = os.path.join(os.environ["srcdir"], "tests", "bench")
SMALL = {"small": 4, "many": 6, "huge": 40, "large": 300000, "storm": 40, "idle": 3, "trips": [0, 5], "counts": [3, 10],
         "octets": [300000], "sessions": [3, 10], "busy": 5}


def bench(*arguments):
    return subprocess.run([sys.executable, os.path.join(BENCH, "bench.py"), *arguments], capture_output=True, text=True,
                          timeout=200, check=False)


class Bench(unittest.TestCase):
    @unittest.skipIf(SANITIZED, "measures nothing that a user would run")
    @unittest.skipUnless(dovecot.available(), "needs Dovecot")
    def test_every_work_has_a_row_with_figures(self):
        done = bench("--full", "--rounds", "1", "--sizes", json.dumps(SMALL))
        self.assertEqual(done.returncode, 0, done.stderr[-3000:])
        rows = [line.split(" | ") for line in done.stdout.splitlines() if re.match(r"\| [^|]* \| [\d.,-]+ \S+ \(", line)]
        self.assertEqual(len(rows), 20, done.stdout)
        for title in ("round-trip time", "messages of 2 kB", "octets of one message", "idle sessions", "command"):
            self.assertIn(f"| {title} |", done.stdout)

    def test_a_work_that_does_not_exist_is_refused(self):
        done = bench("--works", "download,nonsense")
        self.assertEqual(done.returncode, 2)
        self.assertIn("no such work: nonsense", done.stderr)

    def test_the_picture_and_the_page_are_written(self):
        sys.path.insert(0, BENCH)
        import draw  # pylint: disable=import-outside-toplevel
        grown = {"trips": {0: {"popgate": 0.1, "floor": 0.05, "dovecot": 2.0}, 50: {"popgate": 0.4, "floor": 0.3}},
                 "sessions": {100: (110.0, 1.0, 0.2), 1000: (105.0, 9.0, 0.2)}}
        with tempfile.TemporaryDirectory() as folder:
            draw.PAGE, draw.PICTURE = os.path.join(folder, "page.md"), os.path.join(folder, "picture.svg")
            with open(draw.PAGE, "w", encoding="utf-8") as file:
                file.write("before\n" + draw.BEGIN + "old\n" + draw.END + "after\n")
            draw.write("new\n", grown)
            with open(draw.PAGE, encoding="utf-8") as file:
                self.assertEqual(file.read(), "before\n" + draw.BEGIN + "new\n" + draw.END + "after\n")
            lines = xml.etree.ElementTree.parse(draw.PICTURE).iter("{http://www.w3.org/2000/svg}polyline")
            self.assertEqual(len(list(lines)), 4)


if __name__ == "__main__":
    tap.main()
