import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { chmodSync, existsSync } from "node:fs";
import { chown, mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { dirname, join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { type Pcscd, startPcscd } from "../lab/pcscd.ts";
import { publicDirectory } from "../lab/processes.ts";
import { everywhere, PATH, type RunOptions, run, start } from "../lab/programs.ts";
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

// What a person sees of the commands, with a real ssh, sshd and pcscd behind them.

// A forward: what an agent makes different is in agent.test.ts and what it names.
everywhere["CARDWIRE_VIA"] = "forward";

let pcscd: Pcscd;
let sshd: Sshd;
let installed: AsyncDisposable;
/** A directory of alice's own, for her sockets. */
let own: string;

beforeAll(async () => {
  pcscd = await startPcscd();
  sshd = await startSshd({ pcscdDirectory: pcscd.directory });
  installed = await sshd.installFor("alice");
  own = await mkdtemp("/run/tmp/own-");
  await chown(own, users.alice.uid, users.alice.gid);
});
// Every command cleans up after itself, however it ended.
afterEach(async () => {
  const places = [RUNTIME, "/run/cardwire", own].map(leftIn);
  const left = [...(await Promise.all(places)).flat(), ...(await sshMasters())];
  if (left.length > 0) throw new Error(`left behind: ${left.join(", ")}`);
});
afterAll(async () => {
  await installed[Symbol.asyncDispose]();
  await sshd[Symbol.asyncDispose]();
  await pcscd[Symbol.asyncDispose]();
  await rm(own, { recursive: true });
});

const local = () => `unix:${pcscd.socketPath}`;
const DEFAULT_SOCKET = `${RUNTIME}/cardhost/pcscd.comm`;

describe("attach", () => {
  test("shows what it found and what to do with it, and ends with Ctrl-C", async () => {
    const attached = await attach(["cardhost"]);
    const { program, socket } = attached;
    expect(socket).toBe(DEFAULT_SOCKET);
    expect(program.output.split("\n").filter(Boolean)).toEqual([
      expect.stringMatching(/^cardhost: 2 readers, pcscd protocol 4:\d, \d+\.\d ms round trip$/),
      "  Virtual PCD 00 00  card   3B 80 80 01 01",
      "  Virtual PCD 00 01  empty",
      "Programs find them here once this is set in their environment:",
      `  export PCSCLITE_CSOCK_NAME=${socket}`,
      `In other terminals: eval "$(cardwire env cardhost)"`,
      "Programs that compete for a card get it by chance, as pcscd gives it.",
      "Ctrl-C ends the attachment and removes the socket.",
    ]);
    expect((await stat(socket)).mode & 0o777).toBe(0o600);
    expect((await stat(dirname(socket))).mode & 0o777).toBe(0o700);
    await attached[Symbol.asyncDispose]();
    expect(existsSync(socket)).toBe(false);
  });

  test("--json tells a script", async () => {
    const argv = [MAIN, "attach", "cardhost", "--json"];
    await using program = start("node", argv, { user: "alice" });
    const line = await program.waitForLine(/^\{/, { timeoutMs: PATIENCE_MS });
    expect(program.output).toBe(`${line}\n`);
    expect(JSON.parse(line)).toEqual({
      name: "cardhost",
      where: "cardhost",
      socket: DEFAULT_SOCKET,
      protocol: expect.stringMatching(/^4:\d$/),
      roundTripMs: expect.any(Number),
      readers: [
        expect.objectContaining({
          reader: "Virtual PCD 00 00",
          state: "card",
          atr: "3b80800101",
          inUse: false,
        }),
        expect.objectContaining({ reader: "Virtual PCD 00 01", state: "empty" }),
      ],
      sources: [
        {
          where: "cardhost",
          state: "up",
          protocol: expect.stringMatching(/^4:\d$/),
          roundTripMs: expect.any(Number),
          via: "forward",
          readers: ["Virtual PCD 00 00", "Virtual PCD 00 01"],
        },
      ],
    });
    expect(existsSync(DEFAULT_SOCKET)).toBe(true);
  });

  test("--name and --socket say where; a name or a place that is taken stays with who has it", async () => {
    const path = join(own, "it's here.comm");
    await using named = await attach([local(), "--name", "work", "--socket", path]);
    expect(named.program.output).toContain(
      `export PCSCLITE_CSOCK_NAME='${own}/it'\\''s here.comm'`,
    );
    expect((await cardwire(["readers", `unix:${path}`])).stdout).toContain("Virtual PCD 00 00");

    const sameName = await fails(["attach", local(), "--name", "work"]);
    expect(sameName).toMatchObject({
      status: 1,
      message: expect.stringMatching(/process \d+ is the attachment work/),
    });
    expect(sameName.hint).toContain("--name");
    const samePlace = await fails(["attach", local(), "--name", "other", "--socket", path]);
    expect(samePlace.message).toMatch(/is in use by process \d+/);
    expect(samePlace.status).toBe(1);
    expect((await cardwire(["readers", `unix:${path}`])).stdout).toContain("Virtual PCD 00 00");
  });

  test("takes the place of one that was killed", async () => {
    const first = await attach(["cardhost"]);
    first.program.kill("SIGKILL");
    await first.program.exited;
    expect(existsSync(DEFAULT_SOCKET)).toBe(true);
    await using second = await attach(["cardhost"]);
    expect((await cardwire(["readers", `unix:${second.socket}`])).status).toBe(0);
    // The ssh of the first ends by itself; the afterEach here must not be the one to wait for it.
    await expect.poll(sshMasters, { timeout: PATIENCE_MS }).toHaveLength(1);
  });
});

describe("whom --mode and --group admit", () => {
  const list = async (user: "alice" | "bob" | "carol", socket: string) =>
    (await run("opensc-tool", ["-l"], { user, env: using(socket) })).stdout.includes("Virtual PCD");

  test("with --group, the group gets in, and nobody else", async () => {
    const options = { user: "root" } as const;
    await using attached = await attach([local(), "--group", "cards"], options);
    const { socket, program } = attached;
    expect(socket).toBe("/run/cardwire/local/pcscd.comm");
    expect((await stat(socket)).mode & 0o777).toBe(0o660);
    expect((await stat(dirname(socket))).mode & 0o777).toBe(0o710);
    expect(await list("carol", socket)).toBe(true);
    expect(await list("bob", socket)).toBe(false);
    expect(program.output).not.toContain("cannot reach");
  });

  test("with --mode 0666, everybody does", async () => {
    await using attached = await attach([local(), "--mode", "0666"], { user: "root" });
    expect(await list("bob", attached.socket)).toBe(true);
    // They may pass, and see nothing.
    const looked = await run("ls", ["/run/cardwire"], { user: "bob" });
    expect(looked).toMatchObject({ status: 2, stdout: "" });
  });

  test("root's other attachments stay closed", async () => {
    await using open = await attach([local(), "--mode", "0666"], { user: "root" });
    await using closed = await attach([local(), "--name", "closed"], { user: "root" });
    expect(await list("bob", open.socket)).toBe(true);
    expect(await list("bob", closed.socket)).toBe(false);
    expect((await stat(dirname(closed.socket))).mode & 0o777).toBe(0o700);
  });

  test("a user's own run-time directory is closed to others, and attach says so", async () => {
    await using attached = await attach([local(), "--group", "cards"]);
    await attached.program.waitForLine(/cannot reach the socket: \/run\/user\/4101 .*--socket/);
    expect(await list("carol", attached.socket)).toBe(false);
  });

  test("in a directory that they may enter, they reach it", async () => {
    chmodSync(own, 0o755);
    const rights = ["--group", "cards", "--mode", "0660"];
    await using attached = await attach([local(), ...rights, "--socket", "s"], { cwd: own });
    // A program may be anywhere when it reads the variable.
    expect(attached.socket).toBe(join(own, "s"));
    expect(attached.program.output).not.toContain("cannot reach");
    expect(await list("carol", attached.socket)).toBe(true);
    expect(await list("bob", attached.socket)).toBe(false);
  });
});

describe("env", () => {
  test("prints the one attachment, or the named one, for a shell to read", async () => {
    const none = await fails(["env"]);
    expect(none).toMatchObject({ status: 1, message: "no attachment is running" });
    expect(none.hint).toContain("cardwire attach");

    const path = join(own, "a b'c.comm");
    await using _one = await attach([local(), "--name", "one", "--socket", path]);
    const shell = `eval "$(node ${MAIN} env)"; printf %s "$PCSCLITE_CSOCK_NAME"; opensc-tool -l >&2`;
    const said = await run("sh", ["-c", shell], { user: "alice" });
    expect(said.stdout).toBe(path);
    expect(said.stderr).toContain("Virtual PCD 00 00");
    const json = await cardwire(["env", "--json"]);
    expect(JSON.parse(json.stdout)).toEqual({ name: "one", socket: path });

    await using _two = await attach([local(), "--name", "two"]);
    const several = await fails(["env"]);
    expect(several).toMatchObject({ status: 1, message: "several attachments are running" });
    expect(several.hint).toContain("one, two");
    const two = await cardwire(["env", "two"]);
    expect(two.stdout).toBe(`export PCSCLITE_CSOCK_NAME=${RUNTIME}/two/pcscd.comm\n`);
    const unknown = await fails(["env", "three"]);
    expect(unknown).toMatchObject({ status: 1, message: "no attachment is called three" });
    expect(unknown.hint).toContain("one, two");
  });
});

describe("readers", () => {
  test("lists those of a host, of a socket, and of this computer", async () => {
    const table =
      "READER             STATE  ATR\nVirtual PCD 00 00  card   3B 80 80 01 01\nVirtual PCD 00 01  empty\n";
    const shown = { status: 0, stdout: table, stderr: "" };
    expect(await cardwire(["readers", "cardhost"])).toMatchObject(shown);
    expect(await cardwire(["readers"], { env: using(pcscd.socketPath) })).toMatchObject(shown);
    const env = { CARDWIRE_SSH: `ssh -F '${sshd.clientConfig}' -o HostName=127.0.0.1` };
    expect(await cardwire(["readers", "cardhost"], { env, user: "carol" })).toMatchObject(shown);
    await using _mounted = await mountAsSystemSocket(pcscd.directory);
    expect(await cardwire(["readers"])).toMatchObject(shown);
  });

  test("--json prints a line each", async () => {
    const { stdout } = await cardwire(["readers", local(), "--json"]);
    const lines = stdout.trim().split("\n");
    expect(lines.map((line) => (JSON.parse(line) as { reader: string }).reader)).toEqual([
      "Virtual PCD 00 00",
      "Virtual PCD 00 01",
    ]);
  });
});

describe("run", () => {
  test("gives a program the readers, its arguments and its input, and ends as it does", async () => {
    const script = 'opensc-tool -l; printf "%s|" "$@"; cat; exit 7';
    const words = ["sh", "-c", script, "sh", "a b", "--", "--json"];
    const done = await cardwire(["run", "cardhost", "--", ...words], { input: "typed" });
    expect(done).toMatchObject({ status: 7, stderr: "" });
    expect(done.stdout).toContain("Virtual PCD 00 00");
    expect(done.stdout).toMatch(/a b\|--\|--json\|typed$/);
  });

  test("a signal that ends the program ends cardwire", async () => {
    const done = await cardwire(["run", "cardhost", "--", "sh", "-c", "kill -TERM $$"]);
    expect(done).toMatchObject({ status: undefined, signal: "SIGTERM" });
  });

  test("signals are the program's", async () => {
    const script = 'trap "echo caught; exit 3" TERM; echo ready; while :; do sleep 0.1; done';
    const argv = [MAIN, "run", local(), "--", "sh", "-c", script];
    await using program = start("node", argv, { user: "alice" });
    await program.waitForLine(/^ready$/, { timeoutMs: PATIENCE_MS });
    program.kill("SIGTERM");
    await program.waitForLine(/^caught$/);
    expect(await program.exited).toMatchObject({ status: 3 });
  });

  test.each([
    [["nosuchprogram"], 127, "there is no program nosuchprogram"],
    [["/etc/passwd"], 126, "/etc/passwd cannot be run"],
  ])("%j", async (program, status, message) => {
    const failed = await fails(["run", local(), "--", ...program]);
    expect(failed).toMatchObject({ status, message: expect.stringContaining(message) });
  });
});

interface FailOptions extends RunOptions {
  /** Another PATH for cardwire than for what starts it. */
  readonly path?: string;
}

/** Runs a command line that must fail: one line says why, another what to do, and nothing else is printed. */
async function fails(args: readonly string[], { path = PATH, ...options }: FailOptions = {}) {
  const done = await run("env", [`PATH=${path}`, process.execPath, MAIN, ...args], {
    user: "alice",
    timeoutMs: PATIENCE_MS,
    ...options,
  });
  expect(done).toMatchObject({ timedOut: false, stdout: "" });
  const [, message = "", hint = ""] = /^cardwire: (.+)\nhint: (.+)\n$/.exec(done.stderr) ?? [
    "",
    `unexpected:\n${done.stderr}`,
  ];
  return { status: done.status, message, hint };
}

const withConfig = (config: string) => ["--ssh", `ssh -F ${config}`];

describe("what fails says why and what to do", () => {
  interface Case {
    readonly args: readonly string[];
    readonly options?: FailOptions;
    readonly status?: number;
    readonly message: RegExp;
    readonly hint: RegExp;
  }
  const cases: readonly (readonly [string, () => Case | Promise<Case>])[] = [
    [
      "an unknown host",
      () => ({
        args: ["attach", "nosuchhost.invalid"],
        message: /^ssh to nosuchhost\.invalid: Could not resolve hostname/,
        hint: /spelling/,
      }),
    ],
    [
      "readers of an unknown host",
      () => ({
        args: ["readers", "nosuchhost.invalid"],
        message: /Could not resolve hostname/,
        hint: /spelling/,
      }),
    ],
    [
      "a host that is not there",
      async () => ({
        args: ["attach", "cardhost", ...withConfig(await sshd.configWith(["Port 1"]))],
        message: /Connection refused$/,
        hint: /cardhost true$/,
      }),
    ],
    [
      "a login that is refused",
      async () => ({
        args: [
          "readers",
          "cardhost",
          ...withConfig(await sshd.configWith(["PubkeyAuthentication no"])),
        ],
        message: /bob@.*: Permission denied \(publickey\)$/,
        hint: /ssh-add.*cardhost true$/,
      }),
    ],
    [
      "a host that nobody knows yet",
      async () => ({
        args: ["attach", "cardhost", ...withConfig(await sshd.configWith(["HostKeyAlias new"]))],
        message: /host key is known for new/,
        hint: /fingerprint/,
      }),
    ],
    [
      "a mistake in ssh's configuration",
      async () => ({
        args: ["attach", "cardhost", ...withConfig(await sshd.configWith(["Bogus yes"]))],
        message: /Bad configuration option: bogus/i,
        hint: /ssh -F/,
      }),
    ],
    [
      "no ssh installed",
      () => ({
        args: ["attach", "cardhost"],
        options: { path: "/nonexistent" },
        message: /^there is no program ssh/,
        hint: /apt install openssh-client.*CARDWIRE_SSH/,
      }),
    ],
    [
      "no pcscd on this computer",
      () => ({
        args: ["readers"],
        message: /^no pcscd at \/run\/pcscd\/pcscd\.comm on this computer$/,
        hint: /systemctl enable --now pcscd\.socket.*apt install pcscd/,
      }),
    ],
    [
      "a socket that nobody made",
      () => ({
        args: ["attach", "unix:/run/tmp/none.comm"],
        message: /^no pcscd at \/run\/tmp\/none\.comm on this computer$/,
        hint: /^pcscd's own socket is \/run\/pcscd\/pcscd\.comm; .*while what made it runs\.$/,
      }),
    ],
    [
      "a path too long for a socket",
      () => ({
        args: ["attach", "cardhost", "--socket", `/run/tmp/${"x".repeat(120)}`],
        message: /has 129 bytes, and Linux takes 107$/,
        hint: /shorter/,
      }),
    ],
    [
      "no right to the socket's directory",
      () => ({
        args: ["attach", "cardhost", "--socket", "/etc/cards.comm"],
        message: /^no right to make the socket \/etc\/cards\.comm$/,
        hint: /directory of your own/,
      }),
    ],
    [
      "no directory for the socket",
      () => ({
        args: ["attach", "cardhost", "--socket", join(own, "no/s")],
        message: /^there is no directory .*\/no$/,
        hint: /mkdir -p -m 700/,
      }),
    ],
    [
      "a file where the socket should go",
      () => ({
        args: ["attach", "cardhost", "--socket", "/etc/passwd"],
        message: /^\/etc\/passwd is there already and is not a socket$/,
        hint: /another path/,
      }),
    ],
    [
      "no directory for run-time files",
      () => ({
        args: ["attach", "cardhost"],
        options: { env: { XDG_RUNTIME_DIR: "/run/tmp/none" } },
        message: /there is no \/run\/tmp\/none$/,
        hint: /XDG_RUNTIME_DIR/,
      }),
    ],
    [
      "an unknown group",
      () => ({
        args: ["attach", "cardhost", "--group", "nosuchgroup"],
        message: /^there is no group "nosuchgroup" here$/,
        hint: /getent group/,
      }),
    ],
    [
      "a group of others",
      () => ({
        args: ["attach", "cardhost", "--group", "bob"],
        message: /^you are not a member of the group bob$/,
        hint: /usermod/,
      }),
    ],
    [
      "no name",
      () => ({
        args: ["attach", "cardhost", "--name", "../x"],
        status: 2,
        message: /cannot be the name of an attachment$/,
        hint: /letters, digits/,
      }),
    ],
    [
      "no WHERE",
      () => ({
        args: ["attach", "ftp://cardhost"],
        status: 2,
        message: /^"ftp:\/\/cardhost"/,
        hint: /unix:PATH/,
      }),
    ],
    [
      "a command there is not",
      () => ({
        args: ["atach", "cardhost"],
        status: 2,
        message: /^unknown command 'atach'$/,
        hint: /^Did you mean attach\?/,
      }),
    ],
    [
      "an option there is not",
      () => ({
        args: ["attach", "cardhost", "--sockt", "x"],
        status: 2,
        message: /^unknown option '--sockt'$/,
        hint: /^Did you mean --socket\?/,
      }),
    ],
    [
      "nothing to run",
      () => ({
        args: ["run", "cardhost"],
        status: 2,
        message: /nothing to run/,
        hint: /run WHERE -- COMMAND/,
      }),
    ],
  ];
  test.each(cases)("%s", async (_what, prepare) => {
    const { args, options, status = 1, message, hint } = await prepare();
    const failed = await fails(args, options);
    expect(failed.message).toMatch(message);
    expect(failed.hint).toMatch(hint);
    expect(failed.status).toBe(status);
  });

  test("a host key that changed", async () => {
    await using other = await startSshd();
    const known = join(await mkdtemp("/run/tmp/known-"), "hosts");
    await writeFile(known, await readFile(join(other.directory, "known_hosts"), "utf8"));
    chmodSync(dirname(known), 0o755);
    const config = await sshd.configWith([`UserKnownHostsFile ${known}`]);
    const failed = await fails(["attach", "cardhost", ...withConfig(config)]);
    expect(failed.status).toBe(1);
    expect(failed.message).toMatch(/host key for cardhost has changed/i);
    expect(failed.hint).toMatch(/ssh-keygen .*-R "?cardhost/);
    await rm(dirname(known), { recursive: true });
  });

  test.each(["AllowStreamLocalForwarding no", "DisableForwarding yes"])(
    "sshd says %s",
    async (setting) => {
      await using strict = await startSshd({
        config: [setting],
        pcscdDirectory: pcscd.directory,
      });
      for (const command of ["attach", "readers"]) {
        const failed = await fails([command, "cardhost", ...withConfig(strict.clientConfig)]);
        expect(failed).toMatchObject({
          status: 1,
          message: "sshd on cardhost forbids to forward /run/pcscd/pcscd.comm",
        });
        expect(failed.hint).toContain("AllowStreamLocalForwarding yes");
      }
    },
  );

  test("a key that is restricted", async () => {
    await using strict = await startSshd({ pcscdDirectory: pcscd.directory });
    const keys = join(strict.directory, "authorized_keys");
    await writeFile(keys, (await readFile(keys, "utf8")).replaceAll(/^ssh-/gm, "restrict ssh-"));
    const failed = await fails(["attach", "cardhost", ...withConfig(strict.clientConfig)]);
    expect(failed.status).toBe(1);
    expect(failed.message).toContain("forbids to forward");
    expect(failed.hint).toContain("add 'port-forwarding' after 'restrict'");
  });

  test("no pcscd over there", async () => {
    await using bare = await startSshd();
    for (const command of ["attach", "readers"]) {
      const failed = await fails([command, "cardhost", ...withConfig(bare.clientConfig)]);
      expect(failed).toMatchObject({
        status: 1,
        message: "no pcscd at /run/pcscd/pcscd.comm on cardhost",
      });
      expect(failed.hint).toContain("systemctl enable --now pcscd.socket");
    }
  });

  test("a pcscd that was killed", async () => {
    const directory = await publicDirectory("dead");
    const leave = `const { chmodSync } = require("fs"), path = process.argv[1];
      require("net").createServer().listen(path, () => { chmodSync(path, 0o666); process.kill(process.pid, 9); })`;
    spawnSync(process.execPath, ["-e", leave, join(directory, "pcscd.comm")]);
    await using host = await startSshd({ pcscdDirectory: directory });
    const failed = await fails(["attach", "cardhost", ...withConfig(host.clientConfig)]);
    expect(failed).toMatchObject({
      status: 1,
      message: "nobody listens at /run/pcscd/pcscd.comm on cardhost",
      hint: expect.stringContaining("systemctl restart pcscd.socket"),
    });
    await rm(directory, { recursive: true });
  });

  // Where polkit says no, pcscd closes the connection without a word; a server that does the same stands in for it.
  test("a pcscd that hangs up on everybody", async () => {
    const directory = await publicDirectory("refusing");
    const path = join(directory, "pcscd.comm");
    const server = createServer((socket) => socket.destroy()).listen(path);
    await once(server, "listening");
    chmodSync(path, 0o666);
    try {
      await using host = await startSshd({ pcscdDirectory: directory });
      const there = await fails(["attach", "cardhost", ...withConfig(host.clientConfig)]);
      expect(there.status).toBe(1);
      expect(there.message).toMatch(/on cardhost hangs up on bob without a word$/);
      const here = await fails(["readers", `unix:${path}`]);
      expect(here.message).toMatch(/on this computer hangs up on alice without a word$/);
      for (const { hint } of [there, here]) expect(hint).toContain("200 connections");
    } finally {
      server.close();
      await rm(directory, { recursive: true, force: true });
    }
  });

  describe("a full disk", () => {
    /** A file system on which so many files fit, its own root counted. */
    async function tiny(files: number): Promise<{ path: string } & AsyncDisposable> {
      const path = await publicDirectory("tiny");
      await run("mount", ["-t", "tmpfs", "-o", `nr_inodes=${files},mode=1777`, "tmpfs", path]);
      return {
        path,
        async [Symbol.asyncDispose]() {
          await run("umount", [path]);
          await rm(path, { recursive: true });
        },
      };
    }

    // Each stops at another file: the run-time directory, the attachment's, its record, ssh's directory, log and
    // sockets, our socket.
    test.each([1, 2, 3, 4, 5, 6, 7, 8])("with room for %i files", async (files) => {
      await using disk = await tiny(files);
      const failed = await fails(["attach", "cardhost"], { env: { XDG_RUNTIME_DIR: disk.path } });
      expect(failed.message).toMatch(/no space left/i);
      expect(failed.hint).toMatch(/^Free some space.*df -i/);
      expect(failed.status).toBe(1);
      expect(await leftIn(join(disk.path, "cardwire"))).toEqual([]);
    });

    test("where --socket is to go", async () => {
      await using disk = await tiny(2);
      const failed = await fails(["attach", "cardhost", "--socket", join(disk.path, "s")]);
      expect(failed.message).toMatch(/^no space left for the socket /);
      expect(failed.status).toBe(1);
      expect(await leftIn(disk.path)).toEqual([]);
    });

    test("for a command that only looks", async () => {
      await using disk = await tiny(2);
      const env = { XDG_RUNTIME_DIR: disk.path };
      const failed = await fails(["readers", "cardhost"], { env });
      expect(failed.message).toMatch(/no space left/i);
      expect(await leftIn(join(disk.path, "cardwire"))).toEqual([]);
    });
  });

  test("-v shows where it happened", async () => {
    const done = await cardwire(["attach", "unix:/run/tmp/none.comm", "-v"]);
    expect(done.stderr).toMatch(/^cardwire: no pcscd[^]*hint: [^]* {4}at /);
  });
});

test("help and version", async () => {
  const help = await cardwire(["--help"]);
  expect(help).toMatchObject({ status: 0, stderr: "" });
  expect(help.stdout).toMatch(/attach[^]*run[^]*env[^]*readers/);
  const { version } = JSON.parse(
    await readFile(new URL("../../package.json", import.meta.url), "utf8"),
  ) as { version: string };
  expect(await cardwire(["--version"])).toMatchObject({ status: 0, stdout: `${version}\n` });
  // Who types nothing is shown what there is, as an error to scripts.
  expect(await cardwire([])).toMatchObject({
    status: 2,
    stdout: "",
    stderr: expect.stringContaining("Commands:"),
  });
});
