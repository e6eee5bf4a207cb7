/** One thing that happened, for the record. Times of day are set when it is written down. */
export interface AuditRecord {
  /** `link`, `connect`, `transaction`, `command`, `refused`, `lease`, `kick`, `hand-over`, `enrolment` … */
  readonly event: string;
  /** Who did it, or whom it befell. */
  readonly identity?: string | undefined;
  readonly reader?: string | undefined;
  /** The card, by its answer to reset in hexadecimal digits. */
  readonly card?: string | undefined;
  /** How long it took, ms. */
  readonly ms?: number | undefined;
  /** Whatever else belongs to such an event: never data of a command or of its answer. */
  readonly [more: string]: string | number | boolean | undefined;
}

/** Where records go. */
export interface Audit {
  /** @throws {CardwireError} `E_AUDIT` when nothing may happen that is not written down, and writing fails. */
  admit(): void;
  /** Takes note. Costs next to nothing, never waits, and never throws. */
  note(record: AuditRecord): void;
}

/** Keeps none. */
export const noAudit: Audit = { admit: () => {}, note: () => {} };
