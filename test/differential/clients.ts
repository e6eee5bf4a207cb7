import { setTimeout as delay } from "node:timers/promises";
import { type Arguments, type Outcome, PcscClient } from "../pcsc/client.ts";
import { type Call, CLIENTS, type Known, State, type Watched } from "./step.ts";

/** How long calls may take that have nothing to wait for any more, ms. */
const RELEASED_MS = 1_500;
/** How often it is looked whether they are over, ms. */
const LOOK_MS = 40;

/** The outcome of a call whose process was killed. */
export const DIED = "died";

/** A call that was made: its outcome once it has one. */
export interface Attempt {
  outcome: Outcome | undefined;
  /** Resolves, never rejects, when there is an outcome. */
  readonly done: Promise<void>;
}

/** A call that is under way. */
interface Busy {
  readonly client: number;
  readonly context: string;
  readonly call: string;
}

/** The clients of one world, each a process with the real libpcsclite. */
export class Clients implements AsyncDisposable {
  readonly #socket: string;
  readonly #processes: PcscClient[];
  /** Stands ready for one that dies: it takes a while to start. */
  #spare: PcscClient;
  /** The names of contexts that each client has now. */
  readonly #contexts: Set<string>[];
  readonly #busy = new Set<Busy>();
  /** Which context each card belongs to, by client and name. */
  readonly #owners = new Map<string, string>();
  /** What SCardGetStatusChange told last, by reader. */
  readonly #last = new Map<string, number>();

  /** @param socket where they find the readers. */
  constructor(socket: string, clients = CLIENTS) {
    this.#socket = socket;
    this.#contexts = Array.from({ length: clients }, () => new Set<string>());
    this.#processes = Array.from({ length: clients }, () => new PcscClient(socket));
    this.#spare = new PcscClient(socket);
  }

  /** Makes a call, without waiting for it. */
  call({ client, call, with: args }: Call): Attempt {
    const mark = { client, context: this.#contextOf(client, args), call };
    this.#busy.add(mark);
    const made = this.#process(client)
      .call(call, this.#resolved(args))
      .then(
        (outcome) => this.#learn(client, { call, args, outcome }),
        () => ({ rv: DIED, ms: 0 }),
      );
    const attempt: Attempt = {
      outcome: undefined,
      done: made.then((outcome) => {
        this.#busy.delete(mark);
        attempt.outcome = outcome;
      }),
    };
    return attempt;
  }

  /** Kills a client; a fresh one takes its place. */
  async die(client: number): Promise<void> {
    const dead = this.#process(client);
    this.#processes[client] = this.#spare;
    this.#spare = new PcscClient(this.#socket);
    this.#contexts[client]?.clear();
    await dead.die();
  }

  /** Ends what the clients have, by releasing it: what waits for an event is cancelled, what waits for a lock gets it. */
  async rest(): Promise<void> {
    const waiting = [...this.#busy].filter(({ call }) => call === "change");
    await Promise.all(
      waiting.map(({ client, context }) => this.#process(client).call("cancel", { context })),
    );
    const end = performance.now() + RELEASED_MS;
    for (;;) {
      await this.#releaseAll();
      if (this.#busy.size === 0 || performance.now() > end) break;
      await delay(LOOK_MS);
    }
    const stuck = new Set([...this.#busy].map(({ client }) => client));
    await Promise.all([...stuck].map((client) => this.die(client)));
    await this.#releaseAll();
    this.#last.clear();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#processes, this.#spare].map((one) => one.die()));
  }

  #process(client: number): PcscClient {
    const found = this.#processes[client];
    if (!found) throw new RangeError(`there is no client ${client}`);
    return found;
  }

  /** Releases the contexts in which no call is under way. */
  async #releaseAll(): Promise<void> {
    const isBusy = (client: number, context: string): boolean =>
      [...this.#busy].some((one) => one.client === client && one.context === context);
    const idle = this.#contexts.flatMap((contexts, client) =>
      [...contexts].flatMap((context) => (isBusy(client, context) ? [] : [{ client, context }])),
    );
    await Promise.all(
      idle.map(({ client, context }) => this.#process(client).call("release", { context })),
    );
    for (const { client, context } of idle) this.#contexts[client]?.delete(context);
  }

  #contextOf(client: number, args: Arguments): string {
    const { context, card } = args as { context?: string; card?: string };
    if (context !== undefined && card !== undefined) this.#owners.set(`${client}/${card}`, context);
    return context ?? this.#owners.get(`${client}/${card}`) ?? "";
  }

  /** What is known of a reader, with the counter that is this world's own. */
  #resolved(args: Arguments): Arguments {
    const { readers } = args as { readers?: Watched };
    if (!readers) return args;
    const known = (reader: string, value: Known): number =>
      value === "last" ? (this.#last.get(reader) ?? 0) : value;
    return { ...args, readers: readers.map(([name, value]) => [name, known(name, value)]) };
  }

  #learn(
    client: number,
    { call, args, outcome }: { call: string; args: Arguments; outcome: Outcome },
  ): Outcome {
    const { context, readers } = args as { context?: string; readers?: Watched };
    const succeeded = outcome.rv === "0x00000000";
    if (call === "establish" && succeeded && context) this.#contexts[client]?.add(context);
    if (call === "release" && succeeded && context) this.#contexts[client]?.delete(context);
    const states = (outcome["states"] ?? []) as readonly { event: number; counter: number }[];
    for (const [at, { event, counter }] of states.entries()) {
      const [name] = readers?.[at] ?? [];
      if (name !== undefined) this.#last.set(name, (event & ~State.Changed) + counter * 0x1_0000);
    }
    return outcome;
  }
}
