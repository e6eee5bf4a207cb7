import { mkdir, readFile, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { delayLine } from "../lab/delay-line.ts";
import { type Pcscd, readerNames, startPcscd } from "../lab/pcscd.ts";
import { descendants, processes, signal, until } from "../lab/processes.ts";
import { everywhere, type Finished, type Program, run, start } from "../lab/programs.ts";
import { type Sshd, startSshd } from "../lab/sshd.ts";
import { CARDS_GID, users } from "../lab/users.ts";
import {
  attach,
  connected,
  files,
  filesIn,
  LIMIT_MS,
  MAIN,
  masters,
  python,
  Reports,
  runtimeOf,
} from "./attached.ts";

// However a cardwire ends: nothing is left, or the next one cleans it up.

// A forward: what an agent makes different is in agent.test.ts and what it names.
everywhere["CARDWIRE_VIA"] = "forward";

const [READER] = readerNames;
const NAME = "endings";

let pcscd: Pcscd;
let sshd: Sshd;
/** Arguments that attach over ssh. */
let where: readonly string[];

beforeAll(async () => {
  pcscd = await startPcscd();
  sshd = await startSshd({ pcscdDirectory: pcscd.directory });
  where = ["cardhost", "--ssh", `ssh -F ${sshd.clientConfig}`];
});
afterAll(async () => {
  await sshd[Symbol.asyncDispose]();
  await pcscd[Symbol.asyncDispose]();
});
afterEach(async () => {
  // One that failed is no reason for the next one to fail.
  for (const pid of await masters()) signal(pid, "SIGKILL");
  for (const path of await filesIn("/run/tmp")) {
    if (/^\.?cardwire/.test(path)) await rm(join("/run/tmp", path), { recursive: true });
  }
  await rm(runtimeOf("alice"), { recursive: true, force: true });
});

/** Nothing is left but the empty run-time folder, neither here nor on the card host. */
async function nothingLeft(): Promise<void> {
  expect(await files()).toEqual([]);
  // An ssh that has closed its sockets still takes a moment to end.
  await until("ssh to end", async () => (await masters("alice")).length === 0);
  await until("the logins to end", async () => (await descendants(sshd.pid)).length === 0);
}

/** Starts `cardwire run` with a shell script, as alice. */
const runScript = (script: string, ...args: readonly string[]): Program =>
  start("node", [MAIN, "run", ...where, "--", "sh", "-c", script, ...args], { user: "alice" });

/** Runs `cardwire run` to its end. */
const runToEnd = async (...command: readonly string[]): Promise<Finished> =>
  await run("node", [MAIN, "run", ...where, "--", ...command], { user: "alice" });

/** `command` on a terminal of its own. See programs/terminal.py. */
const onTerminal = (...command: readonly string[]): Program =>
  start(...python("terminal", ...command), { user: "alice" });

const type = (terminal: Program, text: string): void =>
  terminal.write(`type ${JSON.stringify(text)}\n`);

/** The one process that was started with these words. */
async function processWith(words: string): Promise<number> {
  return await until(`a process with ${words}`, async () => {
    for (const { pid, zombie } of await processes()) {
      const line = await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "");
      if (!zombie && line.replaceAll("\0", " ").startsWith(words)) return pid;
    }
    return undefined;
  });
}

