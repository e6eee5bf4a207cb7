import { mkdir, readdir, rm, symlink, writeFile } from "node:fs/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { run, start } from "../lab/programs.ts";
import { cardwire, MAIN, PATIENCE_MS, using } from "./programs/cardwire.ts";

// The whole job with no reader, no card, no pcscd and no root: alice is an ordinary user.

interface Told {
  readonly by: string;
  readonly steps: readonly {
    readonly name: string;
    readonly result: string;
    readonly ms: number;
  }[];
  readonly socket?: string;
}

const WALK = ["host", "attach", "list", "read", "sign", "check"];
/** Programs of OpenSC are found here, or not. */
const bare = "/run/tmp/bare";

beforeAll(async () => {
  await mkdir(bare);
  await symlink(process.execPath, `${bare}/node`);
  await symlink("/usr/bin/setpriv", `${bare}/setpriv`); // by which the lab becomes alice
});
afterAll(() => rm(bare, { recursive: true }));

const left = async () =>
  (await readdir("/run/user/4101/cardwire")).filter((name) => name !== ".lock");

test("OpenSC lists, reads, signs and is checked; nothing is left behind", async () => {
  const told = await cardwire(["demo", "--once"]);
  expect(told).toMatchObject({ status: 0, stderr: "" });
  expect(told.stdout).toMatch(/OpenSC \d+\.\d+\.\d+ uses the card/);
  expect(told.stdout).toMatch(/cardwire Demo 00 00: card present/);
  expect(told.stdout).toMatch(/certificate of CN=Demo Holder, RSA 2048/);
  expect(told.stdout).toMatch(/the signature is good/);
  expect(told.stdout.split("\n").filter((line) => line.length > 80)).toEqual([]);
  expect(await left()).toEqual([]);
});

test.each([
  ["on a full disk is said", ">/dev/full", "1", /^cardwire: standard output .*: no space left$/m],
  ["that nobody reads to its end is no failure", "| head -1", "0", /^A smart card in one place/],
])("output %s", async (_what, where, status, says) => {
  const script = `{ node ${MAIN} demo --once; echo "status $?" >&2; } ${where}`;
  const { stdout, stderr } = await run("sh", ["-c", script], { user: "alice" });
  expect(stdout + stderr).toMatch(says);
  expect(stderr).toContain(`status ${status}\n`);
});

describe("without OpenSC", () => {
  test("cardwire's own client does the same", async () => {
    const { status, stdout } = await cardwire(["demo", "--once", "--json"], {
      env: { PATH: bare },
    });
    const told = JSON.parse(stdout) as Told;
    expect(status).toBe(0);
    expect(told.by).toBe("cardwire's own PC/SC client");
    expect(told.steps.map(({ name }) => name)).toEqual(WALK);
    expect(told.steps.at(-1)?.result).toBe("the signature is good");
    expect(told).not.toHaveProperty("socket");
    expect(await left()).toEqual([]);
  });

  test("a program that fails is quoted, and all of it ends", async () => {
    await writeFile(`${bare}/opensc-tool`, "#!/bin/sh\necho 'no luck' >&2; exit 3\n", {
      mode: 0o755,
    });
    await symlink(`${bare}/opensc-tool`, `${bare}/pkcs11-tool`);
    const told = await cardwire(["demo"], { env: { PATH: `${bare}:/usr/bin` } });
    expect(told).toMatchObject({ status: 1 });
    expect(told.stderr).toMatch(/opensc-tool failed: no luck\nhint: /);
    expect(await left()).toEqual([]);
  });
});

test("the card stays for every program, until Ctrl-C", async () => {
  await using shown = start("node", [MAIN, "demo", "--json"], { user: "alice" });
  const told = JSON.parse(await shown.waitForLine(/^\{/, { timeoutMs: PATIENCE_MS })) as Told;
  expect(told.by).toMatch(/^OpenSC /);
  expect(told.steps.map(({ name }) => name)).toEqual(WALK);
  const env = using(told.socket ?? "");
  const exported = await cardwire(["env", "demo"]);
  expect(exported.stdout).toContain(told.socket);
  const tested = await run("pkcs11-tool", ["--login", "--pin", "123456", "--test"], {
    user: "alice",
    env,
    timeoutMs: PATIENCE_MS,
  });
  expect(tested.stdout).toMatch(/^No errors$/m);
  const second = await cardwire(["demo"]);
  expect(second).toMatchObject({ status: 1 });
  expect(second.stderr).toMatch(/demo/);
  expect(second.stderr).toContain(
    'hint: End it first, or use what it offers: eval "$(cardwire env demo)"',
  );
  shown.kill("SIGINT");
  expect(await shown.exited).toMatchObject({ status: 0 });
  expect(await left()).toEqual([]);
});

test("one command has the card to itself", async () => {
  const args = ["run", "demo:", "--", "pkcs11-tool", "--list-objects", "--type", "cert"];
  const { status, stdout } = await cardwire(args);
  expect(status).toBe(0);
  expect(stdout.match(/subject: .*CN=Demo Holder/g)).toHaveLength(4);
});
