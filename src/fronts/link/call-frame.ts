import { ReturnCodeError } from "../../domain/errors.ts";
import { Rv } from "../../domain/return-codes.ts";
import type { LinkEnd } from "../../link/end.ts";
import { type CardCallType, Flag, type Frame, Type } from "../../wire/link/frames.ts";

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
}

export const DONE: Answer = {};

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
