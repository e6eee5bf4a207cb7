import { Journal, type Paper } from "../../audit/journal.ts";
import { type Audit, noAudit } from "../../audit/record.ts";
import { RotatedFile } from "../../audit/rotated-file.ts";
import { CardwireError } from "../../domain/errors.ts";
import { emit } from "../../observe/events.ts";

export interface AuditOptions {
  /** A file, `stderr`, or `off`. */
  readonly audit: string;
  /** Whether nothing may happen that is not written down. */
  readonly auditRequired: boolean;
}

/** @throws {CardwireError} `E_AUDIT` when the log cannot be written. */
export async function openAudit({
  audit: where,
  auditRequired: required,
}: AuditOptions): Promise<Audit & AsyncDisposable> {
  if (where === "off") return { ...noAudit, [Symbol.asyncDispose]: async () => {} };
  const paper = where === "stderr" ? STDERR : await openFile(where);
  const onTrouble = (error: unknown): void => {
    const why = error instanceof Error ? error.message : String(error);
    const what =
      error === undefined
        ? "the audit log is written again"
        : `the audit log cannot be written: ${why}`;
    emit("cardwire:trouble", () => ({ what }));
  };
  return new Journal({ paper, required, onTrouble });
}

async function openFile(path: string): Promise<Paper> {
  const file = new RotatedFile(path);
  try {
    await file.write("");
  } catch (cause) {
    throw new CardwireError("E_AUDIT", `the audit log ${path} cannot be written`, {
      cause,
      hint: "Choose another file with --audit FILE, or --audit stderr.",
    });
  }
  return file;
}

/** What the service manager's journal takes down, or whoever else reads standard error. */
const STDERR: Paper = {
  write: async (lines) =>
    await new Promise((resolve, reject) => {
      process.stderr.write(lines, (error) => (error ? reject(error) : resolve()));
    }),
  [Symbol.asyncDispose]: async () => {},
};