describe("attach leaves nothing", () => {
  test.each(["SIGINT", "SIGTERM", "SIGHUP"] as const)("after %s", async (name) => {
    await using attached = await attach([...where, "--name", NAME]);
    await using program = await connected(attached, READER);
    expect(await program.rv("begin")).toBe("0x00000000");
    attached.program.kill(name);
    expect(await attached.program.exited).toEqual({ status: 0, signal: undefined });
    await nothingLeft();
    // Nobody on the card host has to wait for the card.
    const env = { PCSCLITE_CSOCK_NAME: pcscd.socketPath };
    await using other = await connected({ env }, READER);
    expect(await other.rv("begin")).toBe("0x00000000");
  });

  test("after Ctrl-C at a terminal, and after the terminal was closed", async () => {
    for (const end of ["ctrl-c", "close"]) {
      await using terminal = onTerminal("node", MAIN, "attach", ...where, "--name", NAME);
      await terminal.waitForLine(/Ctrl-C ends/, { timeoutMs: LIMIT_MS });
      const pid = await processWith(`node ${MAIN} attach`);
      if (end === "close") terminal.write("close\n");
      else type(terminal, "\u0003");
      await terminal.waitForLine(/^exit 0$/, { timeoutMs: LIMIT_MS });
      expect((await processes()).some((one) => one.pid === pid)).toBe(false);
      await nothingLeft();
    }
  });

  test("after a signal while it still connects", async () => {
    const config = await sshd.configWith(["ProxyCommand sleep 60"]);
    const args = ["cardhost", "--ssh", `ssh -F ${config}`, "--name", NAME];
    await using program = start("node", [MAIN, "attach", ...args], { user: "alice" });
    await until("ssh to run", async () => (await masters("alice")).length === 1);
    program.kill("SIGINT");
    expect((await program.exited).status).not.toBe(0);
    await nothingLeft();
  });

  test("after a signal while the line is silent", async () => {
    // Long enough to stall it after the socket is there, and before the first round trip was measured.
    await using line = await delayLine({ port: sshd.port, delayMs: 200 });
    const config = await sshd.configWith([`ProxyCommand ${line.proxyCommand}`]);
    const args = ["cardhost", "--ssh", `ssh -F ${config}`, "--name", NAME];
    await using program = start("node", [MAIN, "attach", ...args], { user: "alice" });
    await until("the socket", async () => (await files()).includes(`${NAME}/pcscd.comm`), LIMIT_MS);
    line.stall();
    const sent = performance.now();
    program.kill("SIGINT");
    await program.exited;
    // ssh itself notices a dead line after 20 s; a person does not wait for that.
    expect(performance.now() - sent).toBeLessThan(12_000);
    expect(program.output).not.toContain("Error");
    expect(await files()).toEqual([]);
    await until("ssh to end", async () => (await masters("alice")).length === 0);
  });

  test("after it was refused: a name, a socket or a host that is taken or not there", async () => {
    await using attached = await attach([...where, "--name", NAME]);
    const before = await files();
    const again = async (...args: readonly string[]): Promise<Finished> =>
      await run("node", [MAIN, "attach", ...args], { user: "alice" });
    const named = await again(...where, "--name", NAME);
    expect(named.status).toBe(1);
    expect(named.stderr).toContain(`process ${attached.program.pid} is the attachment ${NAME}`);
    const socket = await again(...where, "--name", "other", "--socket", attached.socket);
    expect(socket.status).toBe(1);
    expect(socket.stderr).toContain(
      `${attached.socket} is in use by process ${attached.program.pid}`,
    );
    expect((await again("nosuchhost.invalid", "--name", "other")).status).toBe(1);
    expect(await files()).toEqual(before);
    // The one that was there has lost nothing.
    const listed = await run("opensc-tool", ["-l"], { user: "alice", env: attached.env });
    expect(listed.stdout).toContain(READER);
  });
});

