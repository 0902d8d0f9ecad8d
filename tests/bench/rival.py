"""Dovecot's pop3 on its imapc storage: the same job, done by another."""

import os
import shutil
import socket

from dovecot import Dovecot, free_port

_CONFIG = """
base_dir = {run}/base
state_dir = {run}/state
instance_name = {run}
log_path = {run}/dovecot.log
protocols = pop3
listen = 127.0.0.1
ssl = no
disable_plaintext_auth = no
auth_failure_delay = 0
default_internal_user = {internal_user}
default_internal_group = {internal_group}
default_login_user = {login_user}
first_valid_uid = 1
mail_uid = {mail_uid}
mail_gid = {mail_gid}
mail_home = {run}/mail/%u
mail_location = imapc:~/imapc
mail_fsync = never
mail_max_userip_connections = 0
default_client_limit = 12000
default_process_limit = 4000
default_vsz_limit = 4G
imapc_host = 127.0.0.1
imapc_port = {upstream}
imapc_features = rfc822.size fetch-headers fetch-bodystructure
passdb {{
  driver = imap
  args = host=127.0.0.1 port={upstream}
  default_fields = userdb_imapc_user=%u userdb_imapc_password=%w
}}
userdb {{
  driver = prefetch
}}
namespace inbox {{
  inbox = yes
  separator = /
}}
service anvil {{
  chroot =
}}
service stats {{
  chroot =
}}
service pop3-login {{
  chroot =
  inet_listener pop3 {{
    port = {port}
  }}
  inet_listener pop3s {{
    port = 0
  }}
  service_count = 0
  process_min_avail = 2
}}
service pop3 {{
  service_count = 0
  process_min_avail = 16
}}
protocol pop3 {{
  pop3_no_flag_updates = yes
  pop3_fast_size_lookups = yes
}}
"""


class Rival(Dovecot):
    """In front of the IMAP server at a port."""

    def __init__(self, upstream):
        self.upstream, self.port = upstream, free_port()
        super().__init__(certificate=("", ""))

    def _prepare(self, store, certificate, more):
        owner = self._owner()
        os.mkdir(self._path("mail"))
        if os.geteuid() == 0:
            os.chown(self._path("mail"), owner["mail_uid"], owner["mail_gid"])
        with open(self._path("dovecot.conf"), "w", encoding="utf-8") as file:
            file.write(_CONFIG.format(run=self.folder, upstream=self.upstream, port=self.port, **owner))

    def _greets(self):
        try:
            with socket.create_connection(("127.0.0.1", self.port), 5) as connection:
                return connection.recv(3) == b"+OK"
        except OSError:
            return False


def available():
    """Whether Dovecot's pop3 is installed."""
    return any(os.path.exists(os.path.join(folder, "pop3"))
               for folder in ("/usr/lib/dovecot", "/usr/libexec/dovecot")) and shutil.which("dovecot") is not None
