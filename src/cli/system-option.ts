import { Option } from "@commander-js/extra-typings";
import { SYSTEM_SOCKET } from "../host/system-socket.ts";
import { wrongUsage } from "./options.ts";
import type { Source } from "./sources.ts";

export const systemOption = () =>
  new Option(
    "--system",
    `put the socket at ${SYSTEM_SOCKET}, where every program looks by itself`,
  ).conflicts("socket");

/**
 * For what is attached with --system: the readers of this computer cannot come from the very place that our socket takes.
 *
 * @throws {CardwireError} `E_USAGE`
 */
export function checkSystemSources(sources: readonly Source[]): void {
  const isThere = ({ where }: Source) =>
    where.kind === "unix" && where.path.replace(/^\/var\/run\//, "/run/") === SYSTEM_SOCKET;
  if (!sources.some(isThere)) return;
  throw wrongUsage(
    `with --system, cardwire takes the place of the pcscd at ${SYSTEM_SOCKET} and cannot have its readers from there`,
    "Leave --system away and set PCSCLITE_CSOCK_NAME, or let pcscd listen elsewhere and name that: unix:PATH.",
  );
}

/** What a person needs to know of a socket at the standard path. */
export function systemSocketText(mode: number | undefined, group: string | undefined): string {
  const found = `Programs find them here by themselves, at ${SYSTEM_SOCKET}: no variable is needed.`;
  if (group !== undefined || ((mode ?? 0) & 0o022) !== 0) return found;
  const who = process.getuid?.() === 0 ? "root's" : "your";
  return `${found}\nOnly ${who} programs are let in; --mode 0666 lets in everybody's, --group GROUP those of a group.`;
}
