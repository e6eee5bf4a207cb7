import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import * as fc from "fast-check";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { type Shell, setVariable } from "../../src/cli/shell-syntax.ts";
import { delayLine } from "../lab/delay-line.ts";
import { type Pcscd, startPcscd } from "../lab/pcscd.ts";
import { signal } from "../lab/processes.ts";
import { everywhere, PATH, run, start } from "../lab/programs.ts";
import { type Sshd, startSshd } from "../lab/sshd.ts";
import { startInTerminal } from "../lab/terminal.ts";
import { attach, leftIn, MAIN, PATIENCE_MS, RUNTIME } from "./programs/cardwire.ts";

// What shells make of `cardwire env`, and what a terminal shows while somebody waits.

// A forward: what an agent makes different is in agent.test.ts and what it names.
everywhere["CARDWIRE_VIA"] = "forward";

let pcscd: Pcscd;
let sshd: Sshd;
let own: string;

beforeAll(async () => {
  pcscd = await startPcscd();
  sshd = await startSshd({ pcscdDirectory: pcscd.directory });
  own = await mkdtemp("/run/tmp/shells-");
  await run("chown", ["alice", own]);
});
afterEach(async () => {
  const left = await leftIn(RUNTIME);
  if (left.length > 0) throw new Error(`left behind: ${left.join(", ")}`);
});
afterAll(async () => {
  await sshd[Symbol.asyncDispose]();
  await pcscd[Symbol.asyncDispose]();
  await rm(own, { recursive: true });
});

/** Each shell, the syntax that it wants, and how it is given one script. */
const shells: readonly (readonly [name: string, syntax: Shell, argv: readonly string[]])[] = [
  ["dash", "sh", ["dash"]],
  ["bash", "sh", ["bash", "--norc"]],
  ["zsh", "sh", ["zsh", "-f"]],
  ["fish", "fish", ["fish", "-N"]],
  ["tcsh", "csh", ["tcsh", "-f"]],
];

describe("env", () => {
  // Quotation marks, blanks in a row, and what shells give a meaning to.
  const ODD = `it's "a"  $HOME !! \`x\` \\ *[a]?{b,c} ~ #; & | <é>`;

  const evals: readonly (readonly [string, string])[] = [
    ["dash", 'eval "$(cardwire env)"'],
    ["bash", 'eval "$(cardwire env --shell sh)"'],
    ["zsh", 'eval "$(cardwire env odd)"'],
    ["fish", "cardwire env --shell fish | source"],
    ["fish", "eval (cardwire env --shell fish)"],
    ["tcsh", 'eval "`cardwire env --shell csh`"'],
  ];

  test("a path of odd characters reaches programs as it is, in each shell", async () => {
    const bin = join(own, "bin");
    await run("mkdir", [bin]);
    await run("ln", ["-s", MAIN, join(bin, "cardwire")]);
    const socket = join(own, ODD);
    const where = `unix:${pcscd.socketPath}`;
    await using attached = await attach([where, "--name", "odd", "--socket", socket]);
    expect(attached.program.output).toContain("Ctrl-C");
    for (const [shell, line] of evals) {
      const [, , [program = "", ...args] = []] = shells.find(([name]) => name === shell) ?? [];
      const script = `${line}\nprintenv PCSCLITE_CSOCK_NAME\nopensc-tool -l\n`;
      const env = { PATH: `${bin}:${PATH}` };
      const done = await run(program, [...args, "-c", script], { user: "alice", env });
      expect([line, done.stdout.split("\n")[0]]).toEqual([line, socket]);
      expect(done.stdout).toContain("Virtual PCD 00 00");
    }
  });

  const text = fc.string({ unit: "grapheme", minLength: 1, maxLength: 30 });
  const ascii = fc.string({ unit: "binary-ascii", minLength: 1, maxLength: 30 });
  const samples = fc
    .sample(fc.oneof(text, ascii), { numRuns: 300, seed: 1 })
    .map((value) => value.replaceAll("\0", "").normalize())
    .filter((value) => value !== "");

  test.each(shells)("%s reads any text back as it was", async (_name, syntax, argv) => {
    const values = syntax === "csh" ? samples.filter((one) => !/\p{Cc}/u.test(one)) : samples;
    expect(values.length).toBeGreaterThan(20);
    const script = values
      .map((value) => `${setVariable(syntax, "ODD", value)}\nenv printf '%s\\0' "$ODD"\n`)
      .join("");
    // csh looks for `!` even here; what is printed is to be the variable, not what it stands for.
    const asked = syntax === "csh" ? script.replaceAll('"$ODD"', '"$ODD:q"') : script;
    const path = join(own, "script");
    await writeFile(path, asked);
    const [program = "", ...args] = argv;
    const done = await run(program, [...args, path], { timeoutMs: PATIENCE_MS });
    expect(done.stderr).toBe("");
    expect(done.stdout.split("\0").slice(0, -1)).toEqual(values);
  });

  test("csh is not told what it cannot read", () => {
    expect(() => setVariable("csh", "ODD", "/a\nb")).toThrow("control characters");
  });
});

