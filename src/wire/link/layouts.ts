import { bytes, cstring, type Field, type Infer, i32, struct, u32 } from "../struct.ts";

// The link's frames, in network byte order. docs/link-protocol.md describes them byte by byte.

/** A whole number below 2⁵³ in 8 bytes: frames of a session are counted from 0 and never wrap. */
const count: Field<number> = {
  size: 8,
  align: 4,
  read: (from, at, little) => u32.read(from, at, little) * 2 ** 32 + u32.read(from, at + 4, little),
  write: (to, at, value, little) => {
    u32.write(to, at, Math.floor(value / 2 ** 32), little);
    u32.write(to, at + 4, value % 2 ** 32, little);
  },
};

/** In front of each frame: what it is, and how many bytes of it follow. */
export const Header = struct({ size: u32, type: u32 });

/** Bytes of a session's number, of its secret, and of a proof that one has it. */
export const ID_BYTES = 16;
export const SECRET_BYTES = 32;

// One connection's own frames. They are not counted, and not sent again.

/** The first frame of a session. Behind it: who opens it, UTF-8. */
export const Open = struct({
  lowest: u32,
  highest: u32,
  features: u32,
  graceMs: u32,
  lockMs: u32,
  session: bytes(ID_BYTES),
  secret: bytes(SECRET_BYTES),
});
/** The answer: what holds for this session. Behind it: who answers, UTF-8. */
export const Opened = struct({ version: u32, features: u32, graceMs: u32, lockMs: u32 });
/** The first frame of each later connection. `attempt` grows with each, so that none can be played back. */
export const Resume = struct({
  session: bytes(ID_BYTES),
  attempt: u32,
  received: count,
  proof: bytes(SECRET_BYTES),
});
/** The answer: what arrived at the other end, and that it, too, has the session's secret. */
export const Resumed = struct({ received: count, proof: bytes(SECRET_BYTES) });
/** Why there is no session, or none any more: one of {@link Reason}. Behind it: the same for people, UTF-8. */
export const Ending = struct({ reason: u32 });
/** How many counted frames have arrived. */
export const Acknowledge = struct({ received: count });
/** Anything; it comes back as it is. */
export const Echo = struct({ token: u32 });

// Counted frames.

export const Connect = struct({
  card: u32,
  call: u32,
  flags: u32,
  share: u32,
  protocols: u32,
  reader: cstring(128),
});
export const CardOnly = struct({ card: u32, call: u32, flags: u32 });
export const Dispose = struct({ card: u32, call: u32, flags: u32, disposition: u32 });
/** Behind it: the command APDU. */
export const Transmit = struct({
  card: u32,
  call: u32,
  flags: u32,
  sendProtocol: u32,
  receiveProtocol: u32,
});
/** Of an attribute or a control code. Behind it: the data to send, if any. */
export const Coded = struct({ card: u32, call: u32, flags: u32, code: u32 });
export const Reconnect = struct({
  card: u32,
  call: u32,
  flags: u32,
  share: u32,
  protocols: u32,
  initialization: u32,
});
/** Whether the other end is to tell of readers. */
export const Watch = struct({ on: u32 });

/** What a call came to. Behind it: the answer, and then those that were fetched ahead of being asked for. */
export const Result = struct({
  call: u32,
  rv: u32,
  /** The active protocol of a connect or reconnect, that of the answer of a transmit; else 0. */
  protocol: u32,
  /** How long an answer is that did not fit; −1 where nothing is said of that. */
  length: i32,
  /** Of the bytes behind: how many were fetched ahead. */
  ahead: u32,
});
export type Result = Infer<typeof Result>;
/** A handle on which something happened that its program has not been told: a reset or a removal. */
export const Notice = struct({ card: u32, rv: u32 });
/** Behind it: `length` items, each an index in the list before, or {@link NEW} and a {@link ReaderRecord}. */
export const Readers = struct({ length: u32 });

// Leases: an optional part.

/** Asks for a lease, which the client gives a number. */
export const Lease = struct({ lease: u32, flags: u32, forMs: u32, reader: cstring(128) });
/** Has it last so long from now on, ms. */
export const Renew = struct({ lease: u32, forMs: u32 });
/** Gives it up, or the waiting for it. */
export const Release = struct({ lease: u32 });
/** It was granted or renewed: its fencing number, and how long it lasts from now on, ms. */
export const Leased = struct({ lease: u32, fence: count, leftMs: u32 });
/** Where it stands while it waits. Behind it: who has the card, UTF-8. */
export const Place = struct({ lease: u32, ahead: u32 });
/** There is none, or none any more: one of {@link LeaseReason}. Behind it: the same for people, UTF-8. */
export const LeaseOver = struct({ lease: u32, reason: u32 });

/** In the place of an index: a reader that is new or has changed follows. */
export const NEW = 0xffff_ffff;
export const Index = struct({ index: u32 });
export const ReaderRecord = struct({
  name: cstring(128),
  stateBits: u32,
  sharing: i32,
  protocol: u32,
  eventCounter: u32,
  /** 1 while others than this link's programs may have the card for themselves. */
  othersMayHold: u32,
  atrLength: u32,
  atr: bytes(33),
});
