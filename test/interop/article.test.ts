import { existsSync, statSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Computer, type Computers, startComputers } from "../lab/computers.ts";
import { type Pcscd, startPcscd } from "../lab/pcscd.ts";
import { until } from "../lab/processes.ts";
import { type Finished, type ProgramOptions, run, start } from "../lab/programs.ts";
import { foreign, type Suite } from "../lab/suites.ts";
import type { UserName } from "../lab/users.ts";
import { attach, cardwire, here, PATIENCE_MS, share, using } from "./programs/cardwire.ts";

// Ludovic Rousseau, "One smart card reader accessible from many computers" (2022), paragraph by paragraph, on computers
// that have a network between them. Its sentences are the names of the tests; docs/article.md is the same for readers.

const clients = Array.from({ length: 10 }, (_, i) => `computer${i + 2}` as const);
type Name = "computer1" | `computer${number}`;

let pcscd: Pcscd;
let lab: Computers<Name>;
let computer1: Computer;
let computer2: Computer;

beforeAll(async () => {
  pcscd = await startPcscd();
  lab = await startComputers<Name>(["computer1", ...clients]);
  computer1 = on("computer1");
  computer2 = on("computer2");
  await computer1.plugIn(pcscd);
}, 120_000);
afterAll(async () => {
  await lab[Symbol.asyncDispose]();
  await pcscd[Symbol.asyncDispose]();
});

function on(name: Name): Computer {
  const computer = lab[name];
  if (computer === undefined) throw new Error(`there is no ${name}`);
  return computer;
}

/** The socket of the article. */
const SOCKET = "/tmp/pcscd.comm";
const isThere = (computer: Computer, path = SOCKET): boolean =>
  existsSync(join(computer.root, path));

/** Lists the readers on a computer, as one of its users sees them through `socket`. */
const list = async (
  computer: Computer,
  socket: string,
  user: UserName = "alice",
): Promise<string> =>
  (await run("opensc-tool", ["-l"], { user, on: computer, env: using(socket) })).stdout;

/** Sends a command to the card, from a computer. */
const command = (
  computer: Computer,
  socket: string,
  machine: Pick<Suite, "program"> = { program: (program, args = []) => [program, ...args] },
): Promise<Finished> => {
  const argv = ["-r", "Virtual PCD 00 00", "-s", "80E0000003010203"];
  const [program, ...args] = machine.program("opensc-tool", argv);
  return run(program, args, {
    user: "alice",
    on: computer,
    env: using(socket),
    timeoutMs: PATIENCE_MS,
  });
};

const READER = "Virtual PCD 00 00";
const ANSWERED = "Received (SW1=0x90, SW2=0x00):\n01 02 03";
const asAlice = (computer: Computer): ProgramOptions => ({ user: "alice", on: computer });

test("on computer1 you have your smart card reader(s) connected and pcscd will run as usual", async () => {
  expect(await list(computer1, "/run/pcscd/pcscd.comm")).toContain(READER);
  expect(await list(computer2, "/run/pcscd/pcscd.comm")).not.toContain(READER);
});

describe("a user on computer1 is able to connect to computer2 using ssh (-R)", () => {
  test("only root is allowed to create files in /run/pcscd/", async () => {
    const args = ["share", "computer2", "--socket", "/run/pcscd/pcscd.comm"];
    const refused = await cardwire(args, asAlice(computer1));
    expect(refused).toMatchObject({
      status: 1,
      stderr: expect.stringMatching(
        /^cardwire: on computer2: no right to make the socket \/run\/pcscd\/pcscd\.comm\nhint: .*--socket/,
      ),
    });
  });

  test("on computer2 you define the socket path to use, and run your PC/SC application as usual", async () => {
    await using shared = await share(["computer2", "--socket", SOCKET], asAlice(computer1));
    expect(shared.program.output).toContain(`export PCSCLITE_CSOCK_NAME=${SOCKET}`);
    expect(await list(computer2, SOCKET)).toContain(READER);
    expect((await command(computer2, SOCKET)).stdout).toContain(ANSWERED);
  });

  test("without --socket it is in a directory of that user's own", async () => {
    await using shared = await share(["computer2"], asAlice(computer1));
    expect(shared.socket).toBe("/tmp/cardwire-4101/computer1/pcscd.comm");
    expect(await list(computer2, shared.socket)).toContain(READER);
  });
});

test("it is also possible to do the SSH connection from the client to the server (-L)", async () => {
  await using attached = await attach(["computer1"], asAlice(computer2));
  expect(await list(computer2, attached.socket)).toContain(READER);
  expect((await command(computer2, attached.socket)).stdout).toContain(ANSWERED);
  const program = ["run", "computer1", "--", "opensc-tool", "-l"];
  expect((await cardwire(program, asAlice(computer2))).stdout).toContain(READER);
});

