import { ProtocolError } from "../../domain/errors.ts";
import { ByteQueue } from "../byte-queue.ts";
import { messageOf } from "../message.ts";
import type { Struct } from "../struct.ts";
import {
  Acknowledge,
  CardOnly,
  Coded,
  Connect,
  Dispose,
  Echo,
  Ending,
  Header,
  Lease,
  Leased,
  LeaseOver,
  Notice,
  Open,
  Opened,
  Place,
  Readers,
  Reconnect,
  Release,
  Renew,
  Result,
  Resume,
  Resumed,
  Transmit,
  Watch,
} from "./layouts.ts";

/** Kinds of frames. From 0x40 on they are counted, acknowledged, and sent again after a break. */
export const Type = {
  Open: 0x01,
  Opened: 0x02,
  Resume: 0x03,
  Resumed: 0x04,
  Refused: 0x05,
  Acknowledge: 0x06,
  Ping: 0x07,
  Pong: 0x08,

  Connect: 0x41,
  Begin: 0x42,
  End: 0x43,
  Transmit: 0x44,
  Control: 0x45,
  Status: 0x46,
  GetAttribute: 0x47,
  SetAttribute: 0x48,
  Reconnect: 0x49,
  Disconnect: 0x4a,
  Abandon: 0x4b,
  Cancel: 0x4c,
  Watch: 0x4d,
  Close: 0x4e,
  Lease: 0x4f,
  Renew: 0x50,
  Release: 0x51,

  Result: 0x61,
  Notice: 0x62,
  Readers: 0x63,
  Leased: 0x64,
  Place: 0x65,
  LeaseOver: 0x66,
} as const;
export type Type = (typeof Type)[keyof typeof Type];

/** From here on frames are counted; from {@link FIRST_FOR_CLIENT} on they go to the client. */
const FIRST_COUNTED = 0x40;
const FIRST_FOR_CLIENT = 0x60;

/** Flags of a call. */
export const Flag = {
  /** Its caller went on without the answer; nothing is answered to it. */
  Early: 1,
  /** Should the card answer 61xx, its answer is to be fetched at once; the CLA byte for that stands in bits 8 to 15. */
  Fetch: 2,
} as const;

/** Why a session was refused or has ended. */
export const Reason = {
  /** The other end closed it, as both wanted. */
  Closed: 1,
  /** None of the versions is spoken. */
  Version: 2,
  /** There is no such session, or no more. */
  Unknown: 3,
  /** The proof is wrong. */
  Proof: 4,
  /** There are too many already. */
  Full: 5,
  /** The other end broke the protocol. */
  Protocol: 6,
  /** Who opens it may not come in, or not any more. */
  Denied: 7,
} as const;

/** Flags of a {@link Type.Lease}. */
export const LeaseFlag = {
  /** Waits for its turn where the card is not free. */
  Wait: 1,
} as const;

/** Why there is no lease. */
export const LeaseReason = {
  /** It was granted, and is over. */
  Over: 1,
  /** The card is not free, and it was not to wait. */
  Taken: 2,
  /** There is no such reader. */
  Unknown: 3,
  /** Nobody gives leases here. */
  NotOffered: 4,
  /** It is refused for another reason. */
  Refused: 5,
} as const;
export type LeaseReason = (typeof LeaseReason)[keyof typeof LeaseReason];

/** Longest command, answer or attribute, bytes: pcsc-lite's MAX_BUFFER_SIZE_EXTENDED. */
export const MAX_PAYLOAD = 65_548;
/** Longest text, bytes. */
export const MAX_TEXT = 1_024;
/** Most readers in a list. */
export const MAX_READERS = 256;
const MAX_READERS_BYTES = MAX_READERS * 256;

interface Kind<T> {
  readonly layout: Struct<T>;
  /** Most bytes behind the struct. */
  readonly tail: number;
}

const kind = <T>(layout: Struct<T>, tail = 0): Kind<T> => ({ layout, tail });

/** Every frame: its struct, and how much may follow it. */
export const kinds = {
  [Type.Open]: kind(Open, MAX_TEXT),
  [Type.Opened]: kind(Opened, MAX_TEXT),
  [Type.Resume]: kind(Resume),
  [Type.Resumed]: kind(Resumed),
  [Type.Refused]: kind(Ending, MAX_TEXT),
  [Type.Acknowledge]: kind(Acknowledge),
  [Type.Ping]: kind(Echo),
  [Type.Pong]: kind(Echo),
  [Type.Connect]: kind(Connect),
  [Type.Begin]: kind(CardOnly),
  [Type.End]: kind(Dispose),
  [Type.Transmit]: kind(Transmit, MAX_PAYLOAD),
  [Type.Control]: kind(Coded, MAX_PAYLOAD),
  [Type.Status]: kind(CardOnly),
  [Type.GetAttribute]: kind(Coded),
  [Type.SetAttribute]: kind(Coded, MAX_PAYLOAD),
  [Type.Reconnect]: kind(Reconnect),
  [Type.Disconnect]: kind(Dispose),
  [Type.Abandon]: kind(CardOnly),
  [Type.Cancel]: kind(CardOnly),
  [Type.Watch]: kind(Watch),
  [Type.Close]: kind(Ending, MAX_TEXT),
  [Type.Result]: kind(Result, 2 * MAX_PAYLOAD),
  [Type.Notice]: kind(Notice),
  [Type.Readers]: kind(Readers, MAX_READERS_BYTES),
  [Type.Lease]: kind(Lease),
  [Type.Renew]: kind(Renew),
  [Type.Release]: kind(Release),
  [Type.Leased]: kind(Leased),
  [Type.Place]: kind(Place, MAX_TEXT),
  [Type.LeaseOver]: kind(LeaseOver, MAX_TEXT),
};

