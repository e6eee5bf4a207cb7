// PC/SC's numbers as pcsc-lite has them (pcsclite.h), which a CardService takes and gives unchanged.

export const ShareMode = { Exclusive: 1, Shared: 2, Direct: 3 } as const;

/** Protocol bits; `Any` is the old "whatever there is" of SCARD_PROTOCOL_ANY_OLD. */
export const Protocol = { Undefined: 0, T0: 1, T1: 2, Raw: 4, T15: 8, Any: 0x1000 } as const;

/** What becomes of the card at the end of a transaction or handle; the first three also initialize a reconnect. */
export const Disposition = { Leave: 0, Reset: 1, Unpower: 2, Eject: 3 } as const;

/** Bits of {@link Reader.stateBits}. */
export const ReaderStateBit = {
  Unknown: 0x01,
  Absent: 0x02,
  Present: 0x04,
  Swallowed: 0x08,
  Powered: 0x10,
  Negotiable: 0x20,
  Specific: 0x40,
} as const;
