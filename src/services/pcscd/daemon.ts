import type { ConnectOptions } from "../../domain/card-service.ts";
import type { Features } from "../features.ts";
import type { Barriers } from "./barriers.ts";
import type { Blocked } from "./blocked.ts";
import type { Opened } from "./connect.ts";
import type { Contexts } from "./contexts.ts";
import type { ReaderTable } from "./reader-table.ts";

export interface PcscdOptions {
  /** Does not wait for answers that carry no news. Off: every answer is awaited, as programs on the card host do. */
  readonly pipelining: boolean;
  /** Remembers how a reader answered the feature query 0x42000D48. */
  readonly rememberFeatures: boolean;
  /** Keeps watching, with a context in reserve, although nobody uses the readers; a pcscd that exits when idle then never does. */
  readonly keepWarm: boolean;
  /** How long nobody may use the readers before the watcher and the reserve are given up, ms: 10 minutes unless told. */
  readonly restAfterMs?: number;
}

/** Something that can be ended without asking anybody. */
export interface Abandonable {
  abandon(): Promise<void>;
}

/** What the sessions of one pcscd share. */
export interface Daemon {
  readonly options: PcscdOptions;
  readonly table: ReaderTable;
  readonly barriers: Barriers;
  readonly blocked: Blocked;
  readonly contexts: Contexts;
  readonly features: Features;
  /** Another number each time a daemon takes the place of one that went away; not after a mere break of the line. */
  readonly incarnation: number;
  /** Asks for the reader states anew, although pcscd announces no change. */
  refresh(): void;
  /** Waits for states newer than this call. @returns false when the daemon stays away longer than we wait. */
  confirm(): Promise<boolean>;
  /** SCardConnect on a context of its own. @throws {ReturnCodeError} as pcscd does. */
  open(
    reader: string,
    how: Pick<ConnectOptions, "share" | "protocols">,
    options: { signal: AbortSignal },
  ): Promise<Opened>;
  /** A handle is open. */
  began(handle: Abandonable): void;
  /** It is not any more. */
  ended(handle: Abandonable): void;
}
