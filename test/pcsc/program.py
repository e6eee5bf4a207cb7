"""A PC/SC program under remote control, on whatever libpcsclite.so.1 its Python finds.

Each line of standard input is one call, each line of standard output the outcome of one, both JSON:

    {"id": 1, "call": "establish", "with": {"context": "a"}}
    {"id": 1, "rv": "0x00000000", "ms": 3}

Contexts and cards go by the names that the caller gives them. The calls on one context are made one after the
other, in a thread of its own, so that one that blocks holds up no other context. It ends with its input, by
exiting at once, as a program that dies: nothing is released. Bytes in readers' names that are no UTF-8 are U+DC80
to U+DCFF, as Python's surrogateescape has them.

ctypes alone, and nothing younger than Python 3.9, so that it runs on every Debian and every architecture.
"""

import ctypes
import json
import os
import queue
import sys
import threading
import time

from winscard import ATR_SIZE, DWORD, LONG, PNP, Pci, State, lib

# Nothing of cardwire's or pcscd's takes more in one piece.
MAX_BUFFER = 65_548
MAX_ATTRIBUTE = 264
INSUFFICIENT_BUFFER = 0x80100008


def names(multi_string):
    return [one.decode("utf-8", "surrogateescape") for one in multi_string.split(b"\0") if one]


def told(rv, name, raw, length):
    """The bytes of an answer, or how many there would have been, had there been room."""
    rv &= 0xFFFFFFFF
    if rv == INSUFFICIENT_BUFFER:
        return {"length": length.value}
    return {name: raw[: length.value].hex()} if rv == 0 else {}


def told(rv, name, raw, length):
    """The bytes of an answer, or how many there would have been, had there been room."""
    rv &= 0xFFFFFFFF
    if rv == INSUFFICIENT_BUFFER:
        return {"length": length.value}
    return {name: raw[: length.value].hex()} if rv == 0 else {}


