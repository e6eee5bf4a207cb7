import { expect, test } from "vitest";
import { attach } from "../faults/attached.ts";
import { readerNames, startPcscd } from "../lab/pcscd.ts";
import { SUCCESS } from "../pcsc/client.ts";
import { expectSound, STEADY_MB } from "../load/expectations.ts";
import { wakeUp, work } from "../load/load.ts";
import { Waiters } from "../load/waiters.ts";

// Many applications at one attachment, in short; test/long/load.test.ts has them for minutes.

const MANY = 300;

test("pcscd itself refuses some of 300 contexts", async () => {
  await using pcscd = await startPcscd();
  await using waiters = new Waiters(pcscd.socketPath, readerNames[0], MANY);
  const made = await waiters.establish();
  expect(made.filter((rv) => rv === SUCCESS).length).toBeLessThanOrEqual(200);
});

test("300 applications wait for a card at once, and each is woken once", async () => {
  await using pcscd = await startPcscd();
  await using attached = await attach([`unix:${pcscd.socketPath}`]);
  const told = await wakeUp({ pcscd, attached }, MANY);
  expect(told.daemonSockets).toBeLessThan(16);
});

test("50 programs work at once, and some die; nothing of them is left", async () => {
  await using pcscd = await startPcscd();
  await using attached = await attach([`unix:${pcscd.socketPath}`]);
  expectSound(
    await work({ pcscd, attached }, { count: 50, seconds: 10, seed: "short", everyMs: 1_000 }),
    STEADY_MB.short,
  );
});
