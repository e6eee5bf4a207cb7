import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { publicDirectory } from "../../test/lab/processes.ts";
import { type Program, run, start } from "../../test/lab/programs.ts";
import { users } from "../../test/lab/users.ts";
import { type Attached, CARDWIRE } from "../attach.ts";

const OPENING_MS = 60_000;

/** A running `cardwire serve`, and those who joined it: all on this computer, over its loopback. */
export class Serving implements AsyncDisposable {
  readonly #serve: Program;
  readonly #root: string;
  readonly #open: Attached[] = [];

  private constructor(serve: Program, root: string) {
    this.#serve = serve;
    this.#root = root;
  }

  /** @param socket pcscd's. */
  static async open(socket: string, ...flags: readonly string[]): Promise<Serving> {
    const root = await publicDirectory("serving");
    const serve = start(
      "node",
      [CARDWIRE, "serve", "--address", "127.0.0.1", "--rate-limit", "100000", ...flags],
      {
        user: "alice",
        env: { PCSCLITE_CSOCK_NAME: socket, XDG_STATE_HOME: await stateOf(root, "alice") },
      },
    );
    await serve.waitForLine(/^Ctrl-C ends it/, { timeoutMs: OPENING_MS });
    return new Serving(serve, root);
  }

  get pid(): number {
    return this.#serve.pid;
  }

  /** The file of its record. */
  get audit(): string {
    return join(this.#root, "alice", "cardwire/serve/audit.log");
  }

  /** Somebody joins, with a state of his own. @returns the environment in which he has. */
  async join(identity: string): Promise<Readonly<Record<string, string>>> {
    const invite = [CARDWIRE, "invite", identity, "--profile", "manage", "--address", "127.0.0.1"];
    const here = { user: "alice", env: { XDG_STATE_HOME: join(this.#root, "alice") } } as const;
    const { stdout, stderr } = await run("node", invite, here);
    if (!stdout.startsWith("cardwire-1-")) throw new Error(`nobody is invited: ${stderr}`);
    const env = { XDG_STATE_HOME: await stateOf(this.#root, identity) };
    const command = [CARDWIRE, "join", "--name", identity];
    const joined = await run("node", command, { user: "alice", env, input: stdout });
    if (joined.status !== 0) throw new Error(`nobody joins: ${joined.stderr}`);
    return env;
  }

  /** Somebody joins, and attaches. */
  async attach(identity: string): Promise<Attached & { readonly pid: number }> {
    const env = await this.join(identity);
    const args = [CARDWIRE, "attach", "--json", "--name", identity, `cardwire://${identity}`];
    const program = start("node", args, { user: "alice", env });
    const line = await program.waitForLine(/^\{/, { timeoutMs: OPENING_MS });
    const { socket } = JSON.parse(line) as { socket: string };
    const { pid } = program;
    const attached = { socket, pid, [Symbol.asyncDispose]: () => program[Symbol.asyncDispose]() };
    this.#open.push(attached);
    return attached;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const one of this.#open) await one[Symbol.asyncDispose]();
    this.#serve.kill("SIGINT");
    await this.#serve.exited;
    await rm(this.#root, { recursive: true, force: true });
  }
}

/** A state directory of somebody's own. */
async function stateOf(root: string, name: string): Promise<string> {
  const path = join(root, name);
  await mkdir(path, { mode: 0o700 });
  const { uid } = users.alice;
  await run("chown", [`${uid}:${uid}`, path], {});
  return path;
}
