"""secret_command: programs that print what opens a mailbox, well behaved and not."""

import contextlib
import os
import threading
import time

import tap
from upstreamcase import UpstreamCase

OK = rb"^\+OK"
TEMP = rb"^-ERR \[SYS/TEMP\]"
PERM = rb"^-ERR \[SYS/PERM\]"


class Commands(UpstreamCase):
    def serve(self, **scripts):
        """An account for each, of the same name, with a script of that text."""
        self.prepare()
        for name, text in scripts.items():
            self.add(name, secret_command=[self.script(name + ".sh", text)])
        self.start()

    def refused(self, user, pattern, words):
        """The client is told what kind it is, the log why."""
        self.gate.expect_warning(rf"event=login_failed .*user=\"?{user}\"? .*{words}")
        self.assertRegex(self.login(user), pattern)

    def left_over(self):
        """Processes that a script may have left behind; each says `sleep` with a number of its own."""
        found = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{pid}/cmdline", "rb") as file:
                    if file.read() == b"sleep\0" + str(self.number).encode() + b"\0":
                        found.append(pid)
            except OSError:
                pass
        return found

    @property
    def number(self):
        """Of this test alone."""
        return 100000 + 7 * os.getpid() + sum(self.id().encode()) % 997

    # ---- what works ----------------------------------------------------------

    def log_in_whatever_comes(self):
        with contextlib.suppress(OSError, EOFError):
            self.login("ann")

    def test_first_line_opens_the_mailbox(self):
        self.serve(plain="echo password\n", crlf="printf 'password\\r\\nmore\\r\\n'\n", bare="printf password\n",
                   lines="echo password; seq 1 20000\n")
        for user in ("plain", "crlf", "bare", "lines", "PLAIN"):
            with self.subTest(user=user):
                self.assertRegex(self.login(user), OK)
        self.gate.stop()

    def test_each_word_is_one_argument_and_no_shell_looks_at_it(self):
        self.prepare()
        script = self.script("words.sh", 'test "$#" = 3 && test "$1" = "two words" && test "$2" = \'$(false); *\' && '
                                         'test "$3" = "--" && echo password\n')
        self.add("ann", secret_command=[script, "two words", "$(false); *", "--"])
        self.start()
        self.assertRegex(self.login("ann"), OK)
        self.gate.stop()

    def test_program_finds_nothing_of_the_gateway(self):
        self.prepare(environment={"SECRET_OF_THE_SERVICE": "1", "LD_TEST": "x"})
        out = self.gate.path("found")
        os.mkdir(out)
        os.chmod(out, 0o777)
        self.add("Ann", secret_command=[self.script("look.sh", f"""
env -u PWD -u SHLVL -u _ >{out}/environment
ls -l /proc/self/fd >{out}/files
cat >{out}/stdin
pwd >{out}/folder
grep -E 'SigBlk|SigIgn|SigCgt|NoNewPrivs' /proc/self/status >{out}/status
echo password
""")])
        self.start()
        self.assertRegex(self.login("ann"), OK)
        with open(out + "/environment", encoding="utf-8") as file:
            variables = dict(line.split("=", 1) for line in file.read().splitlines())
        self.assertEqual(set(variables), {"PATH", "POPGATE_USER"})
        self.assertEqual(variables["POPGATE_USER"], "Ann")  # as the account writes it, not as the client did
        with open(out + "/files", encoding="utf-8") as file:
            files = [line.split(" -> ") for line in file.read().splitlines() if " -> " in line]
        self.assertEqual(len(files), 4)  # ls opens one itself
        self.assertEqual([right for left, right in files if left.endswith(" 0")], ["/dev/null"])
        for name, content in (("stdin", ""), ("folder", "/\n")):
            with open(f"{out}/{name}", encoding="utf-8") as file:
                self.assertEqual(file.read(), content)
        with open(out + "/status", encoding="utf-8") as file:
            status = dict(line.split(":\t") for line in file.read().splitlines())
        own = 3 << 31  # signals 32 and 33 are the C library's, and as whoever started the test has left them
        self.assertEqual((int(status["SigBlk"], 16), int(status["SigIgn"], 16) & ~own), (0, 0))
        self.assertEqual(status["NoNewPrivs"], "1")
        self.gate.stop()

    def test_result_is_not_kept(self):
        self.prepare()
        self.add("ann", secret_command=["/bin/cat", self.gate.path("now")])
        with open(self.gate.path("now"), "w", encoding="ascii") as file:
            file.write("password\n")
        self.start()
        self.assertRegex(self.login("ann"), OK)
        os.unlink(self.gate.path("now"))
        self.gate.expect_warning(r"event=secret_command .*No such file")
        self.refused("ann", TEMP, "exit status 1")
        self.gate.stop()

    # ---- what fails ----------------------------------------------------------

    def test_what_a_program_does_wrong_is_told(self):
        self.serve(fails="echo password; echo 'the vault is shut' >&2; exit 3\n", dies="echo password; kill -9 $$\n",
                   silent="exit 0\n", empty="echo; echo password\n", control="printf 'pass\\033word\\n'\n",
                   nul="printf 'password\\000\\n'\n", long="head -c 12289 /dev/zero | tr '\\0' x\n",
                   wrong="echo no-such-password\n")
        self.gate.expect_warning(r"event=secret_command .*fails.sh\"? user=fails stderr=\"the vault is shut")
        for user, pattern, words in (("fails", TEMP, "exit status 3"), ("dies", TEMP, "signal 9"),
                                     ("silent", PERM, "first line is empty"), ("empty", PERM, "first line is empty"),
                                     ("control", PERM, "control characters"), ("nul", PERM, "control characters"),
                                     ("long", PERM, "longer than"), ("wrong", PERM, "")):
            with self.subTest(user=user):
                self.refused(user, pattern, words)
        self.assertNotIn("no-such-password", self.gate.log())
        self.gate.stop()

    def test_program_that_cannot_be_run(self):
        self.prepare()
        self.add("absent", secret_command=["/nonexistent/program"])
        self.add("folder", secret_command=["/etc"])
        self.start()
        self.gate.expect_warning(r"event=secret_command .*cannot be run: No such file")
        self.gate.expect_warning(r"event=secret_command .*cannot be run: Permission denied")
        for user in ("absent", "folder"):
            self.refused(user, PERM, "cannot be run")
        self.gate.stop()

    def test_local_password_comes_first(self):
        self.prepare()
        self.add("ann", secret_command=[self.script("mark.sh", f"touch {self.gate.path('mark')}/was-run; echo password\n")])
        os.mkdir(self.gate.path("mark"))
        os.chmod(self.gate.path("mark"), 0o777)
        self.start()
        self.assertRegex(self.login("ann", "wrong"), rb"^-ERR \[AUTH\]")
        self.assertEqual(os.listdir(self.gate.path("mark")), [])
        self.assertRegex(self.login("ann"), OK)
        self.assertEqual(os.listdir(self.gate.path("mark")), ["was-run"])
        self.gate.stop()

    def test_complaints_are_bounded_and_harmless(self):
        self.serve(ann="printf '\\033[2Jspoofed=1 \"\\n' >&2; head -c 100000 /dev/zero | tr '\\0' x >&2; echo password\n")
        self.assertRegex(self.login("ann"), OK)
        line = next(line for line in self.gate.log().splitlines() if "event=secret_command" in line)
        self.assertIn(r"stderr=\"".replace("\\", "") + r"\x1b[2Jspoofed=1 \x22\x0axxx", line)
        self.assertLess(len(line), 1200)
        self.gate.stop()

    def test_printing_without_end_is_ended(self):
        self.serve(out="echo password; exec cat /dev/zero\n", err="exec cat /dev/zero >&2\n")
        self.gate.allow_warning("event=secret_command")
        for user in ("out", "err"):
            started = time.monotonic()
            self.refused(user, PERM, "prints without end")
            self.assertLess(time.monotonic() - started, 10)
        self.gate.stop()

    # ---- time and processes -------------------------------------------------

    def test_children_of_the_program_that_keep_its_pipe_are_not_waited_for(self):
        self.serve(ann=f"sleep {self.number} & echo password\n")
        started = time.monotonic()
        self.assertRegex(self.login("ann"), OK)
        self.assertLess(time.monotonic() - started, 10)
        self.gate.wait_until(lambda: not self.left_over(), "what the program had started to end")
        self.gate.stop()

    def test_slow_one_is_ended_and_holds_nobody_up(self):
        """The whole process group goes."""
        self.serve(slow=f"echo password; sleep {self.number}; true\n", quick="echo password\n")
        self.gate.expect_warning(r"event=login_failed .*user=slow .*has taken too long")
        reply = []
        thread = threading.Thread(target=lambda: reply.append(self.login("slow")))
        started = time.monotonic()
        thread.start()
        self.gate.wait_until(self.left_over, "the slow one to run")
        for _ in range(5):
            began = time.monotonic()
            self.assertRegex(self.login("quick"), OK)
            self.assertLess(time.monotonic() - began, 5)
        self.assertTrue(thread.is_alive())
        thread.join(40)
        self.assertRegex(reply[0], TEMP)
        self.assertGreater(time.monotonic() - started, 20)
        self.gate.wait_until(lambda: not self.left_over(), "the slow one to end")
        self.gate.stop()

    def test_many_at_once_take_turns(self):
        count, most = 40, 16
        self.prepare()
        folder = self.gate.path("running")
        os.mkdir(folder)
        os.chmod(folder, 0o777)
        script = self.script("turn.sh", f"touch {folder}/$$; ls {folder} | wc -l >&2; sleep 0.5; rm {folder}/$$; "
                                        "echo password\n")
        for i in range(count):
            self.add(f"user{i}", secret_command=[script])
        self.start()
        replies = []
        threads = [threading.Thread(target=lambda i=i: replies.append(self.login(f"user{i}"))) for i in range(count)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        self.assertEqual([reply[:3] for reply in replies], [b"+OK"] * count)
        seen = [int(line.partition('stderr="')[2].partition("\\")[0]) for line in self.gate.log().splitlines()
                if "event=secret_command" in line]
        self.assertEqual(len(seen), count)
        self.assertLessEqual(max(seen), most)
        self.assertGreater(max(seen), 1)
        self.gate.stop()

    def test_program_ends_with_an_agent_that_dies(self):
        self.serve(ann=f"exec sleep {self.number}\n")
        thread = threading.Thread(target=self.log_in_whatever_comes)
        self.gate.allow_warning("event=login_failed")
        self.gate.expect_warning("event=process_died role=agent")
        thread.start()
        self.gate.wait_until(self.left_over, "the program to run")
        self.gate.kill_process("agent")
        thread.join(30)
        self.gate.wait_until(lambda: not self.left_over(), "the program to end with its agent", 5)
        self.gate.wait_until(lambda: self.gate.pids("agent"), "another agent")
        self.gate.stop()

    def test_running_ones_end_with_the_gateway(self):
        self.serve(ann=f"sleep {self.number}; echo password\n")
        self.gate.allow_warning("event=login_failed")
        thread = threading.Thread(target=self.log_in_whatever_comes)
        thread.start()
        self.gate.wait_until(self.left_over, "the program to run")
        self.gate.stop()
        thread.join(30)
        self.assertEqual(self.left_over(), [])


if __name__ == "__main__":
    tap.main()
