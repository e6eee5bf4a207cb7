import { mkdtemp, readdir, readFile, rename, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { deferred } from "../domain/deferred.ts";
import { Journal, type Paper } from "./journal.ts";
import { RotatedFile } from "./rotated-file.ts";

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "cardwire-audit-"));
});
afterEach(async () => {
  await rm(directory, { recursive: true, force: true });
});

const linesOf = async (path: string): Promise<Record<string, unknown>[]> =>
  (await readFile(path, "utf8"))
    .split("\n")
    .filter(Boolean)
    .map((line) => JSON.parse(line) as Record<string, unknown>);

/** Fails as long as it is told to. A full disk cannot be had without a file system of one's own. */
class Stubborn implements Paper {
  fails = false;
  /** While it is set, nothing is answered. */
  hangs: Promise<void> | undefined;
  readonly written: string[] = [];

  async write(lines: string): Promise<void> {
    await this.hangs;
    if (this.fails) throw new Error("ENOSPC: no space left on device, write");
    this.written.push(lines);
  }

  async [Symbol.asyncDispose](): Promise<void> {}
}

describe("a journal", () => {
  const troubles: unknown[] = [];
  const onTrouble = (error: unknown) => void troubles.push(error);
  beforeEach(() => void troubles.splice(0));

  test("writes a line of JSON for each record, in order, with the time at which it happened", async () => {
    const path = join(directory, "audit.log");
    const journal = new Journal({ paper: new RotatedFile(path), required: false, onTrouble });
    const before = Date.now();
    for (let number = 0; number < 2_500; number += 1) journal.note({ event: "command", number });
    await journal[Symbol.asyncDispose]();
    const lines = await linesOf(path);
    expect(lines.map(({ number }) => number)).toEqual(Array.from({ length: 2_500 }, (_, at) => at));
    expect(Date.parse(String(lines[0]?.["time"]))).toBeGreaterThanOrEqual(before);
    expect(troubles).toEqual([]);
  });

  test("that cannot be written says so once, keeps what it can, counts the rest, and goes on", async () => {
    const paper = new Stubborn();
    paper.fails = true;
    const journal = new Journal({ paper, required: false, onTrouble });
    for (let number = 0; number < 60_000; number += 1) journal.note({ event: "command", number });
    await expect.poll(() => troubles).toHaveLength(1);
    expect(() => journal.admit()).not.toThrow();
    paper.fails = false;
    await journal[Symbol.asyncDispose]();
    const lines = paper.written.join("").split("\n").filter(Boolean);
    expect(lines).toHaveLength(50_001);
    expect(JSON.parse(lines.at(-1) ?? "")).toMatchObject({ event: "lost", records: 10_000 });
    expect(troubles).toHaveLength(2);
  });

  test("that is required admits nothing while it cannot be written", async () => {
    const paper = new Stubborn();
    const journal = new Journal({ paper, required: true, onTrouble });
    journal.admit();
    paper.fails = true;
    journal.note({ event: "command" });
    await expect.poll(() => troubles).toHaveLength(1);
    expect(() => journal.admit()).toThrow("the audit log cannot be written");
    paper.fails = false;
    await expect.poll(() => troubles, { timeout: 5_000 }).toHaveLength(2);
    journal.admit();
    await journal[Symbol.asyncDispose]();
  });
});

