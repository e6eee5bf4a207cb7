import { dirname } from "node:path";
import { CardwireError } from "../domain/errors.ts";
import { errorCode } from "./error-code.ts";

type Explanation = (details: { cause: unknown; what: string; folder: string }) => CardwireError;

const missing: Explanation = ({ cause, folder }) =>
  new CardwireError("E_SOCKET_PATH", `there is no directory ${folder}`, {
    cause,
    hint: `Make it first: mkdir -p -m 700 '${folder}'`,
  });

const denied: Explanation = ({ cause, what, folder }) =>
  new CardwireError("E_SOCKET_DENIED", `no right to make ${what}`, {
    cause,
    hint: `Choose a place in a directory of your own, or get the right to write in ${folder}.`,
  });

const readOnly: Explanation = ({ cause, folder }) =>
  new CardwireError("E_SOCKET_DENIED", `${folder} is on a read-only file system`, {
    cause,
    hint: "Choose a place elsewhere.",
  });

const full: Explanation = ({ cause, what, folder }) =>
  new CardwireError("E_DISK_FULL", `no space left for ${what}`, {
    cause,
    hint: `Free some space: df -h '${folder}' and df -i '${folder}' show what is short.`,
  });

const explanations: ReadonlyMap<string | undefined, Explanation> = new Map([
  ["ENOENT", missing],
  ["ENOTDIR", missing],
  ["EACCES", denied],
  ["EPERM", denied],
  ["EROFS", readOnly],
  ["ENOSPC", full],
  ["EDQUOT", full],
]);

/** That there is no space for a file. @returns undefined when `cause` says something else. */
export function explainFullDisk(cause: unknown, path: string): CardwireError | undefined {
  const isFull = explanations.get(errorCode(cause)) === full;
  return isFull ? full({ cause, what: path, folder: dirname(path) }) : undefined;
}

/** What it means when `what` could not be made in `folder`. Errors that are explained already, and unknown ones, stay as they are. */
export function explainFileError(cause: unknown, what: string, folder: string): unknown {
  if (CardwireError.is(cause)) return cause;
  return explanations.get(errorCode(cause))?.({ cause, what, folder }) ?? cause;
}
