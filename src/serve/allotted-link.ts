import { ProtocolError } from "../domain/errors.ts";
import { Rv } from "../domain/return-codes.ts";
import type { AnsweringEnd } from "../fronts/link/call-frame.ts";
import type { SessionFrame } from "../link/end.ts";
import type { Serving } from "../link/hall.ts";
import { Flag, Type } from "../wire/link/frames.ts";
import type { Allotment, Load } from "./allotment.ts";

/** How often as much as he may somebody must have here to be cut off: calls without data are not refused before. */
const CUT_OFF_TIMES = 2;

/**
 * What `serve` makes, with the memory that its calls take counted: from the arrival of a call to its answer, and from
 * there until the other end has it. Beyond the allotment calls with data are refused; beyond twice of it the link ends. So
 * it does where handles that were refused are not given up.
 */
export function allottedLink(
  end: AnsweringEnd & Pick<Load, "unacknowledgedBytes">,
  allotment: Allotment,
  serve: (end: AnsweringEnd) => Serving & Pick<Load, "handles">,
): Serving {
  /** What each call takes that was not answered, by its number. */
  const waiting = new Map<number, number>();
  /** The same of those whose answer nobody wants: they have no number. */
  const unanswered: number[] = [];
  const answered = (call: number): void => {
    allotment.answered(waiting.get(call) ?? 0);
    waiting.delete(call);
  };
  const serving = serve({
    send: (type, body, tail, options) => {
      if (type === Type.Result) answered((body as { readonly call: number }).call);
      end.send(type, body, tail, options);
    },
    drained: (most, options) => end.drained(most, options),
    paced: (options) => allotment.pace({ isHolder: false, ...options }),
    unanswered: () => allotment.answered(unanswered.pop() ?? 0), // it is all the same which one
  });
  const load: Load = {
    get unacknowledgedBytes() {
      return end.unacknowledgedBytes;
    },
    get handles() {
      return serving.handles;
    },
  };
  allotment.enter(load);
  return {
    frame: (frame) => {
      if (allotment.isOver(CUT_OFF_TIMES)) throw new ProtocolError("too much at once");
      if (hasCall(frame)) {
        const { call, flags } = frame.body;
        if (call === 0 && frame.tail.length > 0)
          throw new ProtocolError("data for a card, and nobody wants the answer");
        if (waiting.has(call)) throw new ProtocolError(`call ${call} is under way already`);
        if (frame.tail.length > 0 && allotment.isOver()) {
          const told = { rv: Rv.ServerTooBusy, protocol: 0, length: -1, ahead: 0 };
          end.send(Type.Result, { call, ...told }, undefined, { soon: (flags & Flag.Early) !== 0 });
          return;
        }
        const bytes = allotment.arrived(frame.tail.length);
        if (call === 0) unanswered.push(bytes);
        else waiting.set(call, bytes);
      }
      serving.frame(frame);
      if (frame.type === Type.Connect && allotment.isCrowded)
        throw new ProtocolError("too many handles");
    },
    down: (reason) => serving.down(reason),
    up: () => serving.up(),
    unlock: () => serving.unlock(),
    over: (reason) => {
      allotment.leave(load);
      for (const call of waiting.keys()) answered(call);
      for (const bytes of unanswered.splice(0)) allotment.answered(bytes);
      serving.over(reason);
    },
  };
}

const hasCall = (
  frame: SessionFrame,
): frame is Extract<SessionFrame, { body: { readonly call: number; readonly flags: number } }> =>
  frame.type >= Type.Connect && frame.type <= Type.Abandon;
