import type { IdentityLimits } from "../../serve/identity-limits.ts";
import type { HandOverPolicy } from "../../services/arbiter/hand-over.ts";
import type { ArbiterLimits } from "../../services/arbiter/limits.ts";
import { isMeant, matchesName } from "../../services/policy/rule.ts";
import type { ServeSettings } from "../settings/serve-settings.ts";
import { identityLimits, type LimitFlags, turnLimits } from "./limit-options.ts";

/** Options that may change while serve runs. */
export interface TermFlags extends LimitFlags {
  readonly handOver?: HandOverPolicy | undefined;
}

interface Limits {
  readonly turns: Partial<ArbiterLimits>;
  readonly each: Partial<IdentityLimits>;
}

/** So many identities, or readers, are remembered with what holds for them. */
const MAX_KNOWN = 1_000;

/**
 * What holds for each identity and each reader: the first table of the settings file that matches goes before the command
 * line, which goes before what the file says for everybody.
 */
export class Terms {
  readonly #given: TermFlags;
  #settings: ServeSettings;
  readonly #limits = new Map<string, Limits>();
  readonly #handOvers = new Map<string, HandOverPolicy>();

  /** @param given on the command line. */
  constructor(given: TermFlags, settings: ServeSettings) {
    this.#given = given;
    this.#settings = settings;
  }

  /** The settings file says something else from now on. */
  update(settings: ServeSettings): void {
    this.#settings = settings;
    this.#limits.clear();
    this.#handOvers.clear();
  }

  /** How long somebody may keep others waiting. */
  turnLimits(identity: string): Partial<ArbiterLimits> {
    return this.#limitsOf(identity).turns;
  }

  /** What somebody may have at once. */
  identityLimits(identity: string): Partial<IdentityLimits> {
    return this.#limitsOf(identity).each;
  }

  /** What happens between two identities at a card in that reader. */
  handOver(reader: string): HandOverPolicy {
    return remembered(this.#handOvers, reader, () => {
      const own = this.#settings.readers.find(({ readers }) => matchesName(readers, reader));
      return { ...this.#common, ...own?.options }.handOver ?? "reset";
    });
  }

  #limitsOf(identity: string): Limits {
    return remembered(this.#limits, identity, () => {
      const { limits, rules } = this.#settings;
      const own = limits.find((one) => isMeant(one, identity, rules.groups));
      const flags: LimitFlags = { ...this.#common, ...own?.options };
      return { turns: turnLimits(flags), each: identityLimits(flags) };
    });
  }

  /** What holds where no table says otherwise. */
  get #common(): TermFlags {
    return { ...this.#settings.options, ...this.#given };
  }
}

function remembered<T>(known: Map<string, T>, key: string, make: () => T): T {
  const before = known.get(key);
  if (before !== undefined) return before;
  if (known.size >= MAX_KNOWN) known.clear();
  const made = make();
  known.set(key, made);
  return made;
}
