"""An IMAP client that works in the mailbox which the gateway serves, and an observer who tells what is in it.

A message is known by its key, (UIDVALIDITY, UID). What a step of the rival may change is told by its Effect:
the driver compares that with what the observer sees."""

import imaplib
import re

from messages import some_message

BOX = "Box"  # can be deleted and made anew, as INBOX cannot
ELSEWHERE = "Else"
FLAGS = ("\\Seen", "\\Flagged", "\\Answered", "\\Draft", "keyword")
DELETED = "\\Deleted"


class Effect:
    """What a step may do: remove `loses`, change flags of `touches`, bring new messages if `gains`;
    `replaces`: everything goes, and UIDVALIDITY changes. marks: whether \\Deleted is set or taken away."""

    def __init__(self, text, *, loses=(), touches=(), gains=False, replaces=False, marks=False):
        self.text, self.loses, self.touches = text, set(loses), set(touches)
        self.gains, self.replaces, self.marks = gains, replaces, marks


def chosen(imap, **options):
    """Whether the folder could be selected; some servers say BAD, which imaplib raises, where there is none."""
    try:
        return imap.select(BOX, **options)[0] == "OK"
    except imaplib.IMAP4.abort:
        raise
    except imaplib.IMAP4.error:
        return False


class Connection:
    """imaplib, made anew when the server has hung up."""

    def __init__(self, port, user, password):
        self.port, self.user, self.password = port, user, password
        self.imap = None

    def get(self):
        if self.imap is None:
            self.imap = imaplib.IMAP4("127.0.0.1", self.port, timeout=30)
            self.imap.login(f'"{self.user}"', self.password)
        return self.imap

    def close(self):
        if self.imap is not None:
            try:
                self.imap.shutdown()
            except OSError:
                pass
        self.imap = None

    def again(self, action):
        """Once more on a new connection, if this one is gone."""
        try:
            return action(self.get())
        except (imaplib.IMAP4.abort, OSError):
            self.close()
            return action(self.get())