describe("while it takes long to connect", () => {
  test("a person at a terminal is told so, a script is not", async () => {
    await using line = await delayLine({ port: sshd.port, delayMs: 1 });
    const config = await sshd.configWith([`ProxyCommand ${line.proxyCommand}`]);
    line.stall();
    const argv = [MAIN, "readers", "cardhost", "--ssh", `ssh -F ${config}`];
    await using piped = start("node", argv, { user: "alice" });
    await using seen = startInTerminal(["node", ...argv], { user: "alice" });
    await seen.waitForLine(/^still connecting to cardhost; Ctrl-C gives up$/, {
      timeoutMs: PATIENCE_MS,
    });
    line.resume();
    expect(await piped.exited).toMatchObject({ status: 0 });
    expect(piped.output).toContain("Virtual PCD 00 00");
    expect(piped.output).not.toContain("still");
    await seen.waitForLine(/Virtual PCD 00 01/, { timeoutMs: PATIENCE_MS });
    expect(seen.output.match(/still/g)).toHaveLength(1);
    await seen.exited;
  });

  /** A program that starts another one at its terminal and, told by a signal, says whether that one asks something. */
  const watch = (argv: readonly string[]) => `
    import { spawn } from "node:child_process";
    import { isSomebodyAsked } from ${JSON.stringify(fileURLToPath(new URL("../../dist/host/asking.js", import.meta.url)))};
    const [program, ...args] = ${JSON.stringify(argv)};
    process.on("SIGUSR2", async () => console.log("asked:", await isSomebodyAsked()));
    console.log("pid", process.pid);
    spawn(program, args, { stdio: "inherit" }).on("exit", () => console.log("over"));
    setInterval(() => {}, 60_000);`;

  test.each([
    [
      "a password, without echo",
      "Enter passphrase",
      async () => ["ssh-keygen", "-y", "-f", await lockedKey()],
    ],
    [
      "whether a host is to be trusted, with echo",
      "continue connecting",
      async () => {
        const config = await sshd.configWith(["HostKeyAlias new"]);
        const asking = ["-o", "BatchMode=no", "-o", "StrictHostKeyChecking=ask"];
        return ["ssh", ...asking, "-F", config, "cardhost", "true"];
      },
    ],
  ])("nobody is disturbed who is asked for %s", async (_what, question, argv) => {
    const script = join(own, "watch.mjs");
    await writeFile(script, watch(await argv()));
    await using shown = startInTerminal(["node", script]);
    const [, pid = ""] = /pid (\d+)/.exec(await shown.waitForLine(/^pid \d+/)) ?? [];
    const ask = async () => {
      signal(Number(pid), "SIGUSR2");
      return await shown.waitForLine(/asked: \w+/, { timeoutMs: PATIENCE_MS });
    };
    await shown.waitForLine(new RegExp(question), { timeoutMs: PATIENCE_MS });
    expect(await ask()).toContain("asked: true");
    shown.write("no\n");
    // ssh asks for the passphrase three times.
    for (;;) {
      const line = await shown.waitForLine(/over|try again|type 'yes'|incorrect|failed/i, {
        timeoutMs: PATIENCE_MS,
      });
      if (line.includes("over")) break;
      shown.write("no\n");
    }
    expect(await ask()).toContain("asked: false");
  });

  async function lockedKey(): Promise<string> {
    const path = join(own, "locked");
    await run("ssh-keygen", ["-q", "-t", "ed25519", "-N", "secret", "-f", path]);
    return path;
  }
});