type Kinds = typeof kinds;
export type Body<T extends Type> = Kinds[T] extends Kind<infer B> ? B : never;
/** A decoded frame. `tail` is what follows its struct, valid until more bytes are pushed. */
export type Frame<T extends Type = Type> = {
  [K in T]: { readonly type: K; readonly body: Body<K>; readonly tail: Uint8Array };
}[T];

/** Frames of one connection, which are not counted. */
export type ConnectionType =
  | typeof Type.Open
  | typeof Type.Opened
  | typeof Type.Resume
  | typeof Type.Resumed
  | typeof Type.Refused
  | typeof Type.Acknowledge
  | typeof Type.Ping
  | typeof Type.Pong;
/** Calls on a handle that is open. */
export type CardCallType =
  | typeof Type.Begin
  | typeof Type.End
  | typeof Type.Transmit
  | typeof Type.Control
  | typeof Type.Status
  | typeof Type.GetAttribute
  | typeof Type.SetAttribute
  | typeof Type.Reconnect
  | typeof Type.Disconnect;
/** The same, and those that open and abandon one. */
export type CallType = typeof Type.Connect | CardCallType | typeof Type.Abandon;
/** What is said of leases, to a server and to a client. */
export type LeaseCallType = typeof Type.Lease | typeof Type.Renew | typeof Type.Release;
export type LeaseNewsType = typeof Type.Leased | typeof Type.Place | typeof Type.LeaseOver;
/** What a server tells its client. */
export type ClientType =
  | typeof Type.Result
  | typeof Type.Notice
  | typeof Type.Readers
  | LeaseNewsType;
/** What a client asks of its server. */
export type ServerType = Exclude<Type, ConnectionType | ClientType | typeof Type.Close>;

export const isOfConnection = (frame: Frame): frame is Frame<ConnectionType> =>
  frame.type < FIRST_COUNTED;
export const isForClient = (frame: Frame): frame is Frame<ClientType> =>
  frame.type >= FIRST_FOR_CLIENT;
export const isForServer = (frame: Frame): frame is Frame<ServerType> =>
  !isOfConnection(frame) && !isForClient(frame) && frame.type !== Type.Close;

/** Longest frame after its header, bytes. */
export const MAX_FRAME = Math.max(
  ...Object.values(kinds).map(({ layout, tail }) => layout.size + tail),
);

const NOTHING = new Uint8Array(0);
const names = new Map<number, string>(Object.entries(Type).map(([name, type]) => [type, name]));

/** What a frame is called, for errors and logs. */
export const nameOfType = (type: number): string =>
  names.get(type) ?? `0x${type.toString(16).padStart(2, "0")}`;

/** @throws {RangeError} when the tail is longer than its kind allows, which callers see to. */
export function encodeFrame<T extends Type>(
  type: T,
  body: Body<T>,
  tail: Uint8Array = NOTHING,
): Uint8Array {
  const { layout, tail: most } = kinds[type] as Kind<Body<T>>;
  if (tail.length > most)
    throw new RangeError(`${tail.length} bytes do not go behind ${nameOfType(type)}`);
  const out = messageOf(Header.size + layout.size, tail);
  Header.encodeInto(out, 0, { size: layout.size + tail.length, type }, "big");
  layout.encodeInto(out, Header.size, body, "big");
  return out;
}

/**
 * The frames in a byte stream, however its chunks fall: {@link push} what arrives, then take {@link next} until it
 * returns `undefined`. Lengths are checked before any memory depends on them.
 */
export class FrameDecoder {
  readonly #input = new ByteQueue();

  push(chunk: Uint8Array): void {
    this.#input.push(chunk);
  }

  /** @throws {ProtocolError} for a frame that there is not, or of a length that it cannot have. */
  next(): Frame | undefined {
    const head = this.#input.peek(Header.size);
    if (!head) return undefined;
    const { size, type } = Header.decode(head, "big");
    const found = Object.hasOwn(kinds, type) ? (kinds[type as Type] as Kind<unknown>) : undefined;
    if (!found) throw new ProtocolError(`there is no frame ${nameOfType(type)} in a link`);
    const { layout, tail } = found;
    if (size < layout.size || size > layout.size + tail)
      throw new ProtocolError(`${nameOfType(type)} cannot have ${size} bytes`);
    const whole = this.#input.take(Header.size + size);
    if (!whole) return undefined;
    const body = layout.decode(whole.subarray(Header.size), "big");
    return { type, body, tail: whole.subarray(Header.size + layout.size) } as Frame;
  }
}
