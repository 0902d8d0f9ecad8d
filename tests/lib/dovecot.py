"""A private Dovecot as the IMAP server behind the gateway.

    with Dovecot() as server:
        server.append("alice", [b"Subject: one\\r\\n\\r\\ntext\\r\\n"])
        server.imap_port, server.imaps_port, server.ca_file

Every name with the password `secret` is an account, its mailbox empty at first, so that each
test takes a name of its own. Ports are free ones on 127.0.0.1; files lie in a private folder.
Runs as root and without privileges alike."""

import atexit
import getpass
import grp
import imaplib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time

import certificates
import tap

PASSWORD = "secret"

_CONFIG = """
base_dir = {run}/base
state_dir = {run}/state
instance_name = {run}
log_path = {run}/dovecot.log
listen = 127.0.0.1
ssl = yes
auth_mechanisms = plain login
auth_failure_delay = 0
first_valid_uid = 1
default_internal_user = {internal_user}
default_internal_group = {internal_group}
default_login_user = {login_user}
mail_uid = {mail_uid}
mail_gid = {mail_gid}
mail_fsync = never
mail_max_userip_connections = 0
mail_attachment_detection_options =
namespace inbox {{
  inbox = yes
  separator = /
}}
service anvil {{
  chroot =
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
service stats {{
  chroot =
}}
service imap-login {{
  chroot =
  inet_listener imap {{
    port = {imap_port}
  }}
  inet_listener imaps {{
    port = {imaps_port}
  }}
  process_min_avail = 1
}}
service imap {{
  process_min_avail = 2
}}
{more}
"""

# What the versions say in different words.
_CONFIG_2_3 = """
protocols = imap
ssl_cert = <{certificate}
ssl_key = <{key}
disable_plaintext_auth = no
mail_home = {run}/mail/%u
mail_location = {store}:{path}
passdb {{
  driver = static
  args = password={password}
}}
userdb {{
  driver = static
  args = uid={mail_uid} gid={mail_gid} home={run}/mail/%u
}}
service imap-login {{
  service_count = 0
}}
"""

_CONFIG_2_4 = """
dovecot_config_version = 2.4.0
dovecot_storage_version = 2.4.0
protocols = imap
ssl_server_cert_file = {certificate}
ssl_server_key_file = {key}
auth_allow_cleartext = yes
mail_home = {run}/mail/%{{user}}
mail_driver = {store}
mail_path = {path}
passdb static {{
  password = {password}
}}
userdb static {{
  fields {{
    uid = {mail_uid}
    gid = {mail_gid}
    home = {run}/mail/%{{user}}
  }}
}}
service imap-login {{
  restart_request_count = unlimited
}}
"""

_PATHS = {"sdbox": "~/sdbox", "maildir": "~/Maildir"}


def available():
    """Whether there is a Dovecot to start; tests skip without."""
    return _program() is not None


