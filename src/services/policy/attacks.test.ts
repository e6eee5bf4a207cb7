import { describe, expect, test } from "vitest";
import { CardView } from "./card-view.ts";
import type { Profile } from "./profiles.ts";
import { Rehearsal } from "./rehearsal.ts";
import { type Rule, rulesFor } from "./rule.ts";

// Each way around the filter that was thought of, by its name.

const hex = (text: string): Uint8Array => Buffer.from(text.replaceAll(" ", ""), "hex");
const aid = (text: string) => [{ bytes: hex(text.replace("*", "")), isPrefix: text.endsWith("*") }];
const byte = (value: number) => [{ value, mask: 0xff }];

const PIV = "00a4040005a000000308";
const PIV_WHOLE = "00a404000ba000000308000010000100";
const OPENPGP = "00a4040006d27600012401";
/** As a PIV card answers SELECT: its identifier is in it. */
const TOLD = "61 11 4f 06 000010000100 79 07 4f 05 a000000308 9000";
const PIN = "08313233343536ffff";

const deny = (about: Partial<Rule>): Rule => ({ verdict: "deny", name: "rule 1", ...about });
const allow = (about: Partial<Rule>): Rule => ({ verdict: "allow", name: "rule 1", ...about });

function session(profile: Profile, rules: readonly Rule[] = [], view = new CardView()) {
  const rehearsal = new Rehearsal({ profile, rules, view });
  return {
    view,
    /** Whether it is let through; `answer` is then the card's. */
    send: (command: string, answer = "9000") =>
      rehearsal.judge(hex(command), hex(answer)).isAllowed,
  };
}

describe("partial identifiers", () => {
  const noPiv = [deny({ aids: aid("a000000308*") })];

  test.each(["a0", "a00000", "a000000308", "a000000308000010000100", "a0000003080000100001000000"])(
    "SELECT of %s may be of the application that is denied",
    (name) => {
      const length = (name.length / 2).toString(16).padStart(2, "0");
      expect(session("manage", noPiv).send(`00a40400${length}${name}`)).toBe(false);
    },
  );

  test("SELECT of nothing may be of any", () => {
    expect(session("manage", noPiv).send("00a40400")).toBe(false);
    expect(session("manage", noPiv).send("00a4040000")).toBe(false);
  });

  test("the whole name is not more certain where the rule has a part of it", () => {
    expect(session("manage", noPiv).send(OPENPGP)).toBe(true);
  });

  test("a rule that allows is for what is certain: the card's answer tells", () => {
    const rules = [allow({ aids: aid("a000000308000010000100"), ins: byte(0xdb) })];
    const put = "00db3fff055c035fc105";
    for (const [answer, isAllowed] of [
      ["9000", false],
      [TOLD, true],
      ["6f0d840ba0000003080000100001009000", true],
      ["6f0d840ba0000003080000100001019000", false], // another
      ["6f07 8405a000000308 9000", false], // a shorter one is whole, and not the rule's
      ["6f0d840ba00000039900001000010090 00", false], // not what was asked for
      ["6f0d840b9000", false], // torn
    ] as const) {
      const user = session("look", rules);
      user.send(PIV, answer);
      expect([answer, user.send(put)]).toEqual([answer, isAllowed]);
    }
  });
});

test.each(["01", "02", "03", "00"])(
  "next occurrence (P2 %s): what is selected begins so, and no more",
  (p2) => {
    const rules = [allow({ aids: aid("a000000308000010000100"), ins: byte(0xdb) })];
    const user = session("look", rules);
    user.send(PIV_WHOLE, TOLD);
    expect(user.send("00db3fff")).toBe(true);
    user.send(`00a404${p2}05a000000308`);
    expect(user.send("00db3fff")).toBe(false);
    // For what the rule denies, it could still be it.
    const other = session("manage", [
      deny({ aids: aid("a000000308000010000200"), ins: byte(0xcb) }),
    ]);
    other.send(`00a404${p2}05a000000308`);
    expect(other.send("00cb3fff")).toBe(false);
  },
);

