import { AsyncLocalStorage } from "node:async_hooks";
import type { CardService, CardSession } from "../../src/domain/card-service.ts";
import { ForwardingSession } from "../../src/services/forwarding-session.ts";
import { withSessions } from "../../src/services/with-sessions.ts";
import type { SoftwareCard } from "../../src/software-cards/card.ts";
import { Algorithm } from "../../src/software-cards/piv/algorithms.ts";
import { PivCard } from "../../src/software-cards/piv/card.ts";
import { provision } from "../../src/software-cards/piv/provision.ts";
import type { PivState } from "../../src/software-cards/piv/state.ts";

/** A program that does not come through the arbiter. */
export const LOCAL = "local";
/** As whom the arbiter itself visits a card. */
export const VISITOR = "(serve)";

/** Who runs what: it goes with the call through all that is waited for. */
export const actor = new AsyncLocalStorage<string>();

/** What a new card of somebody's has in it. It takes a moment. */
export const provisioned = (): Promise<PivState> =>
  provision({ name: "Somebody", algorithm: Algorithm.EccP256, now: new Date() });

/** A PIV card that notes in whose state a command ran. */
export class WatchedCard implements SoftwareCard {
  readonly wrong: string[] = [];
  commands = 0;
  verified = 0;
  visits = 0;
  leased: () => string | undefined = () => undefined;
  /** Sees each command before it is carried out. */
  onCommand: (command: Uint8Array, who: string) => void = () => {};
  readonly #card: PivCard;
  #verifiedBy: string | undefined;
  #isVisited = false;

  constructor(state: PivState) {
    this.#card = new PivCard(state);
  }

  get atr(): Uint8Array {
    return this.#card.atr;
  }

  reset(): void {
    this.#card.reset();
    this.#verifiedBy = undefined;
    this.#isVisited = false;
  }

  async process(command: Uint8Array): Promise<Uint8Array> {
    const who = actor.getStore() ?? "nobody";
    this.commands += 1;
    this.onCommand(command, who);
    const owner = this.#verifiedBy;
    if (who !== LOCAL && owner !== undefined && owner !== who)
      this.wrong.push(`${who} in a state of ${owner}`);
    if (who !== VISITOR && this.#isVisited) this.wrong.push(`${who} in a visit`);
    if (who === VISITOR && !this.#isVisited) this.visits += 1;
    this.#isVisited = who === VISITOR;
    const leased = this.leased();
    if (who !== LOCAL && who !== VISITOR && leased !== undefined && leased !== who)
      this.wrong.push(`${who} in a lease of ${leased}`);
    const answer = await this.#card.process(command);
    const isGood = answer.at(-2) === 0x90;
    if (command[1] === 0x20 && command.length > 5 && isGood) {
      this.#verifiedBy = who;
      this.verified += 1;
    }
    return answer;
  }
}

class ActingSession extends ForwardingSession {
  readonly #name: string;

  constructor(inner: CardSession, name: string) {
    super(inner);
    this.#name = name;
  }

  override transmit(...call: Parameters<CardSession["transmit"]>) {
    return actor.run(this.#name, () => super.transmit(...call));
  }
}

/** A service that says who acts, below whatever decides. */
export const acting = (inner: CardService): CardService =>
  withSessions(inner, (session, { how }) => new ActingSession(session, how.principal.name));

export const hex = (text: string): Uint8Array => Buffer.from(text, "hex");

/** SELECT of the PIV application, and VERIFY of the card's PIN. */
export const SELECT = hex("00a4040009a00000030800001000");
export const VERIFY = hex("0020008008313233343536ffff");
