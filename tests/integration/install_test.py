"""`make install`: what comes where, and that the installed tree works by itself: its program, its
modules, its configuration once there are certificates."""

import contextlib
import os
import poplib
import re
import shutil
import signal
import ssl
import stat
import subprocess
import tempfile
import time
import unittest

import certificates
import dovecot
import tap
from gateway import SANITIZED

SOURCE, BUILD = os.environ["srcdir"], os.environ["builddir"]
JOBS = f"-j{os.cpu_count() or 1}"


def run(*command, folder="/", **environment):
    """A command outside of the make that runs this test. Returns what it says; it must succeed."""
    clean = {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL")}
    done = subprocess.run(command, cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, encoding="utf-8", errors="replace", check=False,
                          env={**clean, **environment})
    if done.returncode != 0:
        raise AssertionError(f"{' '.join(command)}: status {done.returncode}\n{done.stdout[-4000:]}")
    return done.stdout


def files_below(folder):
    return sorted(os.path.relpath(os.path.join(base, name), folder)
                  for base, _, names in os.walk(folder) for name in names)


@contextlib.contextmanager
def own_folder():
    path = tempfile.mkdtemp(prefix="popgate-install-", dir="/tmp")
    os.chmod(path, 0o755)
    try:
        yield path
    finally:
        shutil.rmtree(path)


class StagedTest(unittest.TestCase):
    """DESTDIR, as packagers use it, from the tree under test."""

    def setUp(self):
        folder = own_folder()
        self.stage = folder.__enter__()
        self.addCleanup(folder.__exit__, None, None, None)

    def make(self, target):
        old = os.umask(0o002)
        try:
            run("make", "-C", BUILD, target, f"DESTDIR={self.stage}")
        finally:
            os.umask(old)

    def found(self, pattern):
        names = [name for name in files_below(self.stage) if re.search(pattern, name)]
        self.assertEqual(len(names), 1, f"{pattern}: {files_below(self.stage)}")
        return os.path.join(self.stage, names[0])

    def mode_of(self, pattern):
        return stat.S_IMODE(os.stat(self.found(pattern)).st_mode)

    def test_everything_in_its_place(self):
        self.make("install")
        self.assertEqual(self.mode_of(r"/sbin/popgate$"), 0o755)
        for module in ("imap", "maildir", "example"):
            self.assertEqual(self.mode_of(rf"/lib[^ ]*/popgate/{module}\.so$") & 0o022, 0)
        for name in (r"/etc/popgate\.conf$", r"/man8/popgate\.8$", r"/man5/popgate\.conf\.5$", r"/man5/popgate-accounts\.5$",
                     r"/man7/popgate-plugin\.7$", r"/include/popgate/plugin\.h$",
                     r"/pkgconfig/popgate\.pc$", r"/doc/popgate/README\.md$",
                     r"/doc/popgate/LICENSE$", r"/doc/popgate/haproxy\.cfg$",
                     r"/fail2ban/filter\.d/popgate\.conf$", r"/fail2ban/jail\.d/popgate\.conf$"):
            self.assertEqual(self.mode_of(name), 0o644)
        for name in (r"/systemd/system/popgate\.service$", r"/systemd/system/popgate\.socket$",
                     r"/sysusers\.d/popgate\.conf$"):
            self.assertEqual(self.mode_of(name), 0o644)
        with open(self.found(r"/popgate\.service$"), encoding="utf-8") as file:
            program = "/" + os.path.relpath(self.found(r"/sbin/popgate$"), self.stage)
            self.assertIn(f"ExecStart={program} serve\n", file.read())

    def test_own_configuration_is_kept(self):
        self.make("install")
        path = self.found(r"/etc/popgate\.conf$")
        with open(path, "a", encoding="utf-8") as file:
            file.write("# mine\n")
        self.make("install")
        self.make("uninstall")
        self.assertEqual(files_below(self.stage), [os.path.relpath(path, self.stage)])
        with open(path, encoding="utf-8") as file:
            self.assertTrue(file.read().endswith("# mine\n"))

    def test_uninstall_leaves_nothing(self):
        self.make("install")
        self.make("uninstall")
        self.assertEqual(files_below(self.stage), [])


@unittest.skipIf(os.path.exists(os.path.join(SOURCE, "config.status")), "the source tree is configured itself")
@unittest.skipIf(SANITIZED, "what is installed is the same")
class PrefixTest(unittest.TestCase):
    """A build of its own, since the places of plugins and configuration are compiled in."""

    @classmethod
    def setUpClass(cls):
        folder = own_folder()
        cls.folder = folder.__enter__()
        cls.addClassCleanup(folder.__exit__, None, None, None)
        cls.prefix = os.path.join(cls.folder, "prefix")
        build = os.path.join(cls.folder, "build")
        os.mkdir(build)
        run(os.path.join(SOURCE, "configure"), f"--prefix={cls.prefix}", f"--with-runtimedir={cls.folder}/run",
            "CFLAGS=-O0", folder=build)
        run("make", JOBS, "install", folder=build)
        cls.program = os.path.join(cls.prefix, "sbin", "popgate")
        cls.conf = os.path.join(cls.prefix, "etc", "popgate.conf")
        with open(cls.conf, encoding="utf-8") as file:
            cls.original = file.read()
        cls.authority = certificates.Authority(os.path.join(cls.folder, "tls"))
        cls.certificate, cls.key = cls.authority.issue("server")

    def tearDown(self):
        self.write(self.original)

    def write(self, text):
        with open(self.conf, "w", encoding="utf-8") as file:
            file.write(text)

    def with_certificates(self):
        text = self.original
        for old, new in (("/etc/ssl/popgate/cert.pem", self.certificate), ("/etc/ssl/popgate/key.pem", self.key)):
            self.assertIn(old, text)
            text = text.replace(old, new)
        return text

    def with_example(self, clear, tls):
        """The installed file, edited as an administrator would: other addresses and ports, another plugin."""
        text = self.with_certificates().replace('"0.0.0.0"', '"127.0.0.1"').replace('"::"', '"127.0.0.2"')
        text = text.replace("port = 110;", f"port = {clear};").replace("port = 995;", f"port = {tls};")
        text = text.replace('plugin = "imap"', 'plugin = "example"')
        text = re.sub(r"(?m)^\s*(host|security) = .*$", "", text)
        return re.sub(r"(?m)^[\s#]*max_connections = \d+", "max_connections = 100", text)

    def test_configuration_is_accepted(self):
        self.write(self.with_certificates())
        self.assertIn("no fault found", run(self.program, "check"))

    def test_fetches_mail(self):
        clear, tls = dovecot.free_port(), dovecot.free_port()
        self.write(self.with_example(clear, tls))
        with open(os.path.join(self.folder, "log"), "w+b") as log:
            process = subprocess.Popen((self.program, "serve"), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                       cwd="/", env={**os.environ, "XDG_RUNTIME_DIR": self.folder})
            try:
                self.wait_for(process, log, b"event=listening", 4)
                self.fetch(clear, tls)
            finally:
                process.send_signal(signal.SIGTERM)
                status = process.wait(30)
            self.assertEqual(status, 0)

    def wait_for(self, process, log, text, times):
        deadline = time.monotonic() + 30
        while True:
            log.seek(0)
            said = log.read()
            if said.count(text) >= times:
                return
            self.assertIsNone(process.poll(), said)
            self.assertLess(time.monotonic(), deadline, said)
            time.sleep(0.05)

    def fetch(self, clear, tls):
        trust = ssl.create_default_context(cafile=self.authority.file)
        first = poplib.POP3("127.0.0.1", clear, timeout=30)
        self.assertRaises(poplib.error_proto, first.user, "anna")  # no name in clear
        first.stls(trust)
        for client in (first, poplib.POP3_SSL("127.0.0.1", tls, context=trust, timeout=30)):
            client.user("anna")
            client.pass_("password")
            self.assertIn(b"Subject: message 2", client.retr(2)[1])
            client.quit()

    def pkg_config(self, *arguments):
        return run(os.environ.get("PKG_CONFIG", "pkg-config"), *arguments, "popgate",
                   PKG_CONFIG_PATH=os.path.join(self.prefix, "lib", "pkgconfig")).split()

    def install_own(self, name, source):
        """Builds a plugin with nothing but what is installed, and installs it."""
        work = os.path.join(self.folder, name)
        os.mkdir(work)
        with open(os.path.join(work, f"{name}.c"), "w", encoding="utf-8") as file:
            file.write(source)
        run(*os.environ.get("CC", "cc").split(), "-shared", "-fPIC", "-fvisibility=hidden", "-Wall", "-Wextra", "-Werror",
            *self.pkg_config("--cflags"), "-o", f"{name}.so", f"{name}.c", folder=work)
        [folder] = self.pkg_config("--variable=plugindir")
        run("install", "-m", "644", os.path.join(work, f"{name}.so"), folder)
        self.addCleanup(os.unlink, os.path.join(folder, f"{name}.so"))

    def serve_own(self, name, password, settings=""):
        """What one POP3 session with that plugin says to RETR 1."""
        self.write('listeners = ({ address = "127.0.0.1"; port = 1110; tls = "none"; cleartext_login = true; });\n'
                   f'backends = ({{ name = "main"; plugin = "{name}"; {settings} }});\n'
                   'routes = ({ users = "*"; backend = "main"; });\n')
        run(self.program, "check")
        done = subprocess.run((self.program, "session"), input=f"USER ann\r\nPASS {password}\r\nRETR 1\r\nQUIT\r\n",
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=True, cwd="/",
                              env={**os.environ, "XDG_RUNTIME_DIR": self.folder})
        return done.stdout

    def test_plugin_built_out_of_tree_serves_mail(self):
        with open(os.path.join(SOURCE, "plugins", "example", "example.c"), encoding="utf-8") as file:
            source = file.read()
        self.assertEqual(source.count('.name = "example"'), 1)
        self.install_own("own", source.replace('.name = "example"', '.name = "own"'))
        self.assertTrue(run(self.program, "plugins", "own").startswith("own 1, ABI 1.3: a maildrop in memory\n"))
        self.assertIn("\nSubject: message 1\n", self.serve_own("own", "sesame", 'password = "sesame"; messages = 1;'))

    def test_plugin_of_the_manual_keeps_the_contract(self):
        with open(os.path.join(self.prefix, "share", "man", "man7", "popgate-plugin.7"), encoding="utf-8") as file:
            text = file.read().partition(".Bd -literal\n")[2].partition(".Ed\n")[0]
        self.install_own("smallest", text.replace("\\e", "\\"))
        self.assertIn("\n+OK 29 octets\nSubject: hello\n\nOne line.\n.\n", self.serve_own("smallest", "secret"))
        password = os.path.join(self.folder, "password")
        with open(password, "w", encoding="ascii") as file:
            file.write("secret\n")
        report = run(self.program, "plugin-test", "smallest", "--user", "ann", "--password-file", password)
        self.assertIn(" ok, 0 failed, ", report)
        self.assertIn("\nfetch: sizes: ok (declared exact; 0 of 1 differ)\n", report)

    def test_package_file_tells_the_version_of_the_contract(self):
        said = run(self.program, "--version").split()[-1]
        self.assertEqual(self.pkg_config("--variable=abi"), [said])

    def test_package_file_serves_plugins(self):
        pkg_config = os.environ.get("PKG_CONFIG", "pkg-config")
        path = {"PKG_CONFIG_PATH": os.path.join(self.prefix, "lib", "pkgconfig")}
        flags = run(pkg_config, "--cflags", "popgate", **path).split()
        self.assertEqual(flags, [f"-I{self.prefix}/include"])
        folder = run(pkg_config, "--variable=plugindir", "popgate", **path).strip()
        self.assertEqual(sorted(name for name in os.listdir(folder) if name.endswith(".so")),
                         ["example.so", "imap.so", "maildir.so"])
        run(os.environ.get("CC", "cc"), "-shared", "-fPIC", *flags, "-o", os.path.join(self.folder, "own.so"),
            os.path.join(SOURCE, "plugins", "example", "example.c"))

    def test_units_stay_in_the_prefix(self):
        with open(os.path.join(self.prefix, "lib", "systemd", "system", "popgate.service"), encoding="utf-8") as file:
            unit = file.read()
        self.assertIn(f"\nExecStart={self.program} serve\n", unit)
        self.assertNotRegex(unit, r"@\w+@")
        for name in ("lib/systemd/system/popgate.socket", "lib/sysusers.d/popgate.conf"):
            self.assertTrue(os.path.exists(os.path.join(self.prefix, name)), name)

    def test_tells_its_places(self):
        said = run(self.program, "serve", "--help")
        self.assertIn(self.conf, said)
        self.assertIn(os.path.join(self.prefix, "lib", "popgate"), said)


if __name__ == "__main__":
    tap.main()