class Observer(Connection):
    """Sees, and changes nothing."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.contents, self.sizes = {}, {}

    def look(self):
        """{key: flags without \\Recent}; None where there is no such folder."""
        return self.again(self._look)

    def _look(self, imap):
        if not chosen(imap, readonly=True):
            return None
        validity = int(imap.untagged_responses["UIDVALIDITY"][0])
        found = {}
        for line in imap.uid("FETCH", "1:*", "(UID FLAGS)")[1]:
            uid, flags = re.search(rb"UID (\d+)", line or b""), re.search(rb"FLAGS \((.*?)\)", line or b"")
            if uid and flags:
                found[validity, int(uid.group(1))] = frozenset(flags.group(1).decode().split()) - {"\\Recent"}
        self._read(imap, sorted(set(found) - set(self.contents)))
        return found

    def _read(self, imap, keys):
        for key in keys:
            _, data = imap.uid("FETCH", str(key[1]), "(UID RFC822.SIZE BODY.PEEK[])")
            for head, body in (one for one in data if isinstance(one, tuple)):
                rest = head + b" ".join(one for one in data if isinstance(one, bytes))
                self.contents[key] = body
                self.sizes[key] = int(re.search(rb"RFC822\.SIZE (\d+)", rest).group(1))

    def forget(self):
        self.contents, self.sizes = {}, {}


class Rival(Connection):
    """Steps drawn by a random generator. Each returns its Effect."""

    def __init__(self, *arguments, uidplus=True, moves=True, exact=True):
        """exact: the server never gives a UIDVALIDITY again, and finds a header's end where there is none."""
        super().__init__(*arguments)
        self.uidplus, self.moves, self.exact = uidplus, moves, exact
        self.absent = False  # the folder is deleted, and not yet made anew

    def begin(self):
        """An empty folder, whatever was there."""
        self.again(self._begin)
        self.absent = False

    def _begin(self, imap):
        imap.select("INBOX")
        said = [imap.delete(BOX), imap.create(BOX), imap.create(ELSEWHERE)]
        if not chosen(imap):
            raise AssertionError(f"the folder cannot be made: {said}")

    def fill(self, rng, count):
        def one(imap):
            imap.literal = message  # append() would make each CR and LF a CRLF
            status, data = imap._simple_command("APPEND", BOX)
            if status != "OK":
                raise AssertionError(f"APPEND: {data}")
        for _ in range(count):
            message = some_message(rng) or b"not nothing\r\n"
            while not self.exact and b"\r\n\r\n" not in message:
                message = some_message(rng)
            self.again(one)

    def step(self, rng, held, *, marking=True, deleting=True):
        """held: {key: flags}, what is in the folder. marking: \\Deleted may be set. deleting: the folder may go."""
        if self.absent:
            return self.recreate(rng)
        kinds = [self.append, self.flag, self.flag, self.expunge, self.move, self.copy_in]
        kinds += [self.mark, self.mark, self.unmark] if marking else []
        kinds += [self.uid_expunge] if self.uidplus else []
        if deleting and self.exact and rng.random() < 0.05:
            kinds = [self.recreate, self.delete]
        some = [key for key in sorted(held) if rng.random() < rng.choice([0.1, 0.3, 0.8])]
        return self.again(lambda imap: rng.choice(kinds)(rng, held, some)) if some or deleting \
            else self.append(rng, held, some)

    def store(self, keys, what):
        if keys:
            self.imap.uid("STORE", ",".join(str(key[1]) for key in keys), what)

    def fresh(self):
        """Selected, and the view brought up to date."""
        imap = self.get()
        if imap.state != "SELECTED" or imap.noop()[0] != "OK":
            imap.select(BOX)
        return imap

    # ---- the steps ---------------------------------------------------------

    def append(self, rng, *_):
        count = rng.randint(1, 4)
        self.fill(rng, count)
        return Effect(f"append {count}", gains=True)

    def flag(self, rng, _held, some):
        self.fresh()
        sign, flag = rng.choice("+-"), rng.choice(FLAGS)
        self.store(some, f"{sign}FLAGS.SILENT ({flag})")
        return Effect(f"{sign}{flag} {uids(some)}", touches=some)

    def mark(self, _rng, _held, some):
        self.fresh()
        self.store(some, f"+FLAGS ({DELETED})")
        return Effect(f"mark {uids(some)}", touches=some, marks=True)

    def unmark(self, _rng, _held, some):
        self.fresh()
        self.store(some, f"-FLAGS ({DELETED})")
        return Effect(f"unmark {uids(some)}", touches=some, marks=True)

    def expunge(self, _rng, held, _some):
        self.fresh().expunge()
        return Effect("expunge", loses=[key for key in held if DELETED in held[key]])

    def uid_expunge(self, _rng, _held, some):
        self.fresh()
        self.store(some, f"+FLAGS ({DELETED})")
        if some:
            self.imap.uid("EXPUNGE", ",".join(str(key[1]) for key in some))
        return Effect(f"remove {uids(some)}", loses=some, touches=some)

    def move(self, _rng, _held, some):
        """As programs do it on this server: where there is no MOVE, the copies' originals stay, marked."""
        imap = self.fresh()
        if not some:
            return Effect("move nothing")
        chosen = ",".join(str(key[1]) for key in some)
        if self.moves:
            imap.uid("MOVE", chosen, ELSEWHERE)
            return Effect(f"move {uids(some)}", loses=some, touches=some)
        imap.uid("COPY", chosen, ELSEWHERE)
        return Effect(f"copy {uids(some)}")

    def copy_in(self, _rng, _held, some):
        """The same contents under new UIDs."""
        imap = self.fresh()
        if some:
            imap.uid("COPY", ",".join(str(key[1]) for key in some), BOX)
        return Effect(f"double {uids(some)}", gains=True)

    def delete(self, _rng, held, _some):
        imap = self.get()
        imap.select("INBOX")
        if imap.delete(BOX)[0] != "OK":
            return Effect("delete, refused")
        self.absent = True
        return Effect("delete the folder", loses=held, replaces=True)

    def recreate(self, rng, held=(), _some=()):
        imap = self.get()
        imap.select("INBOX")
        if not self.absent and imap.delete(BOX)[0] != "OK":
            return Effect("delete, refused")
        if imap.create(BOX)[0] != "OK":
            raise AssertionError("the folder cannot be made anew")
        self.absent = False
        self.fill(rng, rng.randint(0, 6))
        self.get().select(BOX)
        return Effect("make the folder anew", loses=held, gains=True, replaces=True)


def uids(keys):
    return ",".join(str(key[1]) for key in keys)
