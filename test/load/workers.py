"""Programs that work with a card at once: each connects, works in a transaction, asks, waits, lets go, and begins anew.

    workers.py COUNT SECONDS SEED READER

Each is a process of its own, and some die in the middle of whatever they do; another takes the place of a dead one. At
the end it prints how often each call ended how, as JSON: {"deaths": 3, "calls": {"transmit 0x00000000": 12, ...}}.
The calls are those of program.py, on the library that this Python finds.
"""

import collections
import json
import os
import random
import signal
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "pcsc"))
from program import Program  # noqa: E402

COUNT, SECONDS, SEED, READER = int(sys.argv[1]), float(sys.argv[2]), sys.argv[3], sys.argv[4]
END = time.monotonic() + SECONDS
# How many calls of a hundred are a program's last.
DEATHS_PERCENT = 1
RESET = 0x80100068


def work(index, generation):
    """One program's life. Gives how often each of its calls ended how."""
    drawn = random.Random("%s %d %d" % (SEED, index, generation))
    program, counted = Program(), collections.Counter()

    def call(name, **args):
        if drawn.randrange(100) < DEATHS_PERCENT:
            tell(counted, True)
        rv = getattr(program, name)(**args)[0] & 0xFFFFFFFF
        counted["%s 0x%08x" % (name, rv)] += 1
        return rv

    while time.monotonic() < END:
        if call("establish", context="a") != 0:
            continue
        for _ in range(drawn.randrange(1, 6)):
            call("list", context="a")
            call("change", context="a", readers=[(READER, 0)], timeout=0)
            if call("connect", context="a", card="c", reader=READER) != 0:
                continue
            rv = call("begin", card="c")
            if rv == RESET:
                # Another died within its transaction.
                call("reconnect", card="c")
            elif rv == 0:
                for _ in range(drawn.randrange(1, 5)):
                    data = "%08x" % drawn.randrange(2**32)
                    answer = program.transmit(card="c", apdu="80e0000004" + data)
                    same = answer[1].get("answer") == data + "9000"
                    name = "transmit" if same or answer[0] & 0xFFFFFFFF != 0 else "wrong answer"
                    counted["%s 0x%08x" % (name, answer[0] & 0xFFFFFFFF)] += 1
                call("end", card="c")
            call("status", card="c")
            call("change", context="a", readers=[(READER, 0)], timeout=drawn.randrange(20))
            call("disconnect", card="c")
        call("release", context="a")
    tell(counted, False)


def tell(counted, died):
    """The last that a program does, and all that its parent hears of it."""
    os.write(results, (json.dumps({"died": died, "calls": counted}) + "\n").encode())
    os._exit(0)


reading, results = os.pipe()
total, deaths, running, generation = collections.Counter(), 0, {}, 0


def start(index):
    global generation
    generation += 1
    pid = os.fork()
    if pid == 0:
        signal.alarm(int(SECONDS) + 60)
        work(index, generation)
    running[pid] = index


for one in range(COUNT):
    start(one)
lines = os.fdopen(reading)
while running:
    told = json.loads(lines.readline())
    total.update(told["calls"])
    deaths += told["died"]
    pid, _ = os.wait()
    index = running.pop(pid)
    if time.monotonic() < END:
        start(index)
print(json.dumps({"deaths": deaths, "calls": total}))
