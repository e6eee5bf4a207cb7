"""What pcsc-lite's own unit tests look at, each as a function that prints what it saw, a line each.

Nothing printed depends on when or how often it runs. A line "> pull" or "> insert" asks whoever runs it to do that to
the card in the first reader, and to answer with an empty line. Arguments name the cases to run; without any, all.
"""

import os
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "pcsc"))
import winscard as w  # noqa: E402

# How long to wait for what surely comes, s and ms.
SURELY_S, SURELY = 30, 30_000
# A call that has not returned by then is one that waits, s.
BLOCKED_S = 1.5
# The test card: gives back its data; takes its time; was a PIN given since the last reset?
ECHO, VERIFY, VERIFIED = b"\x80\xe0\x00\x00\x04\x01\x02\x03\x04", b"\x80\x20\x00\x00\x01\x00", b"\x80\xea\x00\x00"
FEATURES = 0x42000D48


def show(what, rv, *more):
    print("%s: %08x" % (what, rv), *(one.hex() if isinstance(one, bytes) else one for one in more), flush=True)
    return rv


def ask(what):
    print("> %s" % what, flush=True)
    sys.stdin.readline()


def context():
    return w.must(*w.establish())


FIRST, SECOND = w.must(*w.readers(context()))[:2]


class Handle:
    """A connection, in a context of its own unless told."""

    def __init__(self, within=None, share=w.SHARED, protocols=w.ANY, reader=FIRST):
        self.context = context() if within is None else within
        self.card, self.protocol = w.must(*w.connect(self.context, reader, share, protocols))

    def send(self, apdu):
        return w.transmit(self.card, self.protocol, apdu)

    def close(self):
        w.must(w.disconnect(self.card))


class Doing(threading.Thread):
    """A call in a thread of its own; `result` is what it gave."""

    def __init__(self, made):
        super().__init__(daemon=True)
        self.made, self.result = made, None
        self.start()

    def run(self):
        try:
            self.result = self.made()
        except SystemExit as error:
            print(error, flush=True)

    def finish(self):
        self.join(SURELY_S)
        if self.is_alive():
            raise SystemExit("it never ended")
        return self.result


def settle(within, flags):
    """Waits until the first reader has its card, or has not."""
    known = [(FIRST, 0)]
    while True:
        told = w.must(*w.change(within, known, SURELY))
        if told[0][1] & (w.EMPTY | w.PRESENT) == flags:
            return told
        known = w.knowing(told)


def blocking():
    """Which calls wait while another has a transaction, and which are refused."""
    one, two = Handle(), Handle()
    calls = {
        "attribute": lambda: w.attribute(two.card, 0x90303)[0],
        "control": lambda: w.control(two.card, FEATURES)[0],
        "end": lambda: w.end(two.card),
        "end with reset": lambda: w.end(two.card, w.RESET),
        "status": lambda: w.status(two.card)[0],
        "transmit": lambda: two.send(ECHO)[0],
        "reconnect": lambda: w.reconnect(two.card)[0],
        "begin": lambda: w.begin(two.card) or w.end(two.card),
        "connect": lambda: Handle().close() or 0,
        "list": lambda: w.readers(two.context)[0],
        "look": lambda: w.change(two.context, [(FIRST, 0)], 0)[0],
    }
    for name, made in calls.items():
        w.must(w.begin(one.card))
        doing = Doing(made)
        doing.join(BLOCKED_S)
        waits = doing.is_alive()
        w.must(w.end(one.card))
        show(name, doing.finish(), "after it waited" if waits else "at once")


def one_context():
    """Two handles of one context, which only the library keeps apart: whoever ends the transaction comes through."""
    within = context()
    one, two = Handle(within), Handle(within)
    calls = {
        "begin": lambda: w.begin(two.card) or w.end(two.card),
        "transmit": lambda: two.send(ECHO)[0],
        "status": lambda: w.status(two.card)[0],
        "reconnect": lambda: w.reconnect(two.card)[0],
    }
    for name, made in calls.items():
        w.must(w.begin(one.card))
        doing = Doing(made)
        doing.join(0.3)
        show("%s: the first one's command" % name, *one.send(ECHO))
        show("%s: the first one's end" % name, w.end(one.card))
        show(name, doing.finish())
    w.must(w.begin(one.card))
    show("the second may not reset what the first holds", w.end(two.card, w.UNPOWER))
    show("and did not", w.status(one.card)[0])
    show("release with a transaction open", w.release(within))
    other = Handle()
    show("nobody waits for it", *other.send(VERIFIED))
    other.close()


