"""A folder that is asked for by its use, of servers that know uses in other words, not at all, or lie."""

import accountlist
import tap
from faultcase import FINE, MESSAGES, FaultCase
from gateway import Gateway, imap_backend
from imapscript import CAPABILITY, HANG_UP, Server
from pop3client import Client

PLAIN = 'LIST "" "*"'


def answer(*lines, end="OK done"):
    def handler(talk, tag, _rest):
        for line in lines:
            talk.line(line)
        talk.line(f"{tag} {end}")
    return handler


class ByUse(FaultCase):
    def visit(self, use="\\Junk", capability="", **on):
        """What the login is told, and the server's view of it."""
        self.server = Server(MESSAGES, on=on, capability=f"{CAPABILITY} {capability}")
        self.addCleanup(self.server.close)
        gate = Gateway([imap_backend(port=self.server.port)], accounts="accounts", limits={"upstream_timeout": 2})
        accountlist.write(gate, accountlist.account("ann", folder=use))
        self.gate = gate
        self.addCleanup(gate.stop)
        gate.allow_warning("event=login_failed")
        gate.start()
        with Client(gate.port) as client:
            return client.login("ann", "secret")

    def selected(self):
        return self.server.commands("SELECT")

    def test_the_extension(self):
        lines = answer('* LIST (\\HasNoChildren \\Sent) "/" "Gone"', '* LIST (\\HasNoChildren \\Junk) "/" "Spam &- more"')
        self.assertRegex(self.visit(capability="SPECIAL-USE LIST-EXTENDED", LIST=lines), FINE)
        self.assertEqual(self.server.commands("LIST"), ['LIST (SPECIAL-USE) "" "*"'])
        self.assertEqual(self.selected(), ['SELECT "Spam &- more"'])

    def test_the_extension_that_is_refused(self):
        def refuse(talk, tag, rest):
            if rest.startswith("("):
                talk.line(f"{tag} BAD what")
            else:
                answer('* LIST (\\Junk) "/" Spam')(talk, tag, rest)
        self.assertRegex(self.visit(capability="SPECIAL-USE LIST-EXTENDED", LIST=refuse), FINE)
        self.assertEqual(self.selected(), ['SELECT "Spam"'])

    def test_xlist(self):
        for use, word in (("\\Junk", "Spam"), ("\\All", "AllMail"), ("\\Flagged", "Starred"), ("\\Sent", "Sent")):
            lines = answer('* XLIST (\\HasNoChildren \\Inbox) "/" "INBOX"', f'* XLIST (\\HasNoChildren \\{word}) "/" "that"')
            with self.subTest(use=use):
                self.assertRegex(self.visit(use, capability="XLIST", XLIST=lines), FINE)
                self.assertEqual(self.selected(), ['SELECT "that"'])

    def test_a_plain_list(self):
        self.assertRegex(self.visit(LIST=answer('* LIST (\\junk) NIL "Spam"')), FINE)
        self.assertEqual(self.server.commands("LIST"), [PLAIN])

    def test_input_94_of_several_always_the_same(self):
        names = ['* LIST (\\Junk) "/" "b"', '* LIST (\\Junk) "/" "a"', '* LIST (\\Junk \\Noselect) "/" "A"',
                 '* LIST (\\NonExistent \\Junk) "/" "0"']
        for lines in (names, names[::-1]):
            self.assertRegex(self.visit(LIST=answer(*lines)), FINE)
            self.assertEqual(self.selected(), ['SELECT "a"'])

    def test_input_94_there_is_none(self):
        for lines in ((), ('* LIST (\\Sent) "/" "Sent"',), ('* LIST () "/" "Junk"',), ('* LIST (\\Noselect \\Junk) "/" "Junk"',)):
            with self.subTest(lines=lines):
                self.assertRegex(self.visit(LIST=answer(*lines)), rb"^-ERR \[SYS/PERM\]")
                self.assertEqual(self.selected(), [])
                self.assertIn("the server tells of no folder for", self.gate.log())

    def test_input_94_names_that_are_none(self):
        for name in ('"&AAAA"', '"&2AA-"', '"&AAA-"', '"&AAo-x"', '""', '"&!"', '"' + "x" * 5000 + '"', '{3}\r\na\r\nb'):
            with self.subTest(name=name):
                self.assertRegex(self.visit(LIST=answer(f'* LIST (\\Junk) "/" {name}')), rb"^-ERR \[SYS/(PERM|TEMP)\]")
                self.assertEqual(self.selected(), [])

    def test_answers_that_are_none(self):
        for lines in (answer(end="NO [UNAVAILABLE] later"), answer('* LIST (\\Junk "/" Spam'), answer("* LIST"),
                      answer('* LIST (\\Junk) "/"'), answer(*['* LIST (\\Junk) "/" "x"'] * 20000),
                      answer("* LIST (" + "\\x " * 300000 + '\\Junk) "/" "Spam"'), lambda *_: HANG_UP,
                      answer("* BYE over"), answer("* LIST (" * 100)):
            self.assertRegex(self.visit(LIST=lines), rb"^-ERR \[SYS/(PERM|TEMP)\]")
            self.assertEqual(self.selected(), [])

    def test_a_list_that_nobody_asked_for(self):
        def more(talk, tag, rest):
            for line in ('* LIST (\\Junk "/" Spam', "* XLIST", "* LIST (((("):
                talk.line(line)
            return talk.usual("SELECT", tag, rest)
        self.assertRegex(self.visit("INBOX", SELECT=more), FINE)

    def test_the_lock_comes_before_the_folder_is_opened(self):
        lines = answer('* LIST (\\Junk) "/" "Spam"')
        self.assertRegex(self.visit(LIST=lines), FINE)
        with Client(self.gate.port) as first, Client(self.gate.port) as second:
            self.assertRegex(first.login("ann", "secret"), FINE)
            before = len(self.selected())
            self.assertRegex(second.login("ann", "secret"), rb"^-ERR \[IN-USE\]")
            self.assertEqual(len(self.selected()), before)

    def test_a_connection_made_anew_opens_the_same_folder(self):
        names = iter(("Spam", "Other"))
        on = {"LIST": lambda talk, tag, rest: answer(f'* LIST (\\Junk) "/" "{next(names)}"')(talk, tag, rest)}
        self.server = Server(MESSAGES, on=on)
        self.addCleanup(self.server.close)
        gate = Gateway([imap_backend(port=self.server.port, folder="\\Junk")])
        self.addCleanup(gate.stop)
        gate.start()
        with Client(gate.port) as client:
            self.assertRegex(client.login("ann", "secret"), FINE)
            self.server.say("", hang_up=True)
            self.assertEqual(client.multiline("RETR 1"), MESSAGES[101])
        self.assertEqual(self.selected(), ['SELECT "Spam"'] * 2)


if __name__ == "__main__":
    tap.main()
