import type { ChildProcess } from "node:child_process";
import { appendFileSync } from "node:fs";
import { type FileHandle, open, readdir, readFile, readlink } from "node:fs/promises";
import { SecretStream, secretsIn } from "./secrets.ts";

// While the tests of one file run, all that cardwire's own programs show is looked through for the PINs of the tests'
// cards and for private keys: what they print, their records, and what a list of processes shows of them.

/** How often processes are looked at, ms. */
const LOOK_MS = 1_000;
/** By which a cardwire is known in a command line: its program, and the agent that is sent to other hosts. */
const OWN = /(?:^|\/)(?:dist\/cli\/main\.js|cardwire|agent(?:-[0-9a-f]+)?\.cjs)$/;
/** Commands that say the PIN of a card that they made, or hand on what another program prints. */
const TELLS = new Set(["card", "demo", "run", "lease"]);

/** What `npm test` adds up. */
export interface Watched {
  readonly bytes: number;
  readonly processes: number;
  readonly records: number;
  readonly found: readonly string[];
}

const found = new Set<string>();
const seen = new Set<string>();
/** Records, held open so that their last lines are read even if they are deleted. */
const records = new Map<string, { readonly handle: FileHandle; readonly text: SecretStream }>();
let bytes = 0;

const tell = (where: string, secrets: readonly string[]): void => {
  for (const one of secrets) found.add(`${one} in ${where}`);
};

/** The words of a command line that are cardwire's: not those of the program that it runs. @returns undefined of others. */
function ownWords(argv: readonly string[]): readonly string[] | undefined {
  const at = argv.slice(0, 4).findIndex((word) => OWN.test(word));
  if (at < 0) return undefined;
  const end = argv.indexOf("--", at);
  return argv.slice(at, end < 0 ? undefined : end);
}

/** Looks through what a program prints, if it is cardwire. */
export function watchOutput(child: ChildProcess, argv: readonly string[]): void {
  const words = ownWords(argv);
  if (!words || TELLS.has(words[1] ?? "")) return;
  for (const [name, stream] of [
    ["output", child.stdout],
    ["messages", child.stderr],
  ] as const) {
    const text = new SecretStream();
    stream?.on("data", (chunk: Buffer) => {
      bytes += chunk.length;
      tell(`the ${name} of cardwire ${words.slice(1).join(" ")}`, text.push(chunk));
    });
  }
}

async function lookAt(pid: string): Promise<void> {
  const argv = (await readFile(`/proc/${pid}/cmdline`, "latin1")).split("\0");
  const words = ownWords(argv);
  if (!words) return;
  seen.add(pid);
  const name = `cardwire ${words[1] ?? ""}`;
  tell(`the command line of ${name}`, secretsIn(words.join(" ")));
  tell(`the environment of ${name}`, secretsIn(await readFile(`/proc/${pid}/environ`, "latin1")));
  for (const fd of await readdir(`/proc/${pid}/fd`)) {
    const path = await readlink(`/proc/${pid}/fd/${fd}`).catch(() => "");
    if (/audit[^/]*$/.test(path)) await readRecord(`/proc/${pid}/fd/${fd}`);
  }
}

async function readRecord(path: string): Promise<void> {
  const handle = await open(path, "r");
  const { dev, ino } = await handle.stat();
  const key = `${dev}:${ino}`;
  const known = records.get(key);
  if (known) await handle.close();
  else records.set(key, { handle, text: new SecretStream() });
  await readOn(records.get(key));
}

async function readOn(record = [...records.values()][0]): Promise<void> {
  if (!record) return;
  const { handle, text } = record;
  const chunk = Buffer.alloc(1 << 16);
  for (;;) {
    const { bytesRead } = await handle.read(chunk, 0, chunk.length, text.bytes);
    if (bytesRead === 0) return;
    bytes += bytesRead;
    tell("a record", text.push(chunk.subarray(0, bytesRead)));
  }
}

/** Looks at all processes from time to time. @returns ends that, and writes down what was found. */
export function watchSecrets(file: string): () => Promise<void> {
  const over = new AbortController();
  const look = async (): Promise<void> => {
    const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name));
    // One may be gone since the folder was read.
    for (const pid of pids) await lookAt(pid).catch(() => {});
  };
  let looking: Promise<void> = Promise.resolve();
  const timer = setInterval(() => {
    looking = looking.then(() => (over.signal.aborted ? undefined : look()));
  }, LOOK_MS);
  timer.unref();
  return async () => {
    over.abort();
    clearInterval(timer);
    await looking;
    for (const record of records.values()) {
      await readOn(record);
      await record.handle.close();
    }
    const about: Watched = {
      bytes,
      processes: seen.size,
      records: records.size,
      found: [...found],
    };
    appendFileSync(file, `${JSON.stringify(about)}\n`);
  };
}