def transactions():
    one, two = Handle(), Handle()
    w.must(w.begin(one.card))
    show("disconnect in a transaction", w.disconnect(one.card))
    show("another begins", w.begin(two.card))
    show("and ends", w.end(two.card))
    show("once more", w.end(two.card))
    one = Handle(one.context)
    show("verify", *two.send(VERIFY))
    show("without a transaction, from the first", *one.send(VERIFIED))
    w.must(w.begin(one.card))
    show("disconnect with reset in a transaction", w.disconnect(one.card, w.RESET))
    show("the other", w.status(two.card)[0])
    show("reconnects", *w.reconnect(two.card))
    show("nothing is verified", *two.send(VERIFIED))
    two.close()
    alone = Handle(share=w.EXCLUSIVE)
    for step in (w.begin, w.begin, w.end, w.end):
        show("exclusive: %s" % step.__name__, step(alone.card))
    show("connect beside it", w.connect(one.context, FIRST)[0])
    alone.close()


def exclusive_no_more():
    """pcscd 1.9 leaves the lock to one that was exclusive and is shared now, until it ends what it never began."""
    alone = Handle(share=w.EXCLUSIVE)
    show("it becomes shared", *w.reconnect(alone.card))
    beside = Doing(Handle)
    beside.join(BLOCKED_S)
    show("another waits", 0, beside.is_alive())
    show("end of what was never begun", w.end(alone.card))
    other = beside.finish()
    other.close()
    show("exclusive again, alone", *w.reconnect(alone.card, w.EXCLUSIVE))
    alone.close()


def direct():
    # Whatever protocol was negotiated before is forgotten.
    w.must(w.disconnect(Handle().card, w.RESET))
    for name, reader in (("card", FIRST), ("empty", SECOND)):
        for protocols in (0, w.ANY, w.RAW):
            within = context()
            rv, card, protocol = w.connect(within, reader, w.DIRECT, protocols)
            show("%s: direct, protocols %d" % (name, protocols), rv, protocol)
            show("  status", *w.status(card))
            show("  serial number", *w.attribute(card, 0x10103))
            show("  features", *w.control(card, FEATURES))
            show("  firmware", *w.control(card, 0x42000001, b"\x02"))
            show("  command", *w.transmit(card, w.T1, ECHO))
            show("  shared now", *w.reconnect(card))
            show("  command", *w.transmit(card, w.T1, ECHO))
            show("  direct again", *w.reconnect(card, w.DIRECT, 0, w.LEAVE))
            show("  disconnect", w.disconnect(card, w.RESET))
            show("  release", w.release(within))


def cancelling():
    """One of several contexts is cancelled, and is as good as new; the others wait on."""
    contexts = [context() for _ in range(4)]
    told = settle(contexts[0], w.PRESENT)
    waits = [Doing(lambda one=one: w.change(one, w.knowing(told), w.INFINITE)[0]) for one in contexts]
    for number in (2, 0, 3, 1):
        while waits[number].is_alive():
            w.cancel(contexts[number])
            waits[number].join(0.05)
        show("number %d" % number, waits[number].finish(), [wait.is_alive() for wait in waits])
    show("nobody waits there", w.change(contexts[0], w.knowing(told), 50)[0])
    one = Handle(contexts[0])
    ask("pull")
    settle(contexts[1], w.EMPTY)
    show("the event is not taken for an answer", w.status(one.card)[0])
    show("no card", w.reconnect(one.card)[0])
    show("the list", *w.readers(contexts[0]))
    show("disconnect", w.disconnect(one.card))
    ask("insert")
    settle(contexts[1], w.PRESENT)
    for each in contexts:
        show("release", w.release(each))
        show("cancel afterwards", w.cancel(each))


