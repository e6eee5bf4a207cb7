import { readFileSync } from "node:fs";
import type { ByteOrder } from "../../src/wire/struct.ts";

const folder = new URL("../fixtures/captures/", import.meta.url);

/** One file of recorded traffic; the format is explained in the README beside the files. */
export interface Session {
  readonly decodable: boolean;
  readonly byteOrder: "LE" | "BE";
  readonly readerNameLength: number;
  readonly client: { readonly protocol: string };
  readonly server: { readonly protocol: string };
  readonly blobs: Readonly<Record<string, string>>;
  readonly events: readonly Recorded[];
}

export interface Recorded {
  readonly conn?: number;
  readonly dir?: "C>S" | "S>C";
  readonly hex?: string;
  readonly ev?: string;
  readonly mark?: string;
}

/** One exchange, or one event. Fields have the names of the C structs. */
export interface Vector {
  readonly set: string;
  readonly byteOrder: "LE" | "BE";
  readonly cmd: number;
  readonly name: string;
  /** Header, struct and payload. */
  readonly request: string;
  readonly fields?: Fields;
  /** The request's payload. */
  readonly tail?: string;
  /** Without the payload. */
  readonly response?: string;
  readonly rfields?: Fields;
  /** The reply's payload. */
  readonly rtail?: string;
  readonly readers?: readonly Slot[];
  readonly noReply?: true;
  readonly event?: string;
}

export type Fields = Readonly<Record<string, number | string>>;

export interface Slot {
  readonly slot: number;
  readonly readerName: string;
  readonly eventCounter: number;
  readonly readerState: number;
  readonly readerSharing: number;
  readonly cardAtr: string;
  readonly cardAtrLength: number;
  readonly cardProtocol: number;
}

/** SCardEstablishContext and, if it went well, SCardReleaseContext, of one client with one daemon. */
export interface Handshake {
  readonly client: string;
  readonly clientProtocol: string;
  readonly server: string;
  readonly serverProtocol: string;
  readonly establishResult: string;
  readonly bytes: readonly Recorded[];
}

/** What went over one connection, in each direction. */
export interface Traffic {
  readonly conn: number;
  readonly sent: Uint8Array;
  readonly received: Uint8Array;
}

// The files are part of this repository; their shape is a matter of these types.
const load = (file: string): unknown => JSON.parse(readFileSync(new URL(file, folder), "utf8"));

export const loadSession = (file: string): Session => load(file) as Session;
export const loadVectors = (): readonly Vector[] => load("vectors.json") as Vector[];
export const loadHandshakes = (): readonly Handshake[] =>
  load("handshake-matrix.json") as Handshake[];

/** The names of the files that hold one session each. */
export const sessionFiles: readonly string[] = (load("index.json") as { file: string }[])
  .map(({ file }) => file)
  .filter((file) => !["handshake-matrix.json", "vectors.json"].includes(file));

export const orderOf = (of: { readonly byteOrder: "LE" | "BE" }): ByteOrder =>
  of.byteOrder === "LE" ? "little" : "big";

/** Bytes as a plain Uint8Array, which compares equal to what the code under test returns. */
export const unhex = (hex: string): Uint8Array =>
  new Uint8Array(Buffer.from(hex.replaceAll(/\s/g, ""), "hex"));

export const tohex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

/** The connections of a recording, in the order of their creation. */
export function trafficOf(
  events: readonly Recorded[],
  blobs: Readonly<Record<string, string>> = {},
): Traffic[] {
  const bytes = (conn: number, dir: "C>S" | "S>C") =>
    unhex(
      events
        .filter((event) => event.dir === dir && (event.conn ?? 1) === conn)
        .map(({ hex = "" }) => (hex.startsWith("@") ? blobs[hex.slice(1)] : hex))
        .join(""),
    );
  const connections = new Set(events.filter(({ dir }) => dir).map(({ conn = 1 }) => conn));
  return [...connections].map((conn) => ({
    conn,
    sent: bytes(conn, "C>S"),
    received: bytes(conn, "S>C"),
  }));
}
