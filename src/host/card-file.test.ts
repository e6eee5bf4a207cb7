import { chmod, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { createCardFile, openCardFile } from "./card-file.ts";

/** Of the one that is open. */
const LOCK = ".test.card.lock";

let directory: string;
let path: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "card-file-"));
  path = join(directory, "test.card");
});
afterEach(() => rm(directory, { recursive: true, force: true }));

const modeOf = async (file: string) => (await stat(file)).mode & 0o777;

test("is made for its user alone, and never in place of another", async () => {
  await createCardFile(path, "one");
  expect(await modeOf(path)).toBe(0o600);
  await expect(createCardFile(path, "two")).rejects.toMatchObject({ code: "E_CARD_FILE_EXISTS" });
  expect(await readFile(path, "utf8")).toBe("one");
});

test("is written in one step, and nothing is left beside it", async () => {
  await createCardFile(path, "one");
  await using file = await openCardFile(path);
  expect(file.text).toBe("one");
  await file.write("two");
  expect(await readFile(path, "utf8")).toBe("two");
  expect(await modeOf(path)).toBe(0o600);
  expect(await readdir(directory)).toEqual([LOCK, "test.card"]);
});

test("what a killed process left is removed, and nothing else", async () => {
  await createCardFile(path, "one");
  const others = ["test.card.new", "test.card.0123456789ab.new.txt", "other.card.0123456789ab.new"];
  for (const name of ["test.card.0123456789ab.new", ...others])
    await writeFile(join(directory, name), "half a");
  await using file = await openCardFile(path);
  expect(file.text).toBe("one");
  expect((await readdir(directory)).toSorted()).toEqual([LOCK, ...others, "test.card"].toSorted());
});

test("a link to it stays one", async () => {
  await createCardFile(path, "one");
  const link = join(directory, "link");
  await symlink(path, link);
  await using file = await openCardFile(link);
  await file.write("two");
  expect(await readFile(path, "utf8")).toBe("two");
  expect(await readFile(link, "utf8")).toBe("two");
});

test("is one's at a time", async () => {
  await createCardFile(path, "one");
  const first = await openCardFile(path);
  await expect(openCardFile(path)).rejects.toMatchObject({ code: "E_CARD_IN_USE" });
  await first[Symbol.asyncDispose]();
  await using second = await openCardFile(path);
  expect(second.text).toBe("one");
});

test("what cannot be written leaves the old text", async () => {
  await createCardFile(path, "one");
  await using file = await openCardFile(path);
  await rm(directory, { recursive: true });
  await expect(file.write("two")).rejects.toMatchObject({
    code: "E_CARD_FILE",
    message: `${path} cannot be written: there is no ${directory}`,
  });
});

describe("is refused", () => {
  const refused = async (why: RegExp): Promise<void> => {
    await expect(openCardFile(path)).rejects.toMatchObject({
      code: "E_CARD_FILE",
      message: expect.stringMatching(why) as string,
    });
  };

  test("when it is not there", () => refused(/^there is no .*test.card$/));

  test("when others may read it", async () => {
    await writeFile(path, "one");
    await chmod(path, 0o640);
    await refused(/is open to others \(mode 0640\)$/);
    await chmod(path, 0o600);
    // The lock was given back.
    await using file = await openCardFile(path);
    expect(file.text).toBe("one");
  });

  test("when it is a directory", async () => {
    path = directory;
    await refused(/is not a file$/);
  });

  test("when it is too long", async () => {
    await writeFile(path, Buffer.alloc(8 * 1024 * 1024 + 1), { mode: 0o600 });
    await refused(/is too long for a card's file$/);
  });
});
