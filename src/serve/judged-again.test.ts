import { setTimeout as delay } from "node:timers/promises";
import { expect, test } from "vitest";
import type { CardService, Reader } from "../domain/card-service.ts";
import { Watchable } from "../domain/watchable.ts";
import { Arbiter } from "../services/arbiter/arbiter.ts";
import { Policy } from "../services/policy/policy.ts";
import type { Rule } from "../services/policy/rule.ts";
import { fakeReader, fakeService } from "../testing/fake-service.ts";
import { mayRunAtOnce } from "./identity-views.ts";

// The filter above the arbiter, and a program of the card host that pcscd does not show yet.

const NAME = "Card 00 00";
const PCI = { send: 2, receive: 2 };
const SHARED = { share: 2, protocols: 3 };
const within = () => ({ signal: AbortSignal.timeout(5_000) });
const hex = (text: string): Uint8Array => Buffer.from(text, "hex");

const OTHER = hex("00a4040006d27600012401");
const SIGN = hex("0087119a087c06820081021122");
/** No keys of PIV's, which is selected by itself after a reset. */
const rule: Rule = {
  verdict: "deny",
  name: "rule 1",
  aids: [{ bytes: hex("a000000308"), isPrefix: true }],
  ins: [{ value: 0x87, mask: 0xff }],
};

test("a command that a local program kept away is judged again after the reset that this makes due", async () => {
  let selected = "piv";
  const ran: string[] = [];
  await using inner = fakeService([fakeReader(NAME, { atr: hex("3b80800101") })], {
    transmit: (apdu) => {
      if (apdu[1] === 0xa4) selected = "other";
      else ran.push(selected);
      return hex("9000");
    },
    before: ({ name, detail }) => {
      if (name === "reconnect" && detail !== "0") selected = "piv";
    },
  });
  const shown = new Watchable<readonly Reader[]>(inner.readers);
  const late: CardService = {
    get readers() {
      return shown.value;
    },
    watch: (options) => shown.follow(options),
    connect: (...call) => inner.connect(...call),
    [Symbol.asyncDispose]: () => inner[Symbol.asyncDispose](),
  };
  const arbiter: Arbiter = new Arbiter(late, {
    lateMs: 0,
    onEvent: ({ type, reader }) => {
      if (type === "hand-over") policy.cardWasReset(reader);
    },
  });
  const policy = new Policy({
    rules: { rules: [rule], groups: new Map() },
    foreignUse: () => "told",
    runsAtOnce: (reader, name) => mayRunAtOnce(arbiter, reader, name),
  });
  const principal = { name: "bob" };
  const view = policy.view(arbiter, { principal, profile: "use", readers: ["*"] });
  const { session: bob } = await view.connect(NAME, { ...SHARED, principal }, within());
  await bob.transmit(OTHER, PCI);
  await bob.transmit(OTHER, PCI);
  await bob.reconnect(SHARED, 0); // so he is told of no reset
  const { session: local } = await inner.connect(
    NAME,
    { ...SHARED, principal: { name: "local" } },
    within(),
  );
  await local.begin(within());
  const sent = bob.transmit(SIGN, PCI);
  await delay(50);
  await local.end(0);
  await local.disconnect(0);
  const { data } = await sent;
  expect(ran).toEqual([]);
  expect(Buffer.from(data).toString("hex")).toBe("6985");
});