describe("kill -9", () => {
  test("ends ssh within seconds; the next attach of that name works and cleans up", async () => {
    await using killed = await attach([...where, "--name", NAME]);
    killed.program.kill("SIGKILL");
    await killed.program.exited;
    await until("ssh to end by itself", async () => (await masters()).length === 0, 10_000);
    expect(await filesIn(runtimeOf("alice"))).toContain(`${NAME}/pcscd.comm`);

    await using attached = await attach([...where, "--name", NAME]);
    const listed = await run("opensc-tool", ["-l"], { user: "alice", env: attached.env });
    expect(listed.stdout).toContain(READER);
    const now = await filesIn(runtimeOf("alice"));
    expect(now.filter((path) => path.endsWith("pcscd.comm"))).toEqual([`${NAME}/pcscd.comm`]);
    expect(now.filter((path) => /\/ssh-[^/]+$/.test(path))).toHaveLength(1);
    attached.program.kill("SIGTERM");
    await attached.program.exited;
    await nothingLeft();
  });

  test("of a run leaves nothing that the next one does not clean up", async () => {
    await using killed = runScript("echo up; exec sleep 4243");
    await killed.waitForLine(/^up$/, { timeoutMs: LIMIT_MS });
    killed.kill("SIGKILL");
    await killed.exited;
    signal(await processWith("sleep 4243"), "SIGKILL");
    await until("ssh to end by itself", async () => (await masters()).length === 0, 10_000);
    expect(await runToEnd("true")).toMatchObject({ status: 0, stderr: "" });
    await nothingLeft();
  });

  test("of a look at the readers, likewise", async () => {
    const config = await sshd.configWith(["ProxyCommand sleep 60"]);
    const args = ["readers", "cardhost", "--ssh", `ssh -F ${config}`];
    await using killed = start("node", [MAIN, ...args], { user: "alice" });
    await until("ssh to run", async () => (await masters("alice")).length === 1);
    killed.kill("SIGKILL");
    await killed.exited;
    // It has not connected yet, and nobody has told it to end.
    for (const pid of await masters()) signal(pid, "SIGKILL");
    const listed = await run("node", [MAIN, "readers", ...where], { user: "alice" });
    expect(listed.stdout).toContain(READER);
    await nothingLeft();
  });
});

