import { chmod, chown, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Pcscd, startPcscd } from "../lab/pcscd.ts";
import { PATH, type Program, run } from "../lab/programs.ts";
import { startInTerminal } from "../lab/terminal.ts";
import { users } from "../lab/users.ts";
import { attach, MAIN, PATIENCE_MS } from "./programs/cardwire.ts";

// Real shells in terminals: alice types a beginning and the tab key, and sees what becomes of it.

let pcscd: Pcscd;
let attached: AsyncDisposable;
/** Of alice: ssh's files, settings, and the `cardwire` that shells find. */
let own: string;
let env: Readonly<Record<string, string>>;
const ssh = join(users.alice.home, ".ssh");

beforeAll(async () => {
  own = await mkdtemp("/run/tmp/completion-");
  await mkdir(ssh, { recursive: true });
  await writeFile(join(ssh, "config"), "Host cardhost cardhub *.wild !not\nInclude more/*.conf\n");
  await mkdir(join(ssh, "more"));
  await writeFile(join(ssh, "more/a.conf"), 'Host "included"\n  User x\n');
  await writeFile(
    join(ssh, "known_hosts"),
    "known.example,192.0.2.1 ssh-ed25519 AAAA\n[odd.example]:2222 ssh-ed25519 AAAA\n|1|c2FsdA==|aGFzaA== ssh-ed25519 AAAA\n",
  );
  await writeFile(join(own, "other ssh"), "Host elsewhere\n");
  await mkdir(join(own, "cardwire"));
  await writeFile(
    join(own, "cardwire/config.toml"),
    '[attach.work]\nwhere = "cardhost"\n[share.lab]\nto = "h"\n',
  );
  await mkdir(join(own, "files"));
  await writeFile(join(own, "files/with blank.comm"), "");
  await mkdir(join(own, "bin"));
  await symlink(MAIN, join(own, "bin/cardwire"));
  await chmod(own, 0o755);
  const serve = join(own, "state/cardwire/serve");
  await mkdir(serve, { recursive: true, mode: 0o700 });
  const at = "2026-11-28T12:00:00.000Z";
  const carol = { name: "carol", readers: [], profile: "use", created: at, keys: [] };
  const text = JSON.stringify({ version: 1, identities: [carol] });
  await writeFile(join(serve, "identities.json"), text, { mode: 0o600 });
  await run("chown", ["-R", "alice", own, ssh]);
  await chown(users.alice.home, users.alice.uid, users.alice.gid);
  env = { XDG_CONFIG_HOME: own, XDG_STATE_HOME: join(own, "state"), PATH: `${own}/bin:${PATH}` };
  pcscd = await startPcscd();
  attached = await attach([`unix:${pcscd.socketPath}`, "--name", "running"]);
});
afterAll(async () => {
  await attached[Symbol.asyncDispose]();
  await pcscd[Symbol.asyncDispose]();
  await rm(own, { recursive: true });
  await rm(ssh, { recursive: true });
});

/** Has bash show what there is at the first tab. */
const LIST = "bind 'set show-all-if-ambiguous on'";

/** How each shell is started without anybody's settings, and told of cardwire. */
const shells = {
  bash: { argv: ["bash", "--norc", "-i"], load: `${LIST}; source <(cardwire completion bash)` },
  "bash with bash-completion": {
    argv: ["bash", "--norc", "-i"],
    load: `${LIST}; . /usr/share/bash-completion/bash_completion; source <(cardwire completion bash)`,
  },
  // Without -u, compinit asks about directories that are not root's.
  zsh: {
    argv: ["zsh", "-f", "-i"],
    load: "autoload -Uz compinit; compinit -u -D; source <(cardwire completion zsh)",
  },
  fish: { argv: ["fish", "-N", "-i"], load: "cardwire completion fish | source" },
} as const;
type ShellName = keyof typeof shells;
const names = Object.keys(shells) as ShellName[];

/** A shell that waits for keys. */
async function open(name: ShellName): Promise<Program> {
  const { argv, load } = shells[name];
  // fish asks the terminal what it can do and waits for the answer, of which a dumb one has none.
  const shell = startInTerminal([...argv], { user: "alice", env, cwd: own });
  shell.write(`${load}; echo loa"d"ed\n`);
  await shell.waitForLine(/^loaded/, { timeoutMs: PATIENCE_MS });
  return shell;
}

/**
 * What becomes of `typed` and a tab: the shell is asked to print the line instead of running it. Ctrl-A goes to its
 * beginning in all of them.
 */
async function completed(shell: Program, typed: string): Promise<string> {
  shell.write(`${typed}\t\u0001printf '<%s>' BEGIN \u0005 END\n`);
  const line = await shell.waitForLine(/<BEGIN>.*<END>/, { timeoutMs: PATIENCE_MS });
  const [, words = ""] = /<BEGIN>(.*)<END>/.exec(line) ?? [];
  // zsh takes the slash behind a directory back when another key than one of a name follows.
  return words.replaceAll(/<([^>]*)>/g, "$1 ").replace(/[/ ]+$/, "");
}

