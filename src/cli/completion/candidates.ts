import type { Argument, CommandUnknownOpts, Option } from "@commander-js/extra-typings";
import { splitCommand } from "../../carriers/ssh/split-command.ts";
import { runningAttachments } from "../../host/attachments.ts";
import { groupNames } from "../../host/group.ts";
import { runtimePath } from "../../host/paths.ts";
import { sshHosts } from "../../host/ssh-hosts.ts";
import { joinedNames } from "../../joined/hosts.ts";
import type { Io } from "../io.ts";
import { isRepeatable, settingTables } from "../settings/keys.ts";
import { takesJoined } from "../settings/joined.ts";
import { loadSettings } from "../settings/load.ts";
import { lookupTable } from "../settings/named.ts";
import type { Line, Wanted } from "./interpret.ts";

/** A word that may stand at the cursor, and what it is for those shells that show it. */
export type Candidate = readonly [word: string, about?: string];

/** What a shell is told: words, or to do what it does for file names or for other commands. */
export type Offer =
  | readonly Candidate[]
  /** File names, in place of what stands behind the first so many characters of the word at the cursor. */
  | { readonly files: number }
  /** As a command line of its own, from that word on. */
  | { readonly program: number };

/** What may stand at the cursor. Whatever cannot be found out is left out. */
export async function candidates(
  line: Line,
  { io, top }: { io: Pick<Io, "env">; top: CommandUnknownOpts },
): Promise<Offer> {
  const { command, current, wanted } = line;
  switch (wanted.kind) {
    case "program":
      return { program: wanted.from };
    case "command":
      return fitting(
        current,
        command
          .createHelp()
          .visibleCommands(command)
          .map((one): Candidate => [one.name(), one.description()]),
      );
    case "option":
      return fitting(current, optionsOf(line));
    case "value":
      return await valuesFor(wanted, current);
    case "argument":
      return await argumentsFor(wanted.argument, line, { io, top });
    case "nothing":
      break;
  }
  return [];
}

const choicesOf = ({ argChoices }: Pick<Option, "argChoices">): readonly Candidate[] | undefined =>
  argChoices?.map((choice): Candidate => [choice]);

async function valuesFor(
  { option, prefix }: Extract<Wanted, { kind: "value" }>,
  current: string,
): Promise<Offer> {
  const [, placeholder = ""] = /<([^>.]*)/.exec(option.flags) ?? [];
  const words = choicesOf(option) ?? (await valuesOf(placeholder));
  return words === "files" ? { files: prefix.length } : fitting(current, words, { prefix });
}

async function argumentsFor(
  argument: Argument,
  line: Line,
  context: { io: Pick<Io, "env">; top: CommandUnknownOpts },
): Promise<Offer> {
  const { command, current } = line;
  const choices = choicesOf(argument);
  if (choices) return fitting(current, choices);
  const known = await namesKnownTo(command.name());
  if (known) return fitting(current, known);
  if (argument.name() === "file") return { files: 0 };
  if (!["where", "host", "to"].includes(argument.name())) return [];
  if (current.startsWith("unix:")) return { files: "unix:".length };
  return await places(line, context);
}

/** Those that the word at the cursor begins. */
const fitting = (
  current: string,
  words: readonly Candidate[],
  { prefix = "" } = {},
): readonly Candidate[] =>
  words
    .map(([word, ...about]): Candidate => [prefix + word, ...about])
    .filter(([word]) => word.startsWith(current));

/** Options that are not on the line yet, or may stand there more than once. */
function optionsOf({ command, options }: Line): readonly Candidate[] {
  const visible = command.createHelp().visibleOptions(command);
  return visible
    .filter((one) => !options.has(one.attributeName()) || isRepeatable(one))
    .map(({ long, short, description }) => [long ?? short ?? "", description]);
}

/** Values of options without choices, by what `--help` calls them. */
async function valuesOf(placeholder: string): Promise<readonly Candidate[] | "files"> {
  switch (placeholder) {
    case "group":
      return (await groupNames()).map((name): Candidate => [name]);
    case "identity":
      return await identities();
    case "mode":
      return [
        ["0600", "you alone"],
        ["0660", "you and the group"],
        ["0666", "everybody"],
      ];
    case "path":
    case "file":
    case "directory":
    case "root":
    case "command":
      return "files";
    default:
      return [];
  }
}

/** What a command takes a name of; undefined where that is something else. */
async function namesKnownTo(command: string): Promise<readonly Candidate[] | undefined> {
  switch (command) {
    case "env":
      return await attachments();
    case "leave":
      return await joinedHosts();
    case "revoke":
    case "invite":
      return await identities();
    default:
      return undefined;
  }
}

const joinedHosts = async (): Promise<readonly Candidate[]> =>
  (await joinedNames()).map((name) => [name, "joined"]);

async function identities(): Promise<readonly Candidate[]> {
  const { existingStore } = await import("../../serve/store.ts");
  const register = await existingStore()
    .then((store) => store.read())
    .catch(() => undefined); // `identities` tells why
  return [...new Set(register?.identities.map(({ name }) => name))].map((name) => [name]);
}

async function attachments(): Promise<readonly Candidate[]> {
  const running = await runningAttachments(runtimePath());
  return running.map(({ name, where }): Candidate => [name, where.join(" ")]);
}

const SSH = "ssh://";

/** Hosts that ssh knows, behind whatever stands before the host, and names from the settings file. */
async function places(
  line: Line,
  { io, top }: { io: Pick<Io, "env">; top: CommandUnknownOpts },
): Promise<readonly Candidate[]> {
  const { current, positional } = line;
  const [prefix = ""] = /^(?:ssh:\/\/)?(?:[^@]*@)?/.exec(current) ?? [];
  const config = configFile(line.options.get("ssh") ?? io.env["CARDWIRE_SSH"] ?? "");
  const hosts = (await sshHosts({ config }))
    .map((host) => (prefix.startsWith(SSH) && host.startsWith(SSH) ? host.slice(SSH.length) : host))
    .filter((host) => prefix === "" || !host.startsWith(SSH)); // a port needs the scheme before the user
  const names = positional.length === 0 && prefix === "" ? await namesFor(line.command, top) : [];
  const joined = prefix === "" && takesJoined(line.command) ? await joinedHosts() : [];
  const words = [...names, ...joined, ...hosts.map((host): Candidate => [host])];
  return fitting(current, words, { prefix }).filter(([word]) => !positional.includes(word));
}

/** The file of `ssh -F FILE`, if the command has one. */
function configFile(ssh: string): string | undefined {
  try {
    const words = splitCommand(ssh);
    const at = words.findIndex((word) => word.startsWith("-F"));
    return at < 0 ? undefined : words[at]?.slice(2) || words[at + 1];
  } catch {
    return undefined; // no command yet
  }
}

async function namesFor(
  command: CommandUnknownOpts,
  top: CommandUnknownOpts,
): Promise<readonly Candidate[]> {
  const table = lookupTable(command);
  if (table === undefined) return [];
  const settings = await loadSettings(settingTables(top.commands)).catch(() => undefined); // `config check` tells why
  const names = [...(settings?.tables[table] ?? [])];
  return names.map(([name, { targets }]): Candidate => [name, targets.join(" ")]);
}
