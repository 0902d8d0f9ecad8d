"""SIGHUP and SIGUSR1: a new configuration, a new certificate, a new log file."""

import itertools
import os
import shutil
import signal
import socket
import ssl
import subprocess

import tap
from dovecot import free_port
from examplecase import ExampleCase, wait_until
from gateway import CLEAR, IMPLICIT, Gateway, example_backend


class Reload(ExampleCase):
    """SIGHUP."""

    def reload(self, gate):
        gate.write_config()
        before = gate.log().count("configuration reloaded")
        gate.signal(signal.SIGHUP)
        gate.wait_until(lambda: gate.log().count("configuration reloaded") > before, "the reload")

    def refused(self, gate, why):
        """The log says why, and that the old state stays."""
        gate.write_config()
        gate.expect_warning("stays? in force")
        gate.allow_warning(why)
        gate.signal(signal.SIGHUP)
        gate.wait_for_log("stays? in force")
        self.assertRegex(gate.log(), why)

    @staticmethod
    def served_certificate(port):
        return ssl.PEM_cert_to_DER_cert(ssl.get_server_certificate(("127.0.0.1", port)))

    @staticmethod
    def certificate_in(path):
        with open(path, encoding="ascii") as file:
            return ssl.PEM_cert_to_DER_cert(file.read())

    def test_new_settings_are_for_new_sessions_and_old_sessions_live_on(self):
        gate = self.gateway()
        client = self.client(gate)
        gate.sections["backends"] = [example_backend(messages=7)]
        self.reload(gate)
        self.assertRegex(client.command("STAT"), rb"^\+OK 3 ")
        self.assertRegex(self.client(gate, "bob").command("STAT"), rb"^\+OK 7 ")
        self.assertRegex(self.client(gate, None).login("ann", "password"), rb"^-ERR \[IN-USE\]")
        self.assertRegex(client.command("QUIT"), rb"^\+OK")
        gate.wait_until(lambda: len(gate.pids("front")) == len(gate.pids("broker")) == len(gate.pids("spawner")) == 1,
                        "the old processes to go")

    def test_clients_before_login_live_on(self):
        gate = self.gateway()
        client = self.client(gate, None)
        self.reload(gate)
        self.assertRegex(client.login("ann", "password"), rb"^\+OK")

    def test_clients_before_login_live_on_for_a_moment_alone(self):
        """What they would be judged by is out of date: an account that was disabled meanwhile, and the like."""
        gate = self.gateway(limits={"login_timeout": 60, "login_penalty": 15})
        client, asking = self.client(gate, None), self.client(gate, None)
        self.assertRegex(client.command("USER ann"), rb"^\+OK")
        for _ in range(2):
            self.assertRegex(asking.login("ann", "wrong"), rb"^-ERR \[AUTH\]")
        self.assertRegex(asking.command("USER ann"), rb"^\+OK")
        asking.send(b"PASS wrong\r\n")  # to be answered in eight seconds
        self.reload(gate)
        self.assertRegex(asking.line(), rb"^-ERR \[AUTH\]")
        for one in (client, asking):
            one.socket.settimeout(40)
            self.assertTrue(one.is_closed())

    def test_listeners_come_and_go(self):
        first, second = free_port(), free_port()
        gate = self.gateway(listeners=[{**CLEAR, "port": first}])
        client = self.client(gate)
        gate.sections["listeners"] = [{**CLEAR, "port": second}]
        self.reload(gate)
        self.assertRegex(self.client(gate, "bob", port=second).command("NOOP"), rb"^\+OK")
        self.assertRegex(client.command("NOOP"), rb"^\+OK")
        client.command("QUIT")

        def refuses():
            try:
                with socket.create_connection(("127.0.0.1", first), 1):
                    return False
            except OSError:
                return True
        self.assertTrue(wait_until(refuses, 5))

    def test_no_client_is_turned_away_while_reloading(self):
        gate = self.gateway()
        for i in range(5):
            gate.signal(signal.SIGHUP)
            for j in range(10):
                self.client(gate, f"user{i}-{j}").command("QUIT")
        gate.wait_until(lambda: len(gate.pids("front")) == 1, "the old processes to go")

    def test_new_certificate_is_served_to_new_connections_and_ends_no_session(self):
        gate = self.gateway(listeners=[{**IMPLICIT, "port": free_port()}])
        client, waiting = self.client(gate, tls=True), self.client(gate, None, tls=True)
        old = self.served_certificate(gate.port)
        client.send(b"RETR 1\r\nRETR 2\r\n")
        gate.use_certificate(*gate.authority.issue("renewed"))
        self.reload(gate)
        new = self.served_certificate(gate.port)
        self.assertNotEqual(new, old)
        self.assertEqual(new, self.certificate_in(gate.sections["tls"]["certificate"]))
        for _ in range(2):
            self.assertRegex(client.line(), rb"^\+OK")
            client.lines()
        self.assertRegex(client.command("QUIT"), rb"^\+OK")
        self.assertRegex(waiting.login("bob", "password"), rb"^\+OK")

    def test_input_72_broken_file_changes_nothing(self):
        gate = self.gateway()
        client = self.client(gate)
        gate.sections["limits"] = {"max_conections": 10}
        self.refused(gate, r"popgate\.conf:\d+: .*max_conections")
        self.assertRegex(client.command("NOOP"), rb"^\+OK")
        self.assert_served_again(gate)

    def test_input_72_unknown_plugin_changes_nothing(self):
        gate = self.gateway()
        gate.sections["backends"] = [{"name": "example", "plugin": "nowhere"}]
        self.refused(gate, r"popgate\.conf:\d+: .*nowhere")
        gate.allow_warning("event=process_died role=spawner")
        self.assert_served_again(gate)

    def spoilt_tls(self, spoil, why):
        """SIGHUP after spoil(gate): the old certificate is served on, to old sessions and new ones."""
        gate = self.gateway(listeners=[{**IMPLICIT, "port": free_port()}])
        client = self.client(gate, tls=True)
        old = self.served_certificate(gate.port)
        spoil(gate)
        self.refused(gate, why)
        gate.allow_warning("event=process_died role=front")
        self.assertEqual(self.served_certificate(gate.port), old)
        self.assertRegex(client.command("RETR 1"), rb"^\+OK")
        client.lines()
        self.assertRegex(self.client(gate, "bob", tls=True).command("NOOP"), rb"^\+OK")

    def test_input_72_broken_certificate_changes_nothing(self):
        def spoil(gate):
            with open(gate.sections["tls"]["certificate"], "w", encoding="ascii") as file:
                file.write("-----BEGIN CERTIFICATE-----\nthis is none\n-----END CERTIFICATE-----\n")
        self.spoilt_tls(spoil, r"popgate\.conf:\d+: tls\.certificate \S+server\.pem: ")

    def test_input_72_empty_certificate_changes_nothing(self):
        self.spoilt_tls(lambda gate: os.truncate(gate.sections["tls"]["certificate"], 0),
                        r"popgate\.conf:\d+: tls\.certificate \S+server\.pem: ")

    def test_input_72_missing_certificate_changes_nothing(self):
        self.spoilt_tls(lambda gate: os.unlink(gate.sections["tls"]["certificate"]), r"server\.pem: No such file")

    def test_input_72_broken_key_changes_nothing(self):
        self.spoilt_tls(lambda gate: os.truncate(gate.sections["tls"]["key"], 60),
                        r"popgate\.conf:\d+: tls\.key \S+server\.key: ")

    def test_input_72_second_certificate_that_is_broken_changes_nothing(self):
        def spoil(gate):
            first = gate.sections["tls"]
            gate.sections["tls"] = [first, {"certificate": gate.config_file, "key": first["key"]}]
        self.spoilt_tls(spoil, r"tls\.certificate \S+popgate\.conf: ")

    def test_input_73_key_of_another_certificate_changes_nothing(self):
        self.spoilt_tls(lambda gate: shutil.copyfile(gate.authority.issue("another")[1], gate.sections["tls"]["key"]),
                        r"tls\.key \S+server\.key does not belong to tls\.certificate \S+server\.pem")

    def test_input_73_key_of_another_certificate_is_no_start(self):
        gate = Gateway([example_backend()], listeners=[IMPLICIT])
        self.addCleanup(gate.kill)
        another = gate.authority.issue("another")[1], gate.authority.issue("of-another-kind", rsa=True)[1]
        gate.write_config()
        for verb, key in itertools.product(("check", "serve"), another):
            with self.subTest(verb=verb, key=key):
                shutil.copyfile(key, gate.sections["tls"]["key"])
                done = subprocess.run(gate.command(verb), capture_output=True, text=True, timeout=20, check=False)
                self.assertEqual(done.returncode, 3)
                self.assertIn("server.key does not belong to tls.certificate", done.stderr + done.stdout)
                self.assertNotIn("event=listening", done.stderr)

    def test_port_that_is_taken_changes_nothing(self):
        gate = self.gateway()
        with socket.create_server(("127.0.0.1", 0)) as taken:
            gate.sections["listeners"].append({**CLEAR, "port": taken.getsockname()[1]})
            self.refused(gate, "cannot listen")
        self.assert_served_again(gate)

    def test_two_listeners_on_chosen_ports_keep_their_kinds(self):
        gate = self.gateway(listeners=[CLEAR, IMPLICIT])
        clear, implicit = gate.ports
        self.reload(gate)
        self.assertRegex(self.client(gate, "ann", port=clear).command("NOOP"), rb"^\+OK")
        self.assertRegex(self.client(gate, "bob", port=implicit, tls=True).command("NOOP"), rb"^\+OK")


class Log(ExampleCase):
    def test_log_file_is_opened_anew_when_asked(self):
        gate = Gateway([example_backend()])
        gate.log_file = gate.path("popgate.log")
        gate.sections["log"] = {"to": "file", "file": gate.log_file}
        self.addCleanup(gate.stop)
        gate.start()
        port = gate.port
        old = self.client(gate)
        os.rename(gate.log_file, gate.path("old.log"))
        gate.signal(signal.SIGUSR1)
        gate.wait_until(lambda: os.path.exists(gate.log_file), "the new file")
        self.assertTrue(wait_until(lambda: self.client(gate, "bob", port).command("QUIT") and
                                   "session_end user=bob" in gate.log(), 5), gate.log())
        old.command("QUIT")
        self.assertNotIn("event=listening", gate.log())
        with open(gate.path("old.log"), encoding="utf-8") as file:
            self.assertIn("event=listening", file.read())


if __name__ == "__main__":
    tap.main()
