"""Calls every function of PC/SC and prints what a program sees of it, a line each.

Nothing printed depends on when or how often it runs, so that two runs can be compared: no handle numbers,
event counters only as differences. A line "> pull" or "> insert" asks whoever runs it to do that to the card
in the first reader, and to answer with an empty line. Arguments name the sections to run; without any, all.
"""

import ctypes
import hashlib
import sys
import threading

from smartcard import scard as s

PNP = "\\\\?PnP?\\Notification"
FIRST, SECOND = "Virtual PCD 00 00", "Virtual PCD 00 01"
T0, T1, ANY = s.SCARD_PROTOCOL_T0, s.SCARD_PROTOCOL_T1, s.SCARD_PROTOCOL_ANY
LEAVE, RESET, UNPOWER, EJECT = 0, 1, 2, 3
SHARED, EXCLUSIVE, DIRECT = s.SCARD_SHARE_SHARED, s.SCARD_SHARE_EXCLUSIVE, s.SCARD_SHARE_DIRECT
PCI = {T0: s.SCARD_PCI_T0, T1: s.SCARD_PCI_T1}
# How long to wait for what surely comes, ms.
SURELY = 30_000
# The same library that pyscard has loaded, for what pyscard does not show.
lib = ctypes.CDLL("libpcsclite.so.1")


def text(value):
    if isinstance(value, list) and len(value) > 64:
        digest = hashlib.sha256(bytes(value)).hexdigest()[:16]
        return f"[{len(value)} bytes, sha256 {digest}…, end {bytes(value[-2:]).hex()}]"
    if isinstance(value, list) and value and all(isinstance(one, int) for one in value):
        return bytes(value).hex()
    return repr(value)


def show(what, rv, *more):
    print(f"{what}: {rv & 0xFFFFFFFF:08x}", *map(text, more), flush=True)
    return rv


def must(rv):
    if rv != 0:
        raise SystemExit(f"unexpectedly {rv & 0xFFFFFFFF:08x}")


def ask(what):
    print(f"> {what}", flush=True)
    sys.stdin.readline()


def establish():
    rv, context = s.SCardEstablishContext(s.SCARD_SCOPE_SYSTEM)
    must(rv)
    return context


def status(card):
    """SCardStatus without the event counter in the upper half of the state."""
    rv, name, state, protocol, atr = s.SCardStatus(card)
    return rv, name, state & 0xFFFF, protocol, atr


class Connected:
    """A handle in a context of its own: threads that share one context wait for each other."""

    def __init__(self, share=SHARED, protocols=ANY, reader=FIRST):
        self.context = establish()
        rv, self.card, self.protocol = s.SCardConnect(self.context, reader, share, protocols)
        must(rv)

    def transmit(self, *apdu):
        return s.SCardTransmit(self.card, PCI[self.protocol], list(apdu))

    def status(self):
        return status(self.card)

    def reconnect(self, share=SHARED, protocols=ANY, initialization=LEAVE):
        rv, protocol = s.SCardReconnect(self.card, share, protocols, initialization)
        if rv == 0:
            self.protocol = protocol
        return rv, protocol

    def end(self, disposition=LEAVE):
        must(s.SCardDisconnect(self.card, disposition))
        must(s.SCardReleaseContext(self.context))


def changes(context, states, timeout):
    """SCardGetStatusChange, with the counter apart from the flags."""
    rv, got = s.SCardGetStatusChange(context, timeout, states)
    return rv, [(name, state & 0xFFFF, state >> 16, list(atr)) for name, state, atr in got]


# Nobody uses the readers, and the card is in the first.
QUIET = {FIRST: s.SCARD_STATE_PRESENT, SECOND: s.SCARD_STATE_EMPTY}


def settled(context, wanted):
    """Waits until the readers' flags are these: pcscd tells of sharing up to half a second late."""
    states = [(name, 0) for name in wanted]
    while True:
        rv, got = changes(context, states, SURELY)
        must(rv)
        if {name: flags & ~s.SCARD_STATE_CHANGED for name, flags, _, _ in got} == wanted:
            return got
        states = [(name, (flags & ~s.SCARD_STATE_CHANGED) | count << 16) for name, flags, count, _ in got]