describe("socket access rights", () => {
  const directions = [
    ["share", () => share(["computer2", "--socket", SOCKET], asAlice(computer1))],
    ["attach", () => attach(["computer1", "--socket", SOCKET], asAlice(computer2))],
  ] as const;

  test.each(directions)(
    "%s: read & write for the user, and no access for others",
    async (_, make) => {
      await using _made = await make();
      const { mode, uid } = statSync(join(computer2.root, SOCKET));
      expect({ mode: mode & 0o777, uid }).toEqual({ mode: 0o600, uid: 4101 });
      expect(await list(computer2, SOCKET)).toContain(READER);
      expect(await list(computer2, SOCKET, "bob")).not.toContain(READER);
      expect(await list(computer2, SOCKET, "carol")).not.toContain(READER);
    },
  );

  const shared = (rights: readonly string[]) =>
    [
      ["share", () => share(["computer2", "--socket", SOCKET, ...rights], asAlice(computer1))],
      ["attach", () => attach(["computer1", "--socket", SOCKET, ...rights], asAlice(computer2))],
    ] as const;

  test.each(shared(["--mode", "0666"]))("%s: everybody (chmod a+rw)", async (_, make) => {
    await using _made = await make();
    expect(await list(computer2, SOCKET, "bob")).toContain(READER);
  });

  test.each(shared(["--group", "cards"]))("%s: one group", async (_, make) => {
    await using _made = await make();
    expect(await list(computer2, SOCKET, "carol")).toContain(READER);
    expect(await list(computer2, SOCKET, "bob")).not.toContain(READER);
  });
});

describe("when you stop the ssh execution, the socket is not removed, so if you run ssh again you get an error", () => {
  const forwards = [
    ["-R", () => computer1, ["-R", `${SOCKET}:/run/pcscd/pcscd.comm`, "computer2"]],
    ["-L", () => computer2, ["-L", `${SOCKET}:/run/pcscd/pcscd.comm`, "computer1"]],
  ] as const;

  test.each(forwards)("ssh -N %s", async (option, who, words) => {
    const ssh = (): ReturnType<typeof start> => start("ssh", ["-N", ...words], asAlice(who()));
    const first = ssh();
    await until("the socket", () => isThere(computer2));
    await first.stop();
    expect(isThere(computer2)).toBe(true);
    await using again = ssh();
    await again.waitForLine(
      option === "-R"
        ? /remote port forwarding failed for listen path \/tmp\/pcscd\.comm/
        : /cannot bind to path \/tmp\/pcscd\.comm: Address already in use/,
    );
    await again.stop();

    // cardwire takes its place, and leaves nothing.
    const made =
      option === "-R"
        ? await share(["computer2", "--socket", SOCKET], asAlice(computer1))
        : await attach(["computer1", "--socket", SOCKET], asAlice(computer2));
    expect(await list(computer2, SOCKET)).toContain(READER);
    await made[Symbol.asyncDispose]();
    expect(isThere(computer2)).toBe(false);
  });
});

test("you can have 1 server and 10 clients all connected to the same smart card reader", async () => {
  const TURNS = 5;
  const shares = await Promise.all(clients.map((name) => share([name], asAlice(computer1))));
  try {
    const before = (await pcscd.cards[0].log()).length;
    const players = clients.map((name, index) => {
      const env = using(shares[index]?.socket ?? "");
      const argv = [here("card_turns.py"), `${index}`, `${TURNS}`];
      return run("/usr/bin/python3", argv, {
        ...asAlice(on(name)),
        env,
        timeoutMs: 4 * PATIENCE_MS,
      });
    });
    for (const [index, player] of (await Promise.all(players)).entries())
      expect(player).toMatchObject({ status: 0, stdout: `${index}: ${TURNS} turns\n`, stderr: "" });
    // If the applications are correctly written with PC/SC transactions, no problem is expected: nothing was done
    // twice, and nothing came between the two commands of a turn.
    const log = (await pcscd.cards[0].log()).slice(before);
    expect(log).toHaveLength(clients.length * TURNS * 2);
    expect(new Set(log).size).toBe(log.length);
    for (let at = 0; at < log.length; at += 2)
      expect(log[at + 1]?.slice(0, 4)).toBe(log[at]?.slice(0, 4));
  } finally {
    await Promise.all(shares.map((one) => one[Symbol.asyncDispose]()));
  }
}, 180_000);

describe("it is possible to run clients on a different CPU architecture", () => {
  test.each([
    ["a Raspberry Pi's ARM with 32 bits", foreign("armhf")],
    ["big-endian: the configuration that the article expected to fail", foreign("s390x")],
  ])("%s", async (_, machine) => {
    const expected = { status: 0, stdout: expect.stringContaining(`0: ${READER}\n`) };
    const scan = (socket: string): Promise<Finished> => {
      const [program, ...args] = machine.program("pcsc_scan", ["-r"]);
      return run(program, args, { ...asAlice(computer2), env: using(socket) });
    };
    await using shared = await share(["computer2"], asAlice(computer1));
    expect(await scan(shared.socket)).toMatchObject(expected);
    expect((await command(computer2, shared.socket, machine)).stdout).toContain(ANSWERED);
    await using attached = await attach(["computer1"], asAlice(computer2));
    expect(await scan(attached.socket)).toMatchObject(expected);
    expect((await command(computer2, attached.socket, machine)).stdout).toContain(ANSWERED);
  });
});

test("at the end nothing is left on any computer", async () => {
  for (const name of ["computer1", ...clients] as const) {
    const find = ["/tmp", "/run/user", "-mindepth", "1", "-name", "*cardwire*", "-not", "-empty"];
    // An agent that nobody came to, for its line was too slow to come up, waits for its first session for 30 s.
    await until(
      `nothing to be left on ${name}`,
      async () => (await run("find", find, { on: on(name) })).stdout === "",
      40_000,
    );
    expect(isThere(on(name))).toBe(false);
  }
}, 180_000);
