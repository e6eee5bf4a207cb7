import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { atrs } from "../lab/card.ts";
import { type Pcscd, startPcscd } from "../lab/pcscd.ts";
import { type Finished, type RunOptions, run, start } from "../lab/programs.ts";
import { type Sshd, startSshd } from "../lab/sshd.ts";
import {
  type Attached,
  attach,
  converse,
  here,
  leftIn,
  PATIENCE_MS,
  RUNTIME,
  sshMasters,
  using,
} from "./programs/cardwire.ts";

// Programs as they are installed, used by alice, who is nobody special. Each is run on pcscd's own socket and on
// cardwire's, and must not notice a difference.

/** Java's virtual machine otherwise leaves a directory in /tmp, whatever TMPDIR says. */
const NO_TRACE = "-XX:-UsePerfData";

let pcscd: Pcscd;
let sshd: Sshd;
let installed: AsyncDisposable;
let overSsh: Attached;
let onSocket: Attached;
/** Where Terminals.class is. */
let classes: string;
/** Where Java finds libpcsclite: its own guess fits Debian's folders only where that has no other architecture. */
let library: string;

beforeAll(async () => {
  pcscd = await startPcscd();
  sshd = await startSshd({ pcscdDirectory: pcscd.directory });
  installed = await sshd.installFor("alice");
  overSsh = await attach(["cardhost"]);
  onSocket = await attach([`unix:${pcscd.socketPath}`]);
  classes = await mkdtemp(join(tmpdir(), "classes-"));
  const compiled = await run("javac", [`-J${NO_TRACE}`, "-d", classes, here("Terminals.java")], {
    timeoutMs: PATIENCE_MS,
  });
  if (compiled.status !== 0) throw new Error(compiled.stderr);
  await run("chmod", ["-R", "a+rX", classes]);
  const cache = await run("ldconfig", ["-p"]);
  library = /libpcsclite\.so\.1 .*=> (\S+)/.exec(cache.stdout)?.[1] ?? "";
});
afterAll(async () => {
  await onSocket[Symbol.asyncDispose]();
  await overSsh[Symbol.asyncDispose]();
  const left = [...(await leftIn(RUNTIME)), ...(await sshMasters())];
  if (left.length > 0) throw new Error(`left behind: ${left.join(", ")}`);
  await installed[Symbol.asyncDispose]();
  await sshd[Symbol.asyncDispose]();
  await pcscd[Symbol.asyncDispose]();
  await rm(classes, { recursive: true, force: true });
});

const asAlice = async (socket: string, command: string, options: RunOptions = {}) => {
  const more = { user: "alice", timeoutMs: PATIENCE_MS, env: using(socket) } as const;
  return said(await run("sh", ["-c", command], { ...more, ...options }));
};
const said = ({ status, stdout, stderr }: Finished) => ({ status, stdout, stderr });

/** GnuPG with a home of its own; scdaemon would hold on to the reader. */
const gpg = (setting = "") => `
  export GNUPGHOME=$(mktemp -d)
  echo '${setting}' >"$GNUPGHOME/scdaemon.conf"
  gpg -k >/dev/null 2>&1
  gpg --card-status; status=$?
  gpgconf --kill all; rm -rf "$GNUPGHOME"; exit $status`;

/** A command that the test card echoes, as opensc-tool takes it. */
const echo = (bytes: number) => {
  const length = bytes > 255 ? [0, bytes >> 8, bytes & 255] : [bytes];
  const apdu = Buffer.from([0x80, 0xe0, 0, 0, ...length, ...Array(bytes).fill(0x5a)]);
  return `-s ${apdu.toString("hex").replaceAll(/(..)(?!$)/g, "$1:")}`;
};