describe.each(names)("%s", (name) => {
  const dir = () => own;

  test("completes what can mean one thing only", async () => {
    await using shell = await open(name);
    const cases: readonly (readonly [string, string])[] = [
      ["cardwire at", "cardwire attach"],
      ["cardwire config ch", "cardwire config check"],
      ["cardwire attach --soc", "cardwire attach --socket"],
      ["cardwire attach --slots 4", "cardwire attach --slots 48"],
      ["cardwire attach --slots=4", "cardwire attach --slots=48"],
      ["cardwire completion z", "cardwire completion zsh"],
      // ssh's configuration, what it includes, known hosts
      ["cardwire attach cardho", "cardwire attach cardhost"],
      ["cardwire attach inc", "cardwire attach included"],
      ["cardwire readers know", "cardwire readers known.example"],
      ["cardwire attach --slots 16 inc", "cardwire attach --slots 16 included"],
      // behind a user
      ["cardwire attach bob@cardho", "cardwire attach bob@cardhost"],
      ["cardwire attach ssh://bob@cardho", "cardwire attach ssh://bob@cardhost"],
      ["cardwire attach ssh://od", "cardwire attach ssh://odd.example:2222"],
      // an ssh of the line's own
      [
        `cardwire attach --ssh 'ssh -F "${dir()}/other ssh"' else`,
        `cardwire attach --ssh ssh -F "${dir()}/other ssh" elsewhere`,
      ],
      // names: of the settings, of what runs
      ["cardwire attach wo", "cardwire attach work"],
      ["cardwire share la", "cardwire share lab"],
      ["cardwire env ru", "cardwire env running"],
      // files
      [`cardwire attach --socket ${dir()}/fil`, `cardwire attach --socket ${dir()}/files`],
      [
        `cardwire attach --socket ${dir()}/files/w`,
        `cardwire attach --socket ${dir()}/files/with blank.comm`,
      ],
      [
        `cardwire attach --socket=${dir()}/files/w`,
        `cardwire attach --socket=${dir()}/files/with blank.comm`,
      ],
      [
        `cardwire attach unix:${dir()}/files/w`,
        `cardwire attach unix:${dir()}/files/with blank.comm`,
      ],
      // another program's line
      ["cardwire run cardhost -- pkcs11-to", "cardwire run cardhost -- pkcs11-tool"],
      [`cardwire run h -- ls ${dir()}/fil`, `cardwire run h -- ls ${dir()}/files`],
    ];
    const found: (readonly [string, string])[] = [];
    for (const [typed] of cases) found.push([typed, await completed(shell, typed)]);
    expect(found).toEqual(cases);
  });

  test("changes nothing where nothing fits", async () => {
    await using shell = await open(name);
    expect(await completed(shell, "cardwire attach nothing-like-this")).toBe(
      "cardwire attach nothing-like-this",
    );
    expect(await completed(shell, "cardwire env running mo")).toBe("cardwire env running mo");
  });
});

test("the scripts are installed as files, too", async () => {
  const functions = join(own, "functions");
  await mkdir(functions);
  const zsh = await run("cardwire", ["completion", "zsh"], { env });
  await writeFile(join(functions, "_cardwire"), zsh.stdout);
  const load = `fpath=(${functions} $fpath); autoload -Uz compinit; compinit -u -D; echo loa"d"ed\n`;
  await using shell = startInTerminal(["zsh", "-f", "-i"], { user: "alice", env, cwd: own });
  shell.write(load);
  await shell.waitForLine(/^loaded/, { timeoutMs: PATIENCE_MS });
  // The first tab loads the file, the second must find it loaded.
  expect(await completed(shell, "cardwire at")).toBe("cardwire attach");
  expect(await completed(shell, "cardwire rea")).toBe("cardwire readers");
});

test.each(names.filter((name) => name !== "fish"))(
  "%s shows what there is to choose from",
  async (name) => {
    await using shell = await open(name);
    shell.write("cardwire attach bob@card\t\t");
    await shell.waitForLine(/cardhub/, { timeoutMs: PATIENCE_MS });
    expect(shell.output).toMatch(/cardhost/);
    expect(shell.output).not.toContain("wild");
  },
);

// In a terminal it lays its choices over what is there; this is what it lays there.
test("fish shows what there is to choose from, and what each thing is", async () => {
  const offered = async (line: string) => {
    const script = `cardwire completion fish | source; complete -C '${line}'`;
    return (await run("fish", ["-N", "-c", script], { user: "alice", env })).stdout;
  };
  expect(await offered("cardwire attach bob@card")).toBe("bob@cardhost\nbob@cardhub\n");
  expect(await offered("cardwire env ")).toBe(`running\tunix:${pcscd.socketPath}\n`);
  for (const line of ["kick --identity ", "policy test --as ", "revoke "])
    expect(await offered(`cardwire ${line}`)).toBe("carol\n");
});

test.each(["bash", "zsh", "fish"])("the script is right in %s's own eyes", async (shell) => {
  const script = await run("cardwire", ["completion", shell], { env });
  const path = join(own, `script.${shell}`);
  await writeFile(path, script.stdout);
  const checked = await run(shell, ["-n", path]);
  expect(checked).toMatchObject({ status: 0, stdout: "", stderr: "" });
  expect(await readFile(path, "utf8")).toContain(`Made by: cardwire completion ${shell}`);
});

test("an unknown shell is refused", async () => {
  const done = await run("cardwire", ["completion", "tcsh"], { env });
  expect(done).toMatchObject({ status: 2, stdout: "" });
  expect(done.stderr).toContain("bash, zsh, fish");
});
