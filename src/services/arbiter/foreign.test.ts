import { beforeAll, expect, test } from "vitest";
import {
  acting,
  actor,
  LOCAL,
  SELECT,
  VERIFY,
  WatchedCard,
} from "../../../test/link/watched-card.ts";
import type { CardSession } from "../../domain/card-service.ts";
import { Disposition, ShareMode } from "../../domain/pcsc.ts";
import { Algorithm } from "../../software-cards/piv/algorithms.ts";
import { provision } from "../../software-cards/piv/provision.ts";
import type { PivState } from "../../software-cards/piv/state.ts";
import { SoftwareReaders } from "../software/service.ts";
import { Arbiter } from "./arbiter.ts";

// A program that does not come through the arbiter, and has gone again when somebody looks.

const NAME = "Card 00 00";
const PCI = { send: 2, receive: 2 };
const SHARED = { share: ShareMode.Shared, protocols: 3 };
const within = { signal: AbortSignal.timeout(20_000) };

let state: PivState;
beforeAll(async () => {
  const options = { name: "Somebody", algorithm: Algorithm.EccP256, now: new Date() };
  state = await provision(options);
});

test.each([ShareMode.Shared, ShareMode.Exclusive])(
  "share mode %i: what it verified is nobody's",
  async (share) => {
    const readers = new SoftwareReaders([NAME]);
    await using arbiter = new Arbiter(acting(readers), { lateMs: 0 });
    const card = new WatchedCard(state);
    await readers.insert(NAME, card);
    const alice = async (): Promise<CardSession> => {
      const how = { ...SHARED, principal: { name: "alice" } };
      return (await arbiter.connect(NAME, how, within)).session;
    };
    const before = await alice();
    await before.transmit(SELECT, PCI);
    await before.disconnect(Disposition.Leave);
    await new Promise((resolve) => setImmediate(resolve));
    await actor.run(LOCAL, async () => {
      const how = { share, protocols: 3, principal: { name: LOCAL } };
      const { session } = await readers.connect(NAME, how, within);
      await session.transmit(SELECT, PCI);
      await session.transmit(VERIFY, PCI);
      await session.disconnect(Disposition.Leave);
    });
    const after = await alice();
    await after.transmit(SELECT, PCI);
    expect(card.wrong).toEqual([]);
  },
);
