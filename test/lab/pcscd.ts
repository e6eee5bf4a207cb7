import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { copyFile, mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { CardHandle, CardProcess, type CardSpec, startCards } from "./card-handle.ts";
import { collectOutput, publicDirectory, stopChild, until } from "./processes.ts";
import type { Argv, Place } from "./programs.ts";
import {
  FIXED_SLOTS,
  type Order,
  type ReaderRecord,
  readerList,
  readerStates,
} from "./reader-states.ts";
import { VPCD_PORT } from "./vpcd.ts";

export interface PcscdOptions {
  /** The slots' cards. Unless told: a test card in the first, and one beside each other, not inserted. */
  readonly cards?: readonly CardSpec[];
  /** How many slots vpcd has: an even number, 2 unless told. More than 16 are seen in daemons from 2.5.0 on only. */
  readonly slots?: number;
  /** Another pcscd, with all the arguments that it needs, such as a loader of its own libc. */
  readonly program?: string;
  readonly args?: readonly string[];
  /** A file tree whose driver and readers' configuration it has in place of this computer's. */
  readonly driversOf?: string;
  /** Its byte order, if it is another than this computer's. */
  readonly order?: Order;
  /** Where that program has /run/pcscd, as seen from here; elsewhere if it runs in a chroot. */
  readonly runDirectory?: string;
  /** More arguments at the end, such as `--apdu --debug`. */
  readonly extraArgs?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

/** What vpcd calls its two slots. */
export const readerNames = ["Virtual PCD 00 00", "Virtual PCD 00 01"] as const;

/** The folders of a driver and of what says which readers it has. */
const DRIVERS = ["/usr/lib/pcsc", "/etc/reader.conf.d"] as const;

/** What they are called where there are more: "Virtual PCD 00 01" is the second, "Virtual PCD 3 00 00" the seventh. */
export const readerName = (slot: number): string =>
  `${deviceName(Math.floor(slot / 2))} 00 0${slot % 2}`;

/** pcscd numbers readers of one driver file; these have a file each. */
const deviceName = (reader: number): string => `Virtual PCD${reader === 0 ? "" : ` ${reader}`}`;

const slotsOf = ({ slots = readerNames.length }: PcscdOptions): number => slots;

const VPCD = "/usr/lib/pcsc/drivers/serial/libifdvpcd.so";

/**
 * Writes two-slot readers into a folder for pcscd's `--config`, which takes every file in it. The driver keeps its slots
 * in one table, so each reader has a copy of it, in another folder.
 */
async function writeReaders(config: string, drivers: string, count: number): Promise<void> {
  await mkdir(config, { recursive: true });
  await mkdir(drivers, { recursive: true });
  const readers = Array.from({ length: count }, async (_, reader) => {
    const library = join(drivers, `vpcd-${reader}.so`);
    await copyFile(VPCD, library);
    const port = `0x${(VPCD_PORT + 2 * reader).toString(16).toUpperCase()}`;
    return `FRIENDLYNAME "${deviceName(reader)}"
DEVICENAME /dev/null:${port}
LIBPATH ${library}
CHANNELID ${port}
`;
  });
  await writeFile(join(config, "vpcd"), (await Promise.all(readers)).join("\n"));
}

/** The flag of a present card in pcsc-lite's own reader state. */
const PRESENT = 4;

/** Builds since 2.0 may ask polkit, of which there is none in the lab. */
export function pcscdArguments([program, ...args]: Argv = ["pcscd"]): readonly string[] {
  const help = spawnSync(program, [...args, "--help"], { encoding: "utf8" });
  return `${help.stdout}${help.stderr}`.includes("--disable-polkit")
    ? ["--foreground", "--disable-polkit"]
    : ["--foreground"];
}

/** A real pcscd in namespaces of its own, with vpcd's two slots and software cards for them. */
export class Pcscd implements AsyncDisposable {
  /** The directory that the daemon has for its /run/pcscd. */
  readonly directory: string;
  readonly socketPath: string;
  readonly cards: readonly [CardHandle, CardHandle, ...CardHandle[]];
  readonly #slots: number;
  readonly #options: PcscdOptions;
  readonly #cardChild: ChildProcess;
  #daemon: ChildProcess | undefined;
  #output = (): string => "";

  /** Use `startPcscd`. */
  constructor(
    directory: string,
    cardChild: ChildProcess,
    cards: CardProcess,
    options: PcscdOptions,
  ) {
    this.directory = directory;
    this.socketPath = join(directory, "pcscd.comm");
    this.#cardChild = cardChild;
    this.#options = options;
    this.#slots = slotsOf(options);
    const handle = (slot: number): CardHandle =>
      new CardHandle(cards, slot, (present) => this.#waitForCard(slot, present));
    const more = Array.from({ length: this.#slots - 2 }, (_, index) => handle(index + 2));
    this.cards = [handle(0), handle(1), ...more];
  }

  /** The daemon's process id; 0 while it is stopped. */
  get pid(): number {
    return this.#daemon?.pid ?? 0;
  }

  /** Where its network is: a card of another program dials vpcd from there. */
  get network(): Place {
    return { enter: ["nsenter", `--net=/proc/${this.#cardChild.pid}/ns/net`, "--"] };
  }

  /** What the daemon printed since it was started. */
  get output(): string {
    return this.#output();
  }

  /** The readers as the daemon itself lists them. */
  async readers(): Promise<readonly ReaderRecord[]> {
    const { order = "little" } = this.#options;
    const isList = this.#slots > FIXED_SLOTS;
    return await (isList
      ? readerList(this.socketPath)
      : readerStates(this.socketPath, undefined, { order }));
  }

  /** Starts the daemon if it does not run. Resolves when it lists both slots. */
  async start(): Promise<void> {
    if (this.#daemon) return;
    const { program = "pcscd", args, extraArgs = [], env = {} } = this.#options;
    const { runDirectory = "/run/pcscd", driversOf } = this.#options;
    const mounts = [
      [this.directory, runDirectory],
      ...(driversOf === undefined ? [] : DRIVERS.map((path) => [join(driversOf, path), path])),
    ].map(([from, to]) => `mount --bind ${from} ${to}`);
    // The cards' process keeps the network namespace, so that they outlive the daemon.
    const daemon = spawn(
      "nsenter",
      [
        `--net=/proc/${this.#cardChild.pid}/ns/net`,
        ..."-- unshare --mount --propagation private -- /bin/sh -ec".split(" "),
        [...mounts, 'exec "$@"'].join("\n"),
        "pcscd",
        program,
        ...(args ?? pcscdArguments()),
        ...(await this.#config()),
        ...extraArgs,
      ],
      { stdio: ["ignore", "pipe", "pipe"], env: { ...process.env, ...env } },
    );
    this.#daemon = daemon;
    this.#output = collectOutput(daemon);
    let ended = false;
    daemon.once("exit", () => {
      ended = true;
    });
    daemon.once("error", () => {
      ended = true;
    });
    try {
      await until("pcscd to list its readers", async () => {
        if (ended) return "ended";
        return (await this.readers()).length >= this.#slots;
      });
      if (ended) throw new Error("pcscd ended at once");
    } catch (error) {
      const output = this.output;
      await this.stop();
      throw new Error(`pcscd did not start; it printed:\n${output}`, { cause: error });
    }
  }

  /** Ends the daemon, by SIGKILL with `kill: true`. The cards stay where they are. */
  async stop({ kill = false } = {}): Promise<void> {
    const daemon = this.#daemon;
    this.#daemon = undefined;
    if (kill) daemon?.kill("SIGKILL");
    if (daemon) await stopChild(daemon);
  }

  /** Resolves when the new daemon lists both slots; a card may take it some time longer. */
  async restart(options: { readonly kill?: boolean } = {}): Promise<void> {
    await this.stop(options);
    await this.start();
  }

  /** The arguments for more slots than vpcd has by itself. */
  async #config(): Promise<readonly string[]> {
    if (this.#slots === readerNames.length) return [];
    const config = join(this.directory, "readers");
    await writeReaders(config, join(this.directory, "drivers"), this.#slots / 2);
    return ["--config", config];
  }

  async #waitForCard(slot: number, present: boolean): Promise<void> {
    if (!this.#daemon) return;
    await until(`pcscd to notice slot ${slot}`, async () => {
      const record = (await this.readers())[slot];
      if (!record) return false;
      const has = (record.state & PRESENT) !== 0 && record.atr !== "";
      return has === present;
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
    await stopChild(this.#cardChild);
    await rm(this.directory, { recursive: true, force: true });
  }
}

/**
 * Starts a pcscd of the test's own. Resolves when it answers, lists both slots and has the cards
 * that are inserted from the start.
 *
 * @throws {Error} with the daemon's output when it does not come up; nothing is left then.
 */
export async function startPcscd(options: PcscdOptions = {}): Promise<Pcscd> {
  const cards = options.cards ?? [{}];
  const specs = Array.from(
    { length: slotsOf(options) },
    (_, slot): CardSpec => cards[slot] ?? { inserted: false },
  );
  const directory = await publicDirectory("pcscd");
  const child = startCards(specs);
  const process = new CardProcess(child);
  const pcscd = new Pcscd(directory, child, process, options);
  try {
    await process.ready();
    await pcscd.start();
    await Promise.all(
      pcscd.cards.map(async (card, slot) => {
        if (specs[slot]?.inserted ?? true) await card.insert();
      }),
    );
    return pcscd;
  } catch (error) {
    await pcscd[Symbol.asyncDispose]();
    throw error;
  }
}