class Program:
    """The calls. Each gives its return code and what else it told."""

    def __init__(self):
        self.contexts = {}
        self.cards = {}
        # The active protocol, by card.
        self.protocols = {}

    def handle(self, card):
        """A number stands for itself: a handle that is nobody's."""
        return LONG(card if isinstance(card, int) else self.cards[card])

    def context(self, context):
        return LONG(context if isinstance(context, int) else self.contexts[context])

    def establish(self, context, scope=2):
        made = LONG(0)
        rv = lib.SCardEstablishContext(DWORD(scope), None, None, ctypes.byref(made))
        if rv & 0xFFFFFFFF == 0:
            self.contexts[context] = made.value
        return rv, {}

    def release(self, context):
        return lib.SCardReleaseContext(self.context(context)), {}

    def valid(self, context):
        return lib.SCardIsValidContext(self.context(context)), {}

    def cancel(self, context):
        return lib.SCardCancel(self.context(context)), {}

    def list(self, context):
        """In two calls, as programs do: for the length, and for the names."""
        size = DWORD(0)
        rv = lib.SCardListReaders(self.context(context), None, None, ctypes.byref(size))
        if rv & 0xFFFFFFFF != 0:
            return rv, {"readers": []}
        room = ctypes.create_string_buffer(max(size.value, 1))
        rv = lib.SCardListReaders(self.context(context), None, room, ctypes.byref(size))
        return rv, {"readers": names(room.raw[: size.value]) if rv & 0xFFFFFFFF == 0 else []}

    def groups(self, context):
        size = DWORD(1_000)
        room = ctypes.create_string_buffer(size.value)
        rv = lib.SCardListReaderGroups(self.context(context), room, ctypes.byref(size))
        return rv, {"groups": names(room.raw[: size.value])}

    def change(self, context, readers, timeout=0):
        """SCardGetStatusChange; `readers` are pairs of a name and what is known, "pnp" is the list itself."""
        states = (State * len(readers))()
        for state, (reader, known) in zip(states, readers):
            state.reader = (PNP if reader == "pnp" else reader).encode("utf-8", "surrogateescape")
            state.current = known
        rv = lib.SCardGetStatusChange(self.context(context), DWORD(timeout), states, DWORD(len(readers)))
        told = [
            {
                "event": state.event & 0xFFFF,
                "counter": state.event >> 16 & 0xFFFF,
                "atr": bytes(state.atr[: min(state.atr_length, ATR_SIZE)]).hex(),
                "atrLength": state.atr_length,
            }
            for state in states
        ]
        return rv, {"states": told}

    def poll(self, context, readers, times):
        """`change` without waiting, so many times: how often it ended with each code."""
        ends = {}
        for _ in range(times):
            rv, _ = self.change(context, readers)
            code = "0x%08x" % (rv & 0xFFFFFFFF)
            ends[code] = ends.get(code, 0) + 1
        return 0, {"ends": ends}

    def connect(self, context, card, reader, share=2, protocols=3):
        made, protocol = LONG(0), DWORD(0)
        rv = lib.SCardConnect(
            self.context(context),
            reader.encode("utf-8", "surrogateescape"),
            DWORD(share),
            DWORD(protocols),
            ctypes.byref(made),
            ctypes.byref(protocol),
        )
        if rv & 0xFFFFFFFF != 0:
            return rv, {"protocol": protocol.value}
        self.cards[card], self.protocols[card] = made.value, protocol.value
        return rv, {"protocol": protocol.value}

    def reconnect(self, card, share=2, protocols=3, initialization=0):
        protocol = DWORD(0)
        rv = lib.SCardReconnect(
            self.handle(card), DWORD(share), DWORD(protocols), DWORD(initialization), ctypes.byref(protocol)
        )
        if rv & 0xFFFFFFFF != 0:
            return rv, {"protocol": protocol.value}
        self.protocols[card] = protocol.value
        return rv, {"protocol": protocol.value}

    def disconnect(self, card, disposition=0):
        return lib.SCardDisconnect(self.handle(card), DWORD(disposition)), {}

    def begin(self, card):
        return lib.SCardBeginTransaction(self.handle(card)), {}

    def end(self, card, disposition=0):
        return lib.SCardEndTransaction(self.handle(card), DWORD(disposition)), {}

    def status(self, card):
        name, name_length = ctypes.create_string_buffer(200), DWORD(200)
        state, protocol = DWORD(0), DWORD(0)
        atr, atr_length = ctypes.create_string_buffer(ATR_SIZE), DWORD(ATR_SIZE)
        rv = lib.SCardStatus(
            self.handle(card),
            name,
            ctypes.byref(name_length),
            ctypes.byref(state),
            ctypes.byref(protocol),
            atr,
            ctypes.byref(atr_length),
        )
        if rv & 0xFFFFFFFF != 0:
            return rv, {}
        return rv, {
            "reader": name.value.decode("utf-8", "surrogateescape"),
            "state": state.value & 0xFFFF,
            "counter": state.value >> 16 & 0xFFFF,
            "protocol": protocol.value,
            "atr": atr.raw[: min(atr_length.value, ATR_SIZE)].hex(),
        }

    def transmit(self, card, apdu, room=MAX_BUFFER, pci=None):
        """`pci` is the protocol to name, that of the card unless told."""
        data = bytes.fromhex(apdu)
        # An unknown card has no protocol; that its handle is refused is then the point.
        active = pci if pci is not None else self.protocols.get(card, 0)
        send = Pci(active, ctypes.sizeof(Pci))
        answer, length = ctypes.create_string_buffer(max(room, 1)), DWORD(room)
        rv = lib.SCardTransmit(
            self.handle(card), ctypes.byref(send), data, DWORD(len(data)), None, answer, ctypes.byref(length)
        )
        return rv, told(rv, "answer", answer.raw, length)

    def control(self, card, code, data="", room=MAX_BUFFER):
        sent = bytes.fromhex(data)
        answer, length = ctypes.create_string_buffer(max(room, 1)), DWORD(0)
        rv = lib.SCardControl(
            self.handle(card), DWORD(code), sent, DWORD(len(sent)), answer, DWORD(room), ctypes.byref(length)
        )
        return rv, told(rv, "answer", answer.raw, length)

    def getattrib(self, card, attribute, room=MAX_ATTRIBUTE):
        value, length = ctypes.create_string_buffer(max(room, 1)), DWORD(room)
        rv = lib.SCardGetAttrib(self.handle(card), DWORD(attribute), value, ctypes.byref(length))
        return rv, told(rv, "value", value.raw, length)

    def setattrib(self, card, attribute, value=""):
        sent = bytes.fromhex(value)
        return lib.SCardSetAttrib(self.handle(card), DWORD(attribute), sent, DWORD(len(sent))), {}

    def die(self):
        os._exit(9)


program = Program()
printing = threading.Lock()
queues = {}
# Which context a card belongs to.
owners = {}


def answer(order):
    started = time.monotonic()
    rv, more = getattr(program, order["call"])(**order.get("with", {}))
    ms = round((time.monotonic() - started) * 1000)
    line = json.dumps({"id": order["id"], "rv": "0x%08x" % (rv & 0xFFFFFFFF), "ms": ms, **more})
    with printing:
        print(line, flush=True)


def work(orders):
    while True:
        answer(orders.get())


def queue_of(order):
    """The thread in which a call is made. A cancellation has none: it is for one who waits."""
    given = order.get("with", {})
    if order["call"] in ("cancel", "die"):
        return None
    if order["call"] == "connect":
        owners[given["card"]] = given["context"]
    return given["context"] if "context" in given else owners.get(given["card"], given["card"])



def main():
    for line in sys.stdin:
        order = json.loads(line)
        name = queue_of(order)
        if name is None:
            threading.Thread(target=answer, args=(order,), daemon=True).start()
            continue
        if name not in queues:
            queues[name] = queue.SimpleQueue()
            threading.Thread(target=work, args=(queues[name],), daemon=True).start()
        queues[name].put(order)
    os._exit(0)


if __name__ == "__main__":
    main()
