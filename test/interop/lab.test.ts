import { existsSync, readFileSync } from "node:fs";
import { stat } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { atrs, pattern } from "../lab/card.ts";
import { delayLine } from "../lab/delay-line.ts";
import { readerNames, startPcscd } from "../lab/pcscd.ts";
import { processes, until } from "../lab/processes.ts";
import { type RunOptions, run, start } from "../lab/programs.ts";
import { readerStates } from "../lab/reader-states.ts";
import { mountAsSystemSocket, startSshd } from "../lab/sshd.ts";

// The lab itself, without cardwire: what stands on it is worth no more than this.

const opensc = (socket: string, args: readonly string[], options: RunOptions = {}) =>
  run("opensc-tool", args, { env: { PCSCLITE_CSOCK_NAME: socket }, ...options });

describe("pcscd", () => {
  test("answers an ordinary user, and lists a card and an empty reader", async () => {
    await using pcscd = await startPcscd();
    const listed = await opensc(pcscd.socketPath, ["-l"], { user: "alice" });
    expect(listed.stdout).toMatch(/Yes\s+Virtual PCD 00 00/);
    expect(listed.stdout).toMatch(/No\s+Virtual PCD 00 01/);
    expect((await pcscd.readers()).map(({ name, atr }) => [name, atr])).toEqual([
      [readerNames[0], atrs.both],
      [readerNames[1], ""],
    ]);
  });

  test("carries APDUs to the card, which counts them", async () => {
    await using pcscd = await startPcscd({ cards: [{ atr: atrs.t1 }] });
    const apdus = ["80:E0:00:00:03:0A:0B:0C", "80:E8:00:00:02:CA:FE", "80:E8:00:00:02:BA:BE"];
    const args = apdus.flatMap((apdu) => ["-s", apdu]);
    const sent = await opensc(pcscd.socketPath, ["-r", "0", ...args]);
    expect(sent.stderr + sent.stdout).toContain("0A 0B 0C");
    expect(sent.stdout).toContain("00 00 00 02");
    expect(await pcscd.cards[0].log()).toEqual(["cafe", "babe"]);
    expect(await pcscd.cards[0].counters()).toMatchObject({ counted: 2 });
  });

  test("answers through GET RESPONSE on a T=0 card", async () => {
    await using pcscd = await startPcscd({ cards: [{ atr: atrs.t0 }] });
    const sent = await opensc(pcscd.socketPath, ["-r", "0", "-s", "80:E2:01:2C:00"]);
    // The dump has 16 bytes a line, in hex and then as characters.
    const dump = [...sent.stdout.matchAll(/^((?:[0-9A-F]{2} ){1,16})/gm)].map(([, hex]) => hex);
    const got = Buffer.from(dump.join("").replaceAll(" ", ""), "hex");
    expect(got).toEqual(Buffer.from(pattern(300)));
  });

  test("carries extended commands and the longest answer that vpcd can", async () => {
    await using pcscd = await startPcscd({ cards: [{ atr: atrs.t1 }] });
    const script = `
from smartcard.System import readers
card = readers()[0].createConnection()
card.connect()
sent = [i % 256 for i in range(40000)]
echo, *sw = card.transmit([0x80, 0xE0, 0, 0, 0, 40000 >> 8, 40000 & 255] + sent)
print(echo == sent, sw)
data, *sw = card.transmit([0x80, 0xE4, 0xFF, 0xFD, 0, 0, 0])
print(len(data), sw)`;
    const env = { PCSCLITE_CSOCK_NAME: pcscd.socketPath };
    const done = await run("/usr/bin/python3", ["-c", script], { env, user: "alice" });
    expect(done).toMatchObject({ stdout: "True [144, 0]\n65533 [144, 0]\n", stderr: "" });
  });

  test("sees cards come and go, and has them again after a restart", async () => {
    await using pcscd = await startPcscd();
    const [first, second] = pcscd.cards;
    const env = { PCSCLITE_CSOCK_NAME: pcscd.socketPath };
    await using scan = start("pcsc_scan", ["-n"], { env, user: "alice" });
    await scan.waitForLine(/Card inserted/);
    await first.pull();
    await scan.waitForLine(/Card removed/);
    await first.setAtr(atrs.t0);
    await first.insert();
    await scan.waitForLine(/Card inserted/);
    await scan.waitForLine(/3B 00/);
    await second.insert();
    expect((await pcscd.readers()).map(({ atr }) => atr)).toEqual([atrs.t0, atrs.both]);
    await pcscd.restart({ kill: true });
    await until("both cards", async () => (await pcscd.readers()).every(({ atr }) => atr !== ""));
  });

  test("runs beside others", async () => {
    const all = await Promise.all(
      [atrs.t0, atrs.t1, atrs.both].map((atr) => startPcscd({ cards: [{ atr }] })),
    );
    try {
      const first = await Promise.all(all.map(async (pcscd) => (await pcscd.readers())[0]?.atr));
      expect(first).toEqual([atrs.t0, atrs.t1, atrs.both]);
    } finally {
      await Promise.all(all.map((pcscd) => pcscd[Symbol.asyncDispose]()));
    }
  });

  test("can be the one at the usual place", async () => {
    await using pcscd = await startPcscd();
    {
      await using _mounted = await mountAsSystemSocket(pcscd.directory);
      expect((await readerStates("/run/pcscd/pcscd.comm")).length).toBe(2);
    }
    expect(existsSync("/run/pcscd/pcscd.comm")).toBe(false);
  });

  test("says why it did not start, and leaves nothing", async () => {
    const started = startPcscd({ program: "/bin/sh", args: ["-c", "echo broken; exit 3"] });
    await expect(started).rejects.toThrow(/broken/);
  });
});

