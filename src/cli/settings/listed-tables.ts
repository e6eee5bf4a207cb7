import * as v from "valibot";
import { mostSimilar } from "../similar.ts";
import type { KeyPath } from "./positions.ts";
import { type Complaint, cannotBe, complaintOf } from "./schema.ts";

// What `[[serve.rule]]` and its like have in common: tables in an order, of which the first that matches counts.

/** Is told what is wrong, and where below `[serve]`. */
export type Complain = (path: KeyPath, complaint: Complaint) => void;

/** Globs of identities, by the group's name. */
export type Groups = ReadonlyMap<string, readonly string[]>;

export const isTable = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Date);

/** One value or several, which become a list. */
export const several = <T>(key: string, read: (value: unknown) => T | undefined, remedy: string) =>
  v.pipe(
    v.unknown(),
    v.rawTransform(({ dataset: { value }, addIssue, NEVER }): readonly T[] => {
      const all: readonly unknown[] = Array.isArray(value) ? value : [value];
      const made = all.map(read);
      const wrong = made.findIndex((one) => one === undefined);
      if (all.length > 0 && wrong < 0) return made.filter((one) => one !== undefined);
      addIssue({ message: cannotBe(key, all.length === 0 ? value : all[wrong], remedy) });
      return NEVER;
    }),
  );

const text = (value: unknown): string | undefined =>
  typeof value === "string" && value !== "" ? value : undefined;

/** Names, or patterns of them. */
export const names = (key: string) =>
  several(key, text, "it is text in quotation marks, or a list");

type TableSchema = v.ObjectWithRestSchema<v.ObjectEntries, v.NeverSchema<undefined>, undefined>;

/** One kind of such tables. */
export interface ListedTable<S extends TableSchema> {
  /** Its key below `[serve]`, which is also what people call it. */
  readonly key: string;
  readonly schema: S;
  /** What is right, by the setting that one lacks. */
  readonly missing: Readonly<Record<string, string>>;
}

/**
 * Reads them, in their order. What is wrong is told to `complain`, and a table with a mistake is left out.
 *
 * @returns each with its name for people, such as `rule 2`.
 */
export function readListed<const S extends TableSchema>(
  values: unknown,
  { key, schema, missing }: ListedTable<S>,
  { groups, complain }: { readonly groups: Groups; readonly complain: Complain },
): readonly { readonly name: string; readonly entry: v.InferOutput<S> }[] {
  if (!Array.isArray(values)) {
    const remedy = `begin with [[serve.${key}]]`;
    complain([key], { problem: `serve.${key} is no list of tables`, remedy });
    return [];
  }
  return values.flatMap((value: unknown, index) => {
    const at: KeyPath = [key, index];
    const name = `${key} ${index + 1}`;
    if (!isTable(value)) {
      const remedy = `begin it with [[serve.${key}]]`;
      complain(at, { problem: `${name} is no table`, remedy });
      return [];
    }
    const { issues = [], output } = v.safeParse(schema, value);
    for (const issue of issues) {
      const setting = settingOf(issue);
      const unknown = `a ${key} has no setting ${JSON.stringify(setting)}`;
      if (issue.type === "never")
        complain([...at, setting], noSuch(unknown, setting, Object.keys(schema.entries)));
      else if (issue.type === "object_with_rest")
        complain([...at, setting], {
          problem: `${JSON.stringify(setting)} is missing`,
          remedy: missing[setting],
        });
      else complain([...at, setting], complaintOf(issue.message));
    }
    if (issues.length > 0) return [];
    const entry = output as v.InferOutput<S>;
    for (const group of groupsIn(entry))
      if (!groups.has(group))
        complain(
          [...at, "groups"],
          noSuch(`there is no group ${JSON.stringify(group)}`, group, [...groups.keys()]),
        );
    return [{ name, entry }];
  });
}

const groupsIn = (entry: { readonly groups?: unknown }): readonly string[] =>
  Array.isArray(entry.groups) ? entry.groups : [];

/** The setting that an issue is about. */
function settingOf({
  path,
}: {
  readonly path?: readonly { readonly key?: unknown }[] | undefined;
}): string {
  const key = path?.[0]?.key;
  return typeof key === "string" ? key : "";
}

/** Of a word that is none of those that there are. */
export function noSuch(problem: string, word: string, words: readonly string[]): Complaint {
  if (words.length === 0) return { problem, remedy: "define it below [serve.groups]" };
  const meant = mostSimilar(word, words);
  const remedy = meant === undefined ? `there are ${words.join(", ")}` : `did you mean ${meant}?`;
  return { problem, remedy };
}
