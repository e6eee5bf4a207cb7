import type { CommandUnknownOpts } from "@commander-js/extra-typings";

/** Commands whose WHERE may be the bare name of a host that was joined. */
const TAKING: ReadonlySet<string> = new Set(["attach", "run", "readers", "doctor"]);

export const takesJoined = (command: CommandUnknownOpts): boolean =>
  !command.parent?.parent && TAKING.has(command.name());

/**
 * Puts `cardwire://NAME` in the place of each NAME that is a host that was joined, just before a command is carried out.
 * It wins over a host of that name that ssh would find: `ssh://NAME` is the latter.
 */
export async function applyJoined(command: CommandUnknownOpts): Promise<void> {
  if (!takesJoined(command)) return;
  const given: unknown = command.processedArgs[0];
  const wheres: readonly unknown[] = Array.isArray(given) ? given : [given];
  if (!wheres.some(isName)) return;
  const { isJoined } = await import("../../joined/hosts.ts");
  const found = await Promise.all(
    wheres.map(async (one) => (isName(one) && (await isJoined(one)) ? `cardwire://${one}` : one)),
  );
  command.processedArgs[0] = Array.isArray(given) ? found : found[0];
}

const isName = (one: unknown): one is string =>
  typeof one === "string" && /^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(one);
