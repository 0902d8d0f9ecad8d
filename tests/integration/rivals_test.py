"""POP3 sessions and an IMAP client at random in one mailbox on a real server: whatever the one does, the other loses
nothing, sees nothing wrong, and is told no lie. One thread takes both clients' steps in turn, as a seed draws them,
sometimes one while the other's command is under way; after each step an observer looks at the folder.

    rivals_test.py [--server KIND] [--seeds FIRST LAST]      (environment as in `make check`)

With --seeds it runs those seeds, as `make model` does. A seed that fails is printed with its course, and can be run
alone. Kinds of server: dovecot, old (Dovecot without UIDPLUS and MOVE), hoodiecrow, hoodiecrow-old."""

import argparse
import random
import sys
import threading
import time
import unittest

import dovecot
import hoodiecrow
import tap
from dovecot import Dovecot
from gateway import Gateway, imap_backend
from imaprival import BOX, DELETED, Effect, Observer, Rival
from popvisit import Visit, demand, is_untrue
from proxy import Proxy

BUDGETS = (4194304, 0, 65536)  # of octets read ahead; a seed's remainder chooses
BACK = 3  # seconds until what was killed is there again, and a login not told TEMP because of it
FAULTY = 0  # the one whose connections are cut, and whose processes are killed
OLD = "IMAP4rev1 SASL-IR LITERAL+ AUTH=PLAIN ID ENABLE"
SEEDS_IN_CHECK = 36
WARNINGS = "fetch_failed|commit_failed|login_failed|session_died|process_died|the session died"


