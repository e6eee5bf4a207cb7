import { expect, test } from "vitest";
import { fuzzClient, fuzzServer } from "../link/fuzz.ts";

const FRAMES = 150_000;
const FRAMES_TO_CLIENT = 50_000;
/** Others each time; what failed says which. */
const SEED = Math.floor(Date.now() / 1_000);
const LIMIT = { timeout: 3_600_000 };

test(`a server is sent ${FRAMES} frames of nonsense (seed ${SEED})`, LIMIT, async () => {
  const [sent, turns] = await fuzzServer(FRAMES, SEED, { measured: true });
  process.stdout.write(
    `link fuzz: ${sent} frames to a server, ${turns} turns of a worker beside\n`,
  );
  expect(turns).toBeGreaterThan(1_000);
});

test(`a client is sent ${FRAMES_TO_CLIENT} frames of nonsense (seed ${SEED})`, LIMIT, async () => {
  const sent = await fuzzClient(FRAMES_TO_CLIENT, SEED, { measured: true });
  expect(sent).toBeGreaterThanOrEqual(FRAMES_TO_CLIENT);
});
