import { deferred } from "../../domain/deferred.ts";
import type { FixedSlots } from "../../wire/pcsclite/dialects.ts";
import { Event, type ReaderState } from "../../wire/pcsclite/layouts.ts";
import type { Connection } from "./connection.ts";
import {
  fetchRequest,
  registerRequest,
  stopRequest,
  takeRegistered,
  takeStopped,
  takeUncounted,
} from "./snapshot.ts";

/** Slots of the daemon's fixed array, asked of it once. 4:6 daemons tell their number with each list. */
export async function findSlots(connection: Connection): Promise<FixedSlots> {
  const { speech } = connection;
  if (speech.dialect.slots === "list") return 16;
  const answer = await connection.exchange(fetchRequest(speech), (input) =>
    takeUncounted(input, speech),
  );
  return "slots" in answer ? answer.slots : 16;
}

export interface Sighting {
  readonly states: readonly ReaderState[];
  /** The number that {@link WatcherOptions.now} gave when these states were asked for. */
  readonly askedAt: number;
}

export interface WatcherOptions {
  readonly onStates: (sighting: Sighting) => void;
  /** Numbers moments: each later call returns at least what an earlier one did. */
  readonly now: () => number;
}

/** Follows a daemon's reader states on a connection of its own. */
export class Watcher {
  readonly #connection: Connection;
  readonly #options: WatcherOptions;
  #refresh = deferred();

  constructor(connection: Connection, options: WatcherOptions) {
    this.#connection = connection;
    this.#options = options;
  }

  /** Asks for the states anew, although pcscd announced no change. */
  refresh(): void {
    this.#refresh.resolve();
  }

  /**
   * Reports the states now and after each change.
   *
   * @throws {CardwireError} `E_PCSCD_GONE` when the connection ends; that is the only way out.
   */
  async run(): Promise<never> {
    const connection = this.#connection;
    const { speech } = connection;
    const register = registerRequest(speech);
    const stop = stopRequest(speech);
    for (;;) {
      this.#refresh = deferred();
      const askedAt = this.#options.now();
      const answer = await connection.exchange(register, (input) => takeRegistered(input, speech));
      if ("interrupted" in answer) continue;
      // One 8-byte message comes for each registration: an event, or the answer to STOP.
      const event = connection.expect((input) => input.take(Event.size));
      this.#options.onStates({ states: answer.states, askedAt });
      if ((await Promise.race([event, this.#refresh.promise])) === undefined)
        await connection.exchange(stop, (input) => takeStopped(input, speech));
    }
  }
}
