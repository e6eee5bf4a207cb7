import { spawn } from "node:child_process";
import { CardwireError } from "../../domain/errors.ts";
import { errorCode } from "../../host/error-code.ts";

export interface SshResult {
  /** Exit status; 255 also for an end by a signal, as ssh itself uses it for its own failures. */
  readonly status: number;
  /** What ended it, if a signal did. */
  readonly endedBy: NodeJS.Signals | undefined;
  readonly stdout: string;
  readonly stderr: string;
}

export interface SshOptions {
  /** Given on standard input; without it there is none. */
  readonly input?: string;
  /** `apart`: in a session of its own, without a terminal, and so without questions. */
  readonly terminal: "ours" | "apart";
  /** Aborting ends the process and rejects. */
  readonly signal: AbortSignal;
}

/** Most that is kept of what ssh writes, characters. Its decisive words come last. */
const MAX_OUTPUT = 65_536;

/** How long after the end of ssh its last words may take, ms. A ProxyCommand may keep the pipes open for ever. */
const LAST_WORDS_MS = 200;

/** How long ssh may take to end when it is told to, ms: it puts the terminal in order first. */
const END_MS = 2_000;

/**
 * Runs the user's ssh to its end.
 *
 * With a terminal of ours on standard error ssh writes there itself, since it asks for the touch of a security key
 * only on a terminal; `stderr` is then empty.
 *
 * @throws {CardwireError} `E_NO_SSH` when there is no such program.
 */
export async function runSsh(
  ssh: readonly string[],
  args: readonly string[],
  { input, terminal, signal }: SshOptions,
): Promise<SshResult> {
  signal.throwIfAborted();
  const [program = "ssh", ...first] = ssh;
  const apart = terminal === "apart";
  const child = spawn(program, [...first, ...args], {
    stdio: [
      input === undefined ? "ignore" : "pipe",
      "pipe",
      !apart && process.stderr.isTTY ? "inherit" : "pipe",
    ],
    detached: apart, // a jump host's ssh does not inherit BatchMode, but it cannot ask without a terminal
    env: apart ? { ...process.env, SSH_ASKPASS_REQUIRE: "never" } : process.env,
  });
  const stdout = collect(child.stdout);
  const stderr = collect(child.stderr);
  child.stdin?.on("error", () => {}); // it ended without reading: its status says more
  child.stdin?.end(input);

  let killing: NodeJS.Timeout | undefined;
  const end = () => {
    child.kill();
    killing = setTimeout(() => child.kill("SIGKILL"), END_MS);
  };
  signal.addEventListener("abort", end, { once: true });
  try {
    const exit = await ended(child);
    signal.throwIfAborted();
    return { ...exit, stdout: stdout(), stderr: stderr() };
  } catch (cause) {
    signal.throwIfAborted();
    throw ["ENOENT", "EACCES"].includes(errorCode(cause) ?? "") ? missing(program, cause) : cause;
  } finally {
    signal.removeEventListener("abort", end);
    clearTimeout(killing);
    child.stdout?.destroy();
    child.stderr?.destroy();
  }
}

/** Resolves with how it ended, once the pipes are at their end too or have had their time. */
function ended(child: ReturnType<typeof spawn>): Promise<Pick<SshResult, "status" | "endedBy">> {
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", (status, by) => {
      const done = () => {
        clearTimeout(waiting);
        resolve({ status: status ?? 255, endedBy: by ?? undefined });
      };
      const waiting = setTimeout(done, LAST_WORDS_MS);
      child.once("close", done);
    });
  });
}

function collect(stream: NodeJS.ReadableStream | null): () => string {
  let text = "";
  stream?.setEncoding("utf8").on("data", (more: string) => {
    text = (text + more).slice(-MAX_OUTPUT);
  });
  return () => text;
}

function missing(program: string, cause: unknown): CardwireError {
  return new CardwireError("E_NO_SSH", `there is no program ${program} to run`, {
    cause,
    hint: "Install OpenSSH (sudo apt install openssh-client), or name yours with --ssh or CARDWIRE_SSH.",
  });
}
