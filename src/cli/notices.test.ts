import { expect, test } from "vitest";
import { CardwireError } from "../domain/errors.ts";
import { type Events, emit } from "../observe/events.ts";
import { printNotices } from "./notices.ts";
import type { OpenSource } from "./open-source.ts";

const at = "cardhost";
const state = (now: Events["cardwire:pcscd"]["state"], reason?: string) =>
  emit("cardwire:pcscd", () => ({ at, state: now, ...(reason && { reason }) }));

function noticed(verbose: boolean, happen: () => void): readonly string[] {
  const lines: string[] = [];
  const io = { out: () => {}, err: (text: string) => void lines.push(text), env: {} };
  {
    using _notices = printNotices(io, { verbose });
    happen();
  }
  state("broken", "nobody listens any more");
  return lines;
}

const day = () => {
  state("up");
  state("broken", "ssh ended");
  state("gone", "nobody answers");
  state("up");
  state("resting");
  state("up");
};

test("a person hears of what goes and comes back, and of nothing else", () => {
  expect(noticed(false, day)).toEqual([
    "cardhost: the connection broke; trying again",
    "cardhost: the readers are gone: nobody answers; trying again",
    "cardhost: the readers are back",
  ]);
});

test("who wants more hears more", () => {
  const lines = noticed(true, day);
  expect(lines).toContain("cardhost: the connection broke: ssh ended; trying again");
  expect(lines).toContain("cardhost: nobody uses the readers; pcscd may rest");
});

test("many waiting programs are told, with a name that a terminal bears", () => {
  const happen = () =>
    emit("cardwire:blocked", () => ({ at, reader: "R\u001b[31m", connections: 64 }));
  expect(noticed(false, happen)).toEqual([
    "cardhost: 64 connects wait for the program that holds R?[31m; more have to queue",
  ]);
});

test("each host is told by its own name, and one that was away from the start comes for the first time", () => {
  const lines: string[] = [];
  const io = { out: () => {}, err: (text: string) => void lines.push(text), env: {} };
  const open = (name: string, absence?: CardwireError) =>
    ({ source: { text: `my ${name}` }, name, absence }) as OpenSource;
  const sources = [open("a"), open("b", new CardwireError("E_NO_PCSCD", "no pcscd"))];
  const tell = (where: string, now: "up" | "gone" | "resting") =>
    emit("cardwire:pcscd", () => ({ at: where, state: now }));
  using _notices = printNotices(io, { verbose: false, sources });
  tell("b", "resting");
  tell("b", "gone");
  tell("a", "gone");
  tell("b", "up");
  tell("a", "resting");
  tell("a", "gone");
  tell("a", "up");
  tell("a", "up");
  expect(lines).toEqual([
    "my a: the readers are gone; trying again",
    "my b: the readers are here",
    "my a: the readers are back",
  ]);
});