describe("a journal that is required, on a disk that does not answer", () => {
  async function hanging() {
    const troubles: unknown[] = [];
    const { promise, resolve: answer } = deferred();
    const paper = new Stubborn();
    paper.hangs = promise;
    const onTrouble = (error: unknown) => void troubles.push(error);
    const journal = new Journal({ paper, required: true, onTrouble });
    journal.note({ event: "command" });
    await vi.advanceTimersByTimeAsync(1_000);
    journal.admit();
    return { journal, troubles, paper, answer };
  }
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  test("admits nothing after 2 s, until it is written again", async () => {
    const { journal, troubles, paper, answer } = await hanging();
    await vi.advanceTimersByTimeAsync(1_200);
    expect(() => journal.admit()).toThrow("the audit log cannot be written");
    expect(troubles).toEqual([new Error("writing has taken more than 2 s")]);
    answer();
    await vi.advanceTimersByTimeAsync(0);
    journal.admit();
    expect(troubles[1]).toBeUndefined();
    expect(paper.written).toHaveLength(1);
    await journal[Symbol.asyncDispose]();
  });

  test("admits nothing before it loses anything", async () => {
    const { journal, answer } = await hanging();
    for (let number = 0; number < 25_000; number += 1) journal.note({ event: "command" });
    expect(() => journal.admit()).toThrow("the audit log cannot be written");
    answer();
    await vi.advanceTimersByTimeAsync(0);
    await vi.advanceTimersByTimeAsync(5_000);
    journal.admit();
    await journal[Symbol.asyncDispose]();
  });

  test("ends after 5 s all the same, says how much is missing, and that it hangs", async () => {
    const { journal, troubles, paper, answer } = await hanging();
    journal.note({ event: "command" });
    const ended = journal[Symbol.asyncDispose]().then(
      () => "well",
      (error: unknown) => error,
    );
    await vi.advanceTimersByTimeAsync(5_001);
    expect(await Promise.race([ended, Promise.resolve("waits")])).toMatchObject({
      code: "E_AUDIT",
      message: "the audit log could not be written to its end",
    });
    expect(troubles.map(String)).toEqual([
      "Error: writing has taken more than 2 s",
      "Error: at its end 2 records were not written (writing has taken more than 2 s)",
    ]);
    answer();
    await vi.advanceTimersByTimeAsync(0);
    expect(paper.written).toHaveLength(1); // what was told to be missing is not written after all
  });
});

test("a journal whose disk is full at its end says how much is missing", async () => {
  const paper = new Stubborn();
  paper.fails = true;
  const troubles: unknown[] = [];
  const onTrouble = (error: unknown) => void troubles.push(error);
  const journal = new Journal({ paper, required: false, onTrouble });
  for (let number = 0; number < 3; number += 1) journal.note({ event: "command" });
  await journal[Symbol.asyncDispose]();
  expect(String(troubles.at(-1))).toMatch(/at its end 3 records were not written \(ENOSPC/);
});

describe("a file that rotates", () => {
  test("puts aside what is full, and keeps so many", async () => {
    const path = join(directory, "audit.log");
    await using file = new RotatedFile(path, { bytes: 100, files: 2 });
    for (let number = 0; number < 9; number += 1) await file.write(`${number}${"-".repeat(48)}\n`);
    expect(await readdir(directory)).toEqual(["audit.log", "audit.log.1", "audit.log.2"]);
    const firsts = async (name: string) =>
      (await readFile(join(directory, name), "utf8")).split("\n").map((line) => line[0]);
    expect(await firsts("audit.log")).toEqual(["8", undefined]);
    expect(await firsts("audit.log.1")).toEqual(["6", "7", undefined]);
    expect(await firsts("audit.log.2")).toEqual(["4", "5", undefined]);
  });

  test("goes on behind what is there, and anew where another program put it aside", async () => {
    const path = join(directory, "audit.log");
    await using first = new RotatedFile(path);
    await first.write("one\n");
    await using second = new RotatedFile(path);
    await second.write("two\n");
    expect(await readFile(path, "utf8")).toBe("one\ntwo\n");
    await rename(path, `${path}.old`);
    await second.write("three\n");
    expect(await readFile(path, "utf8")).toBe("three\n");
  });

  test("a full disk is an error, and leaves whole lines", async () => {
    await using full = new RotatedFile("/dev/full");
    await expect(full.write("one\n")).rejects.toThrow("ENOSPC");
  });
});