def _program():
    return shutil.which("dovecot", path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")


def _is_2_3():
    return subprocess.run((_program(), "--version"), stdout=subprocess.PIPE, check=True).stdout.startswith(b"2.3.")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def greets(port):
    """Whether an IMAP server listens."""
    try:
        with socket.create_connection(("127.0.0.1", port), 5) as connection:
            return connection.recv(4) == b"* OK"
    except OSError:
        return False


class Dovecot(tap.Witness):
    TOLD = 10

    def __init__(self, *, store="sdbox", capability=None, certificate=None, reuse=False, by_guid=False, more=""):
        """store: sdbox or maildir. capability: what the server says it has, instead of what it
        really has. certificate: paths of certificate and key; made by an authority of its own
        otherwise (`ca_file`). reuse: a process serves connection after connection. by_guid: a folder made
        anew has another place on disk, so that clients of the old one do not spoil it. more: further lines of Dovecot configuration."""
        super().__init__()
        # Not below TMPDIR: Dovecot's socket names must stay short.
        self.folder = tempfile.mkdtemp(prefix="popgate-imap-", dir="/tmp")
        os.chmod(self.folder, 0o755)
        self.authority = None
        atexit.register(self.stop)
        try:
            if certificate is None:
                self.authority = certificates.Authority(os.path.join(self.folder, "tls"))
                certificate = self.authority.issue("server")
            self.imap_port, self.imaps_port = free_port(), free_port()
            more += self._more(store, capability, reuse, by_guid)
            self._prepare(store, certificate, more)
        except BaseException:
            self._remove()
            raise

    @property
    def ca_file(self):
        """What a client must trust to connect."""
        return self.authority.file

    @staticmethod
    def _more(store, capability, reuse, by_guid):
        """Settings that not every server has."""
        more, old = "\n", _is_2_3()
        if capability is not None:
            more += f"imap_capability = {capability}\n"
        if reuse:
            more += "service imap {\n  " + ("service_count" if old else "restart_request_count") + " = 1000\n}\n"
        if by_guid:
            more += f"mail_location = {store}:{_PATHS[store]}:LAYOUT=index\n" if old else "mailbox_list_layout = index\n"
        return more

    def _prepare(self, store, certificate, more):
        owner = self._owner()
        mail = os.path.join(self.folder, "mail")
        os.mkdir(mail)
        if os.geteuid() == 0:
            os.chown(mail, owner["mail_uid"], owner["mail_gid"])
        with open(self._path("dovecot.conf"), "w", encoding="utf-8") as file:
            template = (_CONFIG_2_3 if _is_2_3() else _CONFIG_2_4) + _CONFIG
            file.write(template.format(run=self.folder, certificate=certificate[0], key=certificate[1], store=store,
                                       path=_PATHS[store], password=PASSWORD, imap_port=self.imap_port,
                                       imaps_port=self.imaps_port, more=more, **owner))

    @staticmethod
    def _owner():
        if os.geteuid() == 0:
            nobody = pwd.getpwnam("nobody")
            return {"internal_user": "dovecot", "internal_group": "dovecot", "login_user": "dovenull",
                    "mail_uid": nobody.pw_uid, "mail_gid": nobody.pw_gid}
        name, group = getpass.getuser(), grp.getgrgid(os.getegid()).gr_name
        return {"internal_user": name, "internal_group": group, "login_user": name,
                "mail_uid": os.geteuid(), "mail_gid": os.getegid()}

    def _path(self, name):
        return os.path.join(self.folder, name)

    def log(self):
        try:
            with open(self._path("dovecot.log"), encoding="utf-8", errors="replace") as file:
                return file.read()
        except FileNotFoundError:
            return ""

    # ---- running --------------------------------------------------------

    def start(self):
        with open(self._path("output"), "ab") as output:
            self.process = subprocess.Popen((_program(), "-F", "-c", self._path("dovecot.conf")),
                                            stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                                            start_new_session=True)
        deadline = time.monotonic() + 20
        while not self._greets():
            if self.process.poll() is not None or time.monotonic() > deadline:
                said = f"{self._output()}{self.log()}"
                self.stop()
                raise RuntimeError(f"Dovecot does not start: {said}")
            time.sleep(0.03)
        return self

    def _greets(self):
        return greets(self.imap_port)

    def _output(self):
        with open(self._path("output"), encoding="utf-8", errors="replace") as file:
            return file.read()

    def halt(self):
        """Ends the server; the mail stays, start() brings it back on the same ports."""
        if self.process is None:
            return
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.process = None

    def stop(self):
        """Ends the server and removes its folder."""
        self.halt()
        self._remove()

    def _remove(self):
        atexit.unregister(self.stop)
        self.keep_last_words()
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()

    def processes(self, name="imap"):
        """The ids of this server's processes of a kind, as /proc names them."""
        found = []
        for entry in os.listdir("/proc"):
            if not entry.isdigit():
                continue
            try:
                with open(f"/proc/{entry}/stat", encoding="utf-8", errors="replace") as file:
                    left, _, right = file.read().rpartition(")")
            except OSError:
                continue
            if left.partition("(")[2] == name and int(right.split()[1]) == self.process.pid:
                found.append(int(entry))
        return found

    # ---- mail -----------------------------------------------------------

    def imap(self, user):
        """Another client of the account: an imaplib connection, logged in."""
        connection = imaplib.IMAP4("127.0.0.1", self.imap_port, timeout=30)
        connection.login(f'"{user}"', PASSWORD)
        return connection

    def append(self, user, messages, folder="INBOX"):
        """Puts messages (octets, CRLF line ends) into a folder, which is made where it lacks."""
        connection = self.imap(user)
        if folder != "INBOX":
            connection.create(folder)
        for message in messages:
            connection.literal = message  # append() would make each CR and LF a CRLF
            status, data = connection._simple_command("APPEND", folder)
            if status != "OK":
                raise RuntimeError(f"APPEND: {data}")
        connection.logout()

    def place(self, user, messages):
        """Puts messages into a maildir store's INBOX as files, octet for octet, however odd."""
        new = os.path.join(self.folder, "mail", user, "Maildir", "new")
        connection = self.imap(user)
        connection.select()
        for number, message in enumerate(messages):
            path = os.path.join(new, f"{int(time.time())}.{number:06}.test")
            with open(path, "wb") as file:
                file.write(message)
            if os.geteuid() == 0:
                owner = os.stat(new)
                os.chown(path, owner.st_uid, owner.st_gid)
        connection.noop()
        connection.logout()

    def bodies(self, user, folder="INBOX"):
        """{uid: octets} of a folder, as the server gives them, nothing marked."""
        return {uid: body for uid, (_, body) in self.messages(user, folder).items()}

    def messages(self, user, folder="INBOX"):
        """{uid: (RFC822.SIZE, octets)} of a folder."""
        connection = self.imap(user)
        try:
            connection.select(folder, readonly=True)
            _, uids = connection.uid("SEARCH", "ALL")
            found = {}
            for uid in (uids[0] or b"").split():
                _, data = connection.uid("FETCH", uid.decode(), "(UID RFC822.SIZE BODY.PEEK[])")
                head, body = data[0]
                size = int(head.upper().partition(b"RFC822.SIZE ")[2].split()[0])
                found[int(uid)] = (size, body)
            return found
        finally:
            connection.logout()
