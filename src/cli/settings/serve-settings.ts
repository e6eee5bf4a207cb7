import { NO_RULES, type Rules } from "../../services/policy/rule.ts";
import type { SettingKey } from "./keys.ts";

/** Values of options as commander would have made them, by the place where it keeps them. */
export type OptionValues = Readonly<Record<string, unknown>>;

/** What some identities may have otherwise: `[[serve.limit]]`. */
export interface LimitTable {
  /** Names of identities, as globs. Without these and groups everybody is meant. */
  readonly identities?: readonly string[] | undefined;
  readonly groups?: readonly string[] | undefined;
  readonly options: OptionValues;
}

/** What is done otherwise with some readers: `[[serve.reader]]`. */
export interface ReaderTable {
  /** Names, as globs. */
  readonly readers: readonly string[];
  readonly options: OptionValues;
}

/** What `[serve]` says. Of tables in a list the first that matches counts. */
export interface ServeSettings {
  /** In the place of options of `cardwire serve` that were not given. */
  readonly options: OptionValues;
  readonly limits: readonly LimitTable[];
  readonly readers: readonly ReaderTable[];
  readonly rules: Rules;
}

export const NO_SERVE_SETTINGS: ServeSettings = {
  options: {},
  limits: [],
  readers: [],
  rules: NO_RULES,
};

/** Whether a setting is also one of `[[serve.limit]]`. */
export const isLimit = ({ name }: SettingKey): boolean => name.endsWith("-limit");
/** Whether a setting is also one of `[[serve.reader]]`. */
export const isReaders = ({ name }: SettingKey): boolean => name === "hand-over";
