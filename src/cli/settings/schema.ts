import { isAbsolute, join } from "node:path";
import { InvalidArgumentError } from "@commander-js/extra-typings";
import * as v from "valibot";
import { splitCommand } from "../../carriers/ssh/split-command.ts";
import { CardwireError } from "../../domain/errors.ts";
import { parseWhere } from "../../domain/where.ts";
import { homeOf } from "../../host/config-file.ts";
import { checkAttachmentName } from "../../host/paths.ts";
import type { SettingKey, SettingTable } from "./keys.ts";

/** What is wrong with a value, and what would be right. */
export interface Complaint {
  readonly problem: string;
  readonly remedy: string | undefined;
}

/** valibot carries one text for each issue; ours has the remedy on its second line. */
const said = (problem: string, remedy?: string): string => [problem, remedy].join("\n");

export function complaintOf(message: string): Complaint {
  const [problem = "", remedy] = message.split("\n");
  return { problem, remedy: remedy || undefined };
}

/** Longest value that is shown whole, characters. */
const SHOWN = 40;

function shown(value: unknown): string {
  const text = value instanceof Date ? value.toString() : JSON.stringify(value);
  return text.length > SHOWN ? `${text.slice(0, SHOWN)}…` : text;
}

export const cannotBe = (key: string, value: unknown, remedy: string): string =>
  said(`${key} cannot be ${shown(value)}`, remedy);

/** The checks that a command makes itself, later than its parser. */
const checks: Readonly<Record<string, (text: string) => string>> = {
  where: (text) => (parseWhere(text), text),
  name: (text) => (checkAttachmentName(text), text),
  ssh: (text) => (splitCommand(text), text),
  audit: (text) => (["stderr", "off"].includes(text) ? text : absolutePath(text)),
};

/** A path of this computer means the same wherever cardwire is started. */
function absolutePath(text: string): string {
  const path = text.startsWith("~/") ? join(homeOf(process.env), text.slice(2)) : text;
  if (isAbsolute(path)) return path;
  throw new InvalidArgumentError("it is a path that begins with / or ~/");
}

/** Text that `make` turns into the setting's value. */
const made = (key: string, make: (text: string) => unknown) =>
  v.pipe(
    v.string(({ input }) => cannotBe(key, input, "it is text in quotation marks")),
    v.rawTransform(({ dataset: { value }, addIssue, NEVER }) => {
      try {
        return make(value);
      } catch (error) {
        addIssue({ message: refusal(key, value, error) });
        return NEVER;
      }
    }),
  );

function refusal(key: string, value: string, error: unknown): string {
  if (CardwireError.is(error)) return said(`${key}: ${error.message}`, error.hint);
  if (!(error instanceof InvalidArgumentError)) throw error;
  const remedy = error.message.replace(/\.$/, "");
  return cannotBe(key, value, remedy.charAt(0).toLowerCase() + remedy.slice(1));
}

/** One text or several, which become a list. */
const texts = (key: string, make: (text: string) => unknown) =>
  v.lazy((input) =>
    Array.isArray(input)
      ? v.pipe(
          v.array(made(key, make)),
          v.minLength(1, ({ input: none }) => cannotBe(key, none, "it names at least one")),
        )
      : v.pipe(
          made(key, make),
          v.transform((one) => [one]),
        ),
  );

/** The schema of one setting; its output is what commander would have made of the option. */
export function schemaOf({ name, kind, isLocalPath, initial, parse }: SettingKey) {
  if (kind === "flag")
    return v.boolean(({ input }) => cannotBe(name, input, "it is true or false"));
  if (kind === "list")
    return v.pipe(
      texts(name, (text) => text),
      v.transform((all) =>
        parse === undefined
          ? all
          : all.reduce((previous: unknown, one) => parse(String(one), previous), initial),
      ),
    );
  const own = checks[name] ?? (isLocalPath ? absolutePath : (text: string) => text);
  const one = made(name, (text) => (parse ? parse(own(text), undefined) : own(text)));
  if (kind === "text") return one;
  return v.lazy((input) =>
    typeof input === "number" ? v.pipe(v.number(), v.transform(String), one) : one,
  );
}

/**
 * The schema of `[TABLE.NAME]`. The target may be absent only where this computer's own readers are wanted.
 * Issues of type `never` are about settings that there are not.
 */
export function tableSchema({ target, keys }: SettingTable) {
  const optional = keys.map((key) => [key.name, v.optional(schemaOf(key))] as const);
  const where = texts(target.name, checks["where"] ?? String);
  const to = target.isList
    ? where
    : v.pipe(
        made(target.name, checks["where"] ?? String),
        v.transform((one) => [one]),
      );
  const rest = v.never();
  const needing = v.objectWithRest({ [target.name]: to, ...Object.fromEntries(optional) }, rest);
  const alone = v.objectWithRest(
    { [target.name]: v.optional(to), ...Object.fromEntries(optional) },
    rest,
  );
  return v.lazy((input) => (isLocal(input) ? alone : needing));
}

const isLocal = (input: unknown): boolean =>
  typeof input === "object" && input !== null && "local" in input && input.local === true;
