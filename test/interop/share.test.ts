import { once } from "node:events";
import { chmodSync, chownSync, existsSync, writeFileSync } from "node:fs";
import { mkdtemp, rm, stat } from "node:fs/promises";
import { createServer, type Server } from "node:net";
import { hostname } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { delayLine } from "../lab/delay-line.ts";
import { type Pcscd, readerNames, startPcscd } from "../lab/pcscd.ts";
import { signal as kill, until } from "../lab/processes.ts";
import { everywhere, type ProgramOptions, run, start } from "../lab/programs.ts";
import { type Sshd, startSshd } from "../lab/sshd.ts";
import { users } from "../lab/users.ts";
import {
  cardwire,
  leftIn,
  MAIN,
  PATIENCE_MS,
  RUNTIME,
  share,
  sshMasters,
  using,
} from "./programs/cardwire.ts";

// alice, at the card host, lends her readers to programs of bob's (or carol's) on the computer that ssh calls cardhost
// here. Both computers are this one; the sockets over there are found in bob's directories.

// By sshd's socket: through an agent, see share-agent.test.ts.
everywhere["CARDWIRE_VIA"] = "forward";

let pcscd: Pcscd;
let sshd: Sshd;
let installed: AsyncDisposable;
/** Of everybody, for sockets over there that are wanted in a place. */
let place: string;

const BOBS = `/tmp/cardwire-${users.bob.uid}`;
const DEFAULT_SOCKET = `${BOBS}/${hostname()}/pcscd.comm`;

beforeAll(async () => {
  pcscd = await startPcscd();
  sshd = await startSshd();
  installed = await sshd.installFor("alice");
  place = await mkdtemp("/run/tmp/place-");
  chmodSync(place, 0o1777);
});
afterEach(async () => {
  await sshd.start();
  const left = [
    ...(await leftIn(RUNTIME)),
    ...(await madeThere()),
    ...(await leftIn(place)),
    ...(await sshMasters()),
  ];
  if (left.length > 0) throw new Error(`left behind: ${left.join(", ")}`);
});
afterAll(async () => {
  await installed[Symbol.asyncDispose]();
  await sshd[Symbol.asyncDispose]();
  await pcscd[Symbol.asyncDispose]();
  await rm(place, { recursive: true });
});

/** Files of ours in the other computer's /tmp. */
const madeThere = async () => (await leftIn("/tmp")).filter((name) => name.startsWith("cardwire"));

const lending = (args: readonly string[] = ["cardhost"], options: ProgramOptions = {}) =>
  share(args, { env: using(pcscd.socketPath), ...options });

const list = async (user: "bob" | "carol" | "alice", socket: string) =>
  (await run("opensc-tool", ["-l"], { user, env: using(socket) })).stdout;

/** A command to the card and back, by a program over there. */
async function worksAt(socket: string, user: "bob" | "carol" = "bob"): Promise<void> {
  const argv = ["-r", "0", "-s", "80E0000003010203"];
  const done = await run("opensc-tool", argv, { user, env: using(socket) });
  expect(`${done.stdout}${done.stderr}`).toContain("Received (SW1=0x90, SW2=0x00)");
}

async function fails(args: readonly string[]) {
  const done = await cardwire(["share", ...args], { env: using(pcscd.socketPath) });
  const [, message = "", hint = ""] = /^cardwire: (.+)\nhint: (.+)\n$/.exec(done.stderr) ?? [
    "",
    `unexpected:\n${done.stdout}${done.stderr}`,
  ];
  return { status: done.status, message, hint };
}

