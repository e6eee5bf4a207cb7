import { mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Pcscd, startPcscd } from "../lab/pcscd.ts";
import { run, start } from "../lab/programs.ts";

// The programs of docs/library.md and docs/cards.md, as they stand there.

const repository = fileURLToPath(new URL("../..", import.meta.url));
let folder: string;
let pcscd: Pcscd;

beforeAll(async () => {
  pcscd = await startPcscd();
  folder = await mkdtemp("/run/tmp/library-");
  // Installed as npm would link it.
  await run("mkdir", ["-p", join(folder, "node_modules")]);
  await symlink(repository, join(folder, "node_modules/cardwire"));
  const pages = await Promise.all(
    ["library", "cards"].map((page) => readFile(join(repository, `docs/${page}.md`), "utf8")),
  );
  for (const [, name = "", text = ""] of pages
    .join("\n")
    .matchAll(/Save as `([\w-]+\.mjs)`[^\n]*\n\n```js\n([^]*?)```/g))
    await writeFile(join(folder, name), text);
  await run("chmod", ["-R", "a+rX", folder]);
});
afterAll(async () => {
  await pcscd[Symbol.asyncDispose]();
  await rm(folder, { recursive: true });
});

const node = (file: string, ...args: readonly string[]) => ["--no-warnings", file, ...args];

test("card.mjs lists readers and selects", async () => {
  const said = await run("node", node("card.mjs", `unix:${pcscd.socketPath}`), {
    user: "alice",
    cwd: folder,
  });
  expect(said).toMatchObject({ status: 0, stderr: "" });
  expect(said.stdout).toBe(
    "Virtual PCD 00 00 3b80800101\nVirtual PCD 00 01 no card\nSELECT answers  6a82\n",
  );
});

test("card.mjs finds the readers where programs do, and says why it cannot", async () => {
  const env = { PCSCLITE_CSOCK_NAME: pcscd.socketPath };
  const found = await run("node", node("card.mjs"), { user: "alice", cwd: folder, env });
  expect(found.stdout).toContain("Virtual PCD 00 00");
  const none = await run("node", node("card.mjs", "unix:/nowhere"), { user: "alice", cwd: folder });
  expect(none.status).toBe(1);
  expect(none.stderr).toContain("E_NO_PCSCD");
});

test("follow.mjs tells of each change", async () => {
  await using follower = start("node", node("follow.mjs", `unix:${pcscd.socketPath}`), {
    user: "alice",
    cwd: folder,
  });
  const next = (line: string) => follower.waitForLine(new RegExp(line), { timeoutMs: 30_000 });
  await next("00 00: card, Virtual PCD 00 01: empty");
  await pcscd.cards[0].pull();
  await next("00 00: empty");
  await pcscd.cards[0].insert();
  await next("00 00: card");
});

test("own-card.mjs is a card for every program", async () => {
  const socket = join(folder, "greeter.comm");
  await using card = start("node", node("own-card.mjs", socket), { cwd: folder });
  await card.waitForLine(/the card is there/, { timeoutMs: 30_000 });
  const env = { PCSCLITE_CSOCK_NAME: socket };
  const said = await run("opensc-tool", ["-s", "80:10:00:00"], { env });
  expect(said.stdout).toContain("68 65 6C 6C 6F hello");
});

test("piv.mjs has a PIV card all by itself", async () => {
  const said = await run("node", node("piv.mjs"), { user: "alice", cwd: folder });
  expect(said).toMatchObject({ status: 0, stdout: "9000\n" });
});
