import { createHash } from "node:crypto";
import { isDeepStrictEqual } from "node:util";
import type { Arguments, Outcome, PcscClient } from "../pcsc/client.ts";

// What an exercise yields: by name, what a program was told; the same wherever and whenever it was run.

export type Results = Readonly<Record<string, unknown>>;

/** Bytes in results that are longer are shown by length and hash. */
const LONGEST_HEX = 200;

const short = (value: unknown): unknown => {
  if (typeof value !== "string" || value.length <= LONGEST_HEX) return value;
  const hash = createHash("sha256").update(value).digest("hex");
  return `${value.length / 2} bytes, ${hash.slice(0, 16)}`;
};

/** Names and values in turn. A name is given once. */
export class Recorder {
  readonly #client: PcscClient;
  readonly #results = new Map<string, unknown>();
  /** Each reader's event counter when the exercise began. */
  readonly #counters = new Map<string, number>();

  constructor(client: PcscClient) {
    this.#client = client;
  }

  get results(): Results {
    return Object.fromEntries(this.#results);
  }

  /** From now on, event counters of that reader are told as differences. */
  countFrom(reader: string, counter: number): void {
    this.#counters.set(reader, counter);
  }

  note(name: string, value: unknown): void {
    if (this.#results.has(name)) throw new Error(`two results are called '${name}'`);
    this.#results.set(name, value);
  }

  /** Makes a call, notes what it told, and gives it as it was. */
  async call(name: string, call: string, args: Arguments): Promise<Outcome> {
    const outcome = await this.#client.call(call, args);
    this.tell(name, outcome, args);
    return outcome;
  }

  /** Notes what a call told that was made elsewhere, but for the time that it took. */
  tell(name: string, told: Outcome, args: Arguments = {}): void {
    const { states, counter } = told;
    const watched = (args["readers"] ?? []) as readonly (readonly [string, number])[];
    const plain = Object.entries(told)
      .filter(([key]) => !["ms", "states", "counter"].includes(key))
      .map(([key, value]) => [key, short(value)]);
    this.note(name, {
      ...Object.fromEntries(plain),
      ...(counter === undefined ? {} : { counter: this.#since(told["reader"], counter) }),
      ...(states === undefined
        ? {}
        : {
            states: (states as readonly Outcome[]).map((state, i) => ({
              ...state,
              counter: this.#since(watched[i]?.[0], state["counter"]),
            })),
          }),
    });
  }

  #since(reader: unknown, counter: unknown): unknown {
    if (counter === 0) return 0; // a state that the call left alone, or the list's before 4:5
    const start = this.#counters.get(String(reader));
    return start === undefined ? "some" : (Number(counter) - start) & 0xffff;
  }
}

/** A result that is not the same in both. */
export interface Difference {
  readonly name: string;
  readonly expected: unknown;
  readonly found: unknown;
}

export function differences(expected: Results, found: Results): readonly Difference[] {
  const names = new Set([...Object.keys(expected), ...Object.keys(found)]);
  return [...names]
    .filter((name) => !isDeepStrictEqual(expected[name], found[name]))
    .map((name) => ({ name, expected: expected[name], found: found[name] }));
}