def polling():
    """Programs that ask again and again instead of waiting."""
    within = context()
    known = w.knowing(settle(within, w.PRESENT)) + [(SECOND, w.EMPTY), (w.PNP, 0)]
    for timeout, turns in ((0, 200), (1, 100), (100, 5)):
        told = [w.change(within, known, timeout)[0] for _ in range(turns)]
        show("%d times %d ms" % (turns, timeout), told[-1], len(set(told)))
    waiting = Doing(lambda: w.change(within, known, w.INFINITE))
    other = context()
    told = {w.readers(other)[0] for _ in range(100)}
    show("meanwhile the readers", max(told), len(told))
    ask("pull")
    rv, states = waiting.finish()
    show("pulled", rv, [(name, flags) for name, flags, _, _ in states])
    seen = w.knowing(states)
    ask("insert")
    rv, states = w.change(within, seen, SURELY)
    show("inserted", rv, [(name, flags) for name, flags, _, _ in states], states[0][3])


def odd_states():
    within = context()
    many = [("reader %d" % n, 0) for n in range(16)]
    show("unknown readers", *w.change(within, [("a", 0), ("b", 0)], 10))
    show("as many as fit", w.change(within, many, 10)[0])
    settle(within, w.PRESENT)
    show("one twice", w.change(within, [(FIRST, 0), (FIRST, w.EMPTY)], 0)[0])
    show("ignored and known", w.change(within, [(FIRST, 1), (SECOND, w.EMPTY)], 10)[0])
    show("all there is to know is wrong", *w.change(within, [(SECOND, w.PRESENT), (FIRST, w.EMPTY)], 10)[:1])
    show("thought unknown", *w.change(within, [(SECOND, w.UNKNOWN)], 10)[:1])
    show("thought unavailable", *w.change(within, [(SECOND, w.UNAVAILABLE)], 10)[:1])
    for length in (127, 128, 129, 1_000):
        show("a name of %d bytes" % length, w.connect(within, "x" * length)[0], w.change(within, [("x" * length, 0)], 0)[0])
    show("an empty name", w.connect(within, "")[0])
    show("release", w.release(within))


def crowd():
    """Many contexts at once, in one thread and in many."""
    many = [context() for _ in range(60)]
    show("of their own", 0, len(set(many)))
    handles = [Handle(one) for one in many]
    show("each with a handle", 0, len({handle.card for handle in handles}))
    show("each sends", max(handle.send(ECHO)[0] for handle in handles))
    for handle in handles[::2]:
        w.must(w.disconnect(handle.card))
    show("release", max(w.release(one) for one in many))
    Handle(share=w.EXCLUSIVE).close()

    def come_and_go():
        return [w.release(context()) for _ in range(5)]

    def use():
        out = []
        for _ in range(5):
            one = Handle()
            out += [w.begin(one.card), one.send(ECHO)[0], w.end(one.card), w.disconnect(one.card), w.release(one.context)]
        return out

    for name, made, threads in (("come and go", come_and_go, 40), ("use the card", use, 10)):
        results = [one.finish() for one in [Doing(made) for _ in range(threads)]]
        show(name, max(max(rvs) for rvs in results), len(results))


def stress():
    one = Handle()
    for length in range(1, 250, 7):
        data = bytes(range(length))
        rv, answer = one.send(b"\x80\xe0\x00\x00" + bytes([length]) + data)
        if rv != w.OK or answer != data + b"\x90\x00":
            show("length %d" % length, rv, answer)
    for turn in range(20):
        w.must(w.begin(one.card))
        w.must(one.send(ECHO)[0])
        w.must(w.end(one.card, w.RESET if turn % 5 == 4 else w.LEAVE))
        if turn % 5 == 4:
            w.must(w.reconnect(one.card, initialization=w.RESET)[0])
    show("done", w.disconnect(one.card, w.RESET))


def removed():
    """The card goes in the middle of a command."""
    one, watching = Handle(), context()
    doing = Doing(lambda: one.send(b"\x80\xe6\x13\x88"))
    doing.join(0.3)
    ask("pull")
    show("the command", *doing.finish())
    settle(watching, w.EMPTY)
    show("status", w.status(one.card)[0])
    show("another one", one.send(ECHO)[0])
    ask("insert")
    settle(watching, w.PRESENT)
    show("status still", w.status(one.card)[0])
    show("reconnect", *w.reconnect(one.card))
    show("a command", *one.send(ECHO))
    one.close()


CASES = [
    blocking,
    one_context,
    transactions,
    exclusive_no_more,
    direct,
    cancelling,
    polling,
    odd_states,
    crowd,
    stress,
    removed,
]

if __name__ == "__main__":
    for name in sys.argv[1:] or [case.__name__ for case in CASES]:
        print("== %s" % name, flush=True)
        globals()[name]()
    print("done", flush=True)
