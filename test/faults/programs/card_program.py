"""A PC/SC program under remote control: each line of standard input is one call, each line of standard
output its outcome, both JSON. It keeps what it has open until it is told otherwise, or its input ends."""

import json
import sys
import time

from smartcard import scard


def hexed(code):
    return "0x%08X" % (code & 0xFFFFFFFF)


class Program:
    def __init__(self):
        self.context = None
        self.card = None
        self.protocol = 0

    def establish(self):
        rv, self.context = scard.SCardEstablishContext(scard.SCARD_SCOPE_USER)
        return rv, {}

    def release(self):
        return scard.SCardReleaseContext(self.context), {}

    def list(self):
        rv, names = scard.SCardListReaders(self.context, [])
        return rv, {"readers": list(names)}

    def connect(self, reader, share=scard.SCARD_SHARE_SHARED, protocols=3):
        rv, card, protocol = scard.SCardConnect(self.context, reader, share, protocols)
        if rv == 0:
            self.card, self.protocol = card, protocol
        return rv, {}

    def reconnect(self, share=scard.SCARD_SHARE_SHARED, protocols=3, initialization=0):
        rv, protocol = scard.SCardReconnect(self.card, share, protocols, initialization)
        if rv == 0:
            self.protocol = protocol
        return rv, {}

    def disconnect(self, disposition=0):
        return scard.SCardDisconnect(self.card, disposition), {}

    def status(self):
        rv, reader, state, protocol, atr = scard.SCardStatus(self.card)
        return rv, {"reader": reader, "state": state, "atr": bytes(atr).hex()}

    def begin(self):
        return scard.SCardBeginTransaction(self.card), {}

    def end(self, disposition=0):
        return scard.SCardEndTransaction(self.card, disposition), {}

    def transmit(self, apdu):
        rv, answer = scard.SCardTransmit(self.card, self.protocol, list(bytes.fromhex(apdu)))
        return rv, {"answer": bytes(answer).hex() if rv == 0 else ""}

    def change(self, reader, known=0, timeout=1000):
        """SCardGetStatusChange on one reader whose state is known to be so."""
        rv, states = scard.SCardGetStatusChange(self.context, timeout, [(reader, known)])
        return rv, {"state": states[0][1], "atr": bytes(states[0][2]).hex()}


program = Program()
for line in sys.stdin:
    order = json.loads(line)
    started = time.monotonic()
    rv, more = getattr(program, order["call"])(**order["with"])
    ms = round((time.monotonic() - started) * 1000)
    print(json.dumps({"id": order["id"], "rv": hexed(rv), "ms": ms, **more}), flush=True)
