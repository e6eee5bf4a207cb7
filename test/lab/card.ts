import { setTimeout as delay } from "node:timers/promises";

/** A card as vpcd sees it: power, reset, and answers to APDUs. */
export interface VirtualCard {
  /** Its answer to reset. May change between one power-on and the next. */
  readonly atr: Uint8Array;
  power(on: boolean): void;
  reset(): void;
  transmit(apdu: Uint8Array): Uint8Array | Promise<Uint8Array>;
  /** What a test may want to know of it, as JSON. */
  report?(): Readonly<Record<string, unknown>>;
}

/** Answers to reset, in hex. */
export const atrs = {
  /** Offers T=0 and T=1. */
  both: "3b80800101",
  /** T=0 only: no interface byte at all. */
  t0: "3b00",
  /** T=1 only. */
  t1: "3b800181",
} as const;

/** The most data bytes of one answer: vpcd carries 65,535, and two are the status word. */
export const MAX_ANSWER = 65_533;

/** The n bytes that the card answers where a test asks for n: no two places 251 apart are mixed up unseen. */
export function pattern(n: number): Uint8Array {
  return Uint8Array.from({ length: n }, (_, i) => (i % 251) ^ (i >> 8));
}

const sw = (status: number): Uint8Array => Uint8Array.of(status >> 8, status & 0xff);
const answer = (data: Uint8Array, status = 0x9000): Uint8Array => Buffer.concat([data, sw(status)]);

interface Command {
  readonly cla: number;
  readonly ins: number;
  /** P1 and P2 as one number. */
  readonly p: number;
  readonly data: Uint8Array;
  /** The answer's length that is asked for; 0 stands for the most there can be, as does nothing. */
  readonly le: number;
}

/** ISO 7816-4, 5.1: cases 1 to 4, short and extended. Undefined if the lengths contradict. */
function parse(apdu: Uint8Array): Command | undefined {
  const [cla, ins, p1, p2, ...body] = apdu;
  if (cla === undefined || ins === undefined || p1 === undefined || p2 === undefined) {
    return undefined;
  }
  const head = { cla, ins, p: p1 * 256 + p2 };
  const number = (at: number, size: number): number =>
    body.slice(at, at + size).reduce((sum, byte) => sum * 256 + byte, 0);
  if (body.length === 0) return { ...head, data: new Uint8Array(), le: 0 };
  if (body.length === 1) return { ...head, data: new Uint8Array(), le: number(0, 1) };
  const extended = body[0] === 0;
  if (extended && body.length === 3) {
    return { ...head, data: new Uint8Array(), le: number(1, 2) };
  }
  const from = extended ? 3 : 1;
  const lc = extended ? number(1, 2) : number(0, 1);
  const left = body.length - from - lc;
  const leSize = extended ? 2 : 1;
  if (lc === 0 || (left !== 0 && left !== leSize)) return undefined;
  const data = Uint8Array.from(body.slice(from, from + lc));
  return { ...head, data, le: left === 0 ? 0 : number(from + lc, leSize) };
}

/**
 * A card for tests. CLA 80:
 * - E0 answers its data; E2 answers P1P2 bytes through 61xx and GET RESPONSE; E4 answers P1P2 bytes
 *   at once, or as many as Le says if P1P2 is 0; E6 answers after P1P2 ms.
 * - E8 counts itself, keeps its data in the log, and answers the count, 4 bytes, big-endian.
 * - 20 stands for VERIFY; EA answers 01 if that came since the last power-on or reset, else 00.
 *
 * SELECT finds nothing (6A82), wrong lengths are 6700, anything else is 6D00.
 */
export class TestCard implements VirtualCard {
  atr: Uint8Array;
  #count = 0;
  #log: string[] = [];
  #verified = false;
  #waiting: Uint8Array | undefined;

  constructor({ atr = atrs.both }: { readonly atr?: string } = {}) {
    this.atr = Buffer.from(atr, "hex");
  }

  power(_on: boolean): void {
    this.reset();
  }

  reset(): void {
    this.#verified = false;
    this.#waiting = undefined;
  }

  /** `log`: the data of every E8 command, in hex, in the order of execution. */
  report(): { readonly counted: number; readonly log: readonly string[] } {
    return { counted: this.#count, log: this.#log };
  }

  transmit(apdu: Uint8Array): Uint8Array | Promise<Uint8Array> {
    const command = parse(apdu);
    if (!command) return sw(0x6700);
    const { cla, ins, p, data, le } = command;
    if (cla === 0x00 && ins === 0xc0) return this.#getResponse(le);
    this.#waiting = undefined;
    if (cla === 0x00 && ins === 0xa4) return sw(0x6a82);
    if (ins === 0x20 && (cla === 0x00 || cla === 0x80)) {
      this.#verified = true;
      return sw(0x9000);
    }
    if (cla !== 0x80) return sw(0x6d00);
    switch (ins) {
      case 0xe0:
        return answer(data);
      case 0xe2:
        this.#waiting = pattern(p);
        return this.#more();
      case 0xe4: {
        const length = p || le;
        return length > MAX_ANSWER ? sw(0x6700) : answer(pattern(length));
      }
      case 0xe6:
        return delay(p).then(() => sw(0x9000));
      case 0xe8: {
        this.#count += 1;
        this.#log.push(Buffer.from(data).toString("hex"));
        const count = Buffer.alloc(4);
        count.writeUInt32BE(this.#count);
        return answer(count);
      }
      case 0xea:
        return answer(Uint8Array.of(this.#verified ? 1 : 0));
      default:
        return sw(0x6d00);
    }
  }

  #getResponse(le: number): Uint8Array {
    if (!this.#waiting) return sw(0x6985);
    const part = this.#waiting.subarray(0, le || 256);
    this.#waiting = this.#waiting.subarray(part.length);
    return Buffer.concat([part, this.#more()]);
  }

  /** 61xx while bytes wait, where 00 says 256 or more, else 9000. */
  #more(): Uint8Array {
    const left = this.#waiting?.length ?? 0;
    if (left > 0) return sw(0x6100 | (left > 255 ? 0 : left));
    this.#waiting = undefined;
    return sw(0x9000);
  }
}
