"""What a client is told when its mail server fails, whatever fails at whatever step: that it is temporary or needs the
administrator. Never that the password is wrong, that the mailbox is empty, or that a message has vanished."""

import base64
import socket
import struct
import time

import tap
from faultcase import FINE, MESSAGES, TEMPORARY, FaultCase
from gateway import Gateway, imap_backend
from imapscript import CAPABILITY, HANG_UP

# How a login may go: what the server announces, and the command that carries the password.
LOGINS = {"SASL-IR": (CAPABILITY, "AUTHENTICATE"),
          "AUTHENTICATE": (CAPABILITY.replace("SASL-IR ", ""), "AUTHENTICATE"),
          "LOGIN": ("IMAP4rev1 UIDPLUS", "LOGIN"),
          "one flight": (CAPABILITY + " LITERAL+", "LOGIN")}
REFUSED = rb"^-ERR \[SYS/(TEMP|PERM)\]"
OURS = rb"no such|no longer|\[AUTH\]|\+OK 0 "  # what is never said


def lines(*texts):
    """Says these, with the tag where {tag} stands."""
    def failure(talk, tag, _rest):
        for text in texts:
            talk.line(text.format(tag=tag))
    return failure


def last_words(*texts):
    def failure(talk, tag, rest):
        lines(*texts)(talk, tag, rest)
        return HANG_UP
    return failure


def reset(talk, _tag, _rest):
    talk.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    return HANG_UP


FAILURES = {
    "the end": last_words(),
    "reset": reset,
    "BYE": last_words("* BYE shutting down"),
    "BYE and LIMIT": last_words("* BYE later", "{tag} NO [LIMIT] too many"),
    "NO": lines("{tag} NO failed"),
    "UNAVAILABLE": lines("{tag} NO [UNAVAILABLE] the user database is down"),
    "SERVERBUG": lines("{tag} NO [SERVERBUG] internal error"),
    "INUSE": lines("{tag} NO [INUSE] another program has it"),
    "LIMIT": lines("{tag} NO [LIMIT] rate limit"),
    "THROTTLED": lines("{tag} NO [THROTTLED] slow down"),
    "OVERQUOTA": lines("{tag} NO [OVERQUOTA] full"),
    "CONTACTADMIN": lines("{tag} NO [CONTACTADMIN] see the administrator"),
    "NOPERM": lines("{tag} NO [NOPERM] not yours"),
    "CORRUPTION": lines("{tag} NO [CORRUPTION] index broken"),
    "EXPUNGEISSUED": lines("{tag} NO [X-NEW] something new"),
    "Exchange": lines("{tag} BAD User is authenticated but not connected."),
    "BAD": lines("{tag} BAD what?"),
    "another tag": lines("ZZ99 OK done"),
    "garbage": lines("%%% \x01"),
    "the guard": lines("* 4294967297 EXISTS", "{tag} OK done"),
    "unreadable": lines("* SEARCH x", "{tag} OK done"),
}
# What a login's refusal by these says is not temporary, but for the administrator.
FOR_ADMINISTRATORS = "CONTACTADMIN", "NOPERM", "CORRUPTION"


class Told(FaultCase):
    def ready(self, **options):
        client = self.serve(**options)
        self.gate.allow_warning("event=(login|fetch|commit)_failed")
        return client

    def again(self):
        """Another user each time, lest a session that is about to end be in the way."""
        client = self.connect()
        return client, f"user{len(self.server.received)}"

    def told(self, reply, pattern=REFUSED):
        self.assertRegex(reply, pattern)
        self.assertNotRegex(reply, OURS)


