import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Pcscd, readerNames, startPcscd } from "../lab/pcscd.ts";
import { until } from "../lab/processes.ts";
import { everywhere, run, start } from "../lab/programs.ts";
import { type Sshd, startSshd } from "../lab/sshd.ts";
import { daemonOf, foreign, type Suite, suite } from "../lab/suites.ts";
import { PcscClient } from "../pcsc/client.ts";
import { attach, PATIENCE_MS, using } from "./programs/cardwire.ts";

// Programs of other machines and other releases of Debian, unmodified, on one socket.

// A forward: what an agent makes different is in agent.test.ts and what it names.
everywhere["CARDWIRE_VIA"] = "forward";

type Programs = Pick<Suite, "program">;

/** What this computer has installed itself. */
const here: Programs = { program: (program, args = []) => [program, ...args] };

const clients: readonly (readonly [string, () => Programs])[] = [
  ["x86-64", () => here],
  ["s390x, big-endian", () => foreign("s390x")],
  ["armhf, 32 bits", () => foreign("armhf")],
  ["i386, 32 bits", () => foreign("i386")],
  ["Debian 11", () => suite("bullseye")],
  ["Debian 13", () => suite("trixie")],
  ["Debian unstable", () => suite("sid")],
];

const as = (client: Programs, socket: string) => ({
  run: (program: string, args: readonly string[]) => {
    const [command, ...rest] = client.program(program, args);
    const env = using(socket);
    return run(command, rest, { user: "alice", env, timeoutMs: PATIENCE_MS });
  },
  start: (program: string, args: readonly string[]) => {
    const [command, ...rest] = client.program(program, args);
    return start(command, rest, { user: "alice", env: using(socket) });
  },
});

/** Lists the readers, and has the card give back `data`, hex digits in pairs with spaces between. */
async function use(client: Programs, socket: string, data: string): Promise<void> {
  const program = as(client, socket);
  const list = await program.run("opensc-tool", ["-l"]);
  expect(list.stdout).toMatch(/0 +Yes +Virtual PCD 00 00\n1 +No +Virtual PCD 00 01\n/);
  const bytes = data.split(" ");
  const apdu = ["80", "E0", "00", "00", `0${bytes.length}`, ...bytes].join(":");
  const sent = await program.run("opensc-tool", ["-s", apdu]);
  expect(sent.stdout).toContain(`Received (SW1=0x90, SW2=0x00):\n${data} `);
}

describe("beside each other, through cardwire and ssh", () => {
  let pcscd: Pcscd;
  let sshd: Sshd;
  let installed: AsyncDisposable;

  beforeAll(async () => {
    pcscd = await startPcscd();
    sshd = await startSshd({ pcscdDirectory: pcscd.directory });
    installed = await sshd.installFor("alice");
  });
  afterAll(async () => {
    await installed[Symbol.asyncDispose]();
    await sshd[Symbol.asyncDispose]();
    await pcscd[Symbol.asyncDispose]();
  });

  test("pcscd itself does not understand the other byte order", async () => {
    const listed = await as(foreign("s390x"), pcscd.socketPath).run("pcsc_scan", ["-r"]);
    // Which error it is depends on whether the whole request was sent before pcscd hung up.
    const refused = /SCardEstablishContext: (Access denied|Service not available)\./;
    expect(listed).toMatchObject({ status: 255, stdout: "" });
    expect(listed.stderr).toMatch(refused);
    // 0x11 with its bytes turned round.
    await until("pcscd to say why", () => pcscd.output.includes("Unknown command: 285212672"));
  });

  test("pcsc_scan -r prints the same on every machine, all of them at once", async () => {
    await using attached = await attach(["cardhost"]);
    const machines = [here, foreign("s390x"), foreign("armhf"), foreign("i386")];
    const lists = machines.map((one) => as(one, attached.socket).run("pcsc_scan", ["-r"]));
    for (const { status, stdout } of await Promise.all(lists)) {
      expect({ status, stdout }).toEqual({
        status: 0,
        stdout: expect.stringContaining("0: Virtual PCD 00 00\n1: Virtual PCD 00 01\n"),
      });
    }
  });

  test("each gets its own answers while the others use the same card", async () => {
    await using attached = await attach(["cardhost"]);
    const used = clients.map(([, client], i) =>
      use(client(), attached.socket, `0${i} 42 ${i}A ${i}B`),
    );
    await Promise.all(used);
  });

  test("waiting programs see the card go and come", async () => {
    await using attached = await attach(["cardhost"]);
    const waiting = [foreign("s390x"), foreign("armhf"), foreign("i386"), here].map((one) =>
      as(one, attached.socket).start("pcsc_scan", ["-n"]),
    );
    try {
      const all = async (line: RegExp) => {
        const seen = waiting.map((one) => one.waitForLine(line, { timeoutMs: PATIENCE_MS }));
        await Promise.all(seen);
      };
      await all(/ATR: 3B 80 80 01 01/);
      await pcscd.cards[0].pull();
      await all(/Card removed/);
      await pcscd.cards[0].insert();
      await all(/ATR: 3B 80 80 01 01/);
    } finally {
      await Promise.all(waiting.map((one) => one.stop()));
    }
  });
});

// Directly, most of these pairs refuse each other.
describe.each([
  ["this computer's pcscd", () => ({})],
  ["Debian 13's pcscd", () => daemonOf(suite("trixie"))],
  ["Debian unstable's pcscd", () => daemonOf(suite("sid"))],
  ["a big-endian pcscd", () => daemonOf(foreign("s390x"))],
] as const)("%s", (_, daemon) => {
  let pcscd: Pcscd;
  beforeAll(async () => {
    pcscd = await startPcscd(daemon());
  });
  afterAll(() => pcscd[Symbol.asyncDispose]());

  test("serves every client", async () => {
    await using attached = await attach([`unix:${pcscd.socketPath}`]);
    for (const [, client] of clients) await use(client(), attached.socket, "C0 FF EE");
  });
});

test("a big-endian pcscd, which itself keeps what a dead program had, frees it through cardwire", async () => {
  await using pcscd = await startPcscd(daemonOf(foreign("s390x")));
  await using attached = await attach([`unix:${pcscd.socketPath}`]);
  const [reader] = readerNames;
  const sharing = async () => (await pcscd.readers())[0]?.sharing;
  const leave = async (socket: string, programs: Programs, share: number) => {
    await using client = new PcscClient(socket, { programs });
    await client.must("establish", { context: "a" });
    await client.must("connect", { context: "a", card: "c", reader, share });
    await client.must("begin", { card: "c" });
    await client.die();
  };
  await leave(attached.socket, here, 2);
  await until("the shared card to be free", async () => (await sharing()) === 0);
  await leave(attached.socket, foreign("s390x"), 1);
  await until("the exclusive card to be free", async () => (await sharing()) === 0);
  await use(here, attached.socket, "C0 FF EE");
  await leave(pcscd.socketPath, foreign("s390x"), 2);
  // The daemon has seen the end of that connection when it has served another one.
  await as(foreign("s390x"), pcscd.socketPath).run("pcsc_scan", ["-r"]);
  expect(await sharing()).toBe(1);
});