def contexts():
    for scope in (s.SCARD_SCOPE_USER, s.SCARD_SCOPE_TERMINAL, s.SCARD_SCOPE_SYSTEM, 9):
        rv, context = s.SCardEstablishContext(scope)
        show(f"establish {scope}", rv)
        if rv != 0:
            continue
        show("valid", s.SCardIsValidContext(context))
        show("release", s.SCardReleaseContext(context))
        show("valid after release", s.SCardIsValidContext(context))
        show("release again", s.SCardReleaseContext(context))
        show("list after release", *s.SCardListReaders(context, []))
        show("cancel after release", s.SCardCancel(context))
    many = [establish() for _ in range(20)]
    print("all different:", len(set(many)) == len(many))
    for context in many:
        must(s.SCardReleaseContext(context))


def lists():
    context = establish()
    show("readers", *s.SCardListReaders(context, []))
    show("readers of a group", *s.SCardListReaders(context, ["SCard$DefaultReaders"]))
    show("groups", *s.SCardListReaderGroups(context))
    handle, size = ctypes.c_long(context), ctypes.c_ulong(0)
    show("length of the list", lib.SCardListReaders(handle, None, None, ctypes.byref(size)), size.value)
    size = ctypes.c_ulong(5)
    small = ctypes.create_string_buffer(5)
    show("too small", lib.SCardListReaders(handle, None, small, ctypes.byref(size)), size.value)
    size, made = ctypes.c_ulong(-1), ctypes.c_char_p()
    show("allocated", lib.SCardListReaders(handle, None, ctypes.byref(made), ctypes.byref(size)), size.value)
    show("free", lib.SCardFreeMemory(handle, made))
    must(s.SCardReleaseContext(context))


def waits():
    context = establish()
    settled(context, QUIET)
    rv, now = changes(context, [(FIRST, s.SCARD_STATE_UNAWARE), (SECOND, s.SCARD_STATE_UNAWARE)], 0)
    show("unaware", rv, [(name, flags, atr) for name, flags, _, atr in now])
    known = [(name, flags & ~s.SCARD_STATE_CHANGED | count << 16) for name, flags, count, _ in now]
    for timeout in (0, 1, 300):
        rv, got = changes(context, known, timeout)
        show(f"nothing new in {timeout} ms", rv, [(name, flags) for name, flags, _, _ in got])
    rv, got = changes(context, [(FIRST, s.SCARD_STATE_EMPTY)], SURELY)
    show("wrongly thought empty", rv, [(name, flags) for name, flags, _, _ in got])
    rv, got = changes(context, [(FIRST, s.SCARD_STATE_IGNORE)], 200)
    show("ignored", rv, [(name, flags) for name, flags, _, _ in got])
    show("an unknown reader", *changes(context, [("No such reader", 0)], 0))
    show("an unknown reader among known ones", changes(context, [*known, ("No such reader", 0)], 0)[0])
    show("no readers to look at", *changes(context, [], 0))
    rv, got = changes(context, [(PNP, 0)], 0)
    show("readers come and go: unaware", rv, [(name, flags, count) for name, flags, count, _ in got])
    rv, got = changes(context, [(PNP, 2 << 16)], 200)
    show("readers come and go: two known", rv, [(name, flags, count) for name, flags, count, _ in got])
    rv, got = changes(context, [*known, (PNP, 2 << 16)], 200)
    show("cards and readers", rv, [(name, flags) for name, flags, _, _ in got])

    first = known[:1]
    for what in ("pull", "insert"):
        before = first[0][1] >> 16
        ask(what)
        rv, got = changes(context, first, SURELY)
        show(what, rv, [(name, flags, count - before, atr) for name, flags, count, atr in got])
        first = [(name, flags & ~s.SCARD_STATE_CHANGED | count << 16) for name, flags, count, _ in got]
    must(s.SCardReleaseContext(context))


