import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { gzipSync } from "node:zlib";
import { CardwireError } from "../../domain/errors.ts";

/** The single file, packed for the line. */
export interface Shipment {
  readonly bytes: Uint8Array;
  /** SHA-256 of the bytes, hexadecimal: the other end checks it before it runs them. */
  readonly hash: string;
}

/** Where the build puts it. */
const FILE = new URL("../../agent.cjs", import.meta.url);

/**
 * Reads the single file that is sent to hosts without cardwire.
 *
 * @throws {CardwireError} `E_AGENT` when it is not there, or is not what the build made.
 */
export async function readShipment(file: URL = FILE): Promise<Shipment> {
  const [code, sum] = await Promise.all([
    readFile(file),
    readFile(new URL(`${file.href}.sha256`), "utf8"),
  ]).catch((cause: unknown) => {
    throw damaged("is not there", cause);
  });
  if (sha256(code) !== sum.trim()) throw damaged("is not what was built");
  const bytes = gzipSync(code, { level: 9 });
  return { bytes, hash: sha256(bytes) };
}

const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

const damaged = (how: string, cause?: unknown): CardwireError =>
  new CardwireError("E_AGENT", `the agent that cardwire sends to other computers ${how}`, {
    cause,
    hint: "Install cardwire again; a checkout builds it with 'npm run build'.",
  });
