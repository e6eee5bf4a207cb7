import { readdir, readFile } from "node:fs/promises";
import { until } from "../lab/processes.ts";
import { type Outcome, PcscClient } from "../pcsc/client.ts";

// Many applications that wait at once: real libpcsclites, each context a thread and a connection of its own.

/** Contexts of one process. */
const EACH = 50;
/** Longer than any of these waits, ms. */
const LONG_MS = 600_000;

/**
 * x86-64's poll(2) with a time-out: libpcsclite waits for an event. For answers it waits without a time-out, and to cancel
 * it then has no effect.
 */
const POLL = /^7 0x\S+ 0x1 0x(?!f{8})/;

interface Waiter {
  readonly program: PcscClient;
  readonly context: string;
}

/** How one wait ended. */
export interface Woken {
  readonly rv: string;
  /** Flags of the reader's state. */
  readonly event: number;
  /** When this process heard of it, ms of `performance.now()`. */
  readonly at: number;
}

/** So many contexts, in processes of fifty each. */
export class Waiters implements AsyncDisposable {
  readonly #programs: readonly PcscClient[];
  readonly #waiters: readonly Waiter[];
  readonly #reader: string;
  #known = 0;

  /** @param socket where the reader is. */
  constructor(socket: string, reader: string, count: number) {
    this.#reader = reader;
    this.#programs = Array.from({ length: Math.ceil(count / EACH) }, () => new PcscClient(socket));
    this.#waiters = Array.from({ length: count }, (_, index) => ({
      program: this.#programs[Math.floor(index / EACH)] as PcscClient,
      context: `${index}`,
    }));
  }

  /** SCardEstablishContext of each. @returns their results. */
  async establish(): Promise<readonly string[]> {
    const made = this.#waiters.map(({ program, context }) =>
      program.call("establish", { context }),
    );
    return (await Promise.all(made)).map(({ rv }) => rv);
  }

  /** Has each learn the reader's state, and wait for another. Resolves when all of them are waiting; then see `woken`. */
  async wait(): Promise<{ readonly woken: Promise<readonly Woken[]>; readonly soFar: Woken[] }> {
    const [first] = this.#waiters;
    if (first) this.#known = eventOf(await this.#change(first, { known: 0, timeout: 0 }));
    const soFar: Woken[] = [];
    const all = this.#waiters.map(async (waiter) => {
      const outcome = await this.#change(waiter, { known: this.#known, timeout: LONG_MS });
      const woken = { rv: outcome.rv, event: eventOf(outcome), at: performance.now() };
      soFar.push(woken);
      return woken;
    });
    const woken = Promise.all(all);
    woken.catch(() => {}); // whoever awaits it hears of it
    await until(`${all.length} to wait`, async () => (await this.#polling()) >= all.length, 60_000);
    return { woken, soFar };
  }

  /** SCardCancel of each. */
  async cancel(): Promise<void> {
    await Promise.all(
      this.#waiters.map(({ program, context }) => program.must("cancel", { context })),
    );
  }

  async #change(
    { program, context }: Waiter,
    { known, timeout }: { known: number; timeout: number },
  ): Promise<Outcome> {
    return await program.call("change", { context, readers: [[this.#reader, known]], timeout });
  }

  /** Threads that wait for a socket. */
  async #polling(): Promise<number> {
    const counts = this.#programs.map(async ({ pid }) => {
      const tasks = await readdir(`/proc/${pid}/task`);
      const calls = tasks.map((task) =>
        readFile(`/proc/${pid}/task/${task}/syscall`, "latin1").catch(() => ""),
      );
      return (await Promise.all(calls)).filter((call) => POLL.test(call)).length;
    });
    return (await Promise.all(counts)).reduce((sum, count) => sum + count, 0);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#programs.map((program) => program[Symbol.asyncDispose]()));
  }
}

/** What the state of the one reader is: to be handed to the next call, without its flag of a change. */
function eventOf(outcome: Outcome): number {
  const [state] = (outcome["states"] ?? []) as readonly { event: number; counter: number }[];
  return ((state?.counter ?? 0) * 0x1_0000 + (state?.event ?? 0)) & ~CHANGED;
}

const CHANGED = 2;
