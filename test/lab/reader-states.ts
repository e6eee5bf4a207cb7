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

/** pcsc-lite src/winscard_msg.h: protocol 4:4 and later, little-endian as every machine that runs these tests. */
const VERSION = { command: 0x11, size: 12 };
const READERS = { command: 0x12, slots: 16, size: 184 };
const SIZE = { command: 0x16, size: 4 };
const ARRAY = { command: 0x17 };

/** Readers that a daemon's fixed array has room for. */
export const FIXED_SLOTS = READERS.slots;

function header(command: number, size: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeUInt32LE(size, 0);
  bytes.writeUInt32LE(command, 4);
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
  minor = 4,
): Promise<readonly ReaderRecord[]> {
  const version = versionRequest(minor);
  const reply = await exchange(
    socketPath,
    Buffer.concat([version, header(READERS.command, 0)]),
    VERSION.size + READERS.slots * READERS.size,
    timeoutMs,
  );
  const rv = reply.readUInt32LE(8);
  const own = reply.readInt32LE(4);
  // 2.3.0 to 2.4.0 take no version but their own, and serve the array all the same.
  if (rv !== 0 && own !== minor) return await readerStates(socketPath, timeoutMs, own);
  if (rv !== 0) throw new Error(`the daemon refused version 4:${minor} with 0x${rv.toString(16)}`);
  return recordsIn(reply.subarray(VERSION.size));
}

/**
 * All readers of a daemon from 2.5.0 on, however many.
 *
 * @throws {Error} as above, and when their number changes meanwhile.
 */
export async function readerList(
  socketPath: string,
  timeoutMs = 5_000,
): Promise<readonly ReaderRecord[]> {
  const sized = Buffer.concat([versionRequest(6), header(SIZE.command, 0)]);
  const before = VERSION.size + SIZE.size;
  const count = (await exchange(socketPath, sized, before, timeoutMs)).readUInt32LE(VERSION.size);
  const request = Buffer.concat([sized, header(ARRAY.command, 0)]);
  const reply = await exchange(socketPath, request, before + count * READERS.size, timeoutMs);
  if (reply.readUInt32LE(VERSION.size) !== count) throw new Error("another number of readers");
  return recordsIn(reply.subarray(before));
}

function versionRequest(minor: number): Buffer {
  const version = Buffer.alloc(VERSION.size);
  version.writeInt32LE(4, 0);
  version.writeInt32LE(minor, 4);
  return Buffer.concat([header(VERSION.command, version.length), version]);
}

const recordsIn = (bytes: Buffer): readonly ReaderRecord[] =>
  Array.from({ length: Math.floor(bytes.length / READERS.size) }, (_, slot) =>
    decode(bytes.subarray(slot * READERS.size)),
  ).filter(({ name }) => name !== "");

function decode(record: Buffer): ReaderRecord {
  const end = record.indexOf(0);
  return {
    name: record.toString("utf8", 0, Math.min(end, 128)),
    eventCounter: record.readUInt32LE(128),
    state: record.readUInt32LE(132),
    sharing: record.readInt32LE(136),
    atr: record.toString("hex", 140, 140 + Math.min(record.readUInt32LE(176), 33)),
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
