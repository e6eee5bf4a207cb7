import { chmod, mkdtemp, readdir, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { makePrivatePath, readPrivateFile, statePath, writePrivateFile } from "./private-file.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "private-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

test.each([
  [0, { XDG_STATE_HOME: "/s" }, "/var/lib/cardwire"],
  [7, { XDG_STATE_HOME: "/s" }, "/s/cardwire"],
  [7, { XDG_STATE_HOME: "s", HOME: "/h" }, "/h/.local/state/cardwire"],
  [7, { HOME: "/h" }, "/h/.local/state/cardwire"],
])("state of uid %i with %j is in %s", (uid, env, path) => {
  expect(statePath({ uid, env })).toBe(path);
});

describe("a private directory", () => {
  test("is made with those above it, for this user alone", async () => {
    const path = join(folder, "a/b");
    await makePrivatePath(path);
    expect((await stat(path)).mode & 0o777).toBe(0o700);
    await makePrivatePath(path);
  });

  test("that others may look into is refused", async () => {
    await chmod(folder, 0o750);
    await expect(makePrivatePath(folder)).rejects.toMatchObject({
      code: "E_STATE",
      message: `${folder} is open to others (mode 0750)`,
      hint: `There are secrets in it: chmod 700 '${folder}'`,
    });
  });

  test("cannot be where a file is", async () => {
    await writeFile(join(folder, "file"), "");
    await expect(makePrivatePath(join(folder, "file/x"))).rejects.toMatchObject({
      code: "E_STATE",
    });
  });
});

describe("a private file", () => {
  test("is this user's alone, and replaced as a whole", async () => {
    const path = join(folder, "key");
    expect(await readPrivateFile(path)).toBeUndefined();
    await writePrivateFile(path, "one");
    await writePrivateFile(path, "two");
    expect(await readPrivateFile(path)).toBe("two");
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    expect(await readdir(folder)).toEqual(["key"]);
  });

  test("that others may read is refused", async () => {
    const path = join(folder, "key");
    await writeFile(path, "one", { mode: 0o644 });
    await expect(readPrivateFile(path)).rejects.toMatchObject({
      code: "E_STATE",
      hint: `There are secrets in it: chmod 600 '${path}'`,
    });
  });

  test("is not a directory", async () => {
    await expect(readPrivateFile(folder)).rejects.toMatchObject({ code: "E_STATE" });
  });
});
