import type { CardView, Place, Sender } from "./card-view.ts";
import { type CommandView, viewCommand } from "./command-view.ts";
import type { Need, Seen } from "./need.ts";
import type { PinGuard } from "./pin-guard.ts";
import { needOf, type Profile, profileFor, suffices } from "./profiles.ts";
import { matchesCommand, type Rule } from "./rule.ts";
import { askedFor, isPlainSelect, isSelectByName } from "./select.ts";
import type { Selection } from "./selection.ts";

/** Whether a command is let through. */
export interface Verdict {
  readonly isAllowed: boolean;
  readonly because: Because;
  /** What it needs. */
  readonly need: Need;
  readonly seen: Seen;
  /** The application that it is for. */
  readonly selection: Selection;
}

/** What decided. */
export type Because =
  | { readonly by: "rule"; readonly rule: Rule }
  | { readonly by: "profile"; readonly profile: Profile }
  /** It breaks into a command of which parts have been sent. */
  | { readonly by: "chain" }
  /** It fetches what somebody else's command was answered with. */
  | { readonly by: "answer" }
  /** Too few tries remain. */
  | { readonly by: "pin guard"; readonly triesLeft: number };

/** Who wants something of which card. */
export interface Request {
  readonly sender: Sender;
  readonly profile: Profile;
  /** Those that can concern this identity here: see `rulesFor`. */
  readonly rules: readonly Rule[];
  readonly view: CardView;
  /** Absent for who may block a card. */
  readonly guard: PinGuard | undefined;
}

/** Decides about a command, from nothing but what it is given. */
export function decide(request: Request, apdu: Uint8Array): Verdict {
  return decideCommand(request, viewCommand(apdu));
}

/** @param about.isPinAdded whether the reader puts a PIN into the command before it goes to the card. */
export function decideCommand(
  { sender, profile, rules, view, guard }: Request,
  command: CommandView,
  { isPinAdded = false }: { readonly isPinAdded?: boolean } = {},
): Verdict {
  const place = view.placeOf(command, sender);
  const selection = isSelectByName(command) ? askedFor(command) : view.selectionFor(command);
  const seen = isPinAdded ? { command, data: undefined, isBare: false } : view.seen(command);
  const need = needOf(seen, selection);
  const verdict = (isAllowed: boolean, because: Because): Verdict => ({
    isAllowed,
    because,
    need,
    seen,
    selection,
  });
  const rule = firstMatch(rules, command, selection);
  if (rule?.verdict === "deny") return verdict(false, { by: "rule", rule });
  const because: Because = rule ? { by: "rule", rule } : byProfile[profile];
  if (!rule && !suffices(profile, need)) return verdict(false, because);
  if (profile !== "manage") {
    if (breaksIn(place, command)) return verdict(false, { by: "chain" });
    if (isForeignAnswer(command, view, sender)) return verdict(false, { by: "answer" });
  }
  const triesLeft = guard?.refuses(seen, selection);
  if (triesLeft !== undefined) return verdict(false, { by: "pin guard", triesLeft });
  return verdict(true, because);
}

const byProfile: Readonly<Record<Profile, Because>> = {
  look: { by: "profile", profile: "look" },
  use: { by: "profile", profile: "use" },
  manage: { by: "profile", profile: "manage" },
};

function firstMatch(
  rules: readonly Rule[],
  command: CommandView,
  selection: Selection,
): Rule | undefined {
  for (const rule of rules) if (matchesCommand(rule, command, selection)) return rule;
  return undefined;
}

/** Only a SELECT may take the place of a command that was begun: the card leaves it, and what is selected is told anew. */
const breaksIn = (place: Place, command: CommandView): boolean =>
  place === "breaks in" && !isPlainSelect(command);

const GET_RESPONSE = 0xc0;

const isForeignAnswer = (command: CommandView, view: CardView, sender: Sender): boolean =>
  command.ins === GET_RESPONSE &&
  command.kind === "interindustry" &&
  !view.fetchesOwn(command, sender);

/** The verdict in words. */
export const explain = ({ isAllowed, because, need }: Verdict): string =>
  `${need.what}: ${isAllowed ? "allowed" : "denied"}${reason(because, need, isAllowed)}`;

function reason(because: Because, need: Need, isAllowed: boolean): string {
  switch (because.by) {
    case "rule": {
      const { name, comment } = because.rule;
      return ` by ${name}${comment === undefined ? "" : ` (${comment})`}`;
    }
    case "profile": {
      const wanted = profileFor(need.level);
      const more = isAllowed ? "" : `; it takes the profile ${wanted}, or a rule`;
      return ` by the profile ${because.profile}${more}`;
    }
    case "chain":
      return ", for it breaks into a command of which parts have been sent; SELECT ends that";
    case "answer":
      return ", for there is no answer to a command of one's own to be fetched";
    case "pin guard":
      return `, for of the tries before the PIN is blocked only ${because.triesLeft} remain`;
    default:
      return because satisfies never;
  }
}