def cancel():
    context = establish()
    settled(context, QUIET)
    rv, now = changes(context, [(FIRST, 0), (SECOND, 0)], 0)
    known = [(name, flags & ~s.SCARD_STATE_CHANGED | count << 16) for name, flags, count, _ in now]
    show("cancel when nobody waits", s.SCardCancel(context))
    for what, states in (("readers", known), ("the list of readers", [(PNP, 2 << 16)])):
        over = threading.Event()
        seen = []

        def keep_cancelling():
            # One that comes before the wait has no effect: again until it has.
            while not over.wait(0.05):
                seen.append(s.SCardCancel(context))

        thread = threading.Thread(target=keep_cancelling)
        thread.start()
        rv, _ = changes(context, states, s.INFINITE)
        over.set()
        thread.join()
        show(f"a wait for {what}, cancelled", rv, sorted({one & 0xFFFFFFFF for one in seen}))
    rv, got = changes(context, known, 0)
    show("the context is as before", rv, [(name, flags) for name, flags, _, _ in got])
    show("cancel", s.SCardCancel(establish() ^ 1))
    must(s.SCardReleaseContext(context))


def connects():
    context = establish()
    cases = [
        ("shared", FIRST, SHARED, ANY),
        ("exclusive", FIRST, EXCLUSIVE, ANY),
        ("direct", FIRST, DIRECT, 0),
        ("direct, T=1", FIRST, DIRECT, T1),
        ("empty, shared", SECOND, SHARED, ANY),
        ("empty, exclusive", SECOND, EXCLUSIVE, ANY),
        ("empty, direct", SECOND, DIRECT, 0),
        ("no protocol", FIRST, SHARED, 0),
        ("a protocol there is not", FIRST, SHARED, 0x100),
        ("a mode there is not", FIRST, 9, ANY),
        ("a reader there is not", "No such reader", SHARED, ANY),
        ("the list's name", PNP, SHARED, ANY),
        ("undefined and more", FIRST, SHARED, 0x10000 | T1),
        ("raw", FIRST, SHARED, s.SCARD_PROTOCOL_RAW),
    ]
    for what, reader, share, protocols in cases:
        rv, card, protocol = s.SCardConnect(context, reader, share, protocols)
        if rv != 0:
            show(what, rv)
            continue
        show(what, rv, protocol)
        show("  status", *status(card))
        show("  disconnect", s.SCardDisconnect(card, UNPOWER))
        show("  disconnect again", s.SCardDisconnect(card, LEAVE))
        show("  status afterwards", status(card)[0])
    must(s.SCardReleaseContext(context))
    show("in a context that was released", s.SCardConnect(context, FIRST, SHARED, ANY)[0])


def sharing():
    watching = establish()
    one = Connected()
    show("in use", 0, [state[:2] for state in settled(watching, {FIRST: s.SCARD_STATE_PRESENT | s.SCARD_STATE_INUSE})])
    context = establish()
    show("exclusive beside another", s.SCardConnect(context, FIRST, EXCLUSIVE, ANY)[0])
    show("exclusive alone", *one.reconnect(share=EXCLUSIVE))
    alone = s.SCARD_STATE_PRESENT | s.SCARD_STATE_EXCLUSIVE
    show("held", 0, [state[:2] for state in settled(watching, {FIRST: alone})])
    for name, share in (("shared", SHARED), ("exclusive", EXCLUSIVE), ("direct", DIRECT)):
        show(f"{name} beside an exclusive one", s.SCardConnect(context, FIRST, share, ANY)[0])
    one.end()
    one = Connected(share=EXCLUSIVE)
    show("exclusive, then shared", *one.reconnect())
    show("its status", *one.status())
    one.end()
    show("free", 0, [state[:2] for state in settled(watching, {FIRST: s.SCARD_STATE_PRESENT})])
    for each in (context, watching):
        must(s.SCardReleaseContext(each))


