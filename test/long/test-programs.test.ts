import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { converse, using } from "../interop/programs/cardwire.ts";
import type { Argv } from "../lab/suites.ts";
import { type Compiled, compile } from "../programs/compiled.ts";
import { openPlaces, type Places } from "../programs/places.ts";
import { python } from "../programs/sources.ts";

let places: Places;
let compiled: Compiled;
beforeAll(async () => {
  places = await openPlaces();
  compiled = await compile("calls", "processes", "interruptions");
});
afterAll(async () => {
  await compiled[Symbol.asyncDispose]();
  await places[Symbol.asyncDispose]();
});

const output = (argv: Argv, socket: string, env = {}) =>
  converse([argv[0], ...argv.slice(1)], { card: places.pcscd.cards[0], env: { ...using(socket), ...env } });

test.each([
  "blocking", "one_context", "transactions", "direct", "cancelling", "polling", "odd_states", "crowd", "stress", "removed", "probe",
])("%s", async (name) => {
  const argv = python("unit_cases.py", [name]);
  const direct = await output(argv, places.pcscd.socketPath);
  console.log(direct);
  expect(await output(argv, places.through.unix)).toBe(direct);
  expect(await output(argv, places.through.ssh)).toBe(direct);
}, 120_000);
describe("c", () => {
test.each([
  "calls", "processes", "interruptions",
])("%s", async (name) => {
  const argv = [compiled.path(name)] as const;
  const direct = await output(argv, places.pcscd.socketPath);
  console.log(direct);
  expect(await output(argv, places.through.unix)).toBe(direct);
  expect(await output(argv, places.through.ssh)).toBe(direct);
}, 120_000);
});
