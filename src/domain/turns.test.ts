import * as fc from "fast-check";
import { expect, test } from "vitest";
import { type Ticket, Turns } from "./turns.ts";

const ticket = (identity: string): Ticket => ({ identity });

test("turns are given in order of arrival", () => {
  const turns = new Turns();
  const [a, b, c] = [ticket("a"), ticket("b"), ticket("c")];
  expect([a, b, c].map((one) => turns.ask(one))).toEqual([true, false, false]);
  expect(turns.give(a)).toBe(b);
  turns.withdraw(c);
  expect(turns.give(b)).toBeUndefined();
  expect(turns.holder).toBeUndefined();
});

test("nobody gives back what another has", () => {
  const turns = new Turns();
  const [a, b] = [ticket("a"), ticket("b")];
  turns.ask(a);
  turns.ask(b);
  expect(() => turns.give(b)).toThrow("it is somebody else's turn");
});

test("a card that is kept for one: others keep their places", () => {
  const turns = new Turns();
  const [a, b, c, a2] = [ticket("a"), ticket("b"), ticket("c"), ticket("a")];
  for (const one of [a, b, c, a2]) turns.ask(one);
  turns.keepFor("a");
  expect(turns.give(a)).toBe(a2);
  expect(turns.give(a2)).toBeUndefined();
  expect(turns.keepFor(undefined)).toBe(b);
  expect(turns.give(b)).toBe(c);
});

test("one of whom many wait has his turns alternately with the others", () => {
  const turns = new Turns();
  const flood = Array.from({ length: 100 }, () => ticket("mallory"));
  for (const one of flood) turns.ask(one);
  const [bob, carol, again] = [ticket("bob"), ticket("carol"), ticket("bob")];
  turns.ask(bob);
  turns.ask(carol);
  const order = [flood[0], flood[1], bob, carol, flood[2]];
  for (const [place, one] of order.entries()) {
    expect(turns.holder).toBe(one);
    if (place === 3) turns.ask(again);
    if (one) turns.give(one);
  }
  expect(turns.holder).toBe(again);
});

test("property: who waits alone lets two turns of each other identity pass at most", () => {
  const others = fc.array(fc.constantFrom("bob", "carol"), { maxLength: 40 });
  fc.assert(
    fc.property(others, others, fc.nat(40), (before, after, given) => {
      const turns = new Turns();
      for (const name of before) turns.ask(ticket(name));
      for (let n = 0; n < given && turns.holder; n += 1) turns.give(turns.holder);
      const alice = ticket("alice");
      let had = turns.ask(alice);
      for (const name of after) turns.ask(ticket(name));
      const passed: string[] = [];
      while (!had && turns.holder) {
        turns.give(turns.holder);
        had = turns.holder === alice;
        if (!had && turns.holder) passed.push(turns.holder.identity);
      }
      expect(had).toBe(true);
      for (const name of ["bob", "carol"])
        expect(passed.filter((one) => one === name).length).toBeLessThanOrEqual(2);
    }),
  );
});

const identities = fc.constantFrom("alice", "bob", "carol");
const moves = fc.array(
  fc.oneof(
    fc.record({ do: fc.constant("ask" as const), identity: identities }),
    fc.record({ do: fc.constant("give" as const) }),
    fc.record({ do: fc.constant("withdraw" as const), at: fc.nat(5) }),
    fc.record({
      do: fc.constant("keep" as const),
      identity: fc.option(identities, { nil: undefined }),
    }),
  ),
  { maxLength: 60 },
);

test("property: at most one holder, nobody idle for nothing, nobody passed but by whom the card is kept for", () => {
  fc.assert(
    fc.property(moves, (all) => {
      const turns = new Turns();
      // The same by the simplest means: a list of those who came, with the kept identity looked up each time.
      let holder: Ticket | undefined;
      let queue: Ticket[] = [];
      const rounds = new Map<Ticket, number>();
      let latest = 0;
      let kept: string | undefined;
      /** What it answered, and what it should have. */
      const told: [unknown, unknown][] = [];
      const roundOf = (one: Ticket) => rounds.get(one) ?? 0;
      const next = () => {
        holder ??= queue.find(({ identity }) => kept === undefined || kept === identity);
        if (holder && queue.includes(holder)) latest = Math.max(latest, roundOf(holder));
        queue = queue.filter((one) => one !== holder);
      };
      const arrive = (asked: Ticket) => {
        const isAtOnce = !holder && (kept === undefined || kept === asked.identity);
        const own = queue.filter(({ identity }) => identity === asked.identity).map(roundOf);
        rounds.set(asked, isAtOnce ? 0 : Math.max(latest, ...own) + 1);
        queue.push(asked);
        queue.sort((a, b) => roundOf(a) - roundOf(b)); // which keeps the order of arrival in a round
      };
      for (const move of all) {
        if (move.do === "ask") {
          const asked = ticket(move.identity);
          arrive(asked);
          next();
          told.push([turns.ask(asked), holder === asked]);
        } else if (move.do === "give" && holder) {
          const before = holder;
          holder = undefined;
          next();
          told.push([turns.give(before), holder]);
        } else if (move.do === "withdraw") {
          const leaves = queue[move.at];
          if (!leaves) continue;
          queue = queue.filter((one) => one !== leaves);
          turns.withdraw(leaves);
        } else if (move.do === "keep") {
          kept = move.identity;
          const before = holder;
          next();
          told.push([turns.keepFor(kept), before ? undefined : holder]);
        }
        expect(turns.holder).toBe(holder);
        expect(turns.waiting).toEqual(queue);
      }
      for (const [answer, should] of told) expect(answer).toBe(should);
    }),
    { numRuns: 500 },
  );
});