describe("the socket", () => {
  const folder = "/run/tmp/public";
  const socket = join(folder, "pcscd.comm");
  beforeEach(async () => {
    const { uid, gid } = users.alice;
    await mkdir(folder, { mode: 0o755 });
    await run("chown", [`${uid}:${gid}`, folder]);
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  /** What a poller saw while `act` was done. */
  async function watched(
    [user, path, how]: readonly ["alice" | "bob" | "root", string, "stat" | "connect"],
    act: () => Promise<void>,
  ): Promise<{ readonly states: readonly string[]; readonly outcomes: object }> {
    await using poller = start(...python("poller", path, how), { user });
    const reports = new Reports(poller);
    await poller.waitForLine(/looking/);
    await act();
    poller.closeInput();
    expect((await poller.exited).status).toBe(0);
    const states = reports.all.flatMap(({ state }) => (typeof state === "string" ? [state] : []));
    return { states, outcomes: reports.all.at(-1)?.["outcomes"] as object };
  }

  test.each([
    ["in a place of one's own", (): readonly string[] => ["--socket", socket], socket],
    [
      "in the run-time folder",
      (): readonly string[] => [],
      `${runtimeOf("alice")}/${NAME}/pcscd.comm`,
    ],
  ] as const)(
    "%s, left by a dead process, is replaced without a gap",
    async (_where, args, path) => {
      await using killed = await attach([...where, "--name", NAME, ...args()]);
      killed.program.kill("SIGKILL");
      await killed.program.exited;
      const stale = (await stat(path)).ino;
      const seen = await watched(["root", path, "connect"], async () => {
        await using attached = await attach([...where, "--name", NAME, ...args()]);
        expect(attached.socket).toBe(path);
        expect((await stat(path)).ino).not.toBe(stale);
        // Let somebody look at the new one, too.
        const listed = await run("opensc-tool", ["-l"], { user: "alice", env: attached.env });
        expect(listed.stdout).toContain(READER);
        // A kill, since an orderly end takes the socket away.
        attached.program.kill("SIGKILL");
        await attached.program.exited;
      });
      expect(seen.states).toEqual([`600:${users.alice.gid}`]);
      const { connected: successes, ...failures } = seen.outcomes as Record<string, number>;
      expect(successes).toBeGreaterThan(0);
      expect(Object.keys(failures)).toEqual(["ConnectionRefusedError"]);
      await until("ssh to end by itself", async () => (await masters()).length === 0, 10_000);
      // The last one ends in order.
      const last = await attach([...where, "--name", NAME, ...args()]);
      last.program.kill("SIGTERM");
      await last.program.exited;
      expect(await filesIn(folder)).toEqual([]);
      await nothingLeft();
    },
  );

  test("of a program that is alive is not touched; who holds it is said", async () => {
    await using listener = start(
      "/usr/bin/python3",
      [
        "-c",
        "import socket,sys,time\ns=socket.socket(1)\ns.bind(sys.argv[1])\ns.listen(9)\nprint('up',flush=True)\ntime.sleep(600)",
        socket,
      ],
      { user: "alice" },
    );
    await listener.waitForLine(/up/);
    const { ino, ctimeMs } = await stat(socket);
    const args = ["attach", ...where, "--name", NAME, "--socket", socket];
    const refused = await run("node", [MAIN, ...args], { user: "alice" });
    expect(refused.status).toBe(1);
    expect(refused.stderr).toContain(`${socket} is in use by process ${listener.pid} (python3`);
    expect(await stat(socket)).toMatchObject({ ino, ctimeMs });
    await nothingLeft();
  });

  test("has the mode and group that were asked for, and never looser ones", async () => {
    const args = ["--name", NAME, "--socket", socket, "--mode", "0660", "--group", "cards"];
    const strangers = await watched(["bob", socket, "connect"], async () => {
      const seen = await watched(["root", socket, "stat"], async () => {
        await using attached = await attach([...where, ...args]);
        const list = async (user: "bob" | "carol" | "alice") =>
          await run("opensc-tool", ["-l"], { user, env: attached.env });
        for (const user of ["alice", "carol"] as const) {
          expect((await list(user)).stdout).toContain(READER);
        }
        expect((await list("bob")).stdout).not.toContain(READER);
        attached.program.kill("SIGTERM");
        await attached.program.exited;
      });
      expect(seen.states).toEqual(["none", `660:${CARDS_GID}`, "none"]);
    });
    expect(Object.keys(strangers.outcomes).toSorted()).toEqual([
      "FileNotFoundError",
      "PermissionError",
    ]);
    expect(await filesIn(folder)).toEqual([]);
    await nothingLeft();
  });
});

describe("run", () => {
  test.each([
    ["its status", ["sh", "-c", "exit 42"], 42],
    ["success", ["true"], 0],
    ["a program that cannot be run", ["/etc/passwd"], 126],
    ["a program that is not there", ["no-such-program"], 127],
  ])("ends as its program does: %s", async (_what, command, status) => {
    expect(await runToEnd(...command)).toMatchObject({ status, signal: undefined });
    await nothingLeft();
  });

  test.each(["INT", "TERM", "HUP", "KILL", "USR1", "PIPE", "SEGV", "ALRM"])(
    "ends as its program does: SIG%s",
    async (name) => {
      // Two shells: what a program sees of it, and what a shell makes of it.
      const line = `${["node", MAIN, "run", ...where].map((word) => `'${word}'`).join(" ")} -- sh -c 'kill -${name} $$'; echo "status $?"`;
      const ended = await run("bash", ["-c", line], { user: "alice" });
      const number = Number((await run("bash", ["-c", `kill -l ${name}`])).stdout);
      expect(ended.stdout).toContain(`status ${128 + number}\n`);
      expect(ended.stderr).not.toContain("ebugger");
      await nothingLeft();
    },
  );

  test.each(["SIGTERM", "SIGINT", "SIGHUP", "SIGUSR1", "SIGUSR2", "SIGQUIT"] as const)(
    "passes %s on",
    async (name) => {
      const word = name.slice(3);
      await using program = runScript(
        `trap 'echo got ${word}; kill $!; exit 7' ${word}; echo up; sleep 600 & wait $!`,
      );
      await program.waitForLine(/^up$/, { timeoutMs: LIMIT_MS });
      program.kill(name);
      expect(await program.exited).toEqual({ status: 7, signal: undefined });
      expect(program.output.match(/got/g)).toHaveLength(1);
      await nothingLeft();
    },
  );

  test("a program that the signal ends takes run with it in the same way", async () => {
    await using program = runScript("echo up; exec sleep 600");
    await program.waitForLine(/^up$/, { timeoutMs: LIMIT_MS });
    program.kill("SIGTERM");
    expect(await program.exited).toEqual({ status: undefined, signal: "SIGTERM" });
    await nothingLeft();
  });

  test("passes input, output and errors through", async () => {
    const script = "cat; echo bad >&2";
    const done = await run("node", [MAIN, "run", ...where, "--", "sh", "-c", script], {
      user: "alice",
      input: "some\ninput",
    });
    expect(done).toMatchObject({ status: 0, stdout: "some\ninput", stderr: "bad\n" });
  });

  test("passes the terminal through, and what is typed there", async () => {
    const script =
      'test -t 0 && test -t 1 && test -t 2 && tty; stty size; read word; echo "<$word>"';
    await using terminal = onTerminal("node", MAIN, "run", ...where, "--", "sh", "-c", script);
    await terminal.waitForLine(/^\/dev\/pts\//, { timeoutMs: LIMIT_MS });
    await terminal.waitForLine(/^\d+ \d+$/);
    type(terminal, "hello\n");
    await terminal.waitForLine(/^<hello>$/);
    await terminal.waitForLine(/^exit 0$/);
    await nothingLeft();
  });

  test.each([
    ["its input is the terminal", ""],
    ["its input is something else", "</dev/null"],
  ])("Ctrl-C reaches the program once, and the line survives it: %s", async (_what, input) => {
    // opensc-tool after the interrupt shows that the socket still has the card behind it.
    const script = `trap 'n=$((n + 1))' INT; n=0; echo up; while [ $n -eq 0 ]; do sleep 0.1; done; sleep 0.5; opensc-tool -l; echo "interrupts: $n"`;
    const quoted = [MAIN, "run", ...where, "--", "bash", "-c", script].map(
      (word) => `'${word.replaceAll("'", "'\\''")}'`,
    );
    await using terminal = onTerminal("sh", "-c", `exec node ${quoted.join(" ")} ${input}`);
    await terminal.waitForLine(/^up$/, { timeoutMs: LIMIT_MS });
    type(terminal, "\u0003");
    await terminal.waitForLine(new RegExp(READER));
    await terminal.waitForLine(/^interrupts: 1$/);
    await terminal.waitForLine(/^exit 0$/);
    await nothingLeft();
  });

  test("a signal that is meant for run alone is passed on at a terminal, too", async () => {
    const script = "trap 'echo interrupted; kill $!; exit 7' INT; echo up; sleep 600 & wait $!";
    // In a job of its own, as a shell starts one behind &: what is typed does not reach it.
    const command = ["node", MAIN, "run", ...where, "--", "bash", "-c", script];
    const quoted = command.map((word) => `'${word.replaceAll("'", "'\\''")}'`).join(" ");
    await using terminal = onTerminal(
      "bash",
      "-c",
      `set -m; ${quoted} & echo "job $!"; wait $!; exit $?`,
    );
    const pid = Number((await terminal.waitForLine(/^job \d+$/)).slice(4));
    await terminal.waitForLine(/^up$/, { timeoutMs: LIMIT_MS });
    signal(pid, "SIGINT");
    await terminal.waitForLine(/^interrupted$/);
    await terminal.waitForLine(/^exit 7$/);
    await nothingLeft();
  });

  test("a closed terminal ends the program and leaves nothing", async () => {
    await using terminal = onTerminal(
      "node",
      MAIN,
      "run",
      ...where,
      "--",
      "sh",
      "-c",
      "echo up; exec sleep 4244",
    );
    await terminal.waitForLine(/^up$/, { timeoutMs: LIMIT_MS });
    const pid = await processWith("sleep 4244");
    terminal.write("close\n");
    await terminal.waitForLine(/^signal 1$/, { timeoutMs: LIMIT_MS });
    expect((await processes()).some((one) => one.pid === pid)).toBe(false);
    await nothingLeft();
  });
});