describe("logical channels", () => {
  const noSigning = [deny({ aids: aid("a000000308*"), ins: byte(0x87) })];

  test("what is selected is followed on each", () => {
    const user = session("use", [allow({ aids: aid("a000000308*"), ins: byte(0xdb) })]);
    user.send("0070000001", "019000");
    user.send("01a4040005a000000308", TOLD);
    expect(user.send("01db3fff")).toBe(true);
    expect(user.send("00db3fff")).toBe(false);
    expect(user.send("02db3fff")).toBe(false);
    expect(user.send("41db3fff")).toBe(false);
  });

  test("a rule holds on all of them, and in both codings of the class", () => {
    for (const channel of ["01", "03", "40", "4f"]) {
      const user = session("use", noSigning);
      user.send(`${channel}a4040005a000000308`, TOLD);
      expect(user.send(`${channel}87119a027c00`)).toBe(false);
    }
  });

  test("one that is opened from another begins with what is selected there", () => {
    const user = session("use", [allow({ aids: aid("a000000308*"), ins: byte(0xdb) })]);
    user.send("01a4040005a000000308", TOLD);
    user.send("0170000001", "029000");
    expect(user.send("02db3fff")).toBe(true);
    user.send("0070000001", "039000");
    expect(user.send("03db3fff")).toBe(false);
  });

  test("one that is closed has nothing selected", () => {
    const user = session("use", [allow({ aids: aid("a000000308*"), ins: byte(0xdb) })]);
    user.send("01a4040005a000000308", TOLD);
    user.send("00708001");
    expect(user.send("01db3fff")).toBe(false);
  });
});

describe("chaining", () => {
  test("a command in parts is judged before its first part is let through", () => {
    const user = session("look");
    user.send(PIV, TOLD);
    expect(user.send("102000800431323334")).toBe(false);
    expect(user.send("10db3fff015c")).toBe(false);
  });

  test("a VERIFY that only asks is a VERIFY where parts of a command lie before it", () => {
    const user = session("look");
    user.send(PIV, TOLD);
    expect(user.send("00200080")).toBe(true);
    expect(user.send("10cb3fff015c")).toBe(true);
    expect(user.send("00200080")).toBe(false);
    expect(user.send("1020008000")).toBe(false);
  });

  test("a header that changes in the middle is refused, until SELECT", () => {
    const user = session("use");
    user.send(PIV, TOLD);
    expect(user.send("1087119a027c24")).toBe(true);
    expect(user.send("00cb3fff")).toBe(false);
    expect(user.send("0087119c00")).toBe(false);
    expect(user.send("0187119a00")).toBe(false);
    expect(user.send("0087119a02aabb")).toBe(true);
    expect(user.send("00cb3fff")).toBe(true);
    user.send("1087119a027c24");
    expect(user.send(PIV, TOLD)).toBe(true);
    expect(user.send("00cb3fff")).toBe(true);
  });

  test("a SELECT that breaks in is believed only if the answer tells what is selected", () => {
    const rules = [allow({ aids: aid("a000000308*"), ins: byte(0xdb) })];
    for (const [answer, isAllowed] of [
      ["9000", false],
      [TOLD, true],
    ] as const) {
      const user = session("use", rules);
      user.send("1087119a087c0681021122"); // nothing is selected: refused
      user.send("10cb3fff015c");
      user.send(PIV, answer);
      expect(user.send("00db3fff")).toBe(isAllowed);
    }
  });

  test("nor is what GET RESPONSE fetches of it", () => {
    const user = session("use", [allow({ aids: aid("a000000308*"), ins: byte(0xdb) })]);
    for (const [answer, isAllowed] of [
      ["9000", false],
      [TOLD, true],
    ] as const) {
      user.send("10cb3fff015c");
      user.send(PIV, "6114");
      user.send("00c0000014", answer);
      expect(user.send("00db3fff")).toBe(isAllowed);
    }
  });

  test("another session does not finish what one has begun", () => {
    const one = session("use");
    one.send(PIV, TOLD);
    expect(one.send(`10200080${PIN}`)).toBe(true);
    const other = session("look", [], one.view);
    expect(other.send("00200080")).toBe(false);
    const third = session("use", [], one.view);
    expect(third.send("00200080")).toBe(false);
  });

  test("a card that refused a part may keep those before it", () => {
    const user = session("look");
    user.send(PIV, TOLD);
    user.send("10cb3fff015c", "6a80");
    expect(user.send("00200080")).toBe(false);
    expect(user.send("00cb3fff035c017e")).toBe(true);
    expect(user.send("00200080")).toBe(true);
  });

  test("a command to the reader ends nothing that was begun on the card", () => {
    const user = session("look");
    const manager = session("manage", [], user.view);
    user.send(PIV, TOLD);
    user.send("10cb3fff015c");
    manager.send("ffca000000");
    expect(user.send("00200080")).toBe(false);
  });

  test("a chained SELECT is refused", () => {
    expect(session("use").send("10a4040005a000000308")).toBe(false);
  });
});

