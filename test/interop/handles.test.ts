import { expect, test } from "vitest";
import { unixCarrier } from "../../src/carriers/unix.ts";
import type { CardSession } from "../../src/domain/card-service.ts";
import { ReturnCodeError } from "../../src/domain/errors.ts";
import { Disposition } from "../../src/domain/pcsc.ts";
import { Rv } from "../../src/domain/return-codes.ts";
import { Arbiter } from "../../src/services/arbiter/arbiter.ts";
import { ForwardingSession } from "../../src/services/forwarding-session.ts";
import { pcscdService } from "../../src/services/pcscd/service.ts";
import { withSessions } from "../../src/services/with-sessions.ts";
import { readerNames, startPcscd } from "../lab/pcscd.ts";

// Handles that come and go at a real pcscd, more at once than there are contexts in reserve.

const APDU = Buffer.from("80E000000401020304", "hex");
const how = { share: 2, protocols: 3, principal: { name: "test" } };

test("whoever begins after another's end and disconnect finds the card free", async () => {
  await using pcscd = await startPcscd();
  const signal = AbortSignal.timeout(30_000);
  const options = { pipelining: true, rememberFeatures: true, keepWarm: false };
  await using carrier = unixCarrier(pcscd.socketPath);
  await using service = await pcscdService(carrier, options, { signal });
  const [reader] = readerNames;
  for (let round = 0; round < 5; round += 1) {
    const opened = [];
    for (let number = 0; number < 12; number += 1)
      opened.push(await service.connect(reader, how, { signal }));
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    const refused: number[] = [];
    for (const { session, activeProtocol } of opened) {
      const begin = async (): Promise<void> => {
        try {
          await session.begin({ signal });
        } catch (error) {
          if (!(error instanceof ReturnCodeError)) throw error;
          refused.push(error.rv);
          if (error.rv === Rv.SharingViolation) await begin();
        }
      };
      await begin();
      await session.transmit(APDU, { send: activeProtocol, receive: activeProtocol });
      // Neither is waited for by pcscd's answer.
      await session.end(0);
      await session.disconnect(0);
    }
    expect(refused).toEqual([]);
  }
});

test("a program whose card is exchanged at a hand-over, or when it is taken away, is told so and can reconnect", async () => {
  await using pcscd = await startPcscd();
  const signal = AbortSignal.timeout(60_000);
  const options = { pipelining: true, rememberFeatures: true, keepWarm: false };
  await using carrier = unixCarrier(pcscd.socketPath);
  const [reader] = readerNames;
  const [card] = pcscd.cards;
  let isNext = false;
  const moving = withSessions(await pcscdService(carrier, options, { signal }), (session) => {
    const reconnect: CardSession["reconnect"] = async (sharing, initialization) => {
      const moves = isNext && initialization === Disposition.Reset;
      isNext &&= !moves;
      if (moves) await card.pull();
      if (moves) await card.insert();
      return await session.reconnect(sharing, initialization);
    };
    return Object.assign(new ForwardingSession(session), { reconnect });
  });
  await using arbiter = new Arbiter(moving);
  const connect = async (name: string) =>
    await arbiter.connect(reader, { ...how, principal: { name } }, { signal });
  const [alice, bob] = [await connect("alice"), await connect("bob")];
  const pci = { send: bob.activeProtocol, receive: bob.activeProtocol };
  const told = expect.objectContaining({ rv: Rv.RemovedCard });
  const mustGoOn = async () => {
    await expect(alice.session.status()).rejects.toEqual(told);
    await alice.session.reconnect(how, 0);
    for (const { session } of [alice, bob]) {
      await session.reconnect(how, 0);
      await session.begin({ signal });
      await session.transmit(APDU, pci);
      await session.end(0);
    }
  };
  await bob.session.transmit(APDU, pci);
  isNext = true;
  await expect(alice.session.transmit(APDU, pci)).rejects.toEqual(told);
  await mustGoOn();
  await alice.session.reconnect(how, 0);
  await alice.session.begin({ signal });
  isNext = true;
  expect(await arbiter.kick(reader)).toBe("alice");
  await mustGoOn();
});
