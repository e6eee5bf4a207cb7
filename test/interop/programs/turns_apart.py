"""Takes the card in turns with other people: as card_turns.py, but another's turn may have reset the card, which a
begin tells. Arguments: who it is (a number), how many turns."""

import sys

from smartcard import scard as s

RESET = 0x80100068


def good(rv):
    assert rv == 0, hex(rv & 0xFFFFFFFF)


who, turns = int(sys.argv[1]), int(sys.argv[2])
_, context = s.SCardEstablishContext(s.SCARD_SCOPE_SYSTEM)
how = (s.SCARD_SHARE_SHARED, s.SCARD_PROTOCOL_ANY)
rv, card, protocol = s.SCardConnect(context, "Virtual PCD 00 00", *how)
good(rv)
resets = 0
for turn in range(turns):
    while (rv := s.SCardBeginTransaction(card)) & 0xFFFFFFFF == RESET:
        resets += 1
        rv, protocol = s.SCardReconnect(card, *how, s.SCARD_LEAVE_CARD)
        good(rv)
    good(rv)
    pci = {s.SCARD_PROTOCOL_T0: s.SCARD_PCI_T0, s.SCARD_PROTOCOL_T1: s.SCARD_PCI_T1}[protocol]
    # The card counts these: in one transaction, nobody else's can come between.
    counts = []
    for step in range(3):
        rv, answer = s.SCardTransmit(card, pci, [0x80, 0xE8, 0, 0, 3, who, turn, step])
        good(rv)
        assert answer[-2:] == [0x90, 0], answer
        counts.append(int.from_bytes(bytes(answer[:4]), "big"))
    assert counts == [counts[0], counts[0] + 1, counts[0] + 2], counts
    good(s.SCardEndTransaction(card, s.SCARD_LEAVE_CARD))
s.SCardDisconnect(card, s.SCARD_LEAVE_CARD)
s.SCardReleaseContext(context)
print(f"{who}: {turns} turns, told of {resets} resets")
