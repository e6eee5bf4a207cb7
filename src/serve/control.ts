import type { Audit } from "../audit/record.ts";
import { CardwireError, ProtocolError } from "../domain/errors.ts";
import { globMatcher } from "../domain/glob.ts";
import { converseAt } from "../host/conversation.ts";
import type { Arbiter } from "../services/arbiter/arbiter.ts";
import { read } from "../wire/join/messages.ts";
import {
  type CardAttendance,
  type ControlAnswer,
  ControlRequest,
  type Kicked,
} from "./control-messages.ts";

export interface ControlParts {
  readonly arbiter: Arbiter;
  readonly audit: Audit;
  /** The serial number of the card in a reader, where it is known. */
  readonly serialOf?: (reader: string) => string | undefined;
}

/**
 * Does what this user's commands ask of a running serve, until it is disposed.
 *
 * @throws {CardwireError} why there can be no socket.
 */
export async function controlAt(path: string, parts: ControlParts): Promise<AsyncDisposable> {
  return await converseAt(path, async (conversation) => {
    for await (const message of conversation.heard) {
      conversation.say(await answer(message, parts).catch(told));
      return;
    }
  });
}

async function answer(message: unknown, parts: ControlParts): Promise<ControlAnswer> {
  const asked = read(ControlRequest, message);
  if (!asked) throw new ProtocolError("this serve cannot do that: it is of another release");
  if (asked.do === "attendance") return { attendance: attendanceOf(parts) };
  return { kicked: await kick(asked, parts) };
}

const attendanceOf = ({ arbiter, serialOf }: ControlParts): CardAttendance[] =>
  arbiter.readers.map(({ name: reader }) => {
    const { holder, lease, waiting } = arbiter.attendance(reader);
    const serial = serialOf?.(reader);
    return {
      reader,
      ...(serial !== undefined && { serial }),
      ...(holder !== undefined && { holder }),
      ...(lease && { lease: { identity: lease.identity, fence: lease.fence } }),
      waiting: waiting.map((one) => ({ ...one, waitedMs: Math.round(one.waitedMs) })),
    };
  });

async function kick(
  { reader, identity }: Extract<ControlRequest, { do: "kick" }>,
  { arbiter, audit }: ControlParts,
): Promise<Kicked[]> {
  const kicked: Kicked[] = [];
  for (const name of readersCalled(arbiter, reader)) {
    const { lease, holder } = arbiter.attendance(name);
    const had = lease?.identity ?? holder;
    if (had === undefined || (identity !== undefined && identity !== had)) continue;
    await arbiter.kick(name);
    audit.note({ event: "kick", reader: name, identity: had });
    kicked.push({ reader: name, identity: had });
  }
  return kicked;
}

function readersCalled(arbiter: Arbiter, wanted: string | undefined): readonly string[] {
  const names = arbiter.readers.map(({ name }) => name);
  if (wanted === undefined) return names;
  const matches = globMatcher(wanted);
  const found = names.includes(wanted) ? [wanted] : names.filter((name) => matches(name));
  if (found.length > 0) return found;
  throw new CardwireError("E_NO_READER", `no reader here is called ${JSON.stringify(wanted)}`, {
    hint: names.length === 0 ? "There are none now." : `There are: ${names.join("; ")}.`,
  });
}

function told(error: unknown): ControlAnswer {
  if (!CardwireError.is(error)) return { code: "E_SERVICE", message: String(error) };
  const { code, message, hint } = error;
  return { code, message, ...(hint !== undefined && { hint }) };
}
