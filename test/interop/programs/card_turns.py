"""Takes the card in turns with others and checks each answer. Arguments: who it is (a number), how many turns."""

import sys

from smartcard import scard as s

who, turns = int(sys.argv[1]), int(sys.argv[2])
_, context = s.SCardEstablishContext(s.SCARD_SCOPE_SYSTEM)
rv, card, protocol = s.SCardConnect(context, "Virtual PCD 00 00", s.SCARD_SHARE_SHARED, s.SCARD_PROTOCOL_ANY)
assert rv == 0, hex(rv & 0xFFFFFFFF)
pci = {s.SCARD_PROTOCOL_T0: s.SCARD_PCI_T0, s.SCARD_PROTOCOL_T1: s.SCARD_PCI_T1}[protocol]
for turn in range(turns):
    rv = s.SCardBeginTransaction(card)
    assert rv == 0, hex(rv & 0xFFFFFFFF)
    # The card counts these: in one transaction, nobody else's can come between.
    counts = []
    for step in range(2):
        rv, answer = s.SCardTransmit(card, pci, [0x80, 0xE8, 0, 0, 3, who, turn, step])
        assert rv == 0 and answer[-2:] == [0x90, 0], (hex(rv & 0xFFFFFFFF), answer)
        counts.append(int.from_bytes(bytes(answer[:4]), "big"))
    assert counts[1] == counts[0] + 1, counts
    rv = s.SCardEndTransaction(card, s.SCARD_LEAVE_CARD)
    assert rv == 0, hex(rv & 0xFFFFFFFF)
s.SCardDisconnect(card, s.SCARD_LEAVE_CARD)
s.SCardReleaseContext(context)
print(f"{who}: {turns} turns")
