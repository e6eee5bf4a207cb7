import { statusWordOf } from "../../wire/iso7816/status-word.ts";
import { CardView } from "./card-view.ts";
import { decide, type Verdict } from "./decide.ts";
import type { PinGuard } from "./pin-guard.ts";
import type { Profile } from "./profiles.ts";
import type { Rule } from "./rule.ts";

export interface RehearsalOptions {
  readonly profile: Profile;
  /** As `rulesFor` gives them. */
  readonly rules?: readonly Rule[];
  readonly guard?: PinGuard;
  /** Shared with other rehearsals, as a card is with other sessions. */
  readonly view?: CardView;
}

/** Judges commands one after the other as a session's would be, without a card. */
export class Rehearsal {
  readonly view: CardView;
  readonly #profile: Profile;
  readonly #rules: readonly Rule[];
  readonly #guard: PinGuard | undefined;

  constructor({ profile, rules = [], guard, view = new CardView() }: RehearsalOptions) {
    this.view = view;
    this.#profile = profile;
    this.#rules = rules;
    this.#guard = guard;
  }

  /** @param answer what the card is taken to have answered, where the command is let through. */
  judge(apdu: Uint8Array, answer: Uint8Array = SUCCESS): Verdict {
    const { view } = this;
    const request = { sender: this, profile: this.#profile, rules: this.#rules, view };
    const verdict = decide({ ...request, guard: this.#guard }, apdu);
    if (!verdict.isAllowed) return verdict;
    const { seen, selection } = verdict;
    view.sending(seen.command, this);
    view.answered(seen.command, answer, this);
    this.#guard?.answered(seen, selection, statusWordOf(answer));
    return verdict;
  }
}

const SUCCESS = Uint8Array.of(0x90, 0x00);
