import { constants, type Stats } from "node:fs";
import { open } from "node:fs/promises";

/** A file as it was when it was read. */
export interface FileStart {
  readonly stats: Stats;
  /** At most as many as were asked for; none of what is not a regular file. */
  readonly bytes: Buffer;
}

/**
 * Reads the first `limit` bytes of a file. Never waits for another program, should it be a pipe.
 *
 * @throws the system's error, such as ENOENT.
 */
export async function readStart(path: string, limit: number): Promise<FileStart> {
  const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const stats = await file.stat();
    if (!stats.isFile()) return { stats, bytes: Buffer.alloc(0) };
    const buffer = Buffer.alloc(Math.min(limit, stats.size));
    const { bytesRead } = await file.read(buffer, 0, buffer.length, 0);
    return { stats, bytes: buffer.subarray(0, bytesRead) };
  } finally {
    await file.close();
  }
}