def transactions():
    one = Connected()
    for step in ("begin", "begin", "end", "end", "end"):
        rv = s.SCardBeginTransaction(one.card) if step == "begin" else s.SCardEndTransaction(one.card, LEAVE)
        show(step, rv)
    show("a disposition there is not", s.SCardEndTransaction(one.card, 9))

    two = Connected()
    must(s.SCardBeginTransaction(one.card))
    order = []

    def wait_for_it():
        order.append("two waits")
        must(s.SCardBeginTransaction(two.card))
        order.append("two has it")
        must(s.SCardEndTransaction(two.card, LEAVE))

    thread = threading.Thread(target=wait_for_it)
    thread.start()
    for n in range(5):
        show(f"a command of who has it, {n}", *one.transmit(0x80, 0xE0, 0, 0, 1, n))
    order.append("one ends")
    must(s.SCardEndTransaction(one.card, LEAVE))
    thread.join()
    show("two after one", 0, order.index("one ends") < order.index("two has it"))

    for name, disposition in (("reset", RESET), ("unpower", UNPOWER)):
        must(s.SCardBeginTransaction(one.card))
        show("verify", *one.transmit(0x80, 0x20, 0, 0, 1, 0))
        show("verified", *one.transmit(0x80, 0xEA, 0, 0))
        show(f"end with {name}", s.SCardEndTransaction(one.card, disposition))
        for who, handle in (("one", one), ("two", two)):
            show(f"{who}: status", handle.status()[0])
            show(f"{who}: transmit", handle.transmit(0x80, 0xEA, 0, 0)[0])
            show(f"{who}: begin", s.SCardBeginTransaction(handle.card))
            show(f"{who}: reconnect", *handle.reconnect())
            show(f"{who}: verified", *handle.transmit(0x80, 0xEA, 0, 0))
    show("reset without a transaction", s.SCardEndTransaction(one.card, RESET))
    show("two sees it", two.status()[0])
    one.reconnect()
    two.reconnect()

    must(s.SCardBeginTransaction(one.card))
    must(s.SCardReleaseContext(one.context))
    show("who dies holding it leaves a reset card", two.status()[0])
    two.reconnect()
    two.end()


def contention():
    """For PCSCLITE_NO_BLOCKING: the library then hands out what it would otherwise wait for."""
    one, two = Connected(), Connected()
    must(s.SCardBeginTransaction(one.card))
    show("end", s.SCardEndTransaction(two.card, LEAVE))
    show("transmit", two.transmit(0x80, 0xE0, 0, 0, 1, 1)[0])
    show("status", two.status()[0])
    show("control", s.SCardControl(two.card, 0x42000D48, [])[0])
    show("attribute", s.SCardGetAttrib(two.card, s.SCARD_ATTR_ATR_STRING)[0])
    show("reconnect", two.reconnect()[0])
    show("who has it", *one.transmit(0x80, 0xE0, 0, 0, 1, 1))
    show("disconnect and leave it", s.SCardDisconnect(two.card, LEAVE))
    must(s.SCardEndTransaction(one.card, LEAVE))
    rv, two.card, two.protocol = s.SCardConnect(two.context, FIRST, SHARED, ANY)
    must(rv)
    show("exclusive with another", *one.reconnect(share=EXCLUSIVE))
    show("afterwards", s.SCardBeginTransaction(two.card))
    show("one now", one.transmit(0x80, 0xE0, 0, 0, 1, 1)[0])
    must(s.SCardEndTransaction(two.card, LEAVE))
    for handle in (one, two):
        handle.end()


