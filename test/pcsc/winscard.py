"""PC/SC by ctypes: what a program of any Debian and any architecture has, without pyscard.

Nothing younger than Python 3.9. Return codes are unsigned, texts are str, bytes are bytes.
"""

import ctypes
from ctypes import byref

DWORD, LONG = ctypes.c_ulong, ctypes.c_long
lib = ctypes.CDLL("libpcsclite.so.1")

PNP = "\\\\?PnP?\\Notification"
EXCLUSIVE, SHARED, DIRECT = 1, 2, 3
T0, T1, ANY, RAW = 1, 2, 3, 4
LEAVE, RESET, UNPOWER, EJECT = 0, 1, 2, 3
CHANGED, UNKNOWN, UNAVAILABLE, EMPTY, PRESENT, IN_USE = 0x02, 0x04, 0x08, 0x10, 0x20, 0x100
INFINITE = 0xFFFFFFFF
OK, CANCELLED, TIMEOUT, REMOVED = 0, 0x80100002, 0x8010000A, 0x80100069
ATR_SIZE = 33


class State(ctypes.Structure):
    """SCARD_READERSTATE."""

    _fields_ = [
        ("reader", ctypes.c_char_p),
        ("user_data", ctypes.c_void_p),
        ("current", DWORD),
        ("event", DWORD),
        ("atr_length", DWORD),
        ("atr", ctypes.c_ubyte * ATR_SIZE),
    ]


class Pci(ctypes.Structure):
    """SCARD_IO_REQUEST."""

    _fields_ = [("protocol", DWORD), ("length", DWORD)]


def call(name, *args):
    return getattr(lib, name)(*args) & 0xFFFFFFFF


def must(rv, *more):
    """The rest of a result that has to be a success."""
    if rv != OK:
        raise SystemExit("unexpectedly %08x" % rv)
    return more[0] if len(more) == 1 else more


def establish(scope=2):
    context = LONG(0)
    return call("SCardEstablishContext", DWORD(scope), None, None, byref(context)), context.value


def release(context):
    return call("SCardReleaseContext", LONG(context))


def cancel(context):
    return call("SCardCancel", LONG(context))


def readers(context):
    """Asks for the length, and then for the names."""
    size = DWORD(0)
    rv = call("SCardListReaders", LONG(context), None, None, byref(size))
    if rv != OK:
        return rv, []
    room = ctypes.create_string_buffer(size.value)
    rv = call("SCardListReaders", LONG(context), None, room, byref(size))
    return rv, [name.decode() for name in room.raw[: size.value].split(b"\0") if name]


def change(context, known, timeout):
    """SCardGetStatusChange for pairs of a name and what is known. Gives [name, flags, counter, ATR] for each."""
    states = (State * max(len(known), 1))()
    for state, (name, current) in zip(states, known):
        state.reader, state.current = name.encode(), current
    rv = call("SCardGetStatusChange", LONG(context), DWORD(timeout), states, DWORD(len(known)))
    told = [
        [name, state.event & 0xFFFF, state.event >> 16 & 0xFFFF, bytes(state.atr[: state.atr_length])]
        for state, (name, _) in zip(states, known)
    ]
    return rv, told


def knowing(told):
    """What a program that was told so knows."""
    return [(name, flags & ~CHANGED | counter << 16) for name, flags, counter, _ in told]


def connect(context, reader, share=SHARED, protocols=ANY):
    card, protocol = LONG(0), DWORD(0)
    rv = call(
        "SCardConnect", LONG(context), reader.encode(), DWORD(share), DWORD(protocols), byref(card), byref(protocol)
    )
    return rv, card.value, protocol.value


def reconnect(card, share=SHARED, protocols=ANY, initialization=LEAVE):
    protocol = DWORD(0)
    rv = call("SCardReconnect", LONG(card), DWORD(share), DWORD(protocols), DWORD(initialization), byref(protocol))
    return rv, protocol.value


def disconnect(card, disposition=LEAVE):
    return call("SCardDisconnect", LONG(card), DWORD(disposition))


def begin(card):
    return call("SCardBeginTransaction", LONG(card))


def end(card, disposition=LEAVE):
    return call("SCardEndTransaction", LONG(card), DWORD(disposition))


def status(card):
    """The reader, the state without its counter, the protocol, the ATR."""
    name, name_length = ctypes.create_string_buffer(200), DWORD(200)
    state, protocol = DWORD(0), DWORD(0)
    atr, atr_length = ctypes.create_string_buffer(ATR_SIZE), DWORD(ATR_SIZE)
    rv = call(
        "SCardStatus", LONG(card), name, byref(name_length), byref(state), byref(protocol), atr, byref(atr_length)
    )
    if rv != OK:
        return rv, None
    return rv, (name.value.decode(), state.value & 0xFFFF, protocol.value, atr.raw[: atr_length.value])


def transmit(card, protocol, apdu, room=65_548):
    """The answer, or with a buffer that is too small the length that was needed."""
    answer, length = ctypes.create_string_buffer(max(room, 1)), DWORD(room)
    pci = Pci(protocol, ctypes.sizeof(Pci))
    rv = call("SCardTransmit", LONG(card), byref(pci), apdu, DWORD(len(apdu)), None, answer, byref(length))
    return rv, answer.raw[: length.value] if rv == OK else b""


def control(card, code, data=b"", room=256):
    answer, length = ctypes.create_string_buffer(room), DWORD(0)
    rv = call("SCardControl", LONG(card), DWORD(code), data, DWORD(len(data)), answer, DWORD(room), byref(length))
    return rv, answer.raw[: length.value] if rv == OK else b""


def attribute(card, number, room=264):
    value, length = ctypes.create_string_buffer(room), DWORD(room)
    rv = call("SCardGetAttrib", LONG(card), DWORD(number), value, byref(length))
    return rv, value.raw[: length.value] if rv == OK else b""