class Opening(Told):
    def opening(self, *points, failures=FAILURES, **options):
        """A failure in place of the usual answer, at these points of a login."""
        self.ready(**options)
        for how, (capability, _) in LOGINS.items():
            self.server.capability = capability
            for name in failures:
                with self.subTest(how=how, name=name):
                    self.server.on = dict.fromkeys(points, FAILURES[name])
                    client, user = self.again()
                    self.told(client.login(user, "secret"),
                              REFUSED if name in FOR_ADMINISTRATORS else TEMPORARY)
                    self.assertRegex(client.command("CAPA"), FINE)
                    client.close()

    def test_invariant_11_a_failure_instead_of_a_greeting(self):
        self.opening("GREETING", failures=[name for name in FAILURES if name not in ("BAD", "NO", "Exchange")])

    def test_input_44_invariant_11_a_failure_instead_of_the_answer_to_the_login(self):
        # what is said before the OK is not read where there might be a question instead of it
        self.opening("AUTHENTICATE", "LOGIN", failures=[name for name in FAILURES if name != "unreadable"])

    def test_invariant_11_a_failure_instead_of_the_answer_to_select(self):
        self.opening("SELECT")

    def test_invariant_11_a_failure_instead_of_the_listing(self):
        self.opening("LISTING")

    def test_invariant_11_a_failure_instead_of_the_listing_of_a_folder_that_counts_as_empty(self):
        kept = [name for name in FAILURES if name not in ("NO", "BAD")]  # which refuse the set 1:* of no messages
        self.opening("LISTING", failures=kept, messages={})

    def test_invariant_11_a_folder_that_counts_as_empty_and_lists_messages_is_not_empty(self):
        self.ready()
        for how, (capability, _) in LOGINS.items():
            with self.subTest(how=how):
                self.server.capability = capability
                self.server.on = {"SELECT": lines("* 0 EXISTS", "* OK [UIDVALIDITY 7] valid",
                                                  "{tag} OK [READ-WRITE] x")}
                client, user = self.again()
                self.told(client.login(user, "secret"), TEMPORARY)

    def test_mail_that_comes_into_an_empty_folder_while_it_is_opened_is_there(self):
        def select(talk, tag, rest):
            mail, talk.server.messages = talk.server.messages, {}
            talk.usual("SELECT", tag, rest)
            talk.server.messages = mail
            talk.line("* 3 EXISTS")
        for capability, _ in LOGINS.values():
            client = self.ready(capability=capability, on={"SELECT": select})
            self.log_in(client)
            self.assertEqual(client.multiline("UIDL"), b"1 7.101\r\n2 7.102\r\n3 7.105\r\n")

    def test_invariant_11_a_folder_without_its_count_is_not_empty(self):
        self.ready()
        self.server.on = {"SELECT": lines("* OK [UIDVALIDITY 7] valid", "{tag} OK [READ-WRITE] x")}
        client, user = self.again()
        self.told(client.login(user, "secret"), TEMPORARY)

    def test_invariant_11_a_listing_that_shows_a_part_is_not_the_mailbox(self):
        """As servers do that show the newest ten thousand; or that count what they do not show."""
        def part(count):
            def listing(talk, tag, rest):
                for number, uid in talk.wanted(rest)[:count]:
                    talk.line(f"* {number} FETCH (UID {uid} RFC822.SIZE 10)")
                talk.ok(tag)
            return listing
        self.ready()
        for capability, _ in LOGINS.values():
            for count in (0, 1, 2):
                self.server.capability, self.server.on = capability, {"LISTING": part(count)}
                client, user = self.again()
                self.told(client.login(user, "secret"), TEMPORARY)

    def test_input_43_a_refused_credential_is_told_as_such(self):
        self.ready()
        for how, (capability, verb) in LOGINS.items():
            for words in ("[AUTHENTICATIONFAILED] no", "[authenticationfailed] Invalid credentials",
                          "[AUTHENTICATIONFAILED] later", "Login failed"):
                with self.subTest(how=how, words=words):
                    self.server.capability, self.server.on = capability, {verb: lines("{tag} NO " + words)}
                    client, user = self.again()
                    self.assertRegex(client.login(user, "secret"), rb"^-ERR \[AUTH\]")
                    plain = base64.b64encode(b"\0ann\0secret").decode()
                    self.assertRegex(client.command("AUTH PLAIN " + plain), rb"^-ERR \[AUTH\]")
                    client.close()

    def test_input_42_control_characters_of_the_server_reach_neither_log_nor_client(self):
        alert = "\x1b[31mred\x07\x1b]0;title\x07\x9b\x7f"
        points = {"GREETING": lines("* BYE [ALERT] " + alert), "SELECT": None, "LISTING": None,
                  "AUTHENTICATE": None, "BODY": None, "UID STORE": None}
        for point, failure in points.items():
            with self.subTest(point=point):
                client = self.ready(on={point: failure or lines("* OK [ALERT] " + alert, "* NO " + alert,
                                                                "{tag} NO [ALERT] " + alert)})
                client.send(b"USER ann\r\nPASS secret\r\nRETR 1\r\nDELE 1\r\nQUIT\r\n")
                told = client.rest()
                self.gate.wait_for_log(r"event=(login|fetch|commit)_failed")
                with open(self.gate.log_file, "rb") as file:
                    log = file.read()
                for octets in (told, log):
                    self.assertNotRegex(octets, rb"[\x00-\x09\x0b\x0c\x0e-\x1f\x7f-\xff]")
                self.assertRegex(log, rb"_failed .*(red|may repeat the password)")


