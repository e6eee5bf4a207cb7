/** A command APDU (ISO/IEC 7816-4, clause 5.1). */
export interface CommandApdu {
  readonly cla: number;
  readonly ins: number;
  readonly p1: number;
  readonly p2: number;
  /** 0 to 65,535 bytes. */
  readonly data: Uint8Array;
  /** How many bytes of answer are wanted at most, 1 to 65,536; absent when none is wanted (cases 1 and 3). */
  readonly le?: number;
}

/** A response APDU. */
export interface ResponseApdu {
  /** 0 to 65,536 bytes. */
  readonly data: Uint8Array;
  /** SW1 and SW2 as one number: `0x9000`. */
  readonly sw: number;
}

const HEADER = 4;
const SHORT_MAX = 256;
const EXTENDED_MAX = 65_536;

/**
 * Reads a command APDU, of cases 1 to 4, short or extended.
 *
 * @returns undefined when its lengths contradict: `6700` is what a card answers then.
 */
export function parseCommand(bytes: Uint8Array): CommandApdu | undefined {
  const [cla, ins, p1, p2] = bytes;
  if (cla === undefined || ins === undefined || p1 === undefined || p2 === undefined)
    return undefined;
  const lengths = bytes.length === HEADER ? { data: NOTHING } : readBody(bytes.subarray(HEADER));
  return lengths && { cla, ins, p1, p2, ...lengths };
}

function readBody(body: Uint8Array): { data: Uint8Array; le?: number } | undefined {
  const view = new DataView(body.buffer, body.byteOffset, body.length);
  if (body.length === 1) return { data: NOTHING, le: view.getUint8(0) || SHORT_MAX };
  const isExtended = view.getUint8(0) === 0;
  if (isExtended && body.length === 3)
    return { data: NOTHING, le: view.getUint16(1) || EXTENDED_MAX };
  if (isExtended && body.length < 3) return undefined;
  const from = isExtended ? 3 : 1;
  const lc = isExtended ? view.getUint16(1) : view.getUint8(0);
  const rest = body.length - from - lc;
  if (lc === 0) return undefined;
  const data = body.slice(from, from + lc);
  if (rest === 0) return { data };
  if (rest !== (isExtended ? 2 : 1)) return undefined;
  const le = isExtended ? view.getUint16(from + lc) : view.getUint8(from + lc);
  return { data, le: le || (isExtended ? EXTENDED_MAX : SHORT_MAX) };
}

/**
 * Writes a command APDU, short where it fits, else extended.
 *
 * @throws {RangeError} when a byte, a length or the data is out of range.
 */
export function encodeCommand({ cla, ins, p1, p2, data, le }: CommandApdu): Uint8Array {
  const header = [cla, ins, p1, p2];
  if (header.some((byte) => !Number.isInteger(byte) || byte < 0 || byte > 0xff))
    throw new RangeError("CLA, INS, P1 and P2 are bytes, 0 to 255");
  if (data.length >= EXTENDED_MAX) throw new RangeError("an APDU carries at most 65,535 bytes");
  if (le !== undefined && (!Number.isInteger(le) || le < 1 || le > EXTENDED_MAX))
    throw new RangeError("Le is 1 to 65,536");
  const isExtended = data.length > 0xff || (le ?? 0) > SHORT_MAX;
  const two = (n: number): readonly number[] => [(n >> 8) & 0xff, n & 0xff];
  const lc = isExtended ? [0, ...two(data.length)] : [data.length];
  const end = le === undefined ? [] : isExtended ? two(le) : [le & 0xff];
  if (data.length > 0) return concat(header, lc, data, end);
  // Without data there is no Lc; the 00 that says "extended" stays.
  return concat(header, isExtended && le !== undefined ? [0] : [], end);
}

/** Splits an answer into its data and status word. @returns undefined when it has no status word. */
export function parseResponse(bytes: Uint8Array): ResponseApdu | undefined {
  const [sw2, sw1] = [bytes.at(-1), bytes.at(-2)];
  if (sw1 === undefined || sw2 === undefined) return undefined;
  return { data: bytes.subarray(0, -2), sw: (sw1 << 8) | sw2 };
}

/** Data and status word as a card sends them. */
export const encodeResponse = ({ data, sw }: ResponseApdu): Uint8Array =>
  concat(data, [sw >> 8, sw & 0xff]);

const NOTHING = new Uint8Array(0);

function concat(...parts: readonly ArrayLike<number>[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
