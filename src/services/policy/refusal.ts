import { isDoubtful } from "../../audit/told-command.ts";
import { instructionName } from "../../wire/iso7816/instructions.ts";
import { explain, type Verdict } from "./decide.ts";
import { Level } from "./need.ts";

/**
 * What was refused, for the audit. It carries nothing of a command but its header, and that only where it is a command
 * beyond doubt, of the standards or of the application: who knows what other bytes are.
 */
export interface Refusal {
  readonly identity: string;
  readonly reader: string;
  /** The PC/SC function: `SCardTransmit`. */
  readonly call: string;
  readonly header?: {
    readonly cla: number;
    readonly ins: number;
    readonly p1: number;
    readonly p2: number;
  };
  /** SCardControl's code, or the number of an attribute. */
  readonly code?: number;
  /** The rule that decided, by its name, where one did. */
  readonly rule?: string;
  /** In words. */
  readonly why: string;
}

/** What can be told of a command that was refused. */
export function refusalOf({
  because,
  seen,
  ...verdict
}: Verdict): Omit<Refusal, "identity" | "reader" | "call"> {
  const { cla, ins, p1, p2, isWellFormed } = seen.command;
  const isWhole =
    isWellFormed && cla !== undefined && ins !== undefined && p1 !== undefined && p2 !== undefined;
  const isTold =
    isWhole &&
    !isDoubtful(cla, ins, p1, p2) &&
    (instructionName(cla, ins) !== undefined || verdict.need.level !== Level.Unknown);
  return {
    ...(isTold && { header: { cla, ins, p1, p2 } }),
    ...(because.by === "rule" && { rule: because.rule.name }),
    why: explain({ because, seen, ...verdict }),
  };
}