class Silence(Told):
    def test_input_44_invariant_11_silence_at_any_step_is_temporary_within_the_time(self):
        """All steps at once; whose connection it is shows the user's name, which is the step's."""
        def named(step):
            def handler(talk, tag, rest):
                if talk.user == step:
                    return talk.wait()
                return talk.usual(step, tag, rest)
            return handler

        def login(verb):
            def handler(talk, tag, rest):
                names = "AUTHENTICATE", "LOGIN", "ID", "SELECT", "LISTING"
                word = base64.b64decode(rest.split(" ")[1]) if verb == "AUTHENTICATE" else rest.encode()
                talk.user = next((name for name in names if name.encode() in word), "")
                return talk.wait() if talk.user == verb else talk.usual(verb, tag, rest)
            return handler
        steps = {name: named(name) for name in ("ID", "SELECT", "LISTING")}
        steps.update({verb: login(verb) for verb in ("AUTHENTICATE", "LOGIN")})
        for capability in (CAPABILITY, CAPABILITY + " LITERAL+"):
            self.ready(on=steps, capability=capability, limits={"upstream_timeout": 1})
            verb = "LOGIN" if "LITERAL" in capability else "AUTHENTICATE"
            clients = {step: self.connect() for step in (verb, "ID", "SELECT", "LISTING")}
            started = time.monotonic()
            for step, client in clients.items():
                client.send(f"USER {step}\r\nPASS secret\r\n".encode())
            for step, client in clients.items():
                with self.subTest(step=step, capability=capability):
                    client.line()
                    self.told(client.line(), TEMPORARY)
                    self.assertLess(time.monotonic() - started, 5)

    def begins_with(self, on, **options):
        started = time.monotonic()
        client = self.ready(on={"GREETING": on}, limits={"upstream_timeout": 1}, **options)
        self.told(client.login("ann", "secret"), TEMPORARY)
        self.assertLess(time.monotonic() - started, 6)

    def test_input_45_no_greeting_is_temporary_at_the_deadline(self):
        self.begins_with(lambda talk, tag, rest: talk.wait())

    def test_input_45_a_greeting_that_drips_is_temporary_at_the_deadline(self):
        """Each octet comes in time; the deadline is that of the whole."""
        def drip(talk, _tag, _rest):
            for octet in b"* OK ready" + b" and waiting" * 20:
                talk.send(bytes((octet,)))
                time.sleep(0.1)
        self.begins_with(drip)

    def test_input_45_input_66_an_address_that_does_not_answer_is_temporary_at_the_deadline(self):
        """A listener whose queue is full: nothing comes back for a SYN."""
        full = socket.create_server(("127.0.0.1", 0), backlog=0)
        self.addCleanup(full.close)
        port = full.getsockname()[1]
        for _ in range(2):
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.1", port))
            self.addCleanup(filler.close)
        self.gate = Gateway([imap_backend(port=port)], limits={"upstream_timeout": 1})
        self.addCleanup(self.gate.stop)
        self.gate.expect_warning("event=login_failed .*no answer to connect")
        self.gate.start()
        client, started = self.connect(), time.monotonic()
        self.told(client.login("ann", "secret"), TEMPORARY)
        self.assertLess(time.monotonic() - started, 5)

    def test_input_45_an_address_that_refuses_is_temporary(self):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
        self.gate = Gateway([imap_backend(port=port)])
        self.addCleanup(self.gate.stop)
        self.gate.expect_warning("event=login_failed .*refused")
        self.gate.start()
        self.told(self.connect().login("ann", "secret"), TEMPORARY)


