import { once } from "node:events";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { closedDoor, letIn } from "./reach.ts";

let directory: string;
let server: Server | undefined;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "cardwire-test-"));
});
afterEach(() => {
  server?.close();
  rmSync(directory, { recursive: true, force: true });
});

test.each([
  [0o600, true, 0o700],
  [0o660, true, 0o710],
  // The group of a socket that was given to none is the user's own.
  [0o660, false, 0o700],
  [0o666, false, 0o711],
  [0o666, true, 0o711],
  [0o640, true, 0o700],
])(
  "a socket of mode %o, given to a group: %s, makes its directory %o",
  async (mode, given, made) => {
    const group = given ? `${process.getgid?.()}` : undefined;
    await letIn(directory, { mode, group });
    expect(statSync(directory).mode & 0o777).toBe(made);
  },
);

test.each([
  ["nobody else is admitted", 0o600, 0o700, false],
  ["the group may pass", 0o660, 0o710, false],
  ["the group may not pass", 0o660, 0o701, true],
  ["everybody may pass", 0o666, 0o711, false],
  ["others may not pass", 0o666, 0o710, true],
  ["they may list it and still not pass", 0o666, 0o744, true],
])("%s", async (_case, mode, door, isClosed) => {
  chmodSync(directory, 0o755);
  const outer = join(directory, "outer");
  const inner = join(outer, "inner");
  mkdirSync(inner, { recursive: true });
  const path = join(inner, "s");
  server = createServer().listen(path);
  await once(server, "listening");
  chmodSync(path, mode);
  chmodSync(inner, 0o711);
  chmodSync(outer, door);
  expect(await closedDoor(path)).toBe(isClosed ? outer : undefined);
});
