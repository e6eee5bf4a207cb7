"""Uses one card for as long as it may, as a good program does: a payload that the card may have taken is never
sent again, and an error is met with RECONNECT, then a new handle, then a new context.

Arguments: the reader's name, a byte in hex that begins each of its payloads, "keep" to keep the handle or "again" to
connect anew for each turn, and the longest pause between two turns in seconds, unless it is that of people. Prints a line of JSON for each payload and each error, and a last one when its
input has ended."""

import itertools
import json
import random
import sys
import threading
import time
from collections import Counter

from smartcard import scard

READER, MARK, HANDLE, *more = sys.argv[1:]
# Between two attempts of somebody who finds no card: a person would not even notice.
PAUSE = 0.05
# Between two turns, at most: pcscd's lock goes to whoever asks in the right moment, and asks only ten times a second.
BREATH = float(more[0]) if more else 0.2

stopping = threading.Event()
codes = Counter()
longest = 0


def say(**what):
    print(json.dumps(what), flush=True)


def called(name, *arguments):
    """One PC/SC call: its code in hex, and what else it gave."""
    global longest
    started = time.monotonic()
    result = getattr(scard, name)(*arguments)
    longest = max(longest, round((time.monotonic() - started) * 1000))
    code, *rest = result if isinstance(result, (list, tuple)) else [result]
    code &= 0xFFFFFFFF
    if code != 0:
        codes["%s 0x%08X" % (name, code)] += 1
    return code, rest


class Worker:
    context = card = None
    protocol = 0

    def hold(self):
        """A handle, whatever it takes; False when it is time to stop."""
        while not stopping.is_set():
            if self.card is not None:
                code, rest = called("SCardReconnect", self.card, scard.SCARD_SHARE_SHARED, 3, scard.SCARD_LEAVE_CARD)
                if code == 0:
                    self.protocol = rest[0]
                    return True
                self.let_go()
            if self.context is None:
                code, rest = called("SCardEstablishContext", scard.SCARD_SCOPE_USER)
                if code == 0:
                    self.context = rest[0]
            if self.context is not None:
                code, rest = called("SCardConnect", self.context, READER, scard.SCARD_SHARE_SHARED, 3)
                if code == 0:
                    self.card, self.protocol = rest
                    return True
                if code not in (scard.SCARD_E_READER_UNAVAILABLE & 0xFFFFFFFF, scard.SCARD_E_UNKNOWN_READER & 0xFFFFFFFF):
                    called("SCardReleaseContext", self.context)
                    self.context = None
            stopping.wait(PAUSE)
        return False

    def let_go(self):
        if self.card is not None:
            called("SCardDisconnect", self.card, scard.SCARD_LEAVE_CARD)
        self.card = None

    def turn(self, payload):
        """True if the handle is as good as before."""
        code, _ = called("SCardBeginTransaction", self.card)
        if code != 0:
            return False
        apdu = [0x80, 0xE8, 0, 0, len(payload), *payload]
        code, rest = called("SCardTransmit", self.card, self.protocol, apdu)
        if code == 0:
            say(done=payload.hex(), answer=bytes(rest[0]).hex())
        else:
            say(lost=payload.hex(), code="0x%08X" % code)
        ended, _ = called("SCardEndTransaction", self.card, scard.SCARD_LEAVE_CARD)
        return code == 0 and ended == 0


def work():
    worker = Worker()
    numbers = itertools.count()
    fine = False
    while not stopping.is_set():
        if not fine and not worker.hold():
            break
        fine = worker.turn(bytes.fromhex(MARK) + next(numbers).to_bytes(4, "big"))
        if fine and HANDLE == "again":
            worker.let_go()
            fine = False
        stopping.wait(random.uniform(0, BREATH))
    worker.let_go()
    if worker.context is not None:
        called("SCardReleaseContext", worker.context)


thread = threading.Thread(target=work)
thread.start()
sys.stdin.read()
stopping.set()
thread.join()
say(codes=codes, longest=longest)