def transmits():
    one = Connected()
    show("protocol", 0, one.protocol)
    sent = [n % 256 for n in range(65_000)]
    for length in (1, 5, 255):
        show(f"echo {length}", *one.transmit(0x80, 0xE0, 0, 0, length, *sent[:length]))
    for length in (256, 257, 4_096, 40_000, 65_000):
        head = [0x80, 0xE0, 0, 0, 0, length >> 8, length & 255]
        rv, answer = one.transmit(*head, *sent[:length])
        show(f"echo {length}", rv, answer, answer[:-2] == sent[:length])
    show("300 bytes piece by piece", *one.transmit(0x80, 0xE2, 1, 0x2C, 0))
    show("the rest", *one.transmit(0, 0xC0, 0, 0, 0))
    show("and the end", *one.transmit(0, 0xC0, 0, 0, 0x2C))
    for length in (256, 258, 4_096, 32_768, 65_000, 65_533):
        show(f"long answer {length}", *one.transmit(0x80, 0xE4, length >> 8, length & 255, 0, 0, 0))
    show("too long", *one.transmit(0x80, 0xE4, 0xFF, 0xFF, 0, 0, 0))
    show("slow", *one.transmit(0x80, 0xE6, 1, 0))
    show("header only", *one.transmit(0x80, 0xEA, 0, 0))
    show("too short to be a command", *one.transmit(0x80, 0xEA))
    show("an instruction there is not", *one.transmit(0x80, 0xFF, 0, 0))
    wrong = PCI[T0 if one.protocol == T1 else T1]
    show("the other protocol", s.SCardTransmit(one.card, wrong, [0x80, 0xEA, 0, 0])[0])
    show("raw", s.SCardTransmit(one.card, s.SCARD_PCI_RAW, [0x80, 0xEA, 0, 0])[0])
    for room in (65_538, 302, 301, 258, 2, 1, 0):
        buffer, length = ctypes.create_string_buffer(room or 1), ctypes.c_ulong(room)
        apdu = bytes([0x80, 0xE4, 1, 0x2C, 0, 0, 0])
        send = (ctypes.c_ulong * 2)(one.protocol, 16)
        receive = (ctypes.c_ulong * 2)(0, 0)
        rv = lib.SCardTransmit(
            ctypes.c_long(one.card), send, apdu, ctypes.c_ulong(len(apdu)), receive, buffer, ctypes.byref(length)
        )
        known = length.value if rv == 0 else None
        show(f"room for {room} bytes", rv, known, list(buffer.raw[: known or 0]), list(receive) if rv == 0 else None)
    show("all is well afterwards", *one.transmit(0x80, 0xE0, 0, 0, 1, 7))
    one.end()


def controls():
    for name, share, reader in (("shared", SHARED, FIRST), ("direct", DIRECT, FIRST), ("direct, empty", DIRECT, SECOND)):
        one = Connected(share=share, protocols=ANY if share == SHARED else 0, reader=reader)
        for code in (0x42000D48, 0x42000001, 0x42000DB5, 0x12345678, 0):
            show(f"{name}: control {code:08x}", *s.SCardControl(one.card, code, []))
            show(f"{name}: control {code:08x} with data", *s.SCardControl(one.card, code, [1, 2, 3, 4]))
        one.end()


def attributes():
    names = (
        "ATR_STRING VENDOR_NAME VENDOR_IFD_TYPE VENDOR_IFD_VERSION VENDOR_IFD_SERIAL_NO CHANNEL_ID "
        "DEVICE_FRIENDLY_NAME_A DEVICE_SYSTEM_NAME_A MAXINPUT ICC_PRESENCE ICC_INTERFACE_STATUS "
        "CURRENT_PROTOCOL_TYPE ASYNC_PROTOCOL_TYPES"
    ).split()
    for name, share, reader in (("shared", SHARED, FIRST), ("direct, empty", DIRECT, SECOND)):
        one = Connected(share=share, protocols=ANY if share == SHARED else 0, reader=reader)
        for attribute in names:
            number = getattr(s, f"SCARD_ATTR_{attribute}")
            show(f"{name}: {attribute}", *s.SCardGetAttrib(one.card, number))
        show(f"{name}: one there is not", *s.SCardGetAttrib(one.card, 0x12345678))
        show(f"{name}: set", s.SCardSetAttrib(one.card, s.SCARD_ATTR_VENDOR_NAME, [65, 66]))
        show(f"{name}: set one there is not", s.SCardSetAttrib(one.card, 0x12345678, [1]))
        for room in (64, 17, 1):
            buffer, length = ctypes.create_string_buffer(room), ctypes.c_ulong(room)
            number = ctypes.c_ulong(s.SCARD_ATTR_DEVICE_FRIENDLY_NAME_A)
            rv = lib.SCardGetAttrib(ctypes.c_long(one.card), number, buffer, ctypes.byref(length))
            show(f"{name}: room for {room} bytes", rv, length.value)
        one.end()


