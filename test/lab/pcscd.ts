import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { LOOPBACK_UP } from "../../scripts/namespaces.ts";
import { CardHandle, CardProcess, type CardSpec } from "./card-handle.ts";
import { collectOutput, publicDirectory, stopChild, typeScript, until } from "./processes.ts";
import type { Place } from "./programs.ts";
import { type ReaderRecord, readerStates } from "./reader-states.ts";

export interface PcscdOptions {
  /** The two slots' cards. Unless told: a test card in the first, and one beside the second, not inserted. */
  readonly cards?: readonly [CardSpec, CardSpec?];
  /** Another pcscd, with all the arguments that it needs, such as a loader of its own libc. */
  readonly program?: string;
  readonly args?: readonly string[];
  /** Where that program has /run/pcscd, as seen from here; elsewhere if it runs in a chroot. */
  readonly runDirectory?: string;
  /** More arguments at the end, such as `--apdu --debug`. */
  readonly extraArgs?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

/** What vpcd calls its two slots. */
export const readerNames = ["Virtual PCD 00 00", "Virtual PCD 00 01"] as const;

/** The flag of a present card in pcsc-lite's own reader state. */
const PRESENT = 4;

/** Builds since 2.0 may ask polkit, of which there is none in the lab. */
export function pcscdArguments(): readonly string[] {
  const help = spawnSync("pcscd", ["--help"], { encoding: "utf8" });
  return `${help.stdout}${help.stderr}`.includes("--disable-polkit")
    ? ["--foreground", "--disable-polkit"]
    : ["--foreground"];
}

/** A real pcscd in namespaces of its own, with vpcd's two slots and software cards for them. */
export class Pcscd implements AsyncDisposable {
  /** The directory that the daemon has for its /run/pcscd. */
  readonly directory: string;
  readonly socketPath: string;
  readonly cards: readonly [CardHandle, CardHandle];
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
    const handle = (slot: 0 | 1): CardHandle =>
      new CardHandle(cards, slot, (present) => this.#waitForCard(slot, present));
    this.cards = [handle(0), handle(1)];
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
    return await readerStates(this.socketPath);
  }

  /** Starts the daemon if it does not run. Resolves when it lists both slots. */
  async start(): Promise<void> {
    if (this.#daemon) return;
    const { program = "pcscd", args, extraArgs = [], env = {} } = this.#options;
    const { runDirectory = "/run/pcscd" } = this.#options;
    // The cards' process keeps the network namespace, so that they outlive the daemon.
    const daemon = spawn(
      "nsenter",
      [
        `--net=/proc/${this.#cardChild.pid}/ns/net`,
        ..."-- unshare --mount --propagation private -- /bin/sh -ec".split(" "),
        'mount --bind "$1" "$2"; shift 2; exec "$@"',
        "pcscd",
        this.directory,
        runDirectory,
        program,
        ...(args ?? pcscdArguments()),
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
        return (await this.readers()).length >= readerNames.length;
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

  async #waitForCard(slot: 0 | 1, present: boolean): Promise<void> {
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
  const [first, second] = options.cards ?? [{}];
  const specs: readonly [CardSpec, CardSpec] = [first, second ?? { inserted: false }];
  const directory = await publicDirectory("pcscd");
  const [command = "", ...args] = [
    ..."unshare --net -- /bin/sh -ec".split(" "),
    `${LOOPBACK_UP}\nexec "$@"`,
    "cards",
    ...typeScript("card-process.ts", JSON.stringify(specs)),
  ];
  const child = spawn(command, args, { stdio: ["pipe", "pipe", "inherit"] });
  const cards = new CardProcess(child);
  const pcscd = new Pcscd(directory, child, cards, options);
  try {
    await cards.ready();
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
