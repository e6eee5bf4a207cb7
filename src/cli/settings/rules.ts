import * as v from "valibot";
import { NO_RULES, type Rule, type Rules } from "../../services/policy/rule.ts";
import { mostSimilar } from "../similar.ts";
import { atrPattern, aidPattern, byteMask } from "./patterns.ts";
import type { KeyPath } from "./positions.ts";
import { cannotBe, type Complaint, complaintOf } from "./schema.ts";

type Complain = (path: KeyPath, complaint: Complaint) => void;

const isTable = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Date);

/** One value or several, which become a list. */
const several = <T>(key: string, read: (value: unknown) => T | undefined, remedy: string) =>
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

const names = (key: string) => several(key, text, "it is text in quotation marks, or a list");
const bytes = (key: string) =>
  several(
    key,
    byteMask,
    'it is a byte, such as "87" or 0x87, or with a mask, such as "80/f0", or a list',
  );

const ruleSchema = v.objectWithRest(
  {
    verdict: v.picklist(["allow", "deny"], ({ input }) =>
      cannotBe("verdict", input, 'it is "allow" or "deny"'),
    ),
    identities: v.optional(names("identities")),
    groups: v.optional(names("groups")),
    readers: v.optional(names("readers")),
    atr: v.optional(
      several("atr", atrPattern, 'it is in hexadecimal: whole, with * at its end, or "VALUE/MASK"'),
    ),
    serial: v.optional(names("serial")),
    aid: v.optional(
      several(
        "aid",
        aidPattern,
        "it is 1 to 16 bytes in hexadecimal, with * for all that begin so",
      ),
    ),
    cla: v.optional(bytes("cla")),
    ins: v.optional(bytes("ins")),
    p1: v.optional(bytes("p1")),
    p2: v.optional(bytes("p2")),
    comment: v.optional(
      v.string(({ input }) => cannotBe("comment", input, "it is text in quotation marks")),
    ),
  },
  v.never(),
);
const ruleKeys = Object.keys(ruleSchema.entries);

/**
 * Reads `[serve]`: groups of identities, and rules. What is wrong is told to `complain`; where anything is, there are no
 * rules at all, since one that is left out could be the one that denies.
 */
export function readRules(value: unknown, complain: Complain): Rules | undefined {
  if (value === undefined) return NO_RULES;
  let isRight = true;
  const say: Complain = (path, complaint) => {
    isRight = false;
    complain(path, complaint);
  };
  if (!isTable(value)) {
    say([], {
      problem: "serve is no table",
      remedy: "there are [serve.groups] and [[serve.rule]]",
    });
    return undefined;
  }
  const { groups: givenGroups = {}, rule: givenRules = [], ...others } = value;
  for (const key of Object.keys(others))
    say([key], noSuch(`serve has no setting ${JSON.stringify(key)}`, key, ["groups", "rule"]));
  const groups = readGroups(givenGroups, say);
  const rules = Array.isArray(givenRules) ? readAll(givenRules, groups, say) : undefined;
  if (!rules)
    say(["rule"], {
      problem: "serve.rule is no list of tables",
      remedy: "begin with [[serve.rule]]",
    });
  return isRight && rules ? { rules, groups } : undefined;
}

function readGroups(value: unknown, complain: Complain): ReadonlyMap<string, readonly string[]> {
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

function readAll(
  values: readonly unknown[],
  groups: ReadonlyMap<string, unknown>,
  complain: Complain,
): readonly Rule[] {
  return values.flatMap((value, index) => {
    const at: KeyPath = ["rule", index];
    const name = `rule ${index + 1}`;
    if (!isTable(value)) {
      complain(at, { problem: `${name} is no table`, remedy: "begin it with [[serve.rule]]" });
      return [];
    }
    const { issues = [], output } = v.safeParse(ruleSchema, value);
    for (const issue of issues) {
      const key = keyOf(issue);
      complain([...at, key], explain(issue, key));
    }
    if (issues.length > 0) return [];
    const {
      atr: atrs,
      serial: serials,
      aid: aids,
      ...rest
    } = output as v.InferOutput<typeof ruleSchema>;
    for (const group of rest.groups ?? [])
      if (!groups.has(group))
        complain(
          [...at, "groups"],
          noSuch(`there is no group ${JSON.stringify(group)}`, group, [...groups.keys()]),
        );
    return [{ ...rest, atrs, serials, aids, name }];
  });
}

/** The setting that an issue is about. */
function keyOf({ path }: { readonly path?: readonly { readonly key?: unknown }[] | undefined }) {
  const key = path?.[0]?.key;
  return typeof key === "string" ? key : "";
}

/** What valibot found, in our words where ours did not come with it. */
function explain(
  issue: { readonly type: string; readonly message: string },
  key: string,
): Complaint {
  if (issue.type === "never")
    return noSuch(`a rule has no setting ${JSON.stringify(key)}`, key, ruleKeys);
  if (issue.type === "object_with_rest")
    return { problem: '"verdict" is missing', remedy: 'say verdict = "allow" or verdict = "deny"' };
  return complaintOf(issue.message);
}

function noSuch(problem: string, word: string, words: readonly string[]): Complaint {
  if (words.length === 0) return { problem, remedy: "define it below [serve.groups]" };
  const meant = mostSimilar(word, words);
  const remedy = meant === undefined ? `there are ${words.join(", ")}` : `did you mean ${meant}?`;
  return { problem, remedy };
}