describe("with a card, the same answer as from pcscd itself", () => {
  test.each([
    ["pcsc_scan -r", "pcsc_scan -r", 0, /0: Virtual PCD 00 00\n1: Virtual PCD 00 01/],
    ["opensc-tool -l", "opensc-tool -l", 0, /0 {4}Yes .*00 00\n1 {4}No .*00 01/],
    ["opensc-tool -a", "opensc-tool -a", 0, /3b:80:80:01:01/],
    ["opensc-tool -n", "opensc-tool -n", 0, /Unsupported card/],
    ["opensc-tool -s, short", `opensc-tool -r 0 ${echo(255)}`, 0, /5A 5A/],
    // OpenSC knows of no card that takes these, and refuses before it sends: see scard_calls.py for them.
    ["opensc-tool -s, extended", `opensc-tool -r 0 ${echo(300)}`, 1, /Sending: 80 E0/],
    ["opensc-tool -s, 61xx", "opensc-tool -r 0 -s 80:E2:01:2C:00", 0, /SW1=0x90/],
    ["opensc-tool of an empty reader", "opensc-tool -r 1 -a", 1, /Card not present/],
    ["pkcs11-tool -L", "pkcs11-tool -L", 0, /token not recognized[^]*\(empty\)/],
    ["yubico-piv-tool", "yubico-piv-tool -a status", 1, /Failed to connect to yubikey/],
    ["gpg --card-status", gpg(), 2, /OpenPGP card not available/],
  ] as const)("%s", async (_what, command, status, shown) => {
    const direct = await asAlice(pcscd.socketPath, command);
    expect(direct.status).toBe(status);
    expect(direct.stdout + direct.stderr).toMatch(shown);
    expect(await asAlice(overSsh.socket, command)).toEqual(direct);
  });
});

test.each(["pkcs11-tool -L", "opensc-tool -l", "pcsc_scan -r", "yubico-piv-tool -a status"])(
  "%s, without a card",
  async (command) => {
    const [card] = pcscd.cards;
    await card.pull();
    try {
      const direct = await asAlice(pcscd.socketPath, command);
      expect(await asAlice(overSsh.socket, command)).toEqual(direct);
    } finally {
      await card.insert();
    }
  },
);

test("pcsc_scan sees cards go and come", async () => {
  const [card] = pcscd.cards;
  const seen = async (socket: string) => {
    await using scan = start("pcsc_scan", [], { user: "alice", env: using(socket) });
    const next = (line: RegExp) => scan.waitForLine(line, { timeoutMs: PATIENCE_MS });
    await next(/Card state: .*inserted/i);
    await card.pull();
    await next(/Card state: .*removed/i);
    await card.insert();
    await next(/Card state: .*inserted/i);
    await next(/3B 80 80 01 01/);
    return scan.output.match(/Card state:.*|Scanning present readers.*|^ATR:.*/gm);
  };
  expect(await seen(overSsh.socket)).toEqual(await seen(pcscd.socketPath));
});

const python = (file: string, ...args: readonly string[]): [string, ...string[]] => [
  "/usr/bin/python3",
  "-B",
  here(file),
  ...args,
];

describe("every function of PC/SC", () => {
  const calls = (socket: string, sections: readonly string[] = [], env = {}, daemon = pcscd) =>
    converse(python("scard_calls.py", ...sections), {
      card: daemon.cards[0],
      env: { ...using(socket), ...env },
    });

  test("gives what pcscd gives, behind ssh and on a socket here", async () => {
    const direct = await calls(pcscd.socketPath);
    // What is compared is worth comparing.
    for (const line of [
      "nothing new in 300 ms: 8010000a",
      "pull: 00000000 [('Virtual PCD 00 00', 18, 1, [])]",
      "a wait for readers, cancelled: 80100002",
      "exclusive beside another: 8010000b",
      "long answer 65533: 00000000 [65535 bytes",
      "room for 301 bytes: 80100008",
      "shared: control 42000d48: ",
      "who dies holding it leaves a reset card: 80100068",
      "reconnect: 8010000c",
    ]) {
      expect(direct).toContain(line);
    }
    expect(await calls(overSsh.socket)).toBe(direct);
    expect(await calls(onSocket.socket)).toBe(direct);
  });

  test("also where the library does not wait for a card that another holds", async () => {
    const env = { PCSCLITE_NO_BLOCKING: "1" };
    const direct = await calls(pcscd.socketPath, ["contention"], env);
    expect(direct).toContain("transmit: 8010000b");
    expect(await calls(overSsh.socket, ["contention"], env)).toBe(direct);
    expect(await calls(onSocket.socket, ["contention"], env)).toBe(direct);
  });

  test.each([
    ["T=0", atrs.t0, "protocol: 00000000 1"],
    ["T=1", atrs.t1, "protocol: 00000000 2"],
  ])("of a card that knows %s only", async (_protocol, atr, line) => {
    await using daemon = await startPcscd({ cards: [{ atr }] });
    await using host = await startSshd({ pcscdDirectory: daemon.directory });
    await using far = await attach([
      "cardhost",
      "--name",
      "far",
      "--ssh",
      `ssh -F ${host.clientConfig}`,
    ]);
    const sections = ["connects", "transmits", "reconnects", "dispositions"];
    const direct = await calls(daemon.socketPath, sections, {}, daemon);
    expect(direct).toContain(line);
    expect(await calls(far.socket, sections, {}, daemon)).toBe(direct);
    const command = "opensc-tool -r 0 -a -s 80:E2:01:2C:00 -s 80:E0:00:00:01:07";
    expect(await asAlice(far.socket, command)).toEqual(await asAlice(daemon.socketPath, command));
  });
});