describe("sshd", () => {
  test("lets root and an ordinary user in, as bob", async () => {
    await using sshd = await startSshd();
    for (const user of ["root", "alice"] as const) {
      const done = await run("ssh", ["-F", sshd.clientConfig, "cardhost", "id -un"], { user });
      expect(done).toMatchObject({ status: 0, stdout: "bob\n" });
    }
  });

  test("is found through the user's own configuration", async () => {
    await using sshd = await startSshd({ loginUser: "carol" });
    await using _installed = await sshd.installFor("alice");
    const done = await run("ssh", ["cardhost", "id -un; node --version"], { user: "alice" });
    expect(done).toMatchObject({ status: 0, stdout: `carol\n${process.version}\n` });
  });

  test("drops connections, stops, and comes back on its port", async () => {
    await using sshd = await startSshd();
    await using login = start("ssh", ["-F", sshd.clientConfig, "cardhost", "echo in; cat"]);
    await login.waitForLine(/^in$/);
    expect(await sshd.dropConnections()).toBeGreaterThan(0);
    expect((await login.exited).status).toBe(255);
    await sshd.stop();
    const refused = await run("ssh", ["-F", sshd.clientConfig, "cardhost", "true"]);
    expect(refused).toMatchObject({ status: 255, stderr: expect.stringContaining("refused") });
    await sshd.start();
    const again = await run("ssh", ["-F", sshd.clientConfig, "cardhost", "true"]);
    expect(again.status).toBe(0);
  });

  test("takes more configuration, and shows its logins the pcscd of the card host", async () => {
    await using pcscd = await startPcscd();
    await using sshd = await startSshd({
      pcscdDirectory: pcscd.directory,
      config: ["AllowStreamLocalForwarding no"],
    });
    const config = ["-F", sshd.clientConfig, "cardhost"];
    const listed = await run("ssh", [...config, "opensc-tool -l"]);
    expect(listed.stdout).toContain(readerNames[0]);
    expect(existsSync("/run/pcscd/pcscd.comm")).toBe(false);
    await using forward = start("ssh", [
      "-N",
      "-L",
      "/run/tmp/no:/run/pcscd/pcscd.comm",
      ...config,
    ]);
    await until("the socket", () => existsSync("/run/tmp/no"));
    await expect(readerStates("/run/tmp/no")).rejects.toThrow(/hung up|ECONNRESET|EPIPE/);
    await forward.waitForLine(/open failed/);
    await until("sshd to say so", () => /refused streamlocal/.test(sshd.output));
  });
});

