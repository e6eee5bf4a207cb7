import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { type Program, start } from "../test/lab/programs.ts";
import { users } from "../test/lab/users.ts";

/** The built program. */
export const CARDWIRE = fileURLToPath(new URL("../dist/cli/main.js", import.meta.url));

/** A socket on the client host that leads to a pcscd. Disposing ends it. */
export interface Attached extends AsyncDisposable {
  readonly socket: string;
}

/** How long a busy computer may take to attach, ms. */
const OPENING_MS = 60_000;

let serial = 0;

/** Who runs ssh: alice here, or as root, who becomes alice in another network namespace. */
export type Launch = (program: string, args: readonly string[]) => Program;

const asAlice: Launch = (program, args) => start(program, args, { user: "alice" });

const attached = (program: Program, socket: string): Attached => ({
  socket,
  [Symbol.asyncDispose]: () => program[Symbol.asyncDispose](),
});

/** pcscd's socket through plain `ssh -L`, as alice. */
export async function plainForward(
  config: string,
  remoteSocket: string,
  launch = asAlice,
): Promise<Attached> {
  serial += 1;
  const socket = `/run/user/${users.alice.uid}/plain-${serial}`;
  const settings = [
    "ExitOnForwardFailure=yes",
    "PermitLocalCommand=yes",
    "LocalCommand=echo ready", // runs once the local socket listens
  ].flatMap((setting) => ["-o", setting]);
  const args = ["-F", config, "-N", ...settings, "-L", `${socket}:${remoteSocket}`, "cardhost"];
  const ssh = launch("ssh", args);
  await ssh.waitForLine(/^ready$/, { timeoutMs: OPENING_MS });
  return attached(ssh, socket);
}

/** The built `cardwire attach`, as alice: with a forward, unless the flags say otherwise. */
export async function cardwireAttach(
  where: string,
  options: {
    /** For `ssh -F`. */
    readonly config?: string;
    readonly launch?: Launch;
    readonly flags?: readonly string[];
  } = {},
): Promise<Attached> {
  const { config, launch = asAlice, flags = [] } = options;
  serial += 1;
  const ssh = config === undefined ? [] : ["--ssh", `ssh -F ${config}`];
  const via = flags.includes("--via") ? [] : ["--via", "forward"];
  const args = ["attach", "--json", "--name", `bench-${serial}`, ...ssh, ...via, ...flags, where];
  const program = launch("node", [CARDWIRE, ...args]);
  const line = await program.waitForLine(/^\{/, { timeoutMs: OPENING_MS });
  const { socket } = JSON.parse(line) as { socket: string };
  await delay(50); // it has told, and now becomes as idle as it will be
  return attached(program, socket);
}
