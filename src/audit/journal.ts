import { deferred } from "../domain/deferred.ts";
import { CardwireError } from "../domain/errors.ts";
import type { Audit, AuditRecord } from "./record.ts";

/** How long records are gathered before they are written, ms. */
const GATHER_MS = 100;
/** Records that wait to be written, at most; what comes then is counted, and the count is written. */
const MOST_WAITING = 50_000;
/** As long as so many wait, nothing is admitted where all is to be written: what is under way adds to them. */
const MOST_ADMITTED = MOST_WAITING / 2;
/** So many are written at once. */
const BATCH = 1_000;
/** Writing that takes longer fails for the time being, ms: a file system that hangs says nothing. */
const HANGS_MS = 2_000;
/** How long after a failure it is tried again, ms. */
const AGAIN_MS = 1_000;
/** How long the end waits for what is still to be written, ms: whoever stops a service does not wait for ever. */
const LAST_MS = 5_000;

/** Takes lines, each with its line end. */
export interface Paper extends AsyncDisposable {
  /** @throws when they could not be written; they will be offered again. */
  write(lines: string): Promise<void>;
}

export interface JournalOptions {
  readonly paper: Paper;
  /** Whether nothing may happen that is not written down. */
  readonly required: boolean;
  /** Writing fails, or works again: `undefined`. Told once for each change, and at the end if something is missing. */
  readonly onTrouble: (error: unknown) => void;
}

interface Noted {
  readonly at: number;
  readonly record: AuditRecord;
}

/**
 * Writes records down, one line of JSON each, in order, without holding up whoever makes them. While it cannot be
 * written (a full disk, say, or one that does not answer), records wait, and beyond a bound they are only counted.
 */
export class Journal implements Audit, AsyncDisposable {
  readonly #options: JournalOptions;
  #waiting: Noted[] = [];
  #lost = 0;
  #trouble: unknown;
  #timer: NodeJS.Timeout | undefined;
  #writing: Promise<void> = Promise.resolve();
  #isWriting = false;
  #isOver = false;

  constructor(options: JournalOptions) {
    this.#options = options;
  }

  admit(): void {
    if (!this.#options.required) return;
    const isBehind = this.#lost > 0 || this.#waiting.length >= MOST_ADMITTED;
    if (isBehind || this.#trouble !== undefined) throw this.#refusal();
  }

  note(record: AuditRecord): void {
    if (this.#waiting.length >= MOST_WAITING) this.#lost += 1;
    else this.#waiting.push({ at: Date.now(), record });
    this.#writeIn(GATHER_MS);
  }

  /**
   * Writes what waits, and tells how much of it could not be written.
   *
   * @throws {CardwireError} `E_AUDIT` when that does not come to an end: what hangs holds up this process's end, too.
   */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#isOver = true;
    clearTimeout(this.#timer);
    const hangs = deferred<never>();
    const late = setTimeout(() => hangs.reject(this.#unfinished()), LAST_MS);
    try {
      await Promise.race([this.#finish(), hangs.promise]);
    } finally {
      clearTimeout(late);
      this.#tellLeft();
    }
  }

  async #finish(): Promise<void> {
    await this.#writing;
    await this.#write();
    await this.#options.paper[Symbol.asyncDispose]();
  }

  #tellLeft(): void {
    const left = this.#waiting.length + this.#lost;
    if (left === 0) return;
    this.#waiting = [];
    this.#lost = 0;
    const why = this.#trouble instanceof Error ? ` (${this.#trouble.message})` : "";
    this.#options.onTrouble(new Error(`at its end ${left} records were not written${why}`));
  }

  #refusal(): CardwireError {
    return new CardwireError("E_AUDIT", "the audit log cannot be written, and it is required", {
      cause: this.#trouble,
      hint: "Make room where the log is written, or set audit-required to false.",
    });
  }

  #unfinished(): CardwireError {
    return new CardwireError("E_AUDIT", "the audit log could not be written to its end", {
      cause: this.#trouble,
      hint: "Look after the disk on which it is: it does not answer.",
    });
  }

  #writeIn(delayMs: number): void {
    if (this.#timer || this.#isWriting || this.#isOver) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#writing = this.#write();
    }, delayMs);
    this.#timer.unref();
  }

  /** Writes what was gathered; what is noted meanwhile is gathered again. Never rejects. */
  async #write(): Promise<void> {
    this.#isWriting = true;
    try {
      while (this.#waiting.length > 0 || this.#lost > 0) {
        const batch = this.#waiting.slice(0, BATCH);
        const lost = batch.length === this.#waiting.length ? this.#lost : 0;
        await this.#writeLines(linesOf(batch, lost));
        this.#waiting = this.#waiting.slice(batch.length);
        this.#lost -= lost;
        this.#tell(undefined);
        if (batch.length < BATCH && !this.#isOver) break;
      }
    } catch (error) {
      this.#tell(error);
    }
    this.#isWriting = false;
    if (this.#trouble !== undefined) this.#writeIn(AGAIN_MS);
    else if (this.#waiting.length > 0 || this.#lost > 0) this.#writeIn(GATHER_MS);
  }

  async #writeLines(lines: string): Promise<void> {
    const hangs = new Error(`writing has taken more than ${HANGS_MS / 1_000} s`);
    const late = setTimeout(() => this.#tell(hangs), HANGS_MS);
    late.unref();
    try {
      await this.#options.paper.write(lines);
    } finally {
      clearTimeout(late);
    }
  }

  #tell(trouble: unknown): void {
    const isNews = (trouble === undefined) !== (this.#trouble === undefined);
    this.#trouble = trouble;
    if (isNews) this.#options.onTrouble(trouble);
  }
}

function linesOf(batch: readonly Noted[], lost: number): string {
  const lines = batch.map(
    ({ at, record }) => `${JSON.stringify({ time: new Date(at).toISOString(), ...record })}\n`,
  );
  if (lost > 0)
    lines.push(
      `${JSON.stringify({ time: new Date().toISOString(), event: "lost", records: lost })}\n`,
    );
  return lines.join("");
}
