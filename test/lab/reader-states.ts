import { connect } from "node:net";

/** One reader as the daemon lists it. Decoded here by hand, so that no test judges cardwire's codec by itself. */
export interface ReaderRecord {
  readonly name: string;
  readonly eventCounter: number;
  /** pcsc-lite's own flags: 2 absent, 4 present, 0x10 powered. */
  readonly state: number;
  /** 0 free, -1 exclusive, else how many share it. */
  readonly sharing: number;
  readonly atr: string;
  /** 0 until somebody connects after the card was powered. */
  readonly protocol: number;
}

/** Of the machine for which the daemon was built. */
export type Order = "little" | "big";

/** pcsc-lite src/winscard_msg.h: protocol 4:4 and later. */
const VERSION = { command: 0x11, size: 12 };
const READERS = { command: 0x12, slots: 16, size: 184 };
const SIZE = { command: 0x16, size: 4 };
const ARRAY = { command: 0x17 };

/** Readers that a daemon's fixed array has room for. */
export const FIXED_SLOTS = READERS.slots;

const littleEndian = (bytes: Buffer, at: number): number => bytes.readUInt32LE(at);
const bigEndian = (bytes: Buffer, at: number): number => bytes.readUInt32BE(at);

function words(order: Order, ...values: readonly number[]): Buffer {
  const bytes = Buffer.alloc(values.length * 4);
  for (const [at, value] of values.entries()) {
    if (order === "big") bytes.writeUInt32BE(value, at * 4);
    else bytes.writeUInt32LE(value, at * 4);
  }
  return bytes;
}

/**
 * Asks whatever listens on `socketPath` for its version and its readers, and lists those there are.
 *
 * @throws {Error} when nobody answers within `timeoutMs`, or refuses the version.
 */
export async function readerStates(
  socketPath: string,
  timeoutMs = 5_000,
  { order = "little", minor = 4 }: { readonly order?: Order; readonly minor?: number } = {},
): Promise<readonly ReaderRecord[]> {
  const reply = await exchange(
    socketPath,
    words(order, VERSION.size, VERSION.command, 4, minor, 0, 0, READERS.command),
    VERSION.size + READERS.slots * READERS.size,
    timeoutMs,
  );
  const read = order === "big" ? bigEndian : littleEndian;
  const rv = read(reply, 8);
  const own = read(reply, 4);
  // 2.3.0 to 2.4.0 take no version but their own, and serve the array all the same.
  if (rv !== 0 && own !== minor) {
    return await readerStates(socketPath, timeoutMs, { order, minor: own });
  }
  if (rv !== 0) throw new Error(`the daemon refused version 4:${minor} with 0x${rv.toString(16)}`);
  return recordsIn(reply.subarray(VERSION.size), read);
}

/**
 * All readers of a daemon from 2.5.0 on, however many; of this machine's order.
 *
 * @throws {Error} as above, and when their number changes meanwhile.
 */
export async function readerList(
  socketPath: string,
  timeoutMs = 5_000,
): Promise<readonly ReaderRecord[]> {
  const version = [VERSION.size, VERSION.command, 4, 6, 0];
  const sized = words("little", ...version, 0, SIZE.command);
  const before = VERSION.size + SIZE.size;
  const count = (await exchange(socketPath, sized, before, timeoutMs)).readUInt32LE(VERSION.size);
  const request = words("little", ...version, 0, SIZE.command, 0, ARRAY.command);
  const reply = await exchange(socketPath, request, before + count * READERS.size, timeoutMs);
  if (reply.readUInt32LE(VERSION.size) !== count) throw new Error("another number of readers");
  return recordsIn(reply.subarray(before), littleEndian);
}

const recordsIn = (bytes: Buffer, read: typeof littleEndian): readonly ReaderRecord[] =>
  Array.from({ length: Math.floor(bytes.length / READERS.size) }, (_, slot) =>
    decode(bytes.subarray(slot * READERS.size), read),
  ).filter(({ name }) => name !== "");

function decode(record: Buffer, read: typeof littleEndian): ReaderRecord {
  const end = record.indexOf(0);
  return {
    name: record.toString("utf8", 0, Math.min(end, 128)),
    eventCounter: read(record, 128),
    state: read(record, 132),
    sharing: read(record, 136) | 0,
    atr: record.toString("hex", 140, 140 + Math.min(read(record, 176), 33)),
    protocol: read(record, 180),
  };
}

/** One request, `length` bytes of answer, one connection. */
function exchange(
  path: string,
  request: Buffer,
  length: number,
  timeoutMs: number,
): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const socket = connect(path, () => socket.write(request));
    const chunks: Buffer[] = [];
    let got = 0;
    const fail = (error: Error): void => {
      socket.destroy();
      reject(error);
    };
    socket.setTimeout(timeoutMs, () => fail(new Error(`${path} did not answer`)));
    socket.once("error", fail);
    socket.once("close", () => fail(new Error(`${path} hung up after ${got} of ${length} bytes`)));
    socket.on("data", (chunk) => {
      chunks.push(chunk);
      got += chunk.length;
      if (got < length) return;
      socket.destroy();
      resolve(Buffer.concat(chunks));
    });
  });
}