describe("extended length", () => {
  test("the same command is the same command", () => {
    const user = session("look");
    user.send(PIV, TOLD);
    expect(user.send(`00200080000008${PIN.slice(2)}`)).toBe(false);
    expect(user.send("00cb3fff0000055c035fc1020000")).toBe(true);
    expect(user.send("00db3fff0000055c035fc105")).toBe(false);
  });

  test("VERIFY with an extended Le and no data is no question", () => {
    const user = session("look");
    user.send(PIV, TOLD);
    expect(user.send("00200080000000")).toBe(false);
  });

  test("a SELECT is believed only if the answer tells what is selected", () => {
    const rules = [allow({ aids: aid("a000000308*"), ins: byte(0xdb) })];
    const user = session("look", rules);
    user.send("00a40400000005a000000308", "9000");
    expect(user.send("00db3fff")).toBe(false);
    user.send("00a40400000005a000000308", TOLD);
    expect(user.send("00db3fff")).toBe(true);
  });
});

test.each([
  ["SELECT of the master file", "00a40000023f00"],
  ["SELECT of a file", "00a4000c025031"],
  ["SELECT of a DF below", "00a401000250aa"],
  ["SELECT of the DF above", "00a40300"],
  ["SELECT by path from the top", "00a4080c0450155031"],
  ["SELECT by path from here", "00a4090c025031"],
])("%s leaves no application certain", (_what, command) => {
  const user = session("look", [allow({ aids: aid("a000000308*"), ins: byte(0xdb) })]);
  for (const answer of ["9000", "6a82", "6283"]) {
    user.send(PIV, TOLD);
    expect(user.send("00db3fff")).toBe(true);
    user.send(command, answer);
    expect(user.send("00db3fff")).toBe(false);
  }
});

test("SELECT of a file right below stays inside", () => {
  const user = session("look", [allow({ aids: aid("a000000308*"), ins: byte(0xdb) })]);
  user.send(PIV, TOLD);
  user.send("00a4020c025031");
  expect(user.send("00db3fff")).toBe(true);
});

test.each(["6a82", "6283", "6300", "6999", "6d00", "6985"])(
  "a SELECT that is answered %s leaves nothing certain",
  (sw) => {
    const user = session("look", [allow({ aids: aid("a000000308*"), ins: byte(0xdb) })]);
    user.send(PIV, TOLD);
    user.send(OPENPGP, sw);
    expect(user.send("00db3fff")).toBe(false);
    user.send("00cb3fff035c017e", `7e124f0ba0000003080000100001005f2f0240009000`);
    expect(user.send("00db3fff")).toBe(true);
  },
);

describe("GET RESPONSE", () => {
  test("fetches only what one's own command was answered with", () => {
    const user = session("use");
    expect(user.send("00c0000000")).toBe(false);
    user.send(PIV, TOLD);
    user.send("0087119a027c00", "61c0");
    const other = session("look", [], user.view);
    expect(other.send("00c00000c0")).toBe(false);
    expect(user.send("00c00000c0", "6110")).toBe(true);
    expect(user.send("01c0000010")).toBe(false);
    expect(user.send("00c0000010")).toBe(true);
    other.send("00cb3fff", "6120");
    expect(user.send("00c0000010")).toBe(false);
    expect(other.send("00c0000020")).toBe(true);
  });

  test("of a command that was refused fetches nothing new", () => {
    const user = session("use");
    const other = session("look", [], user.view);
    user.send(PIV, TOLD);
    user.send("0087119a027c00", "61c0");
    expect(other.send("0087119a027c00")).toBe(false);
    expect(other.send("00c0000010")).toBe(false);
  });

  test("the name in a SELECT's answer may be fetched, once", () => {
    const rules = [allow({ aids: aid("a000000308000010000100"), ins: byte(0xdb) })];
    const user = session("look", rules);
    user.send(PIV, "6114");
    expect(user.send("00db3fff")).toBe(false);
    user.send(PIV, "6114");
    user.send("00c0000014", TOLD);
    expect(user.send("00db3fff")).toBe(true);
    user.send("00a4040001a0", "6114");
    user.send("00c0000004", "01020304 6110");
    user.send("00c0000014", TOLD); // not the first piece
    expect(user.send("00db3fff")).toBe(false);
  });
});

test.each([
  ["nothing", ""],
  ["a class", "00"],
  ["three bytes", "00cb3f"],
  ["Lc beyond the end", "00cb3fff06 5c035fc102"],
  ["Lc before the end", "00cb3fff02 5c035fc102"],
  ["bytes behind Le", "00cb3fff03 5c017e 00 00"],
  ["an Le of two bytes in a short command", "00cb3fff03 5c017e 0000"],
  ["an extended Lc of 0 with data", "00cb3fff 000000 5c"],
  ["an extended length torn", "00cb3fff 0000"],
  ["an Le of one byte in an extended command", "00cb3fff 000003 5c017e 00"],
  ["an extended Lc beyond the end", "00cb3fff 00ffff 5c017e"],
])("malformed: %s", (_what, command) => {
  for (const profile of ["look", "use"] as const) {
    expect(session(profile).send(command)).toBe(false);
    expect(session(profile, [allow({})]).send(command)).toBe(false);
  }
  expect(session("manage").send(command)).toBe(true);
  expect(session("manage", [deny({ ins: byte(0xcb) })]).send(command)).toBe(false);
});

