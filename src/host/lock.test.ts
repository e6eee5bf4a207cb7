import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { chmod, mkdir, mkdtemp, readdir, rm } from "node:fs/promises";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { holdLock, withLock } from "./lock.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "lock-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

/** What a process that was killed leaves of its lock. */
async function leaveStale(path: string): Promise<void> {
  const place = join(folder, `.${path}.lock`);
  await mkdir(place);
  const text = `require("net").createServer().listen(${JSON.stringify(join(place, "0123"))},
    () => process.kill(process.pid, "SIGKILL"))`;
  expect(spawnSync(process.execPath, ["-e", text]).signal).toBe("SIGKILL");
}

/** As any user of this computer can: the name is no secret. */
async function squat(path: string): Promise<Server> {
  const hash = createHash("sha256").update(path).digest("hex").slice(0, 32);
  const server = createServer().listen(`\0cardwire:${process.getuid?.() ?? 0}:${hash}`);
  await once(server, "listening");
  return server;
}

test("one at a time, and nothing is left", async () => {
  const path = join(folder, "it");
  const first = await holdLock(path);
  expect(await holdLock(path)).toBeUndefined();
  await using _other = await holdLock(join(folder, "another"));
  await first?.[Symbol.asyncDispose]();
  expect(await withLock(path, () => readdir(folder))).toEqual([".another.lock", ".it.lock"]);
  expect(await readdir(folder)).toEqual([".another.lock"]);
});

test("who waits for two seconds is told so", async () => {
  const path = join(folder, "it");
  await using _first = await holdLock(path);
  const refused = { code: "E_LOCKED", message: `another cardwire is busy with ${path}` };
  await expect(withLock(path, async () => {})).rejects.toMatchObject(refused);
});

test("another user cannot keep a lock in a directory of ours from us", async () => {
  const path = join(folder, "it");
  const squatter = await squat(path);
  await using lock = await holdLock(path);
  squatter.close();
  expect(lock).toBeDefined();
});

test("what a killed process left counts for nobody, and one takes over", async () => {
  await leaveStale("it");
  const locks = await Promise.all(Array.from({ length: 20 }, () => holdLock(join(folder, "it"))));
  const taken = locks.filter((lock) => lock !== undefined);
  expect(taken).toHaveLength(1);
  await taken[0]?.[Symbol.asyncDispose]();
  expect(await readdir(folder)).toEqual([]);
});

test("a long path is no hindrance", async () => {
  const long = join(folder, "x".repeat(100));
  await mkdir(long, { mode: 0o700 });
  await using lock = await holdLock(join(long, "it"));
  expect(lock).toBeDefined();
  expect(await holdLock(join(long, "it"))).toBeUndefined();
});

test("where others may write, the lock is a name", async () => {
  await chmod(folder, 0o777);
  await using lock = await holdLock(join(folder, "it"));
  expect(lock).toBeDefined();
  expect(await readdir(folder)).toEqual([]);
  expect(await holdLock(join(folder, "it"))).toBeUndefined();
});
