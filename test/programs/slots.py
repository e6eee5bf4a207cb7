"""What Firefox and others do with a PKCS#11 module: its slots, again and again, and waiting for what happens to them.

Arguments: the module. A line "> pull" or "> insert" asks whoever runs it to do that to the card in the first reader,
and to answer with an empty line.
"""

import sys
import time

import PyKCS11

# How long a change may take until a program that asks sees it, s.
SURELY_S = 30
# How often such programs ask, s.
OFTEN_S = 0.1


def ask(what):
    print("> " + what, flush=True)
    sys.stdin.readline()


def present(library):
    return [library.getSlotInfo(slot).flags & PyKCS11.CKF_TOKEN_PRESENT for slot in library.getSlotList()]


def until(what, condition):
    end = time.monotonic() + SURELY_S
    while not condition():
        if time.monotonic() > end:
            raise SystemExit("in vain: " + what)
        time.sleep(OFTEN_S)
    print(what, flush=True)


def event(library):
    """C_WaitForSlotEvent without waiting: the slot, or which error it is."""
    try:
        return library.waitForSlotEvent(PyKCS11.CKF_DONT_BLOCK)
    except PyKCS11.PyKCS11Error as error:
        return str(error)


library = PyKCS11.PyKCS11Lib()
library.load(sys.argv[1])
print(library.getInfo().libraryDescription)
for slot in library.getSlotList():
    print(slot, library.getSlotInfo(slot).slotDescription.strip(), library.getSlotInfo(slot).flags)
print([len(library.getSlotList(tokenPresent=True)) for _ in range(3)])
for slot in library.getSlotList():
    try:
        print(library.getTokenInfo(slot).label)
    except PyKCS11.PyKCS11Error as error:
        print(slot, error)
until("no event is left", lambda: not isinstance(event(library), int))
ask("pull")
until("an event tells", lambda: isinstance(event(library), int))
until("the card is gone", lambda: not present(library)[0])
ask("insert")
until("the card is there", lambda: present(library)[0])
print("done", flush=True)
