import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { Policy } from "../../src/services/policy/policy.ts";
import type { Profile } from "../../src/services/policy/profiles.ts";
import type { Refusal } from "../../src/services/policy/refusal.ts";
import { run } from "../lab/programs.ts";
import { MAIN } from "./programs/cardwire.ts";
import { inSoftware, type PivPlace } from "./programs/piv-places.ts";

// What people do with PIV cards, by programs that know nothing of profiles.

const YUBICO = "yubico-piv-tool -r Virtual";
const SIGN = `echo 'to be signed' >message
  pkcs11-tool --login --pin 123456 --id 01 --sign -m SHA256-RSA-PKCS -i message -o signature`;

let directory: string;
let file: string;
let place: PivPlace;
let profile: Profile;
const refusals: Refusal[] = [];
const grant = {
  principal: { name: "alice" },
  readers: ["*"],
  get profile() {
    return profile;
  },
};

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "policy-"));
  file = join(directory, "alice.card");
  const made = await run("node", [MAIN, "card", "new", "piv", file, "--name", "Alice Example"]);
  if (made.status !== 0) throw new Error(made.stderr);
  const policy = new Policy({ onRefusal: (refusal) => refusals.push(refusal) });
  place = await inSoftware(file, (readers) => policy.view(readers, grant));
});
afterAll(async () => {
  await place?.[Symbol.asyncDispose]();
  await rm(directory, { recursive: true, force: true });
});
beforeEach(() => {
  refusals.length = 0;
});

const headers = () => refusals.map(({ header }) => `${header?.ins.toString(16)}`);

describe("with look", () => {
  beforeAll(() => {
    profile = "look";
  });

  test.each([
    ["opensc-tool -n", /^Personal Identity Verification Card/],
    ["pkcs15-tool -D", /CARD AUTH key[^]*Certificate for Card Auth/],
    ["pkcs11-tool -L", /token label +: Alice Example/],
    [`${YUBICO} -a status`, /PIN tries left:\t3/],
  ])("%s needs no more", async (script, shown) => {
    expect((await place.say(script)).stdout).toMatch(shown);
    expect(headers()).toEqual([]);
  });

  test.each([
    [SIGN, ["20"]],
    [`${YUBICO} -a verify-pin -P 123456`, ["20"]],
    [`${YUBICO} -a attest -s 9a`, ["f9"]],
    [`${YUBICO} -a set-chuid`, ["87"]],
  ])("%s is refused", async (script, refused) => {
    expect((await place.say(script)).status).not.toBe(0);
    expect([...new Set(headers())]).toEqual(refused);
  });
});

describe("with use", () => {
  beforeAll(() => {
    profile = "use";
  });

  test.each([
    ["pkcs11-tool --test --login --pin 123456", /^No errors$/m],
    [`${YUBICO} -a verify-pin -P 123456`, /Successfully verified PIN/],
    [`${YUBICO} -a attest -s 9a`, /END CERTIFICATE/],
    [`${SIGN} && echo signed`, /^signed$/m],
  ])("%s is what it is for", async (script, shown) => {
    const { stdout, stderr } = await place.say(script);
    expect(refusals).toEqual([]);
    expect((stdout + stderr).slice(-600)).toMatch(shown);
  });

  test.each([
    [`${YUBICO} -a set-chuid`, ["87"]],
    [`${YUBICO} -a change-pin -P 123456 -N 654321`, ["24"]],
    [`${YUBICO} -a unblock-pin -P 12345678 -N 654321`, ["2c"]],
    [`${YUBICO} -a reset`, ["fb"]],
  ])("%s is refused", async (script, refused) => {
    expect((await place.say(script)).status).not.toBe(0);
    expect([...new Set(headers())]).toEqual(refused);
  });

  test("four wrong PINs do not block the card", async () => {
    const wrong = `for i in 1 2 3 4; do ${YUBICO} -a verify-pin -P 000000; done`;
    expect((await place.say(wrong)).stderr).toMatch(/blocked/i);
    expect((await place.say(`${YUBICO} -a status`)).stdout).toMatch(/PIN tries left:\t1/);
  });
});

test("nothing that was refused told a PIN, and the card is what it was but for a try", async () => {
  const [then, now] = await Promise.all(
    [file, place.file].map(async (path) => JSON.parse(await readFile(path, "utf8"))),
  );
  expect(now).toEqual({ ...then, pin: { ...then.pin, triesLeft: 1 } });
  expect(JSON.stringify(refusals)).not.toMatch(/3132333435|49,50,51|MTIz/);
});
