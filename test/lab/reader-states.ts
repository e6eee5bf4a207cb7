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
  const version = Buffer.alloc(VERSION.size);
  version.writeInt32LE(4, 0);
  version.writeInt32LE(minor, 4);
  const reply = await exchange(
    socketPath,
    Buffer.concat([header(VERSION.command, version.length), version, header(READERS.command, 0)]),
    VERSION.size + READERS.slots * READERS.size,
    timeoutMs,
  );
  const rv = reply.readUInt32LE(8);
  const own = reply.readInt32LE(4);
  // 2.3.0 to 2.4.0 take no version but their own, and serve the array all the same.
  if (rv !== 0 && own !== minor) return await readerStates(socketPath, timeoutMs, own);
  if (rv !== 0) throw new Error(`the daemon refused version 4:${minor} with 0x${rv.toString(16)}`);
  const records = Array.from({ length: READERS.slots }, (_, slot) =>
    decode(reply.subarray(VERSION.size + slot * READERS.size)),
  );
  return records.filter(({ name }) => name !== "");
}

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