test("pyscard's monitors see readers, and cards that go and come", async () => {
  const [card] = pcscd.cards;
  const [command, ...args] = python("card_observers.py");
  await using monitors = start(command, args, { user: "alice", env: using(overSsh.socket) });
  const next = (line: RegExp) => monitors.waitForLine(line, { timeoutMs: PATIENCE_MS });
  await next(/^\+ card 3b80800101 in Virtual PCD 00 00$/);
  expect(monitors.output).toMatch(/\+ reader Virtual PCD 00 00\n\+ reader Virtual PCD 00 01/);
  await card.pull();
  await next(/^- card 3b80800101 in Virtual PCD 00 00$/);
  await card.insert();
  await next(/^\+ card 3b80800101 in Virtual PCD 00 00$/);
  monitors.closeInput();
  expect(await monitors.exited).toMatchObject({ status: 0 });
});

const java = (...args: readonly string[]): [string, ...string[]] => [
  "java",
  NO_TRACE,
  "-Xshare:auto",
  `-Dsun.security.smartcardio.library=${library}`,
  "-cp",
  classes,
  "Terminals",
  ...args,
];

test("Java's javax.smartcardio", async () => {
  const terminals = (socket: string) =>
    converse(java(), { card: pcscd.cards[0], env: using(socket) });
  const direct = await terminals(pcscd.socketPath);
  expect(direct).toContain("long echo: 8000 bytes");
  expect(direct).toContain("absent: true");
  expect(direct).toContain("present: true");
  expect(await terminals(overSsh.socket)).toBe(direct);
  expect(await terminals(onSocket.socket)).toBe(direct);
});

test("a dozen programs of different kinds at once", async () => {
  const commands = [
    "pcsc_scan -r",
    "opensc-tool -l",
    "opensc-tool -a",
    `opensc-tool -r 0 ${echo(200)}`,
    "pkcs11-tool -L",
    "yubico-piv-tool -a status",
    gpg("pcsc-shared"),
    java("--shared").join(" "),
  ];
  const alone: unknown[] = [];
  for (const command of commands) alone.push(await asAlice(pcscd.socketPath, command));

  const TURNS = 25;
  const players = ["1", "2", "3", "4"];
  const before = (await pcscd.cards[0].log()).length;
  const [together, turns] = await Promise.all([
    Promise.all(commands.map((command) => asAlice(overSsh.socket, command))),
    Promise.all(
      players.map((who) =>
        asAlice(overSsh.socket, python("card_turns.py", who, `${TURNS}`).join(" ")),
      ),
    ),
  ]);
  expect(together).toEqual(alone);
  expect(turns).toEqual(
    players.map((who) => ({ status: 0, stdout: `${who}: ${TURNS} turns\n`, stderr: "" })),
  );
  // Nothing was done twice, and nothing came between the two commands of a turn.
  const log = (await pcscd.cards[0].log()).slice(before);
  expect(log).toHaveLength(players.length * TURNS * 2);
  expect(new Set(log).size).toBe(log.length);
  for (let at = 0; at < log.length; at += 2) {
    expect(log[at]?.endsWith("00")).toBe(true);
    expect(log[at + 1]).toBe(log[at]?.replace(/00$/, "01"));
  }
});