class Reading(Told):
    def test_invariant_11_a_failure_instead_of_a_message(self):
        for budget in (0, 1 << 20):
            self.ready(limits={"read_ahead": budget})
            for command in ("RETR {}", "TOP {} 3"):
                for name, failure in FAILURES.items():
                    with self.subTest(budget=budget, command=command, name=name):
                        self.reading(command, failure)

    def reading(self, command, failure):
        """RETR 1 and 2 show a client that reads on; from there on all FETCHes fail, and later none."""
        self.server.on = {}
        client, user = self.again()
        self.assertRegex(client.login(user, "secret"), FINE)
        self.assertRegex(client.command(command.format(1)), FINE)
        client.lines()
        self.server.on = {"BODY": failure}
        self.told(client.command(command.format(2)), TEMPORARY)
        self.server.on = {}
        self.assertRegex(client.command("STAT"), rb"^\+OK 3 ")
        self.assertEqual(client.multiline("RETR 2"), MESSAGES[102])
        client.close()

    def test_invariant_11_a_login_that_fails_when_the_connection_is_made_anew(self):
        """The user has been let in before: that the password is refused now is no news for the client."""
        failures = {**FAILURES, "AUTHENTICATIONFAILED": lines("{tag} NO [AUTHENTICATIONFAILED] no")}
        self.ready()
        for point in ("AUTHENTICATE", "SELECT"):
            for command in ("RETR 2", "TOP 2 1", "QUIT"):
                for name in ("BYE", "NO", "UNAVAILABLE", "NOPERM", "BAD", "AUTHENTICATIONFAILED"):
                    with self.subTest(point=point, command=command, name=name):
                        self.server.on = {}
                        client, user = self.again()
                        self.assertRegex(client.login(user, "secret"), FINE)
                        client.command("DELE 1")
                        self.server.on = {point: failures[name]}
                        self.server.say("* BYE idle", hang_up=True)
                        self.told(client.command(command), TEMPORARY)
                        client.close()
                        self.nothing_removed()

    def test_invariant_11_a_failure_at_quit(self):
        self.ready()
        for point in ("UID STORE", "UID EXPUNGE", "LISTING"):
            for name, failure in FAILURES.items():
                if (point, name) == ("LISTING", "unreadable"):
                    continue  # the look comes again then, and nothing is there
                with self.subTest(point=point, name=name):
                    self.server.on, self.server.messages = {}, dict(MESSAGES)
                    client, user = self.again()
                    self.assertRegex(client.login(user, "secret"), FINE)
                    client.command("DELE 1")
                    self.server.on = {point: failure}
                    self.told(client.command("QUIT"), rb"^-ERR \[SYS/TEMP\]")
                    self.assertGreaterEqual(set(self.server.messages), {102, 105})
                    client.close()


class Changed(Told):
    def poisoned(self, lose, *commands):
        """The connection is lost and comes back with another UIDVALIDITY, and then with the first one again."""
        for budget in (0, 1 << 20):
            with self.subTest(budget=budget, commands=commands):
                client = self.ready(limits={"read_ahead": budget})
                self.log_in(client)
                self.assertEqual(client.multiline("RETR 1"), MESSAGES[101])
                client.command("DELE 3")
                lose()
                for command in commands:
                    self.told(client.command(command), rb"^-ERR \[SYS/TEMP\]")
                    self.server.uidvalidity = 7
                if commands[-1] != "QUIT":
                    self.told(client.command("QUIT"), rb"^-ERR \[SYS/TEMP\]")
                self.nothing_removed()
                self.assertEqual(self.server.commands("UID STORE") + self.server.commands("UID EXPUNGE"), [])

    def while_idle(self):
        self.server.uidvalidity = 8
        self.server.say("* BYE idle", hang_up=True)

    def at_the_next_fetch(self):
        def hang_up(talk, tag, rest):
            del talk.server.on["BODY"]
            self.server.uidvalidity = 8
            return HANG_UP
        self.server.on["BODY"] = hang_up

    def test_input_55_another_uidvalidity_after_a_reconnect_poisons_the_session(self):
        for lose in (self.while_idle, self.at_the_next_fetch):
            self.poisoned(lose, "RETR 2", "RETR 1", "TOP 2 3")
            self.poisoned(lose, "TOP 2 0", "RETR 2")

    def test_input_55_another_uidvalidity_found_at_quit_removes_nothing(self):
        self.poisoned(self.while_idle, "QUIT")

    def test_input_60_a_read_only_mailbox_is_no_success_if_anything_was_marked(self):
        def examined(*before):
            return lines("* 3 EXISTS", "* OK [UIDVALIDITY 7] valid", *before, "{tag} OK [READ-ONLY] selected")
        late = lines("* 3 EXISTS", "* OK [UIDVALIDITY 7] valid", "* OK [READ-ONLY] it is", "{tag} OK selected")
        for n, select in enumerate((examined(), examined("* OK [PERMANENTFLAGS ()] none"), late)):
            for settings in ({}, {"delete": "flag"}, {"delete": "move", "trash_folder": "Trash"}):
                with self.subTest(select=n, settings=settings):
                    client = self.ready(on={"SELECT": select}, settings=settings)
                    self.log_in(client)
                    self.assertEqual(client.multiline("RETR 2"), MESSAGES[102])
                    client.command("DELE 2")
                    self.told(client.command("QUIT"), rb"^-ERR \[SYS/TEMP\]")
                    self.nothing_removed()
                    self.assertEqual(self.server.commands("UID STORE") + self.server.commands("UID MOVE"), [])
                    client = self.connect()
                    self.log_in(client)
                    self.assertRegex(client.command("QUIT"), FINE)


if __name__ == "__main__":
    tap.main()
