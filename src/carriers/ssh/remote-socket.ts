import { randomBytes } from "node:crypto";
import { CardwireError } from "../../domain/errors.ts";
import type { Watchable } from "../../domain/watchable.ts";
import { checkSocketPath } from "../../host/socket-path.ts";
import { type Keeper, startKeeper } from "./keeper.ts";
import type { SshLine } from "./line.ts";
import type { RunningMaster } from "./master.ts";
import {
  explainProblem,
  inUse,
  leftoverWithoutShell,
  listeningForbidden,
  noShellForRights,
  notASocket,
} from "./remote-socket-problems.ts";
import { type Look, lookIn, problemIn, remoteSocketScript } from "./remote-socket-script.ts";

export interface RemoteSocketOptions {
  readonly destination: string;
  /** Ours, to which connections over there lead. */
  readonly localSocket: string;
  /** Of the directory for the socket over there, where no path is asked for. */
  readonly name: string;
  /** Absolute path over there. */
  readonly path: string | undefined;
  /** Undefined: sshd's, or 0660 with a group. */
  readonly mode: number | undefined;
  readonly group: string | undefined;
  /** Who we are, one line, for others who want the same place. */
  readonly owner: string;
  /** Whether somebody alive speaks at a socket here: asked for one that leads to the socket that is in our way. */
  readonly isAlive: (socketPath: string, options: { signal: AbortSignal }) => Promise<boolean>;
  /** Another value for each connection; undefined until the first one. */
  readonly published: Watchable<Published | undefined>;
}

/** Where the socket is now, and whether people can reach it. */
export interface Published {
  readonly path: string;
  /** Whether there is a shell over there that removes it at the end. */
  readonly hasShell: boolean;
  /** The uppermost directory on the way that does not let those in whom the socket admits. */
  readonly closedDoor: string | undefined;
}

/** Characters that make up a run's token: as many as make two runs differ. */
const RUN_BYTES = 6;

/** How long the last try may take to reach the other computer once more and remove the socket, ms. */
const FAREWELL_MS = 5_000;

/**
 * How often it is looked whether the socket is there still, ms: somebody may remove it, or its directory. Its file is
 * touched then, since what is old in /tmp is cleaned away (tmpfiles.d(5): after ten days).
 */
const CHECK_MS = 10_000;

/** What ssh says when sshd would not listen. */
const REFUSED_TO_LISTEN = /remote port forwarding failed|forwarding request failed/i;

/**
 * Makes a Unix socket on the computer that a line leads to, with the rights that are wanted, which leads to one here, and
 * keeps it there, over breaks of the line too. Disposing removes it, and leaves the line to be closed.
 *
 * sshd listens at a fresh name in a private directory each time, since it refuses a name that is there already, and the
 * old sshd of a broken line listens on for minutes; the fresh one then takes the public name. What a run of ours left
 * there is replaced, a living socket never.
 *
 * @throws {CardwireError} `E_SOCKET_IN_USE` with who has it; `E_SOCKET_PATH`, `E_SOCKET_DENIED`,
 *   `E_RUNTIME_DIR`, `E_GROUP`, `E_DISK_FULL` over there; `E_SSH_FORWARDING`; `E_NO_SHELL`.
 */
export async function remoteSocket(
  line: SshLine,
  options: RemoteSocketOptions,
  { signal }: { signal: AbortSignal },
): Promise<AsyncDisposable> {
  if (options.path !== undefined) checkRemotePath(options.path);
  const publisher = new Publisher(options);
  await line.adopt((master, within) => publisher.publish(master, within.signal), { signal });
  return {
    [Symbol.asyncDispose]: async () => {
      await reachOnceMore(line);
      await publisher.remove();
    },
  };
}

/** A line that is down now may be up in a moment, and then the socket can still be removed. */
async function reachOnceMore(line: SshLine): Promise<void> {
  if (line.state.value.up) return;
  line.hurry();
  await line.up(AbortSignal.timeout(FAREWELL_MS)).catch(() => {}); // its sshd removes it when it notices
}

function checkRemotePath(path: string): void {
  checkSocketPath(path);
  if (/\p{Cc}/u.test(path) || !path.startsWith("/"))
    throw new CardwireError(
      "E_SOCKET_PATH",
      `${JSON.stringify(path)} cannot be a path over there`,
      {
        hint: "Write an absolute path without control characters, such as --socket /tmp/pcscd.comm",
      },
    );
}

class Publisher {
  readonly published: Watchable<Published | undefined>;
  readonly #options: RemoteSocketOptions;
  readonly #run = randomBytes(RUN_BYTES).toString("hex");
  #serial = 0;
  #keeper: Keeper | undefined;
  #isLeaving = false;

  constructor(options: RemoteSocketOptions) {
    this.#options = options;
    this.published = options.published;
  }

