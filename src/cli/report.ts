import type { Reader } from "../domain/card-service.ts";
import type { CardwireError } from "../domain/errors.ts";
import { stateText } from "../domain/reader-json.ts";
import { setVariable } from "./shell-syntax.ts";
import { table } from "./table.ts";

export const exportLine = (socket: string): string =>
  setVariable("sh", "PCSCLITE_CSOCK_NAME", socket);

const atrText = (atr: Uint8Array): string =>
  Buffer.from(atr)
    .toString("hex")
    .toUpperCase()
    .replaceAll(/(..)(?!$)/g, "$1 ");

function useText({ sharing }: Reader): string {
  if (sharing < 0) return "held by one program";
  return sharing > 0 ? "in use" : "";
}

/** What a terminal must not see of a name that comes from elsewhere. */
export const printable = (text: string): string => text.replaceAll(/\p{C}/gu, "?");

/** The same of a text of several lines. */
export const printableLines = (text: string): string => text.replaceAll(/[^\P{C}\n]/gu, "?");

/** Why a place cannot be reached, and what to do about it: a line each. @param isTried whether it is tried again. */
export function absenceLines(
  text: string,
  { message, hint }: CardwireError,
  { isTried }: { readonly isTried: boolean },
): readonly string[] {
  const what = `${printable(text)}: ${printable(message)}${isTried ? "; trying again" : ""}`;
  return hint === undefined ? [what] : [what, `hint: ${hint}`];
}

/** The readers as a table: a line each, the ATR in hexadecimal. */
export const readersTable = (readers: readonly Reader[], head: readonly string[] = []): string =>
  table(
    head,
    readers.map((reader) => [
      printable(reader.name),
      [stateText(reader), useText(reader)].filter(Boolean).join(", "),
      reader.atr ? atrText(reader.atr) : "",
    ]),
  );