describe("the delay line", () => {
  test("makes a plain forward's round trips as long as it says, and can stall and break", async () => {
    await using pcscd = await startPcscd();
    await using sshd = await startSshd({ pcscdDirectory: pcscd.directory });
    await using line = await delayLine({ port: sshd.port, delayMs: 25 });
    const config = await sshd.configWith([`ProxyCommand ${line.proxyCommand}`]);
    const socket = "/run/user/4101/forward";
    const forward = `${socket}:/run/pcscd/pcscd.comm`;
    await using ssh = start("ssh", ["-F", config, "-N", "-L", forward, "cardhost"], {
      user: "alice",
    });
    await until("the forward", async () => (await readerStates(socket)).length === 2);

    const trips = await roundTrips(socket, 5);
    expect(Math.min(...trips)).toBeGreaterThanOrEqual(45);

    const { toServer, toClient } = await line.stats();
    expect(toServer).toBeGreaterThan(1_000);
    expect(toClient).toBeGreaterThan(1_000);

    line.stall();
    await expect(readerStates(socket, 300)).rejects.toThrow(/did not answer/);
    line.resume();
    expect((await readerStates(socket)).length).toBe(2);

    expect(line.connections).toBe(1);
    await line.cut();
    expect((await ssh.exited).status).toBe(255);
    expect(line.connections).toBe(0);
    expect((await line.stats()).toServer).toBeGreaterThan(toServer);

    const again = await run("ssh", ["-F", config, "cardhost", "true"], { user: "alice" });
    expect(again.status).toBe(0);
    await line.cut({ stayDown: true });
    const down = await run("ssh", ["-F", config, "cardhost", "true"], { user: "alice" });
    expect(down.status).toBe(255);
  });
});

describe("programs", () => {
  test("run as who they are said to be, with that user's groups and little else", async () => {
    const done = await run("sh", ["-c", "id; env | sort"], { user: "alice" });
    expect(done.stdout).toContain("uid=4101(alice) gid=4101(alice) groups=4101(alice),4200(cards)");
    expect(done.stdout).toContain("HOME=/run/home/alice");
    expect(done.stdout).not.toContain("CARDWIRE_LAB");
  });

  test("end with their children when time is up", async () => {
    const done = await run("sh", ["-c", "sleep 4242 & echo $!; wait"], { timeoutMs: 500 });
    expect(done).toMatchObject({ timedOut: true, signal: "SIGKILL", status: undefined });
    // The kernel takes a killed process away when it comes to it.
    const child = Number(done.stdout);
    const isGone = async () =>
      !(await processes()).some(({ pid, zombie }) => pid === child && !zombie);
    await until("the child to be gone", isGone);
  });

  test("are over when a daemon of theirs holds on to the output", async () => {
    const done = await run("sh", ["-c", "setsid sleep 30 & echo $!"]);
    expect(done.status).toBe(0);
    process.kill(Number(done.stdout), "SIGKILL");
  });

  test("take input, and give bytes back", async () => {
    const input = pattern(100_000);
    const done = await run("cat", [], { input, user: "bob" });
    expect(done.bytes.equals(input)).toBe(true);
  });
});

test("nothing of the lab is left", async () => {
  const names = /^(pcscd|sshd|ssh|cat|pcsc_scan)/;
  await until("every program to be gone", async () => (await left(names)).length === 0);
  const self = (await processes()).filter(
    ({ parent, zombie }) => parent === process.pid && !zombie,
  );
  expect(self).toEqual([]);
  expect(readFileSync("/proc/self/mountinfo", "utf8")).not.toContain(" /run/pcscd ");
  const { mode } = await stat(join("/run/tmp"));
  expect(mode & 0o7777).toBe(0o1777);
});

/** Processes by name that are more than a name. */
async function left(name: RegExp): Promise<readonly string[]> {
  const all = await processes();
  return all.filter((entry) => name.test(entry.name) && !entry.zombie).map((entry) => entry.name);
}

/** Times VERSION requests, one after the other on one connection, ms. */
async function roundTrips(path: string, count: number): Promise<readonly number[]> {
  const socket = connect(path);
  const times: number[] = [];
  const version = Buffer.from("0c00000011000000040000000400000000000000", "hex");
  const replies = socket[Symbol.asyncIterator]();
  // The first one also opens the channel.
  for (let i = 0; i <= count; i += 1) {
    const started = performance.now();
    socket.write(version);
    const { value } = await replies.next();
    expect((value as Buffer).length).toBe(12);
    if (i > 0) times.push(performance.now() - started);
  }
  socket.destroy();
  return times;
}
