import { CardwireError } from "../../domain/errors.ts";
import { askSecret } from "../../host/ask-secret.ts";
import { readStart } from "../../host/read-start.ts";
import { errorCode } from "../../host/error-code.ts";
import { DEFAULT_PIN, DEFAULT_PUK, type PivState } from "../../software-cards/piv/state.ts";

/** Longest file with a PIN, PUK or key, bytes. */
const MAX_BYTES = 1024;

/**
 * A PIN or the like from the first line of a file, or asked for at the terminal.
 *
 * @param from a path, or `-`.
 * @throws {CardwireError} `E_CARD_DATA` when it cannot be had. No message has anything of it.
 */
export async function readSecret(from: string, what: string): Promise<string> {
  if (from === "-") return await askSecret(`${what}: `);
  try {
    const { bytes } = await readStart(from, MAX_BYTES);
    return bytes.toString("utf8").split(/\r?\n/)[0] ?? "";
  } catch (cause) {
    throw new CardwireError(
      "E_CARD_DATA",
      `the ${what} cannot be read from ${from}: ${errorCode(cause)}`,
      {
        cause,
      },
    );
  }
}

/** Which of a card's values are the ones that everybody knows. */
export interface KnownSecrets {
  readonly pin: boolean;
  readonly puk: boolean;
  /** Absent: it is somebody's own. */
  readonly managementKey?: PivState["managementKey"] | undefined;
}

/** What they are, a line each. */
export const knownSecretLines = ({ pin, puk, managementKey }: KnownSecrets): readonly string[] => [
  ...(pin ? [`PIN             ${DEFAULT_PIN}`] : []),
  ...(puk ? [`PUK             ${DEFAULT_PUK}`] : []),
  ...(managementKey ? [`management key  ${Buffer.from(managementKey.value).toString("hex")}`] : []),
];
