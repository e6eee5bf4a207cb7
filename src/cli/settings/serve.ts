import * as v from "valibot";
import type { SettingKey } from "./keys.ts";
import { type Complain, type Groups, isTable, names, noSuch, readListed } from "./listed-tables.ts";
import { readRules } from "./rules.ts";
import { complaintOf, schemaOf } from "./schema.ts";
import {
  isLimit,
  isReaders,
  type LimitTable,
  NO_SERVE_SETTINGS,
  type OptionValues,
  type ReaderTable,
  type ServeSettings,
} from "./serve-settings.ts";

/** The tables below `[serve]`. */
const TABLES = ["groups", "rule", "limit", "reader"] as const;

/**
 * Reads `[serve]`: options, groups of identities, and tables in lists. What is wrong is told to `complain`; where anything
 * is, nothing of it counts, since a rule that is left out could be the one that denies.
 */
export function readServe(
  value: unknown,
  keys: readonly SettingKey[],
  complain: Complain,
): ServeSettings | undefined {
  if (value === undefined) return NO_SERVE_SETTINGS;
  let isRight = true;
  const say: Complain = (path, complaint) => {
    isRight = false;
    complain(path, complaint);
  };
  if (!isTable(value)) {
    const remedy = "there are [serve], [serve.groups], and [[serve.rule]]";
    say([], { problem: "serve is no table", remedy });
    return undefined;
  }
  const { groups: givenGroups = {}, rule = [], limit = [], reader = [], ...others } = value;
  const groups = readGroups(givenGroups, say);
  const within = { groups, complain: say };
  const options = readOptions(others, keys, say);
  const rules = { rules: readRules(rule, groups, say), groups };
  const limits = readListed(limit, limitTable(keys), within).map(({ entry }) => {
    const { identities, groups: of, ...values } = entry as Omit<LimitTable, "options">;
    return { identities, groups: of, options: optionValues(values, keys) };
  });
  const readers = readListed(reader, readerTable(keys), within).map(({ entry }) => {
    const { readers: of, ...values } = entry as Omit<ReaderTable, "options">;
    return { readers: of, options: optionValues(values, keys) };
  });
  return isRight ? { options, rules, limits, readers } : undefined;
}

function readGroups(value: unknown, complain: Complain): Groups {
  const groups = new Map<string, readonly string[]>();
  if (!isTable(value)) {
    const remedy = 'write [serve.groups] and below it NAME = ["alice", "bob"]';
    complain(["groups"], { problem: "serve.groups is no table", remedy });
    return groups;
  }
  for (const [name, members] of Object.entries(value)) {
    const { success, output, issues } = v.safeParse(names(name), members);
    if (success) groups.set(name, output);
    else complain(["groups", name], complaintOf(issues[0].message));
  }
  return groups;
}

function readOptions(
  values: Readonly<Record<string, unknown>>,
  keys: readonly SettingKey[],
  complain: Complain,
): OptionValues {
  const { issues = [], output } = v.safeParse(v.objectWithRest(entries(keys), v.never()), values);
  const known = [...TABLES, ...keys.map(({ name }) => name)];
  for (const issue of issues) {
    const path = (issue.path ?? []).map(({ key }) => (typeof key === "number" ? key : String(key)));
    const key = String(path[0]);
    const unknown = `serve has no setting ${JSON.stringify(key)}`;
    complain(
      path,
      issue.type === "never" ? noSuch(unknown, key, known) : complaintOf(issue.message),
    );
  }
  return issues.length > 0 ? {} : optionValues(output as OptionValues, keys);
}

const entries = (keys: readonly SettingKey[]): v.ObjectEntries =>
  Object.fromEntries(keys.map((key) => [key.name, v.optional(schemaOf(key))]));

const optionValues = (output: object, keys: readonly SettingKey[]): OptionValues =>
  Object.fromEntries(
    Object.entries(output).map(([name, value]) => [
      keys.find((key) => key.name === name)?.attribute ?? name,
      value,
    ]),
  );

const limitTable = (keys: readonly SettingKey[]) => ({
  key: "limit",
  schema: v.objectWithRest(
    {
      identities: v.optional(names("identities")),
      groups: v.optional(names("groups")),
      ...entries(keys.filter(isLimit)),
    },
    v.never(),
  ),
  missing: {},
});

const readerTable = (keys: readonly SettingKey[]) => ({
  key: "reader",
  schema: v.objectWithRest(
    {
      readers: names("readers"),
      ...Object.fromEntries(keys.filter(isReaders).map((key) => [key.name, schemaOf(key)])),
    },
    v.never(),
  ),
  missing: {
    readers: 'say which: readers = "YubiKey*"',
    "hand-over": "say what becomes of their cards between two who use them",
  },
});
