import type { CommandUnknownOpts } from "@commander-js/extra-typings";

/** Commands whose WHERE may be the bare name of a host that was joined. */
const TAKING: ReadonlySet<string> = new Set(["attach", "run", "readers"]);

export const takesJoined = (command: CommandUnknownOpts): boolean =>
  !command.parent?.parent && TAKING.has(command.name());

/**
 * Puts `cardwire://NAME` in the place of each NAME that is a host that was joined, just before a command is carried out.
 * It wins over a host of that name that ssh would find: `ssh://NAME` is the latter.
 */
export async function applyJoined(command: CommandUnknownOpts): Promise<void> {
  if (!takesJoined(command)) return;
  const wheres: unknown = command.processedArgs[0];
  if (!Array.isArray(wheres) || !wheres.some(isName)) return;
  const { isJoined } = await import("../../joined/hosts.ts");
  command.processedArgs[0] = await Promise.all(
    wheres.map(async (one: unknown) =>
      isName(one) && (await isJoined(one)) ? `cardwire://${one}` : one,
    ),
  );
}

const isName = (one: unknown): one is string =>
  typeof one === "string" && /^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(one);
