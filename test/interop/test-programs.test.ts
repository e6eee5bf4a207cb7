import { afterAll, beforeAll, expect, test } from "vitest";
import { samePrinted, sameRun } from "../programs/comparison.ts";
import { type Compiled, compile } from "../programs/compiled.ts";
import { openPlaces, type Places } from "../programs/places.ts";
import { here, python } from "../programs/sources.ts";

// Equivalents of pcsc-lite's, pyscard's and OpenSC's own test programs: the same on pcscd and through ssh. The long test
// of this name has all of them, over both carriers.

const carriers = ["ssh"] as const;

let places: Places;
let compiled: Compiled;
beforeAll(async () => {
  places = await openPlaces();
  compiled = await compile("calls", "processes");
});
afterAll(async () => {
  await compiled[Symbol.asyncDispose]();
  await places[Symbol.asyncDispose]();
});

test("a C program that calls everything in every way", async () => {
  const printed = await samePrinted(places, [compiled.path("calls")], { carriers });
  expect(printed).toContain("status, made by the library: 00000000");
});

test("programs that fork, become another, or die", async () => {
  const printed = await samePrinted(places, [compiled.path("processes")], { carriers });
  expect(printed).toContain("child: transmit: 00000000 55");
});

test("what pcsc-lite's unit tests look at", async () => {
  const cases = ["one_context", "transactions", "direct", "cancelling", "odd_states"];
  const printed = await samePrinted(places, python("unit_cases.py", cases), { carriers });
  expect(printed).toContain("the event is not taken for an answer: 80100069");
});

test("what pyscard's tests look at", async () => {
  const printed = await samePrinted(places, python("framework.py"), { carriers });
  expect(printed).toContain("and comes through: [([7, 8, 9], 144, 0)]");
});

test("a client without libpcsclite, that sends whole requests", async () => {
  const printed = await samePrinted(places, python("whole_messages.py"), { carriers });
  expect(printed).toContain("b'test\\x90\\x00'");
});

test("Perl's wrapper", async () => {
  const printed = await samePrinted(places, ["perl", here("wrapper.pl")], { carriers });
  expect(printed).toContain("01 02 03 90 00");
});

test("a PKCS#11 module's test", async () => {
  expect(await sameRun(places, "pkcs11-tool --test", { carriers })).toContain("error");
});
