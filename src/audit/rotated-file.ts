import { constants } from "node:fs";
import { type FileHandle, open, rename, rm, stat } from "node:fs/promises";
import { errorCode } from "../host/error-code.ts";
import type { Paper } from "./journal.ts";

export interface Rotation {
  /** A file that has so many bytes is put aside. */
  readonly bytes: number;
  /** So many of those are kept: `PATH.1` is the latest. */
  readonly files: number;
}

export const DEFAULT_ROTATION: Rotation = { bytes: 16 << 20, files: 8 };

/**
 * A file of lines, mode 0600, that never grows beyond a size: what is full is renamed, and the oldest removed. What
 * another program puts aside meanwhile (logrotate) is noticed, and a new file begun.
 */
export class RotatedFile implements Paper {
  readonly #path: string;
  readonly #rotation: Rotation;
  #file: FileHandle | undefined;
  #size = 0;

  constructor(path: string, rotation: Rotation = DEFAULT_ROTATION) {
    this.#path = path;
    this.#rotation = rotation;
  }

  async write(lines: string): Promise<void> {
    const bytes = Buffer.from(lines);
    let file = await this.#opened();
    if (this.#size > 0 && this.#size + bytes.length > this.#rotation.bytes) {
      await this.#close();
      await this.#putAside();
      file = await this.#opened();
    }
    // Whole, or not at all: half a line would be followed by the same line again.
    const before = this.#size;
    try {
      const { bytesWritten } = await file.write(bytes, 0, bytes.length, before);
      if (bytesWritten < bytes.length) throw new Error("there is no space left");
      this.#size = before + bytes.length;
    } catch (error) {
      await file.truncate(before).catch(() => {}); // the disk is full: what it says is in the error already
      throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#close();
  }

  async #opened(): Promise<FileHandle> {
    if (this.#file && (await this.#isStillThere(this.#file))) return this.#file;
    await this.#close();
    const file = await open(this.#path, constants.O_RDWR | constants.O_CREAT, 0o600);
    this.#file = file;
    this.#size = (await file.stat()).size;
    return file;
  }

  async #isStillThere(file: FileHandle): Promise<boolean> {
    const ours = await file.stat();
    const there = await stat(this.#path).catch(ignoreMissing);
    return there?.ino === ours.ino && there.dev === ours.dev;
  }

  async #putAside(): Promise<void> {
    const { files } = this.#rotation;
    const name = (number: number): string =>
      number === 0 ? this.#path : `${this.#path}.${number}`;
    await rm(name(files), { force: true });
    for (let number = files - 1; number >= 0; number -= 1)
      await rename(name(number), name(number + 1)).catch(ignoreMissing);
  }

  async #close(): Promise<void> {
    await this.#file?.close();
    this.#file = undefined;
  }
}

function ignoreMissing(error: unknown): undefined {
  if (errorCode(error) !== "ENOENT") throw error;
}
