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
}

/** Of the machine for which the daemon was built. */
export type Order = "little" | "big";

/** pcsc-lite src/winscard_msg.h: protocol 4:4 and later. */
const VERSION = { command: 0x11, size: 12 };
const READERS = { command: 0x12, slots: 16, size: 184 };

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
  const records = Array.from({ length: READERS.slots }, (_, slot) =>
    decode(reply.subarray(VERSION.size + slot * READERS.size), read),
  );
  return records.filter(({ name }) => name !== "");
}

function decode(record: Buffer, read: typeof littleEndian): ReaderRecord {
  const end = record.indexOf(0);
  return {
    name: record.toString("utf8", 0, Math.min(end, 128)),
    eventCounter: read(record, 128),
    state: read(record, 132),
    sharing: read(record, 136) | 0,
    atr: record.toString("hex", 140, 140 + Math.min(read(record, 176), 33)),
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
