import type { CardService, Reader } from "../../domain/card-service.ts";
import type { Grant } from "../../domain/identity.ts";
import type { Principal } from "../../domain/principal.ts";
import { Watchable } from "../../domain/watchable.ts";
import { CardState } from "./card-state.ts";
import { KEPT_TRIES } from "./pin-guard.ts";
import { PolicyView } from "./policy-view.ts";
import type { Refusal } from "./refusal.ts";
import { NO_RULES, type Rule, type Rules, readerBarrier, rulesFor } from "./rule.ts";

/** What an identity is given. Read anew each time, so that an object with getters can change its mind. */
export interface PolicyGrant extends Grant {
  readonly principal: Principal;
  /** Whether it may use up the tries of a PIN. Unless told, whoever manages may. */
  readonly mayBlockCards?: boolean;
}

export interface PolicyOptions {
  readonly rules?: Rules;
  /** How many tries of a PIN must stay for those who may not block a card. 1 unless told. */
  readonly keepTries?: number;
  /** Called for each refusal, before it is told to the program. What it throws, the program is told instead. */
  readonly onRefusal?: (refusal: Refusal) => void;
  /**
   * How to know of programs that use the same card and do not come through here: "seen" in the number of handles that the
   * service shows, or "told" by {@link Policy.foreignUse}. "seen" unless told. Asked each time.
   */
  readonly foreignUse?: (reader: string) => "seen" | "told";
  /**
   * Whether the service runs the identity's next command at once, and on the card as it is. An arbiter has it wait for its
   * turn, or resets the card before it: what is known now is then not what the command will find. Always, unless told.
   */
  readonly runsAtOnce?: (reader: string, identity: string) => boolean;
  /**
   * Resolves when what there is to know of the serial number of the card in that reader has been told by
   * {@link Policy.tellSerial}, or cannot be found out. It is waited for before anybody gets at a card.
   */
  readonly settle?: (reader: string, options: { readonly signal: AbortSignal }) => Promise<void>;
}

/**
 * Who may do what with the cards of one service: makes views of it, each for one identity. What a command means depends on
 * what is selected, so all views of a reader share what is known of the card in it.
 *
 * It decides about a command when it is sent. So that this is still true when the card runs it, a command outside a
 * transaction becomes one of its own as soon as there is a second session on the reader, or the service would have it wait.
 */
export class Policy {
  readonly onRefusal: (refusal: Refusal) => void;
  readonly runsAtOnce: (reader: string, identity: string) => boolean;
  readonly settle: NonNullable<PolicyOptions["settle"]>;
  readonly #rules: Watchable<Rules>;
  readonly #states = new Map<string, CardState>();
  readonly #options: {
    readonly keepTries: number;
    readonly seesForeign: (reader: string) => boolean;
  };

  constructor(options: PolicyOptions = {}) {
    this.#rules = new Watchable(options.rules ?? NO_RULES);
    this.onRefusal = options.onRefusal ?? (() => {});
    this.runsAtOnce = options.runsAtOnce ?? (() => true);
    this.settle = options.settle ?? (async () => {});
    this.#options = {
      keepTries: options.keepTries ?? KEPT_TRIES,
      seesForeign: (reader) => options.foreignUse?.(reader) !== "told",
    };
  }

  get rules(): Watchable<Rules> {
    return this.#rules;
  }

  /** Puts other rules in the place of those that there are: from the next command on, for all sessions that there are. */
  update(rules: Rules): void {
    this.#rules.set(rules);
  }

  /** The service as one identity may see and use it. Disposing a view leaves the service alone, which others use. */
  view(service: CardService, grant: PolicyGrant): CardService {
    return new PolicyView(this, service, grant);
  }

  /**
   * The card has been reset by somebody who does not come through here, such as an arbiter at a hand-over, or is about to
   * be: what is answered by then to a command that is under way does not count.
   */
  cardWasReset(reader: string): void {
    this.#states.get(reader)?.wasReset();
  }

  /** Somebody who does not come through here has used the card: what is selected is not known any more. */
  foreignUse(reader: string): void {
    this.#states.get(reader)?.view.lost();
  }

  /**
   * Tells the serial number of a card, for rules that name one. Another card in that reader has none again.
   *
   * @param card the reader as it was shown when the card was asked.
   */
  tellSerial(card: Reader, serial: string | undefined): void {
    const state = serial === undefined ? this.#states.get(card.name) : this.state(card.name);
    state?.tellSerial(card, serial);
  }

  /** What is shared by all who use that reader. */
  state(reader: string): CardState {
    const known = this.#states.get(reader);
    if (known) return known;
    const state = new CardState(reader, this.#options);
    this.#states.set(reader, state);
    return state;
  }

  rulesFor(grant: PolicyGrant, reader: Pick<Reader, "name" | "atr">): readonly Rule[] {
    const serial = this.#states.get(reader.name)?.serial;
    return rulesFor(this.#rules.value, grant.principal.name, { reader, serial });
  }

  /** The rule that keeps somebody from a reader, whatever card is in it. */
  readerBarrier(grant: PolicyGrant, reader: string): Rule | undefined {
    return readerBarrier(this.#rules.value, grant.principal.name, reader);
  }

  /** Forgets readers that are gone and nobody uses. */
  keepOnly(readers: readonly Reader[]): void {
    if (this.#states.size <= readers.length) return;
    const names = new Set(readers.map(({ name }) => name));
    for (const [name, state] of this.#states)
      if (!names.has(name) && state.isIdle) this.#states.delete(name);
  }
}
