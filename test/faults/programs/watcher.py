"""Watches one reader with SCardGetStatusChange on one context until its input ends, as a desktop's card applet does.
Prints a line of JSON for each change and each code that is not success, and a last one at its end."""

import json
import sys
import threading
import time
from collections import Counter

from smartcard import scard

READER = sys.argv[1]
# How long one call waits for a change, ms.
WAIT = 2000
CHANGED = 0x2

stopping = threading.Event()
codes = Counter()
longest = 0


def say(**what):
    print(json.dumps(what), flush=True)


def watch():
    global longest
    code, context = scard.SCardEstablishContext(scard.SCARD_SCOPE_USER)
    say(established="0x%08X" % (code & 0xFFFFFFFF))
    known = scard.SCARD_STATE_UNAWARE
    while not stopping.is_set():
        started = time.monotonic()
        code, states = scard.SCardGetStatusChange(context, WAIT, [(READER, known)])
        longest = max(longest, round((time.monotonic() - started) * 1000))
        code &= 0xFFFFFFFF
        if code != 0:
            codes["0x%08X" % code] += 1
        if code == 0:
            known = states[0][1] & ~CHANGED
            present = bool(known & scard.SCARD_STATE_PRESENT)
            say(present=present, state="0x%08X" % known)
        elif code != scard.SCARD_E_TIMEOUT & 0xFFFFFFFF:
            # A reader that went between two calls is unknown to the next one; it is reported at once, and again and again.
            if code == scard.SCARD_E_UNKNOWN_READER & 0xFFFFFFFF and known != scard.SCARD_STATE_UNAWARE:
                say(present=False, state="unknown")
            known = scard.SCARD_STATE_UNAWARE
            stopping.wait(0.05)


thread = threading.Thread(target=watch)
thread.start()
sys.stdin.read()
stopping.set()
thread.join()
say(codes=codes, longest=longest)