class World:
    """One gateway, and two IMAP clients beside it, all of one account."""

    def __init__(self, server, at, *, old=False):
        self.at, self.old = at, old
        self.exact = isinstance(server, Dovecot)
        self.user = f"user{at}" if self.exact else server.user
        near = server.imap_port if self.exact else server.ports[at]
        self.proxy = Proxy(near)
        port = self.proxy.port if at == FAULTY else near
        self.gate = Gateway([imap_backend(port=port, folder=BOX, reconnect_timeout=5)],
                            limits={"read_ahead": BUDGETS[at], "upstream_timeout": 10, "fetch_window": 10})
        self.gate.allow_warning(WARNINGS)
        self.gate.start()
        self.observer = Observer(near, self.user, "secret")
        self.rival = Rival(near, self.user, "secret", uidplus=not old, moves=not old, exact=self.exact)
        self.held, self.visit, self.intruder = {}, None, None
        self.known, self.course = set(), []  # known: the keys of all seeds
        self.killed = 0  # when a process that a login needs was killed
        self.late = set()  # what a QUIT asked for whose end was not seen: the server may still be at it

    @property
    def contents(self):
        return self.observer.contents

    @property
    def sizes(self):
        return self.observer.sizes

    def stop(self):
        for one in (self.observer, self.rival, self.proxy):
            one.close()
        self.gate.stop()

    # ---- one seed ------------------------------------------------------------

    def run(self, seed):
        self.rng, self.course, self.late = random.Random(seed), [], set()
        try:
            self.begin()
            for _ in range(self.rng.randint(8, 40)):
                self.step()
            self.leave()
        except Exception as fault:
            raise AssertionError(f"seed {seed}: {fault!r}\n    " + "\n    ".join(self.course)) from fault
        finally:
            for one in (self.visit, self.intruder):
                if one is not None:
                    one.client.close()
            self.visit = self.intruder = None

    def begin(self):
        self.rival.begin()
        self.observer.forget()
        self.rival.fill(self.rng, self.rng.choice([0, 1, 3, 8, 20]))
        self.held = {}
        if not self.exact:
            self.known = set()
        self.settle([Effect("", gains=True)])

    def step(self):
        draw = self.rng.random()
        if draw < 0.35:
            self.settle([self.rivals_step()])
        elif self.visit is None:
            self.login()
        elif draw < 0.42:
            self.intrude()
        elif draw < 0.50:
            self.quit()
        elif draw < 0.54:
            self.course.append("gone without QUIT")
            self.visit.end(self.rng)
            self.visit = None
            self.settle()
        elif draw < 0.57 and self.at == FAULTY:
            self.harm()
        else:
            self.commands()

    def leave(self):
        """Whatever has happened: the next session sees what there is."""
        if self.visit is not None:
            self.quit()
        self.judge_intruder()
        if self.rival.absent:
            self.settle([self.note(self.rival.recreate(self.rng, self.held))])
        self.login(racing=False)
        self.quit()

    # ---- what is seen ----------------------------------------------------------

    def note(self, effect):
        self.course.append(f"rival: {effect.text}")
        return effect

    def rivals_step(self, **options):
        effect = self.note(self.rival.step(self.rng, self.held, **options))
        if effect.replaces and self.visit is not None:
            self.visit.hurt = True
        return effect

    def settle(self, effects=(), wished=(), touches=()):
        """Looks at the folder: nothing has changed but by these."""
        now = self.observer.look()
        loses = set(wished) | self.late
        touches = set(touches) | self.late
        for effect in effects:
            loses |= effect.loses
            touches |= effect.touches
        demand((now is None) == self.rival.absent, "the folder came or went by itself")
        now = now or {}
        lost = set(self.held) - set(now)
        demand(lost <= loses, f"lost: {sorted(lost - loses)}")
        changed = {key for key in set(self.held) & set(now) if self.held[key] != now[key]}
        demand(changed <= touches, f"flags changed: {[(k, self.held[k], now[k]) for k in changed - touches]}")
        demand(set(now) <= set(self.held) or any(effect.gains for effect in effects), "messages came by themselves")
        demand(not (set(now) - set(self.held)) & self.known, "the server gives a UIDVALIDITY and UID again")
        self.known |= set(now)
        before, self.held = self.held, now
        return before

    # ---- POP3 --------------------------------------------------------------------

    def login(self, racing=True):
        """Free again at once, whatever became of the session before."""
        self.judge_intruder()
        deadline = time.monotonic() + 15
        while not self.try_login(racing, time.monotonic() > deadline):
            time.sleep(0.05)

    def try_login(self, racing, last):
        """True: it was answered as it must be; False: the maildrop is not free yet, or a process not back."""
        visit, effects = Visit(self), []
        absent = self.rival.absent
        visit.ask_login(self.user)
        if racing and self.rng.random() < 0.15:
            effects.append(self.rivals_step())
        reply = visit.login_reply()
        before = self.settle(effects)
        replaced = absent or any(effect.replaces for effect in effects)
        self.course.append(f"LOGIN {reply.decode()[:40]}")
        if reply.startswith(b"+OK"):
            demand(not (absent and self.rival.absent), "a folder that is not there is shown as a maildrop")
            self.visit = visit
            visit.hurt = replaced
            visit.take_snapshot({} if replaced else before, {**before, **self.held} if replaced else self.held)
            return True
        visit.client.close()
        if replaced and not is_untrue(reply):
            return True
        demand(not last, f"LOGIN: {reply}")
        demand(reply.startswith(b"-ERR [IN-USE]") or self.at == FAULTY and not is_untrue(reply), f"LOGIN: {reply}")
        return False

    def intrude(self):
        """A second session tries to get in, and is answered while the first goes on."""
        if self.intruder is not None:
            self.judge_intruder()
            return
        self.course.append("a second LOGIN")
        self.intruder = Visit(self)
        self.intruder.alone = self.visit
        self.intruder.shaken = time.monotonic() - self.killed < BACK
        self.intruder.ask_login(self.user)

    def judge_intruder(self):
        one, self.intruder = self.intruder, None
        if one is None:
            return
        try:
            reply = one.login_reply()
        except EOFError:
            demand(self.at == FAULTY, "the second LOGIN was not answered")
            return
        self.course.append(f"the second LOGIN: {reply.decode()[:40]}")
        throughout = self.visit is one.alone and not self.visit.hurt
        demand(not (throughout and reply.startswith(b"+OK")), "two sessions have one maildrop")
        demand(reply.startswith((b"+OK", b"-ERR [IN-USE]")) or
               (one.shaken or not throughout) and not is_untrue(reply), f"second LOGIN: {reply}")
        try:
            if reply.startswith(b"+OK"):
                one.client.command("QUIT")
        except (EOFError, ConnectionError) as end:
            demand(self.at == FAULTY, f"the second session ended: {end!r}")
        one.client.close()

    def commands(self):
        commands = self.visit.some_commands(self.rng)
        size = self.rng.choice([1, 1, 3, 30])
        while commands and self.visit is not None:
            together, commands = commands[:size], commands[size:]
            self.course.append("; ".join(together))
            self.exchange(together)

    def exchange(self, together):
        visit, effects = self.visit, []
        visit.send(together)
        if self.rng.random() < 0.2:
            effects.append(self.rivals_step())
        elif self.at == FAULTY and self.rng.random() < 0.05:
            self.cut()
        before = self.settle(effects)
        try:
            for command in together:
                visit.judge(command, before, self.held)
        except (EOFError, ConnectionError) as end:
            demand(visit.hurt, f"the connection ended: {end!r}")
            self.over(end)
        self.settle()

    def over(self, end):
        self.course.append(f"ended: {end!r}")
        self.visit.client.close()
        self.visit = None

    def quit(self):
        visit, effects, was_cut = self.visit, [], False
        wished = visit.wished()
        visit.send(["QUIT"])
        if self.rng.random() < 0.25:
            # without UIDPLUS, what is marked between the last look and EXPUNGE is lost: popgate.conf(5)
            effects.append(self.rivals_step(marking=not self.old))
        elif self.at == FAULTY and self.rng.random() < 0.1:
            was_cut = True
            self.cut()
        try:
            reply = visit.client.line()
        except (EOFError, ConnectionError) as end:
            demand(visit.hurt, f"QUIT: {end!r}")
            reply = b"-ERR cut"
        self.visit = None
        visit.client.close()
        self.course.append(f"QUIT {sorted(wished)} {reply.decode()[:40]}")
        if was_cut:
            self.late |= wished
        unseen = wished if was_cut or effects else set()
        before = self.settle(effects, wished, touches=unseen)
        self.judge_quit(visit, reply, wished, effects, before)

    def judge_quit(self, visit, reply, wished, effects, before):
        if reply.startswith(b"+OK"):
            demand(not wished & set(self.held), f"QUIT was +OK, and still there: {sorted(wished & set(self.held))}")
            return
        foreign = {key for held in (before, self.held) for key in held if DELETED in held[key]} - wished
        raced = any(effect.replaces or effect.touches & wished for effect in effects)
        demand(visit.hurt or raced or self.late or self.old and foreign, f"QUIT: {reply}")
        demand(wished or visit.hurt, f"QUIT without DELE: {reply}")
        if not effects and not self.late and not visit.hurt:
            demand(wished & set(before) <= set(self.held), "QUIT was -ERR because of others' marks, and removed some")

    # ---- harm --------------------------------------------------------------------

    def cut(self):
        self.course.append("the upstream connection is cut")
        self.proxy.cut()
        self.visit.hurt = True

    def harm(self):
        """At rest: the upstream connection, or a process. What was marked stays."""
        if self.rng.random() < 0.5:
            self.course.append("the upstream connection is cut at rest")
            self.proxy.cut()  # and made anew unnoticed
            return
        role = self.rng.choice(["session", "session", "spawner", "broker", "front"])
        self.course.append(f"kill -9 {role}")
        self.gate.kill_process(role)
        if role != "session":
            self.killed = time.monotonic()
            if self.intruder is not None:
                self.intruder.shaken = True
        if role in ("session", "front"):
            self.visit.hurt = True
        if role == "front":
            self.over("front")
        self.settle()


