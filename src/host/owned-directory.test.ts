import { chown, mkdir, mkdtemp, readdir, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { makeOwnedDirectory, sweepOwnedDirectories } from "./owned-directory.ts";

/** As of a process that is long gone. */
const DEAD = (random: string): string => `ssh-1z141z3.1-${random}`;
const NOBODY = 65_534;

let parent: string;
beforeEach(async () => {
  parent = await mkdtemp(join(tmpdir(), "cardwire-owned-test-"));
});
afterEach(async () => await rm(parent, { recursive: true }));

test("what dead processes left behind is removed, and what a living one has is not", async () => {
  const ours = await makeOwnedDirectory(parent, "ssh");
  await mkdir(join(parent, DEAD("aaaaaa")));
  await writeFile(join(parent, DEAD("aaaaaa"), "f"), "");
  await sweepOwnedDirectories(parent, "ssh");
  expect((await readdir(parent)).map((name) => join(parent, name))).toEqual([ours]);
});

test("what is no directory is nobody's of ours", async () => {
  await writeFile(join(parent, DEAD("aaaaaa")), "");
  await symlink(parent, join(parent, DEAD("bbbbbb")));
  await sweepOwnedDirectories(parent, "ssh");
  expect(await readdir(parent)).toEqual([DEAD("aaaaaa"), DEAD("bbbbbb")]);
});

test.skipIf(process.getuid?.() !== 0)("nor is another user's, though root sweeps", async () => {
  await mkdir(join(parent, DEAD("aaaaaa")));
  await chown(join(parent, DEAD("aaaaaa")), NOBODY, NOBODY);
  await sweepOwnedDirectories(parent, "ssh");
  expect(await readdir(parent)).toEqual([DEAD("aaaaaa")]);
});
