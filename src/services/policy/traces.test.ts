import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { CardView } from "./card-view.ts";
import type { Profile } from "./profiles.ts";
import { Rehearsal } from "./rehearsal.ts";

// What real programs send, judged by each profile.

interface Exchange {
  readonly command: string;
  readonly answer: string;
}

const sections = readFileSync("test/fixtures/policy/piv-programs.txt", "utf8")
  .split("\n\n")
  .slice(1)
  .map((text) => {
    const [head = "", ...lines] = text.trim().split("\n");
    const [profile = "", program = ""] = head.split(": ");
    const steps = lines.map((line): Exchange | "reset" => {
      const [command = "", answer = ""] = line.split(" ");
      return line === "reset" ? "reset" : { command, answer };
    });
    return { profile, program, steps };
  });

/** Headers of the commands that a profile does not let through, of a card that answers as it did. */
function refused(profile: Profile, steps: readonly (Exchange | "reset")[]): readonly string[] {
  const view = new CardView();
  const card = new Rehearsal({ profile, view });
  return steps.flatMap((step) => {
    if (step === "reset") {
      view.reset();
      return [];
    }
    const [command, answer] = [step.command, step.answer].map((text) => Buffer.from(text, "hex"));
    return card.judge(command!, answer).isAllowed ? [] : [step.command.slice(0, 8)];
  });
}

test("there are traces", () => {
  expect(sections.filter(({ profile }) => profile === "use").length).toBeGreaterThan(8);
  expect(sections.filter(({ profile }) => profile === "manage").length).toBeGreaterThan(4);
});

const those = (wanted: string) => sections.filter(({ profile }) => profile === wanted);

test.each(those("use"))("use: $program", ({ steps }) => {
  expect(refused("use", steps)).toEqual([]);
});

test.each(those("use"))("look keeps $program from PINs and keys only", ({ steps }) => {
  const uses = steps.flatMap((step) => {
    if (step === "reset") return [];
    const isVerify = step.command.startsWith("00200080") && step.command.length > 10;
    const isKey = /^[01]087/.test(step.command);
    return isVerify || isKey ? [step.command.slice(0, 8)] : [];
  });
  expect(refused("look", steps)).toEqual(uses);
});

/** GENERAL AUTHENTICATE with 9B, PUT DATA, GENERATE, CHANGE REFERENCE DATA, RESET RETRY COUNTER. */
const MANAGING = /^(?:008703?[0-9a-f]{1,2}9b|[01]0db|[01]047|0024|002c)/;

test.each(those("manage"))("use keeps $program from what changes the card only", ({ steps }) => {
  const changes = steps.flatMap((step) =>
    step !== "reset" && MANAGING.test(step.command) ? [step.command.slice(0, 8)] : [],
  );
  expect(changes.length).toBeGreaterThan(0);
  expect(refused("use", steps)).toEqual(changes);
  expect(refused("manage", steps)).toEqual([]);
});
