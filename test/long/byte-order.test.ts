import { beforeAll, describe, expect, test } from "vitest";
import { attach } from "../interop/programs/cardwire.ts";
import { startPcscd } from "../lab/pcscd.ts";
import { daemonOf, foreign } from "../lab/suites.ts";
import { exercise } from "../pairs/exercise.ts";
import { differences, type Results } from "../pairs/results.ts";
import { here, type Programs } from "../pcsc/client.ts";

// The same exercise with programs and daemons of other machines, which qemu runs: s390x is big-endian, armhf and i386 have
// 32 bits. All are of Debian 12, and are told what this computer's own Debian 12 program is told.

/** Longest for one exercise under qemu, ms. */
const LIMIT_MS = 600_000;

const machines: readonly (readonly [string, () => ReturnType<typeof foreign>])[] = [
  ["s390x", () => foreign("s390x")],
  ["armhf", () => foreign("armhf")],
  ["i386", () => foreign("i386")],
];

let reference: Results;

beforeAll(async () => {
  await using pcscd = await startPcscd();
  reference = await exercise({ programs: here, socket: pcscd.socketPath, pcscd });
}, LIMIT_MS);

describe.each(machines)("%s", (_name, machine) => {
  test.each([
    ["its program on this computer's daemon", machine, () => ({})],
    ["this computer's program on its daemon", () => here, () => daemonOf(machine())],
    ["its program on its daemon", machine, () => daemonOf(machine())],
  ] as const)(
    "%s",
    async (_, programs: () => Programs, daemon) => {
      await using pcscd = await startPcscd(daemon());
      await using attached = await attach([`unix:${pcscd.socketPath}`]);
      const told = await exercise({ programs: programs(), socket: attached.socket, pcscd });
      expect(differences(reference, told)).toEqual([]);
    },
    LIMIT_MS,
  );
});
