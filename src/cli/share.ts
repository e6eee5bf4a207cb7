import { hostname, userInfo } from "node:os";
import { createServer } from "node:net";
import { join } from "node:path";
import { type RemoteSocket, remoteSocket } from "../carriers/ssh/remote-socket.ts";
import { splitCommand } from "../carriers/ssh/split-command.ts";
import { unixCarrier } from "../carriers/unix.ts";
import type { CardService } from "../domain/card-service.ts";
import { globMatcher } from "../domain/glob.ts";
import { PcscliteServer } from "../fronts/pcsclite/server.ts";
import { runtimeDirectory } from "../host/paths.ts";
import { canAsk } from "../host/terminal.ts";
import { publishSocket } from "../host/unix-socket.ts";
import { liveliness } from "../services/pcscd/answers.ts";
import type { PcscdOptions } from "../services/pcscd/daemon.ts";
import { lentReaders } from "../services/lent-readers.ts";
import { Holdings } from "./holdings.ts";
import type { Io } from "./io.ts";
import { openReaders } from "./open.ts";
import { tellIfSlow } from "./patience.ts";
import { makeScratchDirectory } from "../host/scratch-directory.ts";
import { type FrontOptions, PLAIN_WAY } from "./options.ts";
import type { Source } from "./sources.ts";
import { wordOf } from "../domain/where.ts";

/** How long a socket in our way over there may take to answer a VERSION request before it counts as dead, ms. */
const ALIVE_MS = 3_000;

export interface ShareOptions extends PcscdOptions, FrontOptions {
  /** `[user@]host`, as for ssh. */
  readonly destination: string;
  /** Whose readers: this computer's. */
  readonly from: readonly Source[];
  /** Names or globs of the readers to lend; none: all. */
  readonly readers: readonly string[];
  /** How the socket's directory over there is called; undefined: as this computer. */
  readonly name: string | undefined;
  readonly socket: string | undefined;
  readonly mode: number | undefined;
  readonly group: string | undefined;
  readonly ssh: string | undefined;
  /** Starts although pcscd or the other computer cannot be reached yet. */
  readonly wait: boolean;
}

/** This computer's readers on another one. */
export interface Share extends AsyncDisposable {
  readonly remote: RemoteSocket;
  /** What is lent. */
  readonly service: CardService;
}

/**
 * Makes readers of this computer usable on another one, on a pcscd-compatible socket there. Disposing removes it.
 *
 * @throws {CardwireError} why it cannot, with what to do; then nothing is left behind.
 */
export async function share(
  options: ShareOptions,
  { io, signal }: { io: Io; signal: AbortSignal },
): Promise<Share> {
  const holdings = new Holdings();
  const hold = <T extends AsyncDisposable>(one: T): T => holdings.hold(one);
  const release = () => holdings[Symbol.asyncDispose]();
  try {
    const scratch = await makeScratchDirectory(await runtimeDirectory(), "share");
    const directory = scratch.path;
    hold({ [Symbol.asyncDispose]: scratch.remove });
    const open = { ...options, directory, canAskAgain: false, way: PLAIN_WAY };
    const { service: all } = hold(await openReaders(options.from, open, { io, signal }));
    const { readers } = options;
    const service = readers.length === 0 ? all : lentReaders(all, isNamed(readers));
    const server = createServer();
    const { slots, first } = options;
    const front = new PcscliteServer(server, service, { slots, first });
    const local = hold(await publishSocket(server, { path: join(directory, "pcscd.comm") }));
    hold(front);
    using _patience = tellIfSlow(io, `connecting to ${options.destination}`);
    const asks = canAsk(io.env);
    const remote = hold(
      await remoteSocket({
        destination: options.destination,
        ssh: splitCommand(options.ssh ?? io.env["CARDWIRE_SSH"] ?? "ssh"),
        directory,
        canAsk: asks,
        canAskAgain: asks,
        keepTrying: options.wait,
        notice: (text) => io.err(text.trimEnd()),
        signal,
        localSocket: local.path,
        name: options.name ?? (wordOf(hostname()) || "cardhost"),
        path: options.socket,
        mode: options.mode,
        group: options.group,
        owner: ownerRecord(),
        isAlive: async (path, how) =>
          (await liveliness(unixCarrier(path), { ...how, limitMs: ALIVE_MS })) === "answers",
      }),
    );
    signal.throwIfAborted();
    return { remote, service, [Symbol.asyncDispose]: release };
  } catch (error) {
    await release();
    throw error;
  }
}

/** A reader's own name counts as it is, although brackets in it mean something in a glob. */
function isNamed(patterns: readonly string[]): (name: string) => boolean {
  const globs = patterns.map(globMatcher);
  return (name) => patterns.includes(name) || globs.some((matches) => matches(name));
}

/** One line of JSON that tells people over there whose socket it is. */
const ownerRecord = (): string =>
  JSON.stringify({
    from: `${userInfo().username}@${hostname()}`,
    pid: process.pid,
    startedAt: new Date().toISOString(),
  });