  async publish(master: RunningMaster, signal: AbortSignal): Promise<void> {
    this.#serial += 1;
    const { name, path, group, owner } = this.#options;
    const mode = this.#options.mode ?? (group === undefined ? 0o600 : 0o660);
    const place = { name, path, mode, group, owner, run: this.#run, serial: this.#serial };
    const keeper = await startKeeper(master, remoteSocketScript(place), { signal });
    this.#keeper = keeper;
    if (keeper === undefined && this.published.value?.hasShell) {
      throw new CardwireError(
        "E_SSH",
        `the shell on ${this.#options.destination} does not answer`,
        {
          hint: "It did before; it is tried again by itself.",
        },
      );
    }
    this.published.set(
      keeper === undefined
        ? await this.#withoutShell(master)
        : await this.#withShell(master, keeper, signal),
    );
    if (keeper !== undefined) void this.#lookAfter(keeper, master); // never rejects
  }

  async remove(): Promise<void> {
    this.#isLeaving = true;
    await this.#keeper?.end();
  }

  /** A script that ends by itself, as when somebody kills it, or that lost its socket: then all is made anew. */
  async #lookAfter(keeper: Keeper, master: RunningMaster): Promise<void> {
    const check = async () => {
      if ((await keeper.ask("check"))?.has("lost")) await keeper.end();
    };
    const checking = setInterval(() => void check(), CHECK_MS); // never rejects
    checking.unref();
    await keeper.ended;
    clearInterval(checking);
    if (!this.#isLeaving) await master[Symbol.asyncDispose]();
  }

  async #withShell(master: RunningMaster, keeper: Keeper, signal: AbortSignal): Promise<Published> {
    const { destination } = this.#options;
    try {
      const look = lookIn(this.#good(keeper.first));
      checkSocketPath(look.fresh);
      const isFree = look.found === "nothing";
      if (!isFree) await this.#refuseLiving(master, look, signal);
      await this.#listen(master, look.fresh);
      const done = this.#good(await keeper.ask(`publish ${isFree ? "new" : "over"}`));
      return { path: look.path, hasShell: true, closedDoor: done.get("closed") };
    } catch (error) {
      await keeper.end(); // it takes away what it made
      if (error instanceof TypeError) throw explainProblem(destination, { problem: "", about: "" });
      throw error;
    }
  }

  /** @throws {CardwireError} what the script could not do. */
  #good(answer: Keeper["first"] | undefined): Keeper["first"] {
    const { destination } = this.#options;
    const problem = answer === undefined ? { problem: "", about: "" } : problemIn(answer);
    if (answer === undefined || problem !== undefined)
      throw explainProblem(destination, problem ?? { problem: "", about: "" });
    return answer;
  }

  /** @throws {CardwireError} `E_SOCKET_IN_USE` unless what is there is dead, and is ours or nobody's. */
  async #refuseLiving(master: RunningMaster, look: Look, signal: AbortSignal): Promise<void> {
    const { destination, isAlive } = this.#options;
    if (look.found === "other") throw notASocket(destination, look);
    if (look.run === this.#run || look.connect === "refused") return;
    const probe = {
      listens: "here",
      localSocket: master.socketPath("p"),
      remoteSocket: look.path,
    } as const;
    await master.forward(probe);
    const before = (await master.log()).length;
    const lives = await isAlive(probe.localSocket, { signal });
    const opened = !(await master.log()).slice(before).includes("open failed");
    await master.cancel(probe);
    if (lives) throw inUse(destination, look);
    // Not even sshd can connect: nobody listens, unless the shell could, and sshd is forbidden to try.
    if (!opened && look.connect === undefined) return;
    // Somebody takes connections and does not speak: of our own runs that is an ssh that lost its line.
    if (look.run === undefined || !opened) throw inUse(destination, look);
  }

  async #listen(master: RunningMaster, at: string): Promise<void> {
    const { destination, localSocket } = this.#options;
    try {
      await master.forward({ listens: "there", localSocket, remoteSocket: at });
    } catch (error) {
      const says = error instanceof Error ? error.message : "";
      throw REFUSED_TO_LISTEN.test(says) ? listeningForbidden(destination, error) : error;
    }
  }

  /** sshd's own socket, as it makes it: nobody over there can rename or remove it. */
  async #withoutShell(master: RunningMaster): Promise<Published> {
    const { destination, path, mode, group } = this.#options;
    if (mode !== undefined || group !== undefined) throw noShellForRights(destination);
    const last = this.published.value?.path;
    const fresh = `/tmp/cardwire-${this.#run}.${this.#serial}.comm`;
    const places = path === undefined ? [...(last === undefined ? [] : [last]), fresh] : [path];
    for (const [index, place] of places.entries()) {
      try {
        await this.#listen(master, place);
        return { path: place, hasShell: false, closedDoor: undefined };
      } catch (error) {
        if (index < places.length - 1) continue;
        const isForbidden = path === undefined || !CardwireError.is(error);
        throw isForbidden ? error : leftoverWithoutShell(destination, path, error);
      }
    }
    throw new Error("unreachable: there is always a place");
  }
}
