import type { Profile } from "../../domain/identity.ts";
export type { Profile };
import { type Application, applications } from "./applications.ts";
import { genericCommands, globalPlatformCommands, readerCommands } from "./generic-commands.ts";
import { greater, Level, type Need, needIn, type Seen, unknown } from "./need.ts";
import { isSelectByName } from "./select.ts";
import { isCertainly, mayBe, type Selection } from "./selection.ts";

/**
 * What an identity may do where no rule says otherwise: `look` reads what everybody may read, without PIN and key; `use`
 * also verifies its own PIN and uses keys; `manage` is allowed everything.
 */
export const profiles: Readonly<Record<Profile, Level>> = {
  look: Level.Look,
  use: Level.Use,
  manage: Level.Unknown,
};

export const isProfile = (text: string): text is Profile => Object.hasOwn(profiles, text);

/** The least that is needed for a command, by its name: for explanations. */
export const profileFor = (level: Level): Profile =>
  level === Level.Look ? "look" : level === Level.Use ? "use" : "manage";

const MALFORMED = unknown("a malformed command");
const RESERVED = unknown("a command of a class that the standard reserves");
const SECURED = unknown("a command under secure messaging, whose body nobody can read");
const PROPRIETARY = unknown("a command of a maker's own class");
const PROPRIETARY_CHAIN = unknown("a part of a command of a maker's own class");
const UNLISTED = unknown("a command that no profile knows");

/**
 * What a command needs. Where the application is not certain, it needs whatever takes most in any application that it
 * could be.
 */
export function needOf(seen: Seen, selection: Selection): Need {
  const { command } = seen;
  if (!command.isWellFormed) return MALFORMED;
  if (command.kind === "reserved") return RESERVED;
  if (command.kind === "reader") return needIn(readerCommands, seen) ?? PROPRIETARY;
  if (command.isSecured) return SECURED;
  if (command.kind === "proprietary") return proprietaryNeed(seen, selection);
  // The card itself carries it out, whatever is selected.
  if (isSelectByName(command)) return needIn(genericCommands, seen) ?? UNLISTED;
  const known = knownApplication(selection);
  if (known) return needIn(known.commands, seen) ?? needIn(genericCommands, seen) ?? UNLISTED;
  let most = needIn(genericCommands, seen) ?? UNLISTED;
  for (const { aid, commands } of applications) {
    const own = mayBe(selection, aid) ? needIn(commands, seen) : undefined;
    if (own) most = greater(most, own);
  }
  return most;
}

function knownApplication(selection: Selection): Application | undefined {
  if (selection.aid.length === 0) return undefined;
  for (const one of applications) if (isCertainly(selection, one.aid)) return one;
  return undefined;
}

function proprietaryNeed(seen: Seen, selection: Selection): Need {
  if (seen.command.plain !== GLOBAL_PLATFORM) return PROPRIETARY;
  if (seen.command.isChained || seen.data === undefined) return PROPRIETARY_CHAIN;
  const known = knownApplication(selection);
  const own = known?.proprietary && needIn(known.proprietary, seen);
  return own ?? needIn(globalPlatformCommands, seen) ?? PROPRIETARY;
}

const GLOBAL_PLATFORM = 0x80;

/** Whether the profile alone suffices. */
export const suffices = (profile: Profile, { level }: Need): boolean => level <= profiles[profile];
