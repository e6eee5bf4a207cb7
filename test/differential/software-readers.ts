import { type ChildProcess, spawn } from "node:child_process";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { CardHandle, CardProcess, startCards } from "../lab/card-handle.ts";
import { readerNames } from "../lab/pcscd.ts";
import { collectOutput, publicDirectory, stopChild, typeScript, until } from "../lab/processes.ts";
import { type ReaderRecord, readerStates } from "../lab/reader-states.ts";

/** How long they may take to start, ms, on a computer that has much else to do. */
const START_MS = 60_000;

/** Software readers in the place of a pcscd and vpcd, under vpcd's names, with the same cards. */
export class SoftwareDaemon implements AsyncDisposable {
  readonly socketPath: string;
  readonly cards: readonly [CardHandle, CardHandle];
  readonly #directory: string;
  readonly #children: readonly ChildProcess[];

  /** Use `startSoftwareReaders`. */
  constructor(directory: string, process: CardProcess, children: readonly ChildProcess[]) {
    this.#directory = directory;
    this.socketPath = join(directory, "pcscd.comm");
    const seen = async (): Promise<void> => {};
    this.cards = [new CardHandle(process, 0, seen), new CardHandle(process, 1, seen)];
    this.#children = children;
  }

  async readers(): Promise<readonly ReaderRecord[]> {
    return await readerStates(this.socketPath);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const child of this.#children.toReversed()) await stopChild(child);
    await rm(this.#directory, { recursive: true, force: true });
  }
}

/** Starts them, with both cards in. @throws {Error} with their output when they do not come up; nothing is left then. */
export async function startSoftwareReaders(): Promise<SoftwareDaemon> {
  const directory = await publicDirectory("software");
  const cards = startCards([{}, {}]);
  const process = new CardProcess(cards);
  const children = [cards];
  const daemon = new SoftwareDaemon(directory, process, children);
  let output = (): string => "";
  try {
    await process.ready();
    const program = typeScript("../differential/software-program.ts", daemon.socketPath);
    const network = `--net=/proc/${cards.pid}/ns/net`;
    const child = spawn("nsenter", [network, "--", ...program], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    children.push(child);
    output = collectOutput(child);
    await until(
      "software readers",
      async () => {
        const listed = await daemon.readers().catch(() => []);
        return listed.length === readerNames.length;
      },
      START_MS,
    );
    for (const card of daemon.cards) await card.insert();
    return daemon;
  } catch (cause) {
    await daemon[Symbol.asyncDispose]();
    throw new Error(`the software readers did not start; they printed:\n${output()}`, { cause });
  }
}