def reconnects():
    one, two = Connected(), Connected()
    for name, initialization in (("leave", LEAVE), ("reset", RESET), ("unpower", UNPOWER), ("eject", EJECT), ("9", 9)):
        must(one.transmit(0x80, 0x20, 0, 0, 1, 0)[0])
        show(f"reconnect, {name}", *one.reconnect(initialization=initialization))
        show("  verified", *one.transmit(0x80, 0xEA, 0, 0))
        show("  status", *one.status())
        show("  the other's status", two.status()[0])
        show("  the other reconnects", *two.reconnect())
        show("  the other's status", *two.status())
    two.end()
    for name, protocols in (("T=0", T0), ("T=1", T1), ("any", ANY), ("none", 0)):
        show(f"protocol {name}", *one.reconnect(protocols=protocols))
        show(f"protocol {name}, unpowered first", *one.reconnect(protocols=protocols, initialization=UNPOWER))
    show("a mode there is not", *one.reconnect(share=9))
    show("direct", *one.reconnect(share=DIRECT, protocols=0))
    one.reconnect()
    one.end()


def dispositions():
    for name, disposition in (("leave", LEAVE), ("reset", RESET), ("unpower", UNPOWER), ("eject", EJECT)):
        one, two = Connected(), Connected()
        must(one.transmit(0x80, 0x20, 0, 0, 1, 0)[0])
        show(f"disconnect, {name}", s.SCardDisconnect(one.card, disposition))
        show("  the other's status", two.status()[0])
        show("  the other's command", two.transmit(0x80, 0xEA, 0, 0)[0])
        show("  control is not hindered", s.SCardControl(two.card, 0x42000D48, [])[0])
        show("  the other reconnects", *two.reconnect())
        show("  verified", *two.transmit(0x80, 0xEA, 0, 0))
        # pcscd 1.9 leaves the card without power after a reconnect that follows an unpower.
        show("  and powers it", *two.reconnect(initialization=UNPOWER))
        two.end()
        must(s.SCardReleaseContext(one.context))
    one = Connected()
    show("a disposition there is not", s.SCardDisconnect(one.card, 9))
    show("and then", s.SCardDisconnect(one.card, LEAVE))
    must(s.SCardReleaseContext(one.context))


def removal():
    one = Connected()
    must(s.SCardBeginTransaction(one.card))
    watching = establish()
    ask("pull")
    settled(watching, {FIRST: s.SCARD_STATE_EMPTY})
    show("status", one.status()[0])
    show("transmit", one.transmit(0x80, 0xEA, 0, 0)[0])
    show("begin", s.SCardBeginTransaction(one.card))
    show("end", s.SCardEndTransaction(one.card, LEAVE))
    show("control", s.SCardControl(one.card, 0x42000D48, [])[0])
    show("reconnect", *one.reconnect())
    show("connect", s.SCardConnect(watching, FIRST, SHARED, ANY)[0])
    ask("insert")
    rv, got = changes(watching, [(FIRST, s.SCARD_STATE_EMPTY)], SURELY)
    show("there again", rv, got[0][3])
    show("status", one.status()[0])
    show("reconnect", *one.reconnect())
    show("status", *one.status())
    one.end()
    must(s.SCardReleaseContext(watching))


sections = [
    contexts,
    lists,
    waits,
    cancel,
    connects,
    sharing,
    transactions,
    transmits,
    controls,
    attributes,
    reconnects,
    dispositions,
    removal,
]

if __name__ == "__main__":
    wanted = sys.argv[1:] or [section.__name__ for section in sections]
    for name in wanted:
        print(f"== {name}", flush=True)
        globals()[name]()
    print("done", flush=True)
