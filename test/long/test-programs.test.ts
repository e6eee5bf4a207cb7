import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Argv } from "../lab/programs.ts";
import { daemonOf, foreign, suite } from "../lab/suites.ts";
import type { PcscdOptions } from "../lab/pcscd.ts";
import type { Programs } from "../pcsc/client.ts";
import { printed, samePrinted, sameRun } from "../programs/comparison.ts";
import { type Compiled, compile } from "../programs/compiled.ts";
import { openPlaces, type Places } from "../programs/places.ts";
import { here, python } from "../programs/sources.ts";

// Equivalents of pcsc-lite's, pyscard's and OpenSC's own test programs, and programs that are installed: the same on pcscd
// and through cardwire, over a Unix socket and over ssh.

/** The longest case waits for ten calls that block, in three places, some of them under qemu. */
const LIMIT_MS = 240_000;

const unitCases = [
  "blocking",
  "one_context",
  "transactions",
  "exclusive_no_more",
  "direct",
  "cancelling",
  "polling",
  "odd_states",
  "crowd",
  "stress",
  "removed",
] as const;

/** OpenSC's PKCS#11 module, which its package puts into a folder of its architecture. */
const MODULE = '"$(ls /usr/lib/*/opensc-pkcs11.so)"';
/** pcsc-lite's library that notes every call, and hands it on. */
const SPY = "LD_PRELOAD=$(ls /usr/lib/*/libpcscspy.so.0)";

/** Whose programs, on whose pcscd. They speak the same version: only then is there something to compare with. */
const generations: readonly (readonly [string, () => Programs, () => PcscdOptions])[] = [
  ["Debian 11's, on Debian 12's pcscd", () => suite("bullseye"), () => ({})],
  ["Debian 13's", () => suite("trixie"), () => daemonOf(suite("trixie"))],
  ["Debian unstable's", () => suite("sid"), () => daemonOf(suite("sid"))],
  ["i386, on x86-64's pcscd", () => foreign("i386"), () => ({})],
];

describe.each(generations)("%s", (_name, programs, daemon) => {
  test(
    "pcsc-lite",
    async () => {
      await using places = await openPlaces(daemon());
      const cases = ["one_context", "direct", "cancelling", "odd_states", "removed"];
      await samePrinted(places, python("unit_cases.py", cases, programs()));
    },
    LIMIT_MS,
  );
});

test(
  "s390x, big-endian, prints what x86-64 does",
  async () => {
    await using places = await openPlaces();
    const cases = ["one_context", "direct", "odd_states"];
    const argv = python("unit_cases.py", cases, foreign("s390x"));
    const native = await samePrinted(places, python("unit_cases.py", cases));
    for (const socket of Object.values(places.through))
      expect(await printed(places, argv, socket)).toBe(native);
  },
  LIMIT_MS,
);

describe("on this computer", () => {
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

  test.each(unitCases)(
    "pcsc-lite: %s",
    async (name) => {
      await samePrinted(places, python("unit_cases.py", [name]));
    },
    LIMIT_MS,
  );

  test.each(["calls", "processes", "interruptions"])(
    "C: %s",
    async (name) => {
      await samePrinted(places, [compiled.path(name)]);
    },
    LIMIT_MS,
  );

  test.each<readonly [string, Argv]>([
    ["pyscard's framework", python("framework.py")],
    ["whole messages", python("whole_messages.py")],
    ["Perl's wrapper", ["perl", here("wrapper.pl")]],
  ])(
    "%s",
    async (_name, argv) => {
      await samePrinted(places, argv);
    },
    LIMIT_MS,
  );

  test(
    "slots of a PKCS#11 module, asked for every 100 ms",
    async () => {
      const shell = `exec /usr/bin/python3 -B -u ${here("slots.py")} ${MODULE}`;
      expect(await samePrinted(places, ["sh", "-c", shell])).toContain("the card is gone");
    },
    LIMIT_MS,
  );

  test(
    "PCSCLITE_NO_BLOCKING",
    async () => {
      const cases = ["one_context", "direct"];
      const env = { PCSCLITE_NO_BLOCKING: "1" };
      const said = await samePrinted(places, python("unit_cases.py", cases), { env });
      expect(said).toContain("transmit: 8010000b");
    },
    LIMIT_MS,
  );

  test.each([
    ["pkcs11-tool --test", "pkcs11-tool --test", /error/],
    ["pkcs11-tool --list-slots", `pkcs11-tool --module ${MODULE} --list-slots`, /Virtual PCD/],
    ["opensc-explorer", "echo quit | opensc-explorer", /./],
    ["opensc-tool --info", "opensc-tool --info; opensc-tool --serial", /./],
    ["pkcs15-tool", "pkcs15-tool --list-info", /./],
    ["scriptor", "echo '80E0000003010203' | scriptor -p T=1 2>&1", /01 02 03 90 00/],
    ["p11tool", `p11tool --provider ${MODULE} --list-all 2>&1; echo $?`, /./],
    ["p11-kit", `p11-kit list-modules 2>&1`, /./],
    ["ssh-keygen -D", `ssh-keygen -D ${MODULE}`, /./],
    [
      "modutil",
      `d=$(mktemp -d); modutil -force -create -dbdir sql:$d >/dev/null; modutil -force -dbdir sql:$d -add OpenSC -libfile ${MODULE} >/dev/null; modutil -dbdir sql:$d -list OpenSC; certutil -K -d sql:$d -h all </dev/null; rm -r $d`,
      /Virtual PCD 00 00/,
    ],
    ["ykman", "ykman list --readers", /Virtual PCD 00 00/],
    [
      "gpg-connect-agent",
      `export GNUPGHOME=$(mktemp -d)
       gpg-connect-agent -q 'scd getinfo version' 'scd serialno' /bye 2>&1
       gpgconf --kill all; rm -r "$GNUPGHOME"`,
      /No such device/,
    ],
    ["pcsc-spy's library", `${SPY} opensc-tool -a`, /3b:80:80:01:01/],
    [
      "PCSCLITE_DEBUG",
      // Addresses differ, and how often it looks whether an answer is there.
      "PCSCLITE_DEBUG=0 pcsc_scan -r 2>&1 | sed '/not yet finished/d; s/0x[0-9a-f]*$//'",
      /protocol version 4:/,
    ],
  ])(
    "%s",
    async (_name, command, shown) => {
      expect(await sameRun(places, command)).toMatch(shown);
    },
    LIMIT_MS,
  );
});
