import { chown, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { CardProgram, connected, python } from "../faults/attached.ts";
import { type Pcscd, startPcscd } from "../lab/pcscd.ts";
import { until } from "../lab/processes.ts";
import { everywhere, run, start } from "../lab/programs.ts";
import { mountAsSystemSocket, type Sshd, startSshd } from "../lab/sshd.ts";
import { users } from "../lab/users.ts";
import {
  attach,
  cardwire,
  leftIn,
  MAIN,
  PATIENCE_MS,
  RUNTIME,
  sshMasters,
  using,
} from "./programs/cardwire.ts";

// Two card hosts, each with an sshd and a pcscd of its own, and the pcscd of this computer, in one list.

// A forward: what an agent makes different is in agent.test.ts and what it names.
everywhere["CARDWIRE_VIA"] = "forward";

const OK = "0x00000000";
const RESET = "0x80100068";
const UNAVAILABLE = "0x80100017";
const READERS = [
  "Virtual PCD (alpha) 00 00",
  "Virtual PCD (alpha) 00 01",
  "Virtual PCD (beta) 00 00",
  "Virtual PCD (beta) 00 01",
  "Virtual PCD (local) 00 00",
  "Virtual PCD (local) 00 01",
] as const;
const [ALPHA, , BETA, , LOCAL] = READERS;
/** What the card of each is told to keep in its log. */
const counted = (byte: string) => `80e8000001${byte}`;
/** A host that went away is given up after 10 s, and tried again every now and then. */
const SLOWLY_MS = 60_000;

interface Host extends AsyncDisposable {
  readonly pcscd: Pcscd;
  readonly sshd: Sshd;
}

let alpha: Host;
let beta: Host;
let here: Pcscd;
let ssh: readonly string[];
/** A directory of alice's, for keys of hosts that she gets to know. */
let known: string;

async function startHost(): Promise<Host> {
  const pcscd = await startPcscd();
  const sshd = await startSshd({ pcscdDirectory: pcscd.directory });
  return {
    pcscd,
    sshd,
    async [Symbol.asyncDispose]() {
      await sshd[Symbol.asyncDispose]();
      await pcscd[Symbol.asyncDispose]();
    },
  };
}

beforeAll(async () => {
  alpha = await startHost();
  beta = await startHost();
  here = await startPcscd();
  const configs = await Promise.all(
    Object.entries({ alpha, beta }).map(async ([name, { sshd }]) =>
      (await readFile(sshd.clientConfig, "utf8")).replace("Host cardhost", `Host ${name}`),
    ),
  );
  const path = join(alpha.sshd.directory, "both_config");
  await writeFile(path, configs.join("\n"));
  ssh = ["--ssh", `ssh -F ${path}`];
  known = await mkdtemp("/run/tmp/known-");
  await chown(known, users.alice.uid, users.alice.gid);
});
afterEach(async () => {
  await Promise.all([alpha.sshd.start(), beta.sshd.start()]);
  const left = [...(await leftIn(RUNTIME)), ...(await sshMasters())];
  if (left.length > 0) throw new Error(`left behind: ${left.join(", ")}`);
});
afterAll(async () => {
  for (const one of [here, beta, alpha]) await one[Symbol.asyncDispose]();
  await rm(known, { recursive: true });
});

/** The readers as a program lists them that connects to none: a card may be held. */
async function listed(socket: string): Promise<readonly string[]> {
  const { stdout } = await run("pcsc_scan", ["-r"], { user: "alice", env: using(socket) });
  return [...stdout.matchAll(/Virtual PCD.*?\d\d \d\d/g)].map(([name]) => name);
}

describe("several hosts", () => {
  test("are one list, and each command reaches the card it is for", async () => {
    await using _mounted = await mountAsSystemSocket(here.directory);
    await using attached = await attach(["alpha", "beta", "--local", ...ssh]);
    const found = String.raw`: 2 readers, pcscd protocol 4:\d, \d+\.\d ms round trip`;
    expect(attached.program.output.split("\n").filter(Boolean)).toEqual([
      expect.stringMatching(`^alpha${found}$`),
      `  ${ALPHA}  card   3B 80 80 01 01`,
      `  ${READERS[1]}  empty`,
      expect.stringMatching(`^beta${found}$`),
      `  ${BETA}  card   3B 80 80 01 01`,
      `  ${READERS[3]}  empty`,
      expect.stringMatching(`^local${found}$`),
      `  ${LOCAL}  card   3B 80 80 01 01`,
      `  ${READERS[5]}  empty`,
      "Programs find them here once this is set in their environment:",
      `  export PCSCLITE_CSOCK_NAME=${RUNTIME}/alpha-beta-local/pcscd.comm`,
      `In other terminals: eval "$(cardwire env alpha-beta-local)"`,
      "Programs that compete for a card get it by chance, as pcscd gives it.",
      "Ctrl-C ends the attachment and removes the socket.",
    ]);
    expect(await listed(attached.socket)).toEqual(READERS);
    const cards = { aa: [ALPHA, alpha.pcscd], bb: [BETA, beta.pcscd], cc: [LOCAL, here] } as const;
    for (const [byte, [reader, pcscd]] of Object.entries(cards)) {
      await using program = await connected({ env: using(attached.socket) }, reader);
      const answer = await program.call("transmit", { apdu: counted(byte) });
      expect(answer).toMatchObject({ rv: OK, answer: expect.stringMatching(/9000$/) });
      expect(await pcscd.cards[0].log()).toEqual([byte]);
      expect(await program.call("status")).toMatchObject({ rv: OK, reader });
    }
  });

  test("a script is told of each", async () => {
    await beta.sshd.stop();
    const argv = [MAIN, "attach", "alpha", "beta", "--json", ...ssh];
    await using program = start("node", argv, { user: "alice" });
    const line = await program.waitForLine(/^\{/, { timeoutMs: PATIENCE_MS });
    const said = JSON.parse(line) as Readonly<Record<string, unknown>>;
    expect(Object.keys(said)).toEqual(["name", "socket", "readers", "sources"]);
    expect(said).toMatchObject({
      name: "alpha-beta",
      socket: `${RUNTIME}/alpha-beta/pcscd.comm`,
      readers: [{ reader: ALPHA, state: "card" }, { reader: READERS[1] }],
      sources: [
        { where: "alpha", state: "up", readers: READERS.slice(0, 2) },
        { where: "beta", state: "down", readers: [], error: { code: "E_SSH_UNREACHABLE" } },
      ],
    });
    program.kill("SIGINT");
    await program.exited;
  });

  test("run and readers take them, too", async () => {
    await using _mounted = await mountAsSystemSocket(here.directory);
    const ran = await cardwire(["run", "alpha", "--local", ...ssh, "--", "opensc-tool", "-l"]);
    for (const name of [ALPHA, LOCAL]) expect(ran.stdout).toContain(name);
    expect(ran).toMatchObject({ status: 0, stderr: "" });
    const shown = await cardwire(["readers", "--local", "beta", "--json", ...ssh]);
    const names = shown.stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as unknown);
    expect(names).toMatchObject(READERS.slice(2).map((reader) => ({ reader })));
    await beta.sshd.stop();
    const partly = await cardwire(["readers", "beta", "--local", ...ssh]);
    expect(partly.status).toBe(1);
    expect(partly.stdout).toContain(LOCAL);
    expect(partly.stderr).toMatch(/^beta: ssh to beta: .*refused\nhint: .*\n$/);
    const warned = await cardwire(["run", "beta", "--local", ...ssh, "--", "opensc-tool", "-l"]);
    expect(warned.stdout).toContain(LOCAL);
    expect(warned.stderr).toMatch(/^beta: ssh to beta: .*refused; trying again\nhint: .*\n$/);
  });

  test("on a terminal, one asks after the other", async () => {
    const asking = ["StrictHostKeyChecking=ask", "BatchMode=no", `UserKnownHostsFile=${known}/%n`];
    const command = `${ssh[1]} ${asking.map((setting) => `-o ${setting}`).join(" ")}`;
    const argv = ["node", MAIN, "attach", "alpha", "beta", "--ssh", command];
    await using window = start(...python("terminal", ...argv), { user: "alice" });
    for (const host of ["alpha", "beta"]) {
      await window.waitForLine(/continue connecting \(yes\/no/, { timeoutMs: PATIENCE_MS });
      expect(await sshMasters()).toEqual(
        expect.arrayContaining([expect.stringMatching(` ${host} $`)]),
      );
      expect(window.output.match(/continue connecting \(yes\/no/g)).toHaveLength(
        host === "alpha" ? 1 : 2,
      );
      window.write('type "yes\\n"\n');
    }
    await window.waitForLine(/^Ctrl-C ends/, { timeoutMs: PATIENCE_MS });
    expect(window.output).toContain(BETA);
    window.write('type "\\u0003"\n');
    await window.exited;
  });

  test("one alone keeps its names; so does this computer", async () => {
    await using _mounted = await mountAsSystemSocket(here.directory);
    await using attached = await attach(["--local"]);
    expect(attached.socket).toBe(`${RUNTIME}/local/pcscd.comm`);
    expect(await listed(attached.socket)).toEqual(["Virtual PCD 00 00", "Virtual PCD 00 01"]);
  });
});

test("a host that goes away and comes back concerns its own readers only", {
  timeout: 3 * SLOWLY_MS,
}, async () => {
  await using attached = await attach(["alpha", "beta", ...ssh]);
  const env = using(attached.socket);
  await using holder = await connected({ env }, BETA);
  await using loser = await connected({ env }, ALPHA);
  expect(await holder.rv("begin")).toBe(OK);
  await using watcher = start(...python("watcher", ALPHA), { user: "alice", env });
  await watcher.waitForLine(/"present": true/, { timeoutMs: PATIENCE_MS });
  const holds = async (byte: string) => {
    expect(await holder.rv("transmit", { apdu: counted(byte) })).toBe(OK);
    expect(await holder.rv("status")).toBe(OK);
    expect((await beta.pcscd.cards[0].log()).at(-1)).toBe(byte);
  };

  await alpha.sshd.stop();
  await attached.program.waitForLine(/^alpha: the connection broke/);
  await holds("01");
  await attached.program.waitForLine(/^alpha: the readers are gone/, { timeoutMs: SLOWLY_MS });
  await watcher.waitForLine(/"present": false/, { timeoutMs: PATIENCE_MS });
  await holds("02");
  expect(await listed(attached.socket)).toEqual(READERS.slice(2, 4));
  expect(await loser.rv("status")).toBe(UNAVAILABLE);
  await using late = new CardProgram({ env });
  await late.call("establish");
  expect(await late.rv("connect", { reader: ALPHA })).toBe(UNAVAILABLE);

  await alpha.sshd.start();
  await watcher.waitForLine(/"present": true/, { timeoutMs: SLOWLY_MS });
  await attached.program.waitForLine(/^alpha: the readers are back/);
  expect(await listed(attached.socket)).toEqual(READERS.slice(0, 4));
  await holds("03");
  expect(await holder.rv("end")).toBe(OK);
  expect(await loser.rv("status")).toBe(RESET);
  expect(await loser.rv("reconnect")).toBe(OK);
  expect(await loser.rv("status")).toBe(OK);
  // Nobody reset the card that was held all the time, and nobody said so.
  expect(attached.program.output).not.toMatch(/^beta: the/m);
});

describe("a host that is down at the start", () => {
  test("is shown and tried again, and comes up later", async () => {
    await beta.sshd.stop();
    await using attached = await attach(["beta", "alpha", "--local", ...ssh]);
    const { program, socket } = attached;
    const lines = program.output.split("\n");
    expect(lines[0]).toMatch(/^beta: ssh to beta: .*refused; trying again$/);
    expect(lines[1]).toMatch(/^hint: .*ssh -F/);
    expect(lines[2]).toMatch(/^alpha: 2 readers/);
    // In the lab this computer has no pcscd unless a test says so.
    expect(lines).toContainEqual(
      "local: no pcscd at /run/pcscd/pcscd.comm on this computer; trying again",
    );
    expect(await listed(socket)).toEqual(READERS.slice(0, 2));
    await beta.sshd.start();
    await program.waitForLine(/^beta: the readers are here$/, { timeoutMs: SLOWLY_MS });
    await using _mounted = await mountAsSystemSocket(here.directory);
    await program.waitForLine(/^local: the readers are here$/, { timeoutMs: PATIENCE_MS });
    expect(await listed(socket)).toEqual([
      ...READERS.slice(2, 4),
      ...READERS.slice(0, 2),
      ...READERS.slice(4),
    ]);
  });

  test("with no other it fails, unless told to wait", async () => {
    await Promise.all([alpha.sshd.stop(), beta.sshd.stop()]);
    const failed = await cardwire(["attach", "alpha", "beta", ...ssh]);
    expect(failed).toMatchObject({ status: 1, stdout: "" });
    expect(failed.stderr).toMatch(/^cardwire: ssh to alpha: .*refused\nhint: .*\n$/);
    await using attached = await attach(["alpha", "beta", "--wait", ...ssh]);
    expect(await listed(attached.socket)).toEqual([]);
    await alpha.sshd.start();
    await attached.program.waitForLine(/^alpha: the readers are here$/, { timeoutMs: SLOWLY_MS });
    expect(await listed(attached.socket)).toEqual(READERS.slice(0, 2));
  });

  test("alone it is waited for with --wait, under its own readers' names", async () => {
    await alpha.sshd.stop();
    const failed = await cardwire(["attach", "alpha", ...ssh]);
    expect(failed.stderr).toMatch(/^cardwire: ssh to alpha: .*refused\n/);
    await using attached = await attach(["alpha", "--wait", ...ssh]);
    expect(attached.program.output).toMatch(/^alpha: ssh to alpha: .*refused; trying again$/m);
    await alpha.sshd.start();
    await attached.program.waitForLine(/^alpha: the readers are here$/, { timeoutMs: SLOWLY_MS });
    await until("the readers", async () => (await listed(attached.socket)).length === 2);
    expect(await listed(attached.socket)).toEqual(["Virtual PCD 00 00", "Virtual PCD 00 01"]);
  });

  test.each([
    ["no such program", ["--ssh", "/nowhere/ssh"], "there is no program /nowhere/ssh to run"],
    ["a mistake in ssh's configuration", ["--ssh", "ssh -o Nonsense=1"], "Nonsense"],
  ])("what waiting does not cure fails at once: %s", async (_what, options, message) => {
    const failed = await cardwire(["attach", "alpha", "--local", "--wait", ...options]);
    expect(failed).toMatchObject({ status: 1, stdout: "", timedOut: false });
    expect(failed.stderr).toContain(message);
  });

  test("one that does not say a word holds the others up for a while only", async () => {
    const mute = await beta.sshd.configWith(["Host beta", "ProxyCommand sleep 600"]);
    const both = join(alpha.sshd.directory, "mute_config");
    const own = (await readFile(alpha.sshd.clientConfig, "utf8")).replace("cardhost", "alpha");
    await writeFile(both, `${await readFile(mute, "utf8")}\n${own}`);
    await using attached = await attach(["beta", "alpha", "--ssh", `ssh -F ${both}`]);
    expect(attached.program.output).toMatch(/^beta: ssh to beta: .*timed out.*; trying again$/m);
    expect(await listed(attached.socket)).toEqual(READERS.slice(0, 2));
  });

  test("Ctrl-C ends the start", async () => {
    await Promise.all([alpha.sshd.stop(), beta.sshd.stop()]);
    const slow = ["--ssh", `${ssh[1]} -o ProxyCommand='sleep 60'`];
    const argv = [MAIN, "attach", "alpha", "beta", "--wait", ...slow];
    await using program = start("node", argv, { user: "alice" });
    await until("ssh", async () => (await sshMasters()).length === 2);
    program.kill("SIGINT");
    expect(await program.exited).toEqual({ status: undefined, signal: "SIGINT" });
  });
});
