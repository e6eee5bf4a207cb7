import { ReturnCodeError } from "../../domain/errors.ts";
import { Rv } from "../../domain/return-codes.ts";
import type { LinkEnd } from "../../link/end.ts";
import { type CardCallType, Flag, type Frame, MAX_PAYLOAD, Type } from "../../wire/link/frames.ts";

/** A call on a handle that is open. */
export type CallFrame = Frame<CardCallType>;

/** What a call came to, as far as it succeeded. */
export interface Answer {
  readonly protocol?: number;
  readonly data?: Uint8Array;
  /** What was fetched ahead of its being asked for. */
  readonly ahead?: readonly Uint8Array[];
}

/** The end of a link, as far as it takes answers. */
export interface AnsweringEnd extends Pick<LinkEnd, "send" | "drained"> {
  /** A call is over whose answer nobody wants. */
  readonly unanswered?: () => void;
  /** Resolves when a call may be answered that comes to no card, for its handle was refused. @throws the signal's reason. */
  readonly paced?: (options: { readonly signal: AbortSignal }) => Promise<void>;
}

export const DONE: Answer = {};

/** A frame, for longer than its bytes stay where they are. */
export const kept = ({ type, body, tail }: CallFrame): CallFrame =>
  ({ type, body, tail: tail.length === 0 ? NOTHING : Buffer.from(tail) }) as CallFrame;

const NOTHING = new Uint8Array(0);

/** An answer, if a frame can carry it. @throws {ReturnCodeError} what is said where a program's own buffer is too short. */
export function fitting(answer: Answer): Answer {
  const length = answer.data?.length ?? 0;
  if (length > MAX_PAYLOAD) throw new ReturnCodeError("", Rv.InsufficientBuffer, { length });
  return answer;
}

/** Whether its program went on without the answer. */
export const isEarly = ({ body }: CallFrame): boolean => (body.flags & Flag.Early) !== 0;

/** The PC/SC function that it stands for. */
export const nameOf = (frame: CallFrame): string =>
  `SCard${Object.entries(Type).find(([, type]) => type === frame.type)?.[0] ?? ""}`;

/** Whether a call was refused because no transaction is open, or its card is gone, and all of them with it. */
export const endsAll = (error: unknown): boolean => {
  const rv = error instanceof ReturnCodeError ? error.rv : undefined;
  return rv === Rv.NotTransacted || rv === Rv.RemovedCard;
};

/** Whether a call was refused because another handle has the card for itself. */
export const isDenied = (error: unknown): boolean =>
  error instanceof ReturnCodeError && error.rv === Rv.SharingViolation;
