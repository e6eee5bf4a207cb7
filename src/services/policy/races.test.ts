import * as fc from "fast-check";
import { expect, test } from "vitest";
import type { CardSession } from "../../domain/card-service.ts";
import { Rv } from "../../domain/return-codes.ts";
import { fakeReader, fakeService } from "../../testing/index.ts";
import { ForwardingSession } from "../forwarding-session.ts";
import { withSessions } from "../with-sessions.ts";
import { Policy } from "./policy.ts";
import type { Rule } from "./rule.ts";

// Sessions that speak at once, with a service that carries out the calls of different sessions in any order. What is
// decided about a command must be true when the card runs it.

const card = fakeReader("Any 00 00", { atr: Uint8Array.of(0x3b, 0x80, 0x80, 0x01, 0x01) });
const hex = (text: string): Uint8Array => Buffer.from(text, "hex");
const [OWN, OTHER] = ["a00000000101", "a00000000202"] as const;
const select = (aid: string) => hex(`00a4040006${aid}`);
/** Changes an object. A rule allows it in one application, and nothing else does. */
const PUT = hex("00db3fff");
const rule: Rule = {
  verdict: "allow",
  name: "rule 1",
  aids: [{ bytes: hex(OWN), isPrefix: true }],
  ins: [{ value: 0xdb, mask: 0xff }],
};
const { signal } = new AbortController();

type Move = "own" | "other" | "put" | "begin" | "end" | "reset" | "quit" | "again" | "abandon";
const moves = fc.array(
  fc.constantFrom<Move>(
    "own",
    "own",
    "other",
    "put",
    "put",
    "put",
    "begin",
    "end",
    "reset",
    "quit",
    "again",
    "abandon",
  ),
  { minLength: 4, maxLength: 25 },
);
/** What sessions that disturb each other are told. */
const PASSING: ReadonlySet<number | undefined> = new Set([
  Rv.SharingViolation,
  Rv.ResetCard,
  Rv.NotTransacted,
]);
/** Tells of each reset, as soon as it is done. */
class Resetting extends ForwardingSession {
  readonly #onReset: () => void;

  constructor(inner: CardSession, onReset: () => void) {
    super(inner);
    this.#onReset = onReset;
  }

  override async reconnect(...call: Parameters<CardSession["reconnect"]>): Promise<number> {
    const protocol = await super.reconnect(...call);
    if (call[1] > 0) this.#onReset();
    return protocol;
  }

  override async disconnect(disposition: number): Promise<void> {
    await super.disconnect(disposition);
    if (disposition > 0) this.#onReset();
  }
}

/** How long each call takes. */
const delays = fc.infiniteStream(fc.nat(12));

test("no command runs in another application than the one that it was judged in", async () => {
  let ran = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.array(moves, { minLength: 2, maxLength: 4 }),
      delays,
      async (all, waits) => {
        let selected = "";
        const wrong: string[] = [];
        const pause = async () => {
          const { value = 0 } = waits.next();
          for (let turn = 0; turn < value; turn += 1) await Promise.resolve();
        };
        const cards = fakeService([card], {
          before: pause,
          transmit: async (apdu) => {
            if (apdu[1] === 0xa4) selected = Buffer.from(apdu.subarray(5)).toString("hex");
            else {
              ran += 1;
              if (selected !== OWN) wrong.push(selected);
            }
            await pause(); // the answer takes its time
            return hex("9000");
          },
        });
        const inner = withSessions(
          cards,
          (session) => new Resetting(session, () => (selected = "")),
        );
        const policy = new Policy({ rules: { rules: [rule], groups: new Map() } });
        const grant = { principal: { name: "alice" }, profile: "look", readers: ["*"] } as const;
        const how = { share: 2, protocols: 3, principal: grant.principal };
        const speak = async (script: readonly Move[]) => {
          const view = policy.view(inner, grant);
          const open = async () => (await view.connect(card.name, how, { signal })).session;
          let session = await open();
          const pci = { send: 2, receive: 2 };
          const act: Record<Move, () => Promise<unknown>> = {
            own: () => session.transmit(select(OWN), pci),
            other: () => session.transmit(select(OTHER), pci),
            put: () => session.transmit(PUT, pci),
            begin: () => session.begin({ signal }),
            end: () => session.end(0),
            reset: () => session.reconnect({ share: 2, protocols: 3 }, 1),
            // It waits for others' transactions.
            quit: async () => {
              await session.disconnect(1);
              session = await open();
            },
            again: async () => {
              await session.disconnect(0);
              session = await open();
            },
            abandon: async () => {
              await session.abandon();
              session = await open();
            },
          };
          for (const move of script)
            await act[move]().catch(async (error: { readonly rv?: number }) => {
              if (!PASSING.has(error.rv)) throw error;
              if (error.rv === Rv.ResetCard)
                await session.reconnect({ share: 2, protocols: 3 }, 0).catch(() => {});
            });
          await session.abandon();
        };
        await Promise.all(all.map(speak));
        expect(wrong).toEqual([]);
      },
    ),
    { numRuns: 500 },
  );
  expect(ran).toBeGreaterThan(100);
});
