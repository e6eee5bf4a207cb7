import { setMaxListeners } from "node:events";
import type { CardService, Connected, ConnectOptions, Reader } from "../../domain/card-service.ts";
import { ReturnCodeError } from "../../domain/errors.ts";
import { firstSignal } from "../../domain/first-signal.ts";
import { globMatcher } from "../../domain/glob.ts";
import { Rv } from "../../domain/return-codes.ts";
import { Watchable } from "../../domain/watchable.ts";
import { Gate } from "./gate.ts";
import type { Policy, PolicyGrant } from "./policy.ts";
import { checkAccess, PolicySession } from "./policy-session.ts";
import type { Rules } from "./rule.ts";

/** A list of readers, and what it was made from. */
interface Reduced {
  readonly from: readonly Reader[];
  readonly rules: Rules;
  readonly globs: readonly string[];
  readonly readers: readonly Reader[];
}

/** A service as one identity may see and use it. */
export class PolicyView implements CardService {
  readonly #policy: Policy;
  readonly #inner: CardService;
  readonly #grant: PolicyGrant;
  readonly #life = new AbortController();
  #reduced: Reduced | undefined;

  constructor(policy: Policy, inner: CardService, grant: PolicyGrant) {
    this.#policy = policy;
    this.#inner = inner;
    this.#grant = grant;
    setMaxListeners(0, this.#life.signal); // each follower listens
  }

  get readers(): readonly Reader[] {
    return this.#reduce(this.#inner.readers);
  }

  /** The same list gives the same list: fronts remember what they made of one. */
  #reduce(from: readonly Reader[]): readonly Reader[] {
    const known = this.#reduced;
    const { value: rules } = this.#policy.rules;
    const { readers: globs } = this.#grant;
    if (known?.from === from && known.rules === rules && known.globs === globs)
      return known.readers;
    this.#policy.keepOnly(from);
    const readers = from.filter(({ name }) => this.#isShown(name));
    this.#reduced = { from, rules, globs, readers };
    return readers;
  }

  #isShown(name: string): boolean {
    // A reader's own name counts as it is, although brackets in it mean something in a glob.
    const isNamed = this.#grant.readers.some((glob) => glob === name || globMatcher(glob)(name));
    return isNamed && !this.#policy.readerBarrier(this.#grant, name);
  }

  /** Other rules can show other readers. */
  async *watch({ signal }: { signal: AbortSignal }): AsyncGenerator<readonly Reader[]> {
    const stop = new AbortController();
    using end = firstSignal(signal, stop.signal, this.#life.signal);
    setMaxListeners(0, end.signal);
    const shown = new Watchable<readonly Reader[] | undefined>(undefined);
    let isFirst = true;
    const followReaders = async () => {
      for await (const readers of this.#inner.watch(end)) {
        isFirst = false;
        shown.set(this.#reduce(readers));
      }
      stop.abort();
    };
    const followRules = async () => {
      for await (const _ of this.#policy.rules.follow(end)) if (!isFirst) shown.set(this.readers);
    };
    const following = Promise.all([followReaders(), followRules()]);
    following.catch(() => stop.abort()); // below it is thrown
    try {
      for await (const readers of shown.follow(end)) if (readers) yield readers;
    } finally {
      stop.abort();
      await following;
    }
  }

  async connect(
    name: string,
    how: ConnectOptions,
    options: { signal: AbortSignal },
  ): Promise<Connected> {
    const policy = this.#policy;
    const grant = this.#grant;
    if (!this.#isShown(name)) throw new ReturnCodeError("SCardConnect", Rv.UnknownReader);
    const state = policy.state(name);
    const gate = new Gate({ policy, state, grant, service: this.#inner, share: how.share });
    await policy.settle(name, options);
    checkAccess(gate, "SCardConnect", how.protocols);
    const { principal } = grant;
    const { session, activeProtocol } = await state.arrive(gate, () =>
      this.#inner.connect(name, { ...how, principal }, options),
    );
    gate.open(session);
    return { session: new PolicySession(gate), activeProtocol };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#life.abort();
  }
}