describe("share", () => {
  test("shows what it lends and where, and removes it at the end", async () => {
    const shared = await lending();
    expect(shared.socket).toBe(DEFAULT_SOCKET);
    expect(shared.program.output.split("\n").filter(Boolean)).toEqual([
      "cardhost: 2 readers of this computer can be used there now",
      "  Virtual PCD 00 00  card   3B 80 80 01 01",
      "  Virtual PCD 00 01  empty",
      "Programs there find them once this is set in their environment:",
      `  export PCSCLITE_CSOCK_NAME=${DEFAULT_SOCKET}`,
      "Programs that compete for a card get it by chance, as pcscd gives it.",
      "Ctrl-C ends the share and removes the socket there.",
    ]);
    const { mode, uid } = await stat(shared.socket);
    expect({ mode: mode & 0o777, uid }).toEqual({ mode: 0o600, uid: users.bob.uid });
    expect((await stat(dirname(shared.socket))).mode & 0o777).toBe(0o700);
    expect(await list("bob", shared.socket)).toContain(readerNames[0]);
    expect(await list("carol", shared.socket)).not.toContain(readerNames[0]);
    await worksAt(shared.socket);
    await shared[Symbol.asyncDispose]();
    expect(existsSync(BOBS)).toBe(false);
  });

  test("--json tells a script", async () => {
    const argv = [MAIN, "share", "cardhost", "--json"];
    await using program = start("node", argv, { user: "alice", env: using(pcscd.socketPath) });
    const line = await program.waitForLine(/^\{/, { timeoutMs: PATIENCE_MS });
    expect(program.output).toBe(`${line}\n`);
    expect(JSON.parse(line)).toEqual({
      to: "cardhost",
      socket: DEFAULT_SOCKET,
      removedAtEnd: true,
      readers: readerNames.map((reader) => expect.objectContaining({ reader })),
    });
    program.kill("SIGTERM");
    await program.exited;
  });

  test("a waiting program over there sees the card go and come", async () => {
    await using shared = await lending();
    await using scan = start("pcsc_scan", ["-n"], { user: "bob", env: using(shared.socket) });
    await scan.waitForLine(/Card inserted/);
    await pcscd.cards[0].pull();
    await scan.waitForLine(/Card removed/);
    await pcscd.cards[0].insert();
    await scan.waitForLine(/Card inserted/);
  });

  test("lends only the readers that are named, by name or glob", async () => {
    for (const reader of [readerNames[1], "*01", "Virtual PCD 00 0[1-9]"]) {
      await using shared = await lending(["cardhost", "--reader", reader]);
      const listed = await list("bob", shared.socket);
      expect(listed).toContain(readerNames[1]);
      expect(listed).not.toContain(readerNames[0]);
    }
    await using none = await lending(["cardhost", "--reader", "Yubico", "--name", "none"]);
    await none.program.waitForLine(/^No reader here has such a name now; 'cardwire readers/);
    await using both = await lending(["cardhost", "--reader", "*00 00", "--reader", "*01"]);
    expect(await list("bob", both.socket)).toContain(readerNames[0]);
    expect(await list("bob", both.socket)).toContain(readerNames[1]);
  });

  test("ten programs of several users and several hosts at once", async () => {
    await using second = await startSshd({ loginUser: "carol" });
    const other = `ssh -F ${second.clientConfig}`;
    await using toBob = await lending();
    await using toCarol = await lending(["cardhost", "--ssh", other]);
    expect(toCarol.socket).toBe(`/tmp/cardwire-${users.carol.uid}/${hostname()}/pcscd.comm`);
    await Promise.all(
      Array.from({ length: 10 }, (_, index) =>
        index % 2 === 0 ? worksAt(toBob.socket) : worksAt(toCarol.socket, "carol"),
      ),
    );
  });
});

describe("whom --mode and --group admit over there", () => {
  const asCarol = ["cardhost", "--ssh"];

  test("with --group, the group gets in, and nobody else", async () => {
    const config = await sshd.configWith(["User carol"]);
    await using shared = await lending([...asCarol, `ssh -F ${config}`, "--group", "cards"]);
    const { socket, program } = shared;
    expect((await stat(socket)).mode & 0o777).toBe(0o660);
    expect((await stat(dirname(socket))).mode & 0o777).toBe(0o710);
    expect(await list("alice", socket)).toContain(readerNames[0]);
    expect(await list("bob", socket)).not.toContain(readerNames[0]);
    expect(program.output).not.toContain("cannot reach");
  });

  test("with --mode 0660 alone, the login's own group does", async () => {
    await using shared = await lending(["cardhost", "--mode", "0660"]);
    const { mode, gid } = await stat(dirname(shared.socket));
    expect({ mode: mode & 0o777, gid }).toEqual({ mode: 0o710, gid: users.bob.gid });
    expect(await list("bob", shared.socket)).toContain(readerNames[0]);
  });

  test("with --mode 0666, everybody does, and sees nothing else", async () => {
    await using shared = await lending(["cardhost", "--mode", "0666"]);
    expect(await list("carol", shared.socket)).toContain(readerNames[0]);
    const owner = await run("cat", [`${shared.socket}.owner`], { user: "carol" });
    expect(owner.status).toBe(1);
    expect((await run("ls", [dirname(shared.socket)], { user: "carol" })).status).toBe(2);
  });

  test("--socket names the place, with these rights; a closed way there is told", async () => {
    const path = join(place, "it's here.comm");
    const config = await sshd.configWith(["User carol"]);
    const rights = ["--group", "cards", "--mode", "0660", "--socket", path];
    const shared = await lending([...asCarol, `ssh -F ${config}`, ...rights]);
    const { mode, gid } = await stat(path);
    expect({ mode: mode & 0o777, gid }).toEqual({ mode: 0o660, gid: 4200 });
    expect(await list("alice", path)).toContain(readerNames[0]);
    await shared[Symbol.asyncDispose]();

    const closed = join(users.bob.home, "s.comm");
    await using hidden = await lending(["cardhost", "--mode", "0666", "--socket", closed]);
    await hidden.program.waitForLine(/cannot reach the socket: \/run\/home\/bob on cardhost/);
  });

  test.each([
    [["--group", "nosuchgroup"], /^the group nosuchgroup is not there on cardhost/],
    [["--group", "\u001b[2J"], /^the group \?\[2J is not there on cardhost/],
    [["--group", "cards"], /^the group cards is not there on cardhost, or that user/],
    [["--socket", "/etc/s.comm"], /^no right to make a socket in \/etc on cardhost$/],
    [["--socket", "/run/tmp/none/s"], /^there is no directory \/run\/tmp\/none on cardhost$/],
    [["--socket", "/etc/passwd"], /^no right to make a socket in \/etc on cardhost$/],
    [["--socket", "relative"], /cannot be a path over there$/],
    [["--socket", `/run/tmp/${"x".repeat(120)}`], /bytes, and Linux takes 107$/],
    [["--name", "../x"], /cannot be the name of an attachment$/],
  ])("%j", async (args, message) => {
    const failed = await fails(["cardhost", ...args]);
    expect(failed.message).toMatch(message);
    expect(failed.hint).not.toBe("");
  });
});

describe("what is in the way over there", () => {
  /** A server of bob's that takes connections and does nothing, or what it is told. */
  async function listener(path: string): Promise<Server> {
    const server = createServer((socket) => socket.on("error", () => {})).listen(path);
    await once(server, "listening");
    chmodSync(path, 0o600);
    chownSync(path, users.bob.uid, users.bob.gid);
    return server;
  }

  test("a dead socket is replaced, whoever made it", async () => {
    const path = join(place, "pcscd.comm");
    const leave = `require("net").createServer().listen(process.argv[1], () => process.kill(process.pid, 9))`;
    await run("node", ["-e", leave, path], { user: "bob" });
    expect(existsSync(path)).toBe(true);
    await using shared = await lending(["cardhost", "--socket", path]);
    await worksAt(shared.socket);
  });

  test("a file of another kind is not", async () => {
    const path = join(place, "file");
    writeFileSync(path, "");
    expect(await fails(["cardhost", "--socket", path])).toMatchObject({
      status: 1,
      message: `${path} on cardhost is there already and is not a socket`,
    });
    await rm(path);
  });

  test("a living share is not, and its owner is named", async () => {
    await using first = await lending();
    const failed = await fails(["cardhost"]);
    expect(failed.status).toBe(1);
    expect(failed.message).toMatch(
      new RegExp(
        `^${DEFAULT_SOCKET} on cardhost is in use by 'cardwire share' of alice@.* \\(process ${first.program.pid} there, since 20`,
      ),
    );
    expect(failed.hint).toContain("--name");
    await using other = await lending(["cardhost", "--name", "other"]);
    await worksAt(first.socket);
    await worksAt(other.socket);
  });

  test("another program's living socket is not, although it does not answer", async () => {
    const path = join(place, "pcscd.comm");
    const server = await listener(path);
    try {
      const failed = await fails(["cardhost", "--socket", path]);
      expect(failed).toMatchObject({
        status: 1,
        message: `${path} on cardhost is in use by a program of bob`,
      });
    } finally {
      server.close();
    }
  });

  test("a run of ours that does not answer any more is replaced", async () => {
    const path = join(place, "pcscd.comm");
    const server = await listener(path);
    try {
      const owner = `${path}.owner`;
      writeFileSync(owner, 'abcdef.1\n{"from":"alice@x","pid":1,"startedAt":"2026-01-01"}\n');
      chownSync(owner, users.bob.uid, users.bob.gid);
      await using shared = await lending(["cardhost", "--socket", path]);
      await worksAt(shared.socket);
    } finally {
      server.close();
    }
  });

  test("a directory of somebody else's is not used", async () => {
    await run("mkdir", ["-m", "777", BOBS], { user: "carol" });
    expect(await fails(["cardhost"])).toMatchObject({
      status: 1,
      message: `${BOBS} on cardhost belongs to somebody else`,
    });
    await rm(BOBS, { recursive: true });
  });
});

describe("the next share works without cleaning, after", () => {
  const [shortest] = [{ delayMs: 1 }];

  test.each(["cardwire", "ssh", "sshd"] as const)("kill -9 of %s", async (whose) => {
    const first = await lending();
    const { program } = first;
    if (whose === "cardwire") program.kill("SIGKILL");
    else {
      const victims =
        whose === "ssh"
          ? (await run("pgrep", ["-f", "^ssh .*-M"])).stdout.split("\n").filter(Boolean).map(Number)
          : undefined;
      if (victims) for (const pid of victims) kill(pid, "SIGKILL");
      else await sshd.dropConnections();
      // The one that lost its line comes back to the very same place.
      await program.waitForLine(/the readers are there again$/, { timeoutMs: PATIENCE_MS });
      await worksAt(first.socket);
      program.kill("SIGKILL");
    }
    await program.exited;
    await using second = await lending();
    expect(second.socket).toBe(first.socket);
    await worksAt(second.socket);
    await expect.poll(sshMasters, { timeout: PATIENCE_MS }).toHaveLength(1);
  });

  test("a line that is cut without anybody being told", async () => {
    await using line = await delayLine({ port: sshd.port, ...shortest });
    const config = await sshd.configWith([`ProxyCommand ${line.proxyCommand}`]);
    const first = await lending(["cardhost", "--ssh", `ssh -F ${config}`]);
    line.stall();
    first.program.kill("SIGKILL");
    await first.program.exited;
    // The old sshd listens on, and takes connections for a line that is no more.
    expect(existsSync(first.socket)).toBe(true);
    await using second = await lending();
    expect(second.socket).toBe(first.socket);
    await worksAt(second.socket);
    await line.cut();
    await until("the old sshd to let go", async () => (await sshMasters()).length === 1);
    await worksAt(second.socket);
  });
});

test("a line that breaks is brought up again, and the socket is removed at the end", async () => {
  await using line = await delayLine({ port: sshd.port, delayMs: 1 });
  const config = await sshd.configWith([`ProxyCommand ${line.proxyCommand}`]);
  const shared = await lending(["cardhost", "--ssh", `ssh -F ${config}`]);
  await line.cut();
  await shared.program.waitForLine(/^cardhost: .*; trying again$/, { timeoutMs: PATIENCE_MS });
  await shared.program.waitForLine(/there again$/, { timeoutMs: PATIENCE_MS });
  await worksAt(shared.socket);
  await shared[Symbol.asyncDispose]();
  expect(existsSync(BOBS)).toBe(false);
});

test("a new line that is accepted and never answered is given up for another", async () => {
  await using line = await delayLine({ port: sshd.port, delayMs: 1 });
  const hang = join(place, "hang");
  const proxy = `sh -c "if [ -e ${hang} ]; then rm -f ${hang}; exec sleep 600; fi; exec ${line.proxyCommand}"`;
  const config = await sshd.configWith([`ProxyCommand ${proxy}`]);
  await using shared = await lending(["cardhost", "--ssh", `ssh -F ${config}`]);
  await run("touch", [hang], { user: "alice" });
  await sshd.dropConnections();
  await shared.program.waitForLine(/there again$/, { timeoutMs: 2 * PATIENCE_MS });
  expect(existsSync(hang)).toBe(false);
  await worksAt(shared.socket);
});

test("a socket that somebody removes is made anew", async () => {
  const directory = join(place, "vanishing");
  const make = () => run("mkdir", [directory], { user: "bob" });
  await make();
  await using shared = await lending(["cardhost", "--socket", join(directory, "s")]);
  await rm(directory, { recursive: true });
  const { program } = shared;
  await program.waitForLine(/there is no directory .*vanishing on cardhost; trying again$/, {
    timeoutMs: PATIENCE_MS,
  });
  await make();
  await program.waitForLine(/there again$/, { timeoutMs: PATIENCE_MS });
  await worksAt(shared.socket);
  await shared[Symbol.asyncDispose]();
  expect(await leftIn(directory)).toEqual([]);
  await rm(directory, { recursive: true });
});

test.each(["fish", "tcsh", "zsh", "bash"])("%s over there, with a greeting", async (shell) => {
  const greeting = String.raw`printf '\033]0;title\007Welcome '`;
  const forced = `ForceCommand ${greeting}; exec ${shell} -c "$SSH_ORIGINAL_COMMAND"`;
  await using other = await startSshd({ config: [forced] });
  await using shared = await lending(["cardhost", "--ssh", `ssh -F ${other.clientConfig}`]);
  expect(shared.socket).toBe(DEFAULT_SOCKET);
  await worksAt(shared.socket);
});

test("a shell over there that is killed takes the socket with it, and it is made anew", async () => {
  await using shared = await lending();
  const shells = await run("pkill", ["-9", "-u", "bob", "-x", "sh"]);
  expect(shells.status).toBe(0);
  await shared.program.waitForLine(/there again$/, { timeoutMs: PATIENCE_MS });
  await worksAt(shared.socket);
});

test("a share that ends while the line is down reaches the host once more", async () => {
  const shared = await lending();
  await sshd.stop();
  await shared.program.waitForLine(/^cardhost: .*; trying again$/, { timeoutMs: PATIENCE_MS });
  await sshd.start();
  await shared[Symbol.asyncDispose]();
  expect(await madeThere()).toEqual([]);
});

test("--wait starts before the other computer does", async () => {
  await sshd.stop();
  expect((await fails(["cardhost"])).message).toMatch(/Connection refused$/);
  const argv = [MAIN, "share", "cardhost", "--wait"];
  await using program = start("node", argv, { user: "alice", env: using(pcscd.socketPath) });
  await program.waitForLine(/Connection refused; trying again$/, { timeoutMs: PATIENCE_MS });
  await sshd.start();
  await program.waitForLine(/^Ctrl-C ends/, { timeoutMs: PATIENCE_MS });
  await worksAt(DEFAULT_SOCKET);
  program.kill("SIGINT");
  await program.exited;
});

describe("an account without a shell", () => {
  test("gets the name that sshd can make, and is told so", async () => {
    await using strict = await startSshd({ config: ["ForceCommand /bin/false"] });
    const ssh = ["--ssh", `ssh -F ${strict.clientConfig}`];
    const shared = await lending(["cardhost", ...ssh]);
    await shared.program.waitForLine(/cardhost has no shell: .* dead file at the end/);
    expect(shared.socket).toMatch(/^\/tmp\/cardwire-[0-9a-f]+\.1\.comm$/);
    await worksAt(shared.socket);
    expect(await fails(["cardhost", ...ssh, "--mode", "0666"])).toMatchObject({
      status: 1,
      message: "the account on cardhost has no shell to set --mode and --group with",
    });
    await strict.dropConnections();
    await shared.program.waitForLine(/export /, { timeoutMs: PATIENCE_MS });
    const [, moved = ""] =
      /another name now[^]*export PCSCLITE_CSOCK_NAME=(\S+)/.exec(shared.program.output) ?? [];
    await worksAt(moved);
    await shared[Symbol.asyncDispose]();
    for (const dead of await madeThere()) await rm(join("/tmp", dead));
  });
});

describe("sshd forbids it", () => {
  test.each(["AllowStreamLocalForwarding local", "DisableForwarding yes"])(
    "%s",
    async (setting) => {
      await using strict = await startSshd({ config: [setting] });
      const failed = await fails(["cardhost", "--ssh", `ssh -F ${strict.clientConfig}`]);
      expect(failed).toMatchObject({
        status: 1,
        message: "sshd on cardhost forbids sockets that lead back here",
      });
      expect(failed.hint).toContain("AllowStreamLocalForwarding yes");
    },
  );
});

test("no pcscd here, no other computer", async () => {
  const none = await cardwire(["share", "cardhost"]);
  expect(none.stderr).toContain("no pcscd at /run/pcscd/pcscd.comm on this computer");
  const where = await cardwire(["share", "unix:/run/x"]);
  expect(where).toMatchObject({ status: 2, stderr: expect.stringContaining("no other computer") });
});
