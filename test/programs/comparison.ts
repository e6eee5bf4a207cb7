import { expect } from "vitest";
import { converse, PATIENCE_MS, using } from "../interop/programs/cardwire.ts";
import { until } from "../lab/processes.ts";
import { run } from "../lab/programs.ts";
import type { Argv } from "../lab/programs.ts";
import { readerStates } from "../lab/reader-states.ts";
import type { Carrier, Places } from "./places.ts";

// What programs print on pcscd's own socket and through attachments, which has to be the same.

/** How a program is run. */
export interface Comparison {
  readonly carriers?: readonly Carrier[];
  readonly env?: Readonly<Record<string, string>>;
}

/**
 * Waits until nobody is shown to use a reader, by pcscd and by who is asked through it: pcscd tells of the program before
 * up to half a second late, and the next one would see it, in one place and not in the other.
 */
async function atRest({ pcscd }: Places, socket: string): Promise<void> {
  for (const asked of new Set([pcscd.socketPath, socket])) {
    await until(`${asked} shows no use of a reader`, async () =>
      (await readerStates(asked)).every(({ sharing }) => sharing === 0),
    );
  }
}

/** Runs a program that may ask for the card to be pulled and inserted, and ends with "done". Gives what it printed. */
export async function printed(
  places: Places,
  argv: Argv,
  socket: string,
  { env = {} }: Comparison = {},
): Promise<string> {
  await atRest(places, socket);
  const options = { card: places.pcscd.cards[0], env: { ...using(socket), ...env } };
  return await converse([...argv], options);
}

/** The same on pcscd itself, and by each carrier. Gives what it printed on pcscd. */
export async function samePrinted(
  places: Places,
  argv: Argv,
  { carriers = ["unix", "ssh"], env = {} }: Comparison = {},
): Promise<string> {
  const direct = await printed(places, argv, places.pcscd.socketPath, { env });
  for (const carrier of carriers) {
    const output = await printed(places, argv, places.through[carrier], { env });
    expect({ carrier, output }).toEqual({ carrier, output: direct });
  }
  return direct;
}

/** Runs a shell command in the same places. Gives all it printed on pcscd itself; a status that is not 0 is an answer. */
export async function sameRun(
  places: Places,
  command: string,
  { carriers = ["unix", "ssh"], env = {} }: Comparison = {},
): Promise<string> {
  const { pcscd, through } = places;
  const said = async (socket: string) => {
    await atRest(places, socket);
    const { status, stdout, stderr } = await run("sh", ["-c", command], {
      user: "alice",
      env: { ...using(socket), ...env },
      timeoutMs: PATIENCE_MS,
    });
    return { status, stdout, stderr };
  };
  const direct = await said(pcscd.socketPath);
  for (const carrier of carriers) {
    expect({ carrier, ...(await said(through[carrier])) }).toEqual({ carrier, ...direct });
  }
  return direct.stdout + direct.stderr;
}
