import { parse, TomlError } from "smol-toml";
import * as v from "valibot";
import { checkAttachmentName } from "../../host/paths.ts";
import { printable } from "../report.ts";
import { mostSimilar } from "../similar.ts";
import type { SettingTable, SettingTables } from "./keys.ts";
import { type KeyPath, type Position, positionsIn } from "./positions.ts";
import { type Complaint, complaintOf, tableSchema } from "./schema.ts";
import { readServe } from "./serve.ts";
import type { ServeSettings } from "./serve-settings.ts";

/** What a NAME stands for. */
export interface Named {
  /** WHERE, or the host to share with. Empty: this computer's own readers alone. */
  readonly targets: readonly string[];
  /** Values of options as commander would have made them, by the place where it keeps them. */
  readonly options: Readonly<Record<string, unknown>>;
}

/** A mistake in the settings file. */
export interface Problem extends Complaint, Position {
  /** The setting, such as `["attach", "work", "mode"]`; empty for what is not TOML. */
  readonly path: KeyPath;
}

/** The names of each table, and what is wrong. Names whose table has a mistake are left out. */
export interface Settings {
  readonly tables: Readonly<Record<string, ReadonlyMap<string, Named>>>;
  /** What `[serve]` says; undefined where it has a mistake. */
  readonly serve: ServeSettings | undefined;
  /** In the order of the file. */
  readonly problems: readonly Problem[];
  /** Not TOML: nobody knows what else there would be. */
  readonly isUnreadable: boolean;
}

/** Reads the text of a settings file. Never throws for anything that the text says. */
export function parseSettings(text: string, tables: SettingTables): Settings {
  let document: Readonly<Record<string, unknown>>;
  try {
    document = parse(text);
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    return {
      tables: {},
      serve: undefined,
      problems: [syntaxProblem(error)],
      isUnreadable: true,
    };
  }
  const place = positionsIn(text);
  const problems: Problem[] = [];
  const complain = (path: KeyPath, { problem, remedy }: Complaint) =>
    problems.push({
      ...place(path),
      path,
      problem: printable(problem),
      remedy: remedy && printable(remedy),
    });

  const known = [...names(tables.named), SERVE];
  for (const key of Object.keys(document))
    if (!known.includes(key)) complain([key], noSuch(`nothing called ${quoted(key)}`, key, known));
  const read = tables.named.map((table) => [
    table.name,
    readTable(table, document[table.name], (path, complaint) =>
      complain([table.name, ...path], complaint),
    ),
  ]);
  const serve = readServe(document[SERVE], tables.serve, (path, complaint) =>
    complain([SERVE, ...path], complaint),
  );
  problems.sort((a, b) => a.line - b.line || a.column - b.column);
  return { tables: Object.fromEntries(read), serve, problems, isUnreadable: false };
}

/** The table of `cardwire serve`. */
const SERVE = "serve";

type Complain = (path: KeyPath, complaint: Complaint) => void;

function readTable(table: SettingTable, value: unknown, complain: Complain): Map<string, Named> {
  const found = new Map<string, Named>();
  const remedy = `settings stand below a name: [${table.name}.NAME]`;
  if (value === undefined) return found;
  if (!isTable(value)) {
    complain([], { problem: `${table.name} is no table`, remedy });
    return found;
  }
  const schema = tableSchema(table);
  for (const [name, entry] of Object.entries(value)) {
    const complaint = nameComplaint(name);
    if (complaint) complain([name], complaint);
    if (!isTable(entry)) {
      complain([name], { problem: `${table.name}.${quoted(name)} is no table`, remedy });
      continue;
    }
    const { issues = [], output } = v.safeParse(schema, entry);
    for (const issue of issues) {
      const path = (issue.path ?? []).map(({ key }) =>
        typeof key === "number" ? key : String(key),
      );
      complain([name, ...path], explain(issue, path, table));
    }
    if (issues.length === 0 && !complaint) found.set(name, named(output as Entry, table));
  }
  return found;
}

/** What valibot found, in our words where ours did not come with it. */
function explain(
  issue: { readonly type: string; readonly message: string; readonly input: unknown },
  path: KeyPath,
  { name, target, keys }: SettingTable,
): Complaint {
  const key = String(path[0]);
  if (issue.type === "never")
    return noSuch(`${name} has no setting ${quoted(key)}`, key, [target.name, ...names(keys)]);
  if (issue.type === "object_with_rest" && issue.input === undefined) {
    const problem = `${quoted(target.name)} is missing`;
    return { problem, remedy: `say which host: ${target.name} = "[user@]host"` };
  }
  return complaintOf(issue.message);
}

/** What the schema makes of one name's table. */
type Entry = Readonly<Record<string, unknown>>;

function named(output: Entry, { target, keys }: SettingTable): Named {
  const given = keys.filter(({ name }) => output[name] !== undefined);
  return {
    targets: (output[target.name] ?? []) as readonly string[],
    options: Object.fromEntries(given.map(({ name, attribute }) => [attribute, output[name]])),
  };
}

const names = (of: readonly { readonly name: string }[]): readonly string[] =>
  of.map(({ name }) => name);

const quoted = (text: string): string => JSON.stringify(text);

function noSuch(problem: string, word: string, words: readonly string[]): Complaint {
  const meant = mostSimilar(word, words);
  const remedy = meant === undefined ? `there are ${words.join(", ")}` : `did you mean ${meant}?`;
  return { problem: problem.replace(/^nothing/, "there is nothing"), remedy };
}

function nameComplaint(name: string): Complaint | undefined {
  try {
    checkAttachmentName(name);
    return undefined;
  } catch {
    const remedy = "use letters, digits, '.', '_' and '-', a letter or digit first";
    return { problem: `${quoted(name)} cannot be a name`, remedy };
  }
}

const isTable = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Date);

function syntaxProblem({ line, column, message }: TomlError): Problem {
  const [what = ""] = message.replace(/^Invalid TOML document: /, "").split("\n");
  const remedy = "the rules are at https://toml.io; text wants quotation marks";
  return { line, column, path: [], problem: `not TOML: ${printable(what)}`, remedy };
}
