import { CardwireError } from "../../domain/errors.ts";
import { insertIntoVpcd, type VpcdAddress } from "../../services/software/vpcd-card.ts";
import { PivCard } from "../../software-cards/piv/card.ts";
import { provision } from "../../software-cards/piv/provision.ts";
import type { Io } from "../io.ts";
import { wrongUsage } from "../options.ts";
import { printable } from "../report.ts";
import { openPivCard, type PivCardInFile } from "./piv-card-file.ts";
import { knownSecretLines } from "./secrets.ts";

/** Puts a PIV card into a vpcd, and keeps it there until the signal is aborted. */
export async function runPivCard(
  { file, vpcd }: { readonly file: string | undefined; readonly vpcd: string },
  { io, signal }: { readonly io: Io; readonly signal: AbortSignal },
): Promise<void> {
  const address = parseAddress(vpcd);
  await using opened = await open(file, io);
  if (!isLoopback(address.host))
    io.err(`everything goes to ${vpcd} unencrypted, the PIN included: anybody on the way reads it`);
  const onChange = ({ isIn, why }: { readonly isIn: boolean; readonly why?: unknown }): void => {
    const reason = why instanceof Error ? `: ${printable(why.message)}` : "";
    io.err(
      isIn
        ? `the card is in the reader at ${vpcd}; Ctrl-C pulls it`
        : `no reader at ${vpcd}${reason}; trying again`,
    );
  };
  await insertIntoVpcd(opened.card, address, { signal, onChange });
}

async function open(file: string | undefined, io: Io): Promise<Omit<PivCardInFile, "path">> {
  if (file !== undefined)
    return await openPivCard(file, (why) => {
      io.err(`cardwire: what the card changed is not kept: ${printable(textOf(why))}`);
      if (CardwireError.is(why) && why.hint) io.err(`hint: ${printable(why.hint)}`);
    });
  const card = new PivCard(await provision({ name: "cardwire", now: new Date() }));
  io.err("a new card, in memory only: with its end its keys are gone");
  const known = { pin: true, puk: true, managementKey: card.state.managementKey };
  for (const line of knownSecretLines(known)) io.err(line);
  return { card, [Symbol.asyncDispose]: async () => {} };
}

const textOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** @throws {CardwireError} `E_USAGE` */
function parseAddress(text: string): VpcdAddress {
  const [, bracketed, plain, digits] = /^(?:\[([^\]]+)\]|([^:]+)):(\d+)$/.exec(text) ?? [];
  const host = bracketed ?? plain;
  const port = Number(digits);
  if (host === undefined || port < 1 || port > 0xffff)
    throw wrongUsage(`${text} is no host and port`, "cardwire card piv --vpcd 127.0.0.1:35963");
  return { host, port };
}

const isLoopback = (host: string): boolean =>
  host === "localhost" || host === "::1" || /^127(\.\d{1,3}){3}$/.test(host);
