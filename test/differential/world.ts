import { rm } from "node:fs/promises";
import { setTimeout as delay } from "node:timers/promises";
import { Holdings } from "../../src/domain/holdings.ts";
import { attach, cardwire, MAIN, PATIENCE_MS } from "../interop/programs/cardwire.ts";
import { atrs } from "../lab/card.ts";
import type { CardHandle } from "../lab/card-handle.ts";
import { type Pcscd, readerNames, startPcscd } from "../lab/pcscd.ts";
import { publicDirectory } from "../lab/processes.ts";
import { run, start } from "../lab/programs.ts";
import { type ReaderRecord, readerStates } from "../lab/reader-states.ts";
import { startSshd } from "../lab/sshd.ts";
import { Clients } from "./clients.ts";
import { startSoftwareReaders } from "./software-readers.ts";
import type { Slot } from "./step.ts";

// A pcscd of its own with its cards, the clients that use it, and what is between them.

/**
 * How the clients reach pcscd: at its own socket, or through cardwire with these options of `attach`: "ssh" is a forward
 * to it, "agent" a cardwire at both ends, "serve" a daemon at the one end that lets an identity in. "software" is no pcscd
 * at all, but readers of cardwire's own.
 */
export interface Way {
  readonly carrier: "none" | "unix" | "ssh" | "agent" | "serve" | "software";
  readonly options: readonly string[];
  /** How many there are; see CLIENTS. */
  readonly clients?: number;
}

/** Longest that a world may take to come to rest, or to a state that it has to come to, ms. */
const LIMIT_MS = 10_000;
/** How often something is looked at that cannot be awaited, ms. Not more often: it costs the pcscd that is looked at. */
const LOOK_MS = 40;
/** How long pcscd may take to take a card's power after its last use, ms: 0.8 s, and more on a busy computer. */
const POWER_MS = 2_500;

/** A present card that was not tampered with: present, powered (as pcscd shows it), negotiable. */
const READY = 0x34;
const ABSENT = 2;
const PRESENT = 4;

/** Whatever has the readers: a pcscd, or what takes its place. */
export interface Daemon {
  readonly socketPath: string;
  readonly cards: readonly [CardHandle, CardHandle, ...CardHandle[]];
  /** The readers as it lists them itself. */
  readers(): Promise<readonly ReaderRecord[]>;
}

export class World implements AsyncDisposable {
  readonly clients: Clients;
  readonly #pcscd: Daemon;
  /** Where clients find the readers. */
  readonly #socket: string;
  readonly #below: Holdings;
  #atrs: [string, string] = [atrs.both, atrs.both];
  #counters: readonly number[] = [0, 0];
  #commands: readonly number[] = [0, 0];

  /** Use `makeWorld`. */
  constructor(
    pcscd: Daemon,
    { socket, below, clients }: { socket: string; below: Holdings; clients: number | undefined },
  ) {
    this.#pcscd = pcscd;
    this.#socket = socket;
    this.#below = below;
    this.clients = below.hold(new Clients(socket, clients));
  }

  /** The event counters of both readers when the world was last at rest. */
  get counters(): readonly number[] {
    return this.#counters;
  }

  /** Resolves when pcscd and whatever is before it show the slot empty. */
  async pull(slot: Slot): Promise<void> {
    await this.#pcscd.cards[slot].pull({ wait: false });
    const isOut = (readers: readonly ReaderRecord[]): boolean =>
      ((readers[slot]?.state ?? 0) & ABSENT) !== 0;
    await this.#until(`slot ${slot} empty`, isOut);
  }

  /** Resolves when pcscd and whatever is before it show the card. */
  async insert(slot: Slot, atr: string): Promise<void> {
    await this.#pcscd.cards[slot].setAtr(atr);
    this.#atrs[slot] = atr;
    await this.#pcscd.cards[slot].insert({ wait: false });
    const isIn = (readers: readonly ReaderRecord[]): boolean =>
      ((readers[slot]?.state ?? 0) & PRESENT) !== 0 && readers[slot]?.atr === atr;
    await this.#until(`a card in slot ${slot}`, isIn);
  }

  /** Whether pcscd has taken the card's power, and forgotten the protocol that was spoken with it. */
  async isIdle(slot: Slot): Promise<boolean> {
    const [{ isPowered }, readers] = await Promise.all([
      this.#pcscd.cards[slot].counters(),
      this.#pcscd.readers(),
    ]);
    return !isPowered && readers[slot]?.protocol === 0;
  }