describe("classes", () => {
  const signing = (cla: string) => `${cla}87119a027c00`;

  test.each([
    "00",
    "10",
    "01",
    "02",
    "03",
    "13",
    "40",
    "4f",
    "50",
    "5f",
    "0c",
    "08",
    "04",
    "1c",
    "60",
    "70",
    "7f",
  ])("a rule that denies without a class denies %s", (cla) => {
    expect(session("manage", [deny({ ins: byte(0x87) })]).send(signing(cla))).toBe(false);
  });

  test.each(["00", "10", "01", "13", "40", "5f"])("a rule that denies 00 denies %s", (cla) => {
    const rule = deny({ cla: byte(0x00), ins: byte(0x87) });
    expect(session("manage", [rule]).send(signing(cla))).toBe(false);
  });

  test.each(["0c", "04", "60", "80", "84", "a0", "20", "ff"])(
    "a rule that allows without a class does not allow %s",
    (cla) => {
      expect(session("look", [allow({ ins: byte(0xdb) })]).send(`${cla}db3fff`)).toBe(false);
      expect(session("look", [allow({ ins: byte(0xdb) })]).send("00db3fff")).toBe(true);
    },
  );

  test.each(["0c", "08", "04", "1c", "60", "7f"])("secure messaging (%s) wants a rule", (cla) => {
    for (const ins of ["cb", "20", "a4", "87"])
      expect(session("use").send(`${cla}${ins}000000`)).toBe(false);
    const secured = [{ value: 0x0c, mask: 0xf3 }];
    expect(session("use", [allow({ cla: secured, ins: byte(0xcb) })]).send("0ccb3fff")).toBe(true);
  });

  test.each(["80", "90", "a0", "b0", "c0", "e0", "fe"])(
    "a SELECT of class %s leaves nothing certain",
    (cla) => {
      const rules = [allow({ aids: aid("a000000308*"), ins: byte(0xdb) })];
      const user = session("manage", [], new CardView());
      const other = session("look", rules, user.view);
      user.send(PIV, TOLD);
      expect(other.send("00db3fff")).toBe(true);
      user.send(`${cla}a40400023f00`);
      expect(other.send("00db3fff")).toBe(false);
    },
  );

  test("a command inside another, too", () => {
    const user = session("manage");
    const other = session(
      "look",
      [allow({ aids: aid("a000000308*"), ins: byte(0xdb) })],
      user.view,
    );
    user.send(PIV, TOLD);
    user.send("00c200000500a4040000");
    expect(other.send("00db3fff")).toBe(false);
  });
});

test("names of identities and readers are told apart by case", () => {
  const rules = { rules: [deny({ identities: ["alice"], readers: ["Yubi*"] })], groups: new Map() };
  const found = (identity: string, name: string) =>
    rulesFor(rules, identity, { reader: { name }, serial: undefined }).length;
  expect(found("alice", "Yubico 00 00")).toBe(1);
  expect(found("Alice", "Yubico 00 00")).toBe(0);
  expect(found("alice", "yubico 00 00")).toBe(0);
});

test("what is not known of a card matches rules that deny, and none that allow", () => {
  const about = { serials: ["1"], atrs: [{ bytes: hex("3b00"), isPrefix: true }] };
  const rules = { rules: [deny(about), allow(about)], groups: new Map() };
  const found = (serial: string | undefined, atr: Uint8Array | undefined) =>
    rulesFor(rules, "a", { reader: { name: "R", ...(atr && { atr }) }, serial }).map(
      ({ verdict }) => verdict,
    );
  expect(found("1", hex("3b0001"))).toEqual(["deny", "allow"]);
  expect(found(undefined, hex("3b0001"))).toEqual(["deny"]);
  expect(found("1", undefined)).toEqual(["deny"]);
  expect(found("2", hex("3b0001"))).toEqual([]);
  expect(found("1", hex("3b01"))).toEqual([]);
  expect(found("1", hex("3b"))).toEqual([]);
});

test("a serial number is the same in capital and in small letters", () => {
  const rules = { rules: [allow({ serials: ["0006:ABCD0001"] })], groups: new Map() };
  const found = (serial: string) => rulesFor(rules, "a", { reader: { name: "R" }, serial }).length;
  expect(["0006:abcd0001", "0006:abcd0002"].map(found)).toEqual([1, 0]);
});
