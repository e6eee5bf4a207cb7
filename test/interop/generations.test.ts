import { describe, expect, test } from "vitest";
import { type PcscdOptions, startPcscd } from "../lab/pcscd.ts";
import { suite } from "../lab/suites.ts";
import { exercise } from "../pairs/exercise.ts";
import { pcscdOf, without } from "../pairs/parties.ts";
import { differences, type Results } from "../pairs/results.ts";
import { here, type Programs } from "../pcsc/client.ts";
import { attach } from "./programs/cardwire.ts";

// The computer's own release of pcsc-lite, an older and a newer one. Directly, the older and the newer one's program do not
// get on with the other's daemon; through cardwire each is told what its own daemon tells it directly. All pairings of all
// releases: test/long/pairs.test.ts.

/** Longest for one exercise, ms; some 10 s are usual. */
const LIMIT_MS = 120_000;

interface Generation {
  readonly programs: () => Programs;
  readonly daemon: () => PcscdOptions;
}

const generations = {
  own: { programs: () => here, daemon: () => ({}) },
  older: { programs: () => suite("bullseye"), daemon: () => pcscdOf("bullseye") },
  newer: { programs: () => suite("sid"), daemon: () => pcscdOf("sid") },
} as const satisfies Readonly<Record<string, Generation>>;

type Name = keyof typeof generations;

const names = Object.keys(generations) as readonly Name[];
const direct = new Map<Name, Results>();

test.each(names)(
  "the %s program, directly on its own daemon",
  async (name) => {
    await using pcscd = await startPcscd(generations[name].daemon());
    const programs = generations[name].programs();
    direct.set(name, await exercise({ programs, socket: pcscd.socketPath, pcscd }));
  },
  LIMIT_MS,
);

describe("through cardwire", () => {
  test.each([
    ["own", "own"],
    ["older", "newer"],
    ["newer", "older"],
  ] as const)(
    "the %s program on the %s daemon is told the same",
    async (client, daemon) => {
      await using pcscd = await startPcscd(generations[daemon].daemon());
      await using attached = await attach([`unix:${pcscd.socketPath}`]);
      const programs = generations[client].programs();
      const told = await exercise({ programs, socket: attached.socket, pcscd });
      const should = direct.get(client) ?? {};
      const [one, other] =
        client === daemon
          ? [should, told]
          : [without(should, "bullseye"), without(told, "bullseye")];
      expect(differences(one, other)).toEqual([]);
    },
    LIMIT_MS,
  );
});