  /** How many programs share each reader, as pcscd counts them; -1 for one that has it to itself. */
  async sharing(): Promise<readonly number[]> {
    return (await this.#pcscd.readers()).map(({ sharing }) => sharing);
  }

  /** The same as clients are shown it. */
  async shownSharing(): Promise<readonly number[]> {
    return (await readerStates(this.#socket)).map(({ sharing }) => sharing);
  }

  /** How many commands each card has been given since the world was last at rest. */
  async commands(): Promise<readonly number[]> {
    const now = await this.#commandsSoFar();
    return now.map((commands, slot) => commands - (this.#commands[slot] ?? 0));
  }

  /**
   * Brings everything back to where a sequence begins: no contexts, both cards in and without power, nobody shares.
   *
   * @throws {Error} when that is not reached.
   */
  async rest(): Promise<void> {
    await this.clients.rest();
    // Where programs do not wait for the end of their handles, it may still come: a card that is pulled meanwhile hangs vpcd.
    await soon(async () => (await this.sharing()).every((handles) => handles === 0), LIMIT_MS);
    for (const slot of [0, 1] as const) {
      if ((await this.#isUnchanged(slot)) && (await this.#becomesIdle(slot))) continue;
      await this.pull(slot);
      await this.insert(slot, atrs.both);
      if (!(await this.#becomesIdle(slot))) throw new Error(`pcscd leaves slot ${slot} its power`);
    }
    await this.#until("both readers at rest", (now) =>
      now.every((one) => one.state === READY && one.atr === atrs.both && one.sharing === 0),
    );
    this.#counters = (await this.#pcscd.readers()).map(({ eventCounter }) => eventCounter);
    this.#commands = await this.#commandsSoFar();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#below[Symbol.asyncDispose]();
  }

  /** Whether the slot has the card that is there when a sequence begins, in the state that pcscd has it in then. */
  async #isUnchanged(slot: Slot): Promise<boolean> {
    const { state, atr } = (await this.#pcscd.readers())[slot] ?? {};
    return state === READY && atr === atrs.both && this.#atrs[slot] === atrs.both;
  }

  /** Whether pcscd takes the power of a card that nobody uses any more; after some sequences it does not. */
  async #becomesIdle(slot: Slot): Promise<boolean> {
    return await soon(async () => await this.isIdle(slot), POWER_MS);
  }

  async #commandsSoFar(): Promise<readonly number[]> {
    const reports = await Promise.all(this.#pcscd.cards.map((card) => card.counters()));
    return reports.map(({ commands }) => commands);
  }

  /** Waits until pcscd's list and the one that clients are shown both satisfy. */
  async #until(
    what: string,
    satisfies: (readers: readonly ReaderRecord[]) => boolean,
  ): Promise<void> {
    for (const socket of new Set([this.#pcscd.socketPath, this.#socket])) {
      let last: readonly ReaderRecord[] = [];
      const isSo = await soon(async () => {
        last = await readerStates(socket);
        return last.length === readerNames.length && satisfies(last);
      }, LIMIT_MS);
      const whose = socket === this.#pcscd.socketPath ? "pcscd" : "cardwire";
      if (!isSo) throw new Error(`${whose} does not show ${what}, but ${JSON.stringify(last)}`);
    }
  }
}

/** Asks until the answer is yes, or for `limitMs`. @returns the last answer. */
async function soon(ask: () => Promise<boolean>, limitMs: number): Promise<boolean> {
  const end = performance.now() + limitMs;
  while (!(await ask())) {
    if (performance.now() > end) return false;
    await delay(LOOK_MS);
  }
  return true;
}

/** Starts a pcscd, and what is between it and the clients. @throws {Error} when something does not start. */
export async function makeWorld(way: Way, name: string): Promise<World> {
  const below = new Holdings();
  const { clients } = way;
  try {
    if (way.carrier === "software") {
      const readers = below.hold(await startSoftwareReaders());
      return new World(readers, { socket: readers.socketPath, below, clients });
    }
    const pcscd = below.hold(await startPcscd({ cards: [{}, {}] }));
    return new World(pcscd, { socket: await open(way, { name, pcscd, below }), below, clients });
  } catch (error) {
    await below[Symbol.asyncDispose]();
    throw error;
  }
}

/** Worlds with a serve so far: each has a port of its own. */
let serves = 0;
const FIRST_PORT = 17_816;

/** One identity, which may do everything, at a serve of its own. */
async function openServe(
  name: string,
  { options, pcscd, below }: { options: readonly string[]; pcscd: Pcscd; below: Holdings },
): Promise<string> {
  const state = await publicDirectory("serve");
  below.hold({
    [Symbol.asyncDispose]: async () => await rm(state, { recursive: true, force: true }),
  });
  await run("chown", ["alice", state]);
  const port = FIRST_PORT + serves;
  serves += 1;
  const as = { user: "alice", env: { XDG_STATE_HOME: state } } as const;
  const here = { ...as, env: { ...as.env, PCSCLITE_CSOCK_NAME: pcscd.socketPath } };
  const where = ["--address", "127.0.0.1", "--port", `${port}`];
  const serve = below.hold(start("node", [MAIN, "serve", ...where], here));
  await serve.waitForLine(/^Ctrl-C ends it/, { timeoutMs: PATIENCE_MS });
  const invited = await cardwire(["invite", "alice", "--profile", "manage"], here);
  const joined = await cardwire(["join", "--name", name], { ...as, input: invited.stdout });
  if (joined.status !== 0) throw new Error(`not joined: ${invited.stderr}${joined.stderr}`);
  return below.hold(await attach([name, "--name", name, ...options], as)).socket;
}

async function open(
  { carrier, options }: Way,
  { name, pcscd, below }: { name: string; pcscd: Pcscd; below: Holdings },
): Promise<string> {
  if (carrier === "none") return pcscd.socketPath;
  const more = ["--name", name, ...options];
  if (carrier === "unix")
    return below.hold(await attach([`unix:${pcscd.socketPath}`, ...more])).socket;
  if (carrier === "serve") return await openServe(name, { options, pcscd, below });
  const sshd = below.hold(await startSshd({ pcscdDirectory: pcscd.directory }));
  const via = ["--via", carrier === "agent" ? "agent" : "forward"];
  const ssh = ["--ssh", `ssh -F ${sshd.clientConfig}`];
  return below.hold(await attach(["cardhost", ...more, ...via, ...ssh])).socket;
}
