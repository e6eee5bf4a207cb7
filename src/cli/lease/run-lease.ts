import { join } from "node:path";
import { CardwireError } from "../../domain/errors.ts";
import { type Conversation, converseWith } from "../../host/conversation.ts";
import { attachmentDirectory, runtimePath } from "../../host/paths.ts";
import type { Exit, Io } from "../io.ts";
import { oneAttachment } from "../one-attachment.ts";
import { printable } from "../report.ts";
import { runProgram } from "../run-program.ts";
import { untilInterrupted } from "../until-interrupted.ts";
import { LEASES } from "./give-leases.ts";
import { type HeldLease, holdLease, type LeaseEvent } from "./held-lease.ts";

/** How long an attachment may take to answer at its socket, ms. */
const ANSWER_MS = 5_000;

export interface LeaseRun {
  readonly reader: string;
  readonly forMs: number;
  readonly wait: boolean;
  /** Of the attachment, where several run. */
  readonly name: string | undefined;
  readonly json: boolean;
  readonly command: readonly [program: string, ...args: string[]];
}

/** Runs a program while a card is leased to whoever it is attached as. */
export async function runLease(
  { reader, forMs, wait, name, json, command: [program, ...args] }: LeaseRun,
  { io, exit }: { readonly io: Io; readonly exit: Exit },
): Promise<void> {
  const attachment = await oneAttachment(name);
  const tell = (event: LeaseEvent) =>
    io.err(json ? JSON.stringify(eventJson(event)) : printable(eventText(event)));
  let held: HeldLease | undefined;
  await untilInterrupted(exit, async (signal) => {
    const conversation = await conversationWith(attachment.name);
    held = await holdLease(conversation, { lease: reader, forMs, wait }, { tell, signal });
  });
  if (!held) return;
  await using _lease = held; // signals are the program's from here on
  const env = { ...io.env, PCSCLITE_CSOCK_NAME: attachment.socket };
  exit(await runProgram(program, args, { env }));
}

async function conversationWith(name: string): Promise<Conversation> {
  const path = join(attachmentDirectory(runtimePath(), name), LEASES);
  const found = await converseWith(path, { signal: AbortSignal.timeout(ANSWER_MS) });
  if (found) return found;
  throw new CardwireError("E_NO_ATTACHMENT", `the attachment ${name} gives no leases`, {
    hint: "It is one that another host shares, or of an older cardwire: then begin it anew.",
  });
}

const eventJson = (event: LeaseEvent): object =>
  event.event === "leased" ? { ...event, expiresAt: new Date(event.expiresAt) } : event;

function eventText(told: LeaseEvent): string {
  if (told.event === "lost") {
    const why = told.reason.includes("is over") ? told.reason : `the lease is over: ${told.reason}`;
    return `${why}; the program goes on, and others may use the card`;
  }
  if (told.event === "leased") {
    const until = new Date(told.expiresAt).toLocaleTimeString("sv-SE");
    return `${told.reader} is leased until ${until}, and longer while the program runs`;
  }
  const { reader, ahead, holder } = told;
  const place = ahead === 0 ? "the next in the queue" : `${ahead} before you in the queue`;
  return `waiting for ${reader}: ${place}${holder === undefined ? "" : `; ${holder} has it`}`;
}
