import { spawnSync } from "node:child_process";
import {
  chmodSync,
  chownSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { configPath, MAX_CONFIG_BYTES, readConfigFile } from "./config-file.ts";

const folder = mkdtempSync(join(tmpdir(), "cardwire-config-"));
afterAll(() => rmSync(folder, { recursive: true }));

const uid = process.getuid?.() ?? 0;
const file = (name: string, content: string | Uint8Array, mode = 0o600): string => {
  const path = join(folder, name);
  writeFileSync(path, content);
  chmodSync(path, mode);
  return path;
};

test.each([
  [0, { XDG_CONFIG_HOME: "/elsewhere" }, "/etc/cardwire/config.toml"],
  [1000, { HOME: "/home/a", XDG_CONFIG_HOME: "/c" }, "/c/cardwire/config.toml"],
  [1000, { HOME: "/home/a" }, "/home/a/.config/cardwire/config.toml"],
  [1000, { HOME: "/home/a", XDG_CONFIG_HOME: "c" }, "/home/a/.config/cardwire/config.toml"],
  [1000, { HOME: "/home/a", XDG_CONFIG_HOME: "" }, "/home/a/.config/cardwire/config.toml"],
])("of user %i with %j it is %s", (user, env, path) => {
  expect(configPath({ uid: user, env })).toBe(path);
});

test("there may be none", async () => {
  expect(await readConfigFile(join(folder, "none"))).toBeUndefined();
  expect(await readConfigFile(join(file("plain", ""), "below"))).toBeUndefined();
});

test("is read, through a link too, without a byte order mark", async () => {
  const path = file("good", "\uFEFFx = 'ä'\n");
  symlinkSync(path, join(folder, "link"));
  const read = await readConfigFile(join(folder, "link"), { uid });
  expect(read).toMatchObject({ text: "x = 'ä'\n", warning: undefined });
});

test.each([
  [0o660, "chmod go-w"],
  [0o602, "chmod go-w"],
])("with mode %o others could have commands run", async (mode, remedy) => {
  const read = await readConfigFile(file(`open-${mode}`, "", mode), { uid });
  expect(read?.warning).toContain(remedy);
});

test("somebody else's is told as such", async () => {
  // Root's are everybody's to trust, so it is given away where the test is root.
  const path = file("foreign", "");
  if (uid === 0) chownSync(path, 65_534, 65_534);
  const read = await readConfigFile(path, { uid: uid + 1 });
  expect(read?.warning).toContain("another user");
});

test.each([
  ["a folder", () => (mkdirSync(join(folder, "dir")), join(folder, "dir")), "is not a file"],
  ["a device", () => "/dev/null", "is not a file"],
  ["a pipe that nobody writes to", pipe, "is not a file"],
  ["what is no text", () => file("bytes", new Uint8Array([0xff, 0xfe, 0])), "is not UTF-8"],
  ["too much", () => file("long", "#".repeat(MAX_CONFIG_BYTES + 1)), "is longer than"],
])("%s is refused", async (_what, make, why) => {
  await expect(readConfigFile(make())).rejects.toMatchObject({
    code: "E_CONFIG",
    message: expect.stringContaining(why),
    hint: expect.stringContaining("ssh://HOST"),
  });
});

function pipe(): string {
  const path = join(folder, "pipe");
  spawnSync("mkfifo", [path]);
  return path;
}
