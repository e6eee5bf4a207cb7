import { expect, test } from "vitest";
import { unixCarrier } from "../../src/carriers/unix.ts";
import { ReturnCodeError } from "../../src/domain/errors.ts";
import { Rv } from "../../src/domain/return-codes.ts";
import { pcscdService } from "../../src/services/pcscd/service.ts";
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
