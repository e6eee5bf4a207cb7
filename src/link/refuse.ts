import { CardwireError } from "../domain/errors.ts";
import { encodeFrame, Reason, Type } from "../wire/link/frames.ts";
import type { FrameStream } from "./frame-stream.ts";
import { HIGHEST, LOWEST } from "./versions.ts";

/** Words for people, as a frame carries them. */
export const textBytes = (text: string): Uint8Array => Buffer.from(text.slice(0, 256));

const words: Readonly<Record<number, string>> = {
  [Reason.Version]: `this cardwire speaks versions ${LOWEST} to ${HIGHEST} of the link`,
  [Reason.Unknown]: "there is no such session, or no more",
  [Reason.Proof]: "the session's secret is another",
  [Reason.Full]: "there are too many sessions",
};

/** Refuses a link. @param why.told to whom is refused. @param why.kept for the record, where that is more. */
export function refuse(
  frames: FrameStream,
  reason: number,
  why: { readonly told?: string; readonly kept?: string } = {},
): void {
  const { told = words[reason] ?? "refused", kept = told } = why;
  frames.write(encodeFrame(Type.Refused, { reason }, textBytes(told)));
  frames.close(new CardwireError("E_LINK", kept));
}