# ---- many seeds --------------------------------------------------------------


def run_seeds(server, seeds, *, old=False, failed=None):
    """Seeds with the same remainder by a gateway of their own. Returns what failed."""
    failed = [] if failed is None else failed

    def work(at):
        world = World(server, at, old=old)
        try:
            for seed in seeds:
                if seed % len(BUDGETS) == at:
                    try:
                        world.run(seed)
                    except Exception as fault:  # pylint: disable=broad-except
                        failed.append(str(fault))
        finally:
            try:
                world.stop()
            except AssertionError as fault:
                failed.append(str(fault))
    threads = [threading.Thread(target=work, args=(at,)) for at in range(len(BUDGETS))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return failed


@unittest.skipUnless(dovecot.available(), "needs Dovecot")
class Rivals(unittest.TestCase):
    def some_seeds(self, capability=None, first=0):
        with Dovecot(capability=capability, reuse=True, by_guid=True) as server:
            failed = run_seeds(server, range(first, first + SEEDS_IN_CHECK), old=capability is not None)
        self.assertEqual(failed, [], "\n".join(failed))

    def test_invariant_01_invariant_02_invariant_03_invariant_06_invariant_07_invariant_10_with_an_imap_client(self):
        self.some_seeds()

    def test_invariant_02_invariant_03_invariant_04_invariant_08_invariant_09_invariant_11_without_uidplus(self):
        self.some_seeds(OLD, SEEDS_IN_CHECK)


def server_of(kind):
    if kind.startswith("hoodiecrow"):
        return hoodiecrow.Hoodiecrow(len(BUDGETS), old=kind.endswith("old"))
    return Dovecot(capability=OLD if kind == "old" else None, reuse=True, by_guid=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--server", default="dovecot", choices=["dovecot", "old", "hoodiecrow", "hoodiecrow-old"])
    parser.add_argument("--seeds", type=int, nargs=2)
    chosen = parser.parse_args()
    if chosen.seeds is None:
        tap.main()
        return 0
    if not (hoodiecrow if chosen.server.startswith("hoodiecrow") else dovecot).available():
        print(f"{chosen.server}: skipped, there is none here")
        return 0
    started, failed = time.monotonic(), []
    with server_of(chosen.server) as server:
        run_seeds(server, range(chosen.seeds[0], chosen.seeds[1] + 1), old=chosen.server.endswith("old"),
                  failed=failed)
    for fault in failed:
        print(f"FAILED {fault}")
    print(f"{chosen.server}: {chosen.seeds[1] - chosen.seeds[0] + 1} seeds, {len(failed)} failed, "
          f"{time.monotonic() - started:.0f} s")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
