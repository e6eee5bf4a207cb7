import { existsSync } from "node:fs";
import { rm, stat } from "node:fs/promises";
import { hostname } from "node:os";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { keepers } from "../faults/keepers.ts";
import { CountingWorker, end, mustHaveNoticedNothing, working } from "../faults/workers.ts";
import { delayLine } from "../lab/delay-line.ts";
import { type Pcscd, readerNames, startPcscd } from "../lab/pcscd.ts";
import { signal, until } from "../lab/processes.ts";
import { run } from "../lab/programs.ts";
import { type Sshd, startSshd } from "../lab/sshd.ts";
import { users } from "../lab/users.ts";
import { cardwire, leftIn, RUNTIME, share, sshMasters, using } from "./programs/cardwire.ts";

// alice lends her readers to programs of bob's on another computer, where an agent serves them. Both computers are this
// one; the socket over there is found in bob's directories.

const SOCKET = `/tmp/cardwire-${users.bob.uid}/${hostname()}/pcscd.comm`;

let pcscd: Pcscd;
let sshd: Sshd;

beforeAll(async () => {
  pcscd = await startPcscd();
  sshd = await startSshd();
});
afterEach(async () => {
  await until("the agent to end", async () => (await keepers()).length === 0, 60_000);
  const left = [...(await leftIn(RUNTIME)), ...(await sshMasters())];
  if (existsSync(SOCKET)) left.push(SOCKET);
  if (left.length > 0) throw new Error(`left behind: ${left.join(", ")}`);
});
afterAll(async () => {
  await sshd[Symbol.asyncDispose]();
  await pcscd[Symbol.asyncDispose]();
});

const lending = (...flags: readonly string[]) =>
  share(["cardhost", "--ssh", `ssh -F ${sshd.clientConfig}`, ...flags], {
    env: using(pcscd.socketPath),
  });

/** A command to the card and back, by a program over there. */
async function worksAt(socket: string, user: "bob" | "carol" = "bob"): Promise<void> {
  const argv = ["-r", "0", "-s", "80E0000003010203"];
  const done = await run("opensc-tool", argv, { user, env: using(socket) });
  expect(`${done.stdout}${done.stderr}`).toContain("Received (SW1=0x90, SW2=0x00)");
}

test("programs there use the readers, and nothing is left at the end", async () => {
  {
    await using shared = await lending();
    expect(shared.socket).toBe(SOCKET);
    expect(await keepers()).toHaveLength(1);
    expect((await stat(SOCKET)).mode & 0o777).toBe(0o600);
    await worksAt(SOCKET);
    // The computer over there knows of it as of an attachment of its own.
    const env = { XDG_RUNTIME_DIR: "" };
    const told = await cardwire(["env"], { user: "bob", env });
    expect(told.stdout).toContain(SOCKET);
    const { stdout } = await cardwire(["status"], { user: "bob", env });
    expect(stdout).toMatch(/^ {2}the readers of alice@\S+: up, .*2 readers, 1 card$/m);
  }
  await until("the socket to be gone", async () => !existsSync(SOCKET), 5_000);
});

test("a line that breaks is noticed by no program there", async () => {
  await using line = await delayLine({ port: sshd.port, delayMs: 3 });
  const config = await sshd.configWith([`ProxyCommand ${line.proxyCommand}`]);
  await using shared = await share(["cardhost", "--ssh", `ssh -F ${config}`], {
    env: using(pcscd.socketPath),
  });
  const env = using(shared.socket);
  const [reader] = readerNames;
  await using keeps = new CountingWorker(env, { reader, mark: "a1", handle: "keep" }, "bob");
  await using renews = new CountingWorker(env, { reader, mark: "b2", handle: "again" }, "bob");
  const workers = [keeps, renews];
  for (let broken = 0; broken < 6; broken += 1) {
    await working(workers);
    await line.cut();
  }
  await end(workers);
  mustHaveNoticedNothing(await pcscd.cards[0].log(), workers);
}, 120_000);

test("--group and --socket say who and where; what is in the way is named", async () => {
  const path = "/run/tmp/lent.comm";
  await using _shared = await lending("--socket", path, "--mode", "0666");
  expect((await stat(path)).mode & 0o777).toBe(0o666);
  await worksAt(path, "carol");
  const args = ["share", "cardhost", "--ssh", `ssh -F ${sshd.clientConfig}`, "--socket", path];
  const taken = await cardwire([...args, "--name", "other"], { env: using(pcscd.socketPath) });
  expect(taken.status).toBe(1);
  expect(taken.stderr).toMatch(
    /on cardhost: \/run\/tmp\/lent\.comm is in use by the readers of alice@\S+ \(process \d+, since /,
  );
});

test("somebody kills the agent: there is another one", async () => {
  await using shared = await lending();
  const [pid] = await keepers();
  signal(pid ?? 0, "SIGKILL");
  await until("another agent", async () => {
    const [now] = await keepers();
    return now !== undefined && now !== pid && existsSync(shared.socket);
  });
  await until("the readers", async () =>
    (await run("opensc-tool", ["-l"], { user: "bob", env: using(SOCKET) })).stdout.includes(
      readerNames[0],
    ),
  );
});

test("somebody removes the socket there: it is made anew", async () => {
  await using shared = await lending();
  await rm(shared.socket);
  await until("the socket to be back", async () => existsSync(shared.socket), 30_000);
  await worksAt(SOCKET);
}, 60_000);

test("somebody kills the share: the socket goes after the grace time", async () => {
  const shared = await lending("--grace", "2", "--lock-time", "1");
  shared.program.kill("SIGKILL");
  await shared.program.exited;
  await until("the socket to be gone", async () => !existsSync(SOCKET), 20_000);
  await until("ssh to end", async () => (await sshMasters()).length === 0, 20_000);
  await cardwire(["uninstall"]); // what a kill leaves here
});

test("an account without a shell gets a socket of sshd's, and share says why", async () => {
  await using bare = await startSshd({ config: ["ForceCommand /bin/false"] });
  const args = ["cardhost", "--ssh", `ssh -F ${bare.clientConfig}`];
  const shared = await share(args, { env: using(pcscd.socketPath) });
  await shared.program.waitForLine(/There is no agent on cardhost: no shell answers there/);
  await worksAt(shared.socket);
  await shared[Symbol.asyncDispose]();
  await rm(shared.socket);
});
