"""Runs a module's unittest cases and tells the results as TAP, one line a test,
so that `make check` counts tests and not files."""

import sys
import traceback
import unittest


witnesses = []


class Witness:
    """A server under test, with a log(), and a `process` while it runs: a failure is told with the log's end."""

    TOLD = 20  # lines

    def __init__(self):
        self.process = None
        self._last_words = ""
        witnesses.append(self)

    def story(self):
        return "".join(f"{line}\n" for line in self.log().splitlines()[-self.TOLD:]) or self._last_words

    def keep_last_words(self):
        """To be called before the log is removed."""
        self._last_words = self.story()

    def is_over(self):
        """Whether it is of no more use to later tests."""
        return self.process is None and self._last_words != ""


class _TapResult(unittest.TestResult):
    def __init__(self, stream):
        super().__init__()
        self.stream = stream
        self.number = 0

    def startTest(self, test):
        super().startTest(test)
        witnesses[:] = [one for one in witnesses if not one.is_over()]

    def _line(self, word, test, suffix="", detail=""):
        self.number += 1
        name = (test.shortDescription() or str(test)).replace("#", " ")
        print(f"{word} {self.number} - {name}{suffix}", file=self.stream, flush=True)
        for line in detail.splitlines():
            print(f"# {line}", file=self.stream, flush=True)

    def addSuccess(self, test):
        super().addSuccess(test)
        self._line("ok", test)

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        self._line("ok", test, f" # SKIP {reason}")

    def _bad(self, test, error):
        told = "".join(traceback.format_exception(*error))
        self._line("not ok", test, detail=told + "".join(one.story() for one in witnesses))

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self._bad(test, err)

    def addError(self, test, err):
        super().addError(test, err)
        self._bad(test, err)

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err is not None:
            self._bad(subtest, err)

    def addUnexpectedSuccess(self, test):
        super().addUnexpectedSuccess(test)
        self._line("not ok", test, detail="unexpected success")


def main(module="__main__"):
    """Call at the end of a test file. Arguments select tests by substring of their names."""
    suite = unittest.defaultTestLoader.loadTestsFromModule(sys.modules[module])
    wanted = sys.argv[1:]

    def pick(tests):
        for test in tests:
            if isinstance(test, unittest.TestSuite):
                yield from pick(test)
            elif not wanted or any(word in str(test) for word in wanted):
                yield test

    result = _TapResult(sys.stdout)
    unittest.TestSuite(pick(suite)).run(result)
    print(f"1..{result.number}", flush=True)
    sys.exit(0 if result.wasSuccessful() else 1)
