import {
  chmodSync,
  chownSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  statSync,
  symlinkSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import {
  attachmentSocket,
  checkAttachmentName,
  makePrivateDirectory,
  runtimeDirectory,
  runtimePath,
} from "./paths.ts";

let base: string;
beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), "cardwire-test-"));
});
afterEach(() => rmSync(base, { recursive: true, force: true }));
const uid = process.getuid?.() ?? 0;

test.each([
  ["root", { uid: 0, env: { XDG_RUNTIME_DIR: "/run/user/0" } }, "/run/cardwire"],
  ["a user", { uid: 7, env: { XDG_RUNTIME_DIR: "/run/user/7" } }, "/run/user/7/cardwire"],
  ["a user without a session", { uid: 7, env: {} }, "/tmp/cardwire-7"],
  ["a relative XDG_RUNTIME_DIR", { uid: 7, env: { XDG_RUNTIME_DIR: "here" } }, "/tmp/cardwire-7"],
])("the run-time directory of %s", (_who, person, path) => {
  expect(runtimePath(person)).toBe(path);
});

test("the run-time directory is made private", async () => {
  const user = uid === 0 ? 65_534 : uid;
  if (uid === 0) chownSync(base, user, user);
  try {
    if (uid === 0) process.seteuid?.(user); // root's is a fixed one
    const path = await runtimeDirectory({ uid: user, env: { XDG_RUNTIME_DIR: base } });
    expect(statSync(path).mode & 0o777).toBe(0o700);
  } finally {
    if (uid === 0) process.seteuid?.(0);
  }
});

test("a directory is made private, and accepted the next time", async () => {
  const path = join(base, "d");
  await makePrivateDirectory(path, uid);
  await makePrivateDirectory(path, uid);
  expect(statSync(path).mode & 0o777).toBe(0o700);
});

test.each([
  ["a symbolic link", (path: string) => symlinkSync(base, path)],
  ["open to others", (path: string) => (mkdirSync(path), chmodSync(path, 0o777))],
])("a directory that is %s is refused", async (_what, make) => {
  const path = join(base, "d");
  make(path);
  await expect(makePrivateDirectory(path, uid)).rejects.toMatchObject({ code: "E_RUNTIME_DIR" });
});

test("somebody else's directory is refused", async () => {
  await expect(makePrivateDirectory(base, uid + 1)).rejects.toMatchObject({
    code: "E_RUNTIME_DIR",
    message: `the run-time directory ${base} belongs to uid ${uid}`,
  });
});

test("a directory that cannot be made is explained", async () => {
  await expect(makePrivateDirectory("/nonexistent/cardwire", uid)).rejects.toMatchObject({
    code: "E_RUNTIME_DIR",
    message:
      "the run-time directory /nonexistent/cardwire cannot be made, for there is no /nonexistent",
  });
});

test.each(["a", "Host-1.example_x", "x".repeat(64)])("%s is a name", (name) => {
  expect(() => checkAttachmentName(name)).not.toThrow();
});

test.each(["", ".", "..", "-n", "a/b", "a b", "ä", "a\n", "x".repeat(65)])(
  "%j is no name",
  (name) => {
    expect(() => checkAttachmentName(name)).toThrow(expect.objectContaining({ code: "E_NAME" }));
  },
);

test("an attachment's socket is refused when its path is too long", () => {
  expect(attachmentSocket("/run/cardwire", "office")).toBe("/run/cardwire/office/pcscd.comm");
  expect(() => attachmentSocket(`/${"d".repeat(90)}`, "office")).toThrow(
    expect.objectContaining({ code: "E_SOCKET_PATH" }),
  );
});
