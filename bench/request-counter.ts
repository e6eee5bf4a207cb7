/** Message numbers of pcsc-lite src/winscard_msg.h. Written down here anew, so that cardwire is not measured by its own codec. */
const NAMES: Readonly<Record<number, string>> = {
  0x01: "establish",
  0x02: "release",
  0x04: "connect",
  0x05: "reconnect",
  0x06: "disconnect",
  0x07: "begin",
  0x08: "end",
  0x09: "transmit",
  0x0a: "control",
  0x0b: "status",
  0x0d: "cancel",
  0x0f: "get attribute",
  0x10: "set attribute",
  0x11: "version",
  0x12: "states",
  0x13: "wait",
  0x14: "stop waiting",
};

const HEADER = 8;
/** Where TRANSMIT and CONTROL say how many bytes follow their struct: `cbSendLength`. */
const SEND_LENGTH_AT: Readonly<Record<number, number>> = { 0x09: 12, 0x0a: 8 };
/** Where a command to the card has its INS byte, and the one that fetches the rest of an answer. */
const TRANSMIT = 0x09;
const INSTRUCTION_AT = HEADER + 32 + 1;
const GET_RESPONSE = 0xc0;
/** From here on up, commands have no body, whatever their header says: protocol 4:4. */
const FIRST_BARE = 0x12;

/** Counts the requests in what a little-endian client sends, however its chunks fall. */
export class RequestCounter {
  readonly #count: (name: string) => void;
  #held: Buffer = Buffer.alloc(0);

  constructor(count: (name: string) => void) {
    this.#count = count;
  }

  push(chunk: Buffer): void {
    this.#held = this.#held.length === 0 ? chunk : Buffer.concat([this.#held, chunk]);
    for (;;) {
      const length = this.#whole();
      if (length === undefined) return;
      const command = this.#held.readUInt32LE(4);
      const isMore = command === TRANSMIT && this.#held[INSTRUCTION_AT] === GET_RESPONSE;
      this.#count(isMore ? "get response" : (NAMES[command] ?? `command ${command}`));
      this.#held = this.#held.subarray(length);
    }
  }

  /** The length of the first request; undefined while it is not all there. */
  #whole(): number | undefined {
    const held = this.#held;
    if (held.length < HEADER) return undefined;
    const command = held.readUInt32LE(4);
    const struct = HEADER + (command < FIRST_BARE ? held.readUInt32LE(0) : 0);
    if (held.length < struct) return undefined;
    const at = SEND_LENGTH_AT[command];
    const length = struct + (at === undefined ? 0 : held.readUInt32LE(HEADER + at));
    return held.length < length ? undefined : length;
  }
}
