import { describe, expect, test } from "vitest";
import { type SystemPlan, type UnitPlan, unitText } from "./systemd-unit.ts";

const plan: UnitPlan = {
  name: "work",
  description: "cardwire attach cardhost",
  argv: ["/usr/bin/node", "/usr/lib/cardwire/main.js", "attach", "cardhost"],
  env: {},
};
const system: SystemPlan = { writable: [], sharesTmp: false };

/** Every value of a key, in order. */
const values = (text: string, key: string): readonly string[] =>
  text
    .split("\n")
    .flatMap((line) => (line.startsWith(`${key}=`) ? [line.slice(key.length + 1)] : []));

const execStart = (...words: readonly string[]) =>
  values(unitText({ ...plan, argv: ["/bin/node", ...words] }), "ExecStart");

describe("the command line", () => {
  // The right column is written by hand from systemd.service(5), "Command lines", and systemd.syntax(7), "Quoting".
  test.each([
    ["plain-word_1.2:@+,=", "plain-word_1.2:@+,="],
    ["two words", '"two words"'],
    ["", '""'],
    ["50%", "50%%"],
    ["%h", "%%h"],
    ["$HOME", "$$HOME"],
    ["${HOME}", '"$${HOME}"'],
    ['say "no"', '"say \\"no\\""'],
    ["it's", '"it\'s"'],
    ["back\\slash", '"back\\\\slash"'],
    [";", '";"'],
    ["line\nfeed", '"line\\x0afeed"'],
    ["Lesegerät", '"Lesegerät"'],
  ])("%j", (word, written) => {
    expect(execStart(word)).toEqual([`/bin/node ${written}`]);
  });

  test("the program's own path knows no variables", () => {
    const argv = ["/opt/a $b %c/node", "x"];
    expect(values(unitText({ ...plan, argv }), "ExecStart")).toEqual(['"/opt/a $b %%c/node" x']);
  });
});

describe("everywhere", () => {
  test("a line feed begins no setting of its own", () => {
    const evil = "x\nExecStart=/bin/evil";
    const text = unitText({ ...plan, description: evil, env: { A: evil }, argv: ["/bin/a", evil] });
    expect(values(text, "ExecStart")).toHaveLength(1);
    const joining = unitText({ ...plan, description: "ends with a backslash \\" });
    expect(values(joining, "Description")).toEqual(["ends with a backslash"]);
  });

  test("variables are kept as they are", () => {
    const env = { CARDWIRE_SSH: `ssh -F '/a b/%h' -o "X $y"` };
    expect(values(unitText({ ...plan, env }), "Environment")).toEqual([
      String.raw`"CARDWIRE_SSH=ssh -F '/a b/%%h' -o \"X $y\""`,
    ]);
  });

  test("it tells when it is ready, and is tried for ever, but not with a wrong command line", () => {
    const text = unitText(plan);
    expect(values(text, "Type")).toEqual(["notify"]);
    expect(values(text, "Restart")).toEqual(["on-failure"]);
    expect(values(text, "StartLimitIntervalSec")).toEqual(["0"]);
    expect(values(text, "RestartPreventExitStatus")).toEqual(["2"]);
  });
});

describe("a unit of a user", () => {
  test("starts with the user's service manager, and has the rights of the user", () => {
    const text = unitText(plan);
    expect(values(text, "WantedBy")).toEqual(["default.target"]);
    for (const key of ["User", "ProtectSystem", "SystemCallFilter", "After"])
      expect([key, values(text, key)]).toEqual([key, []]);
  });
});

describe("a unit of the system", () => {
  test("starts at boot, behind the network, and sees a strict sandbox", () => {
    const text = unitText({ ...plan, system: { ...system, user: "cards" } });
    expect(values(text, "WantedBy")).toEqual(["multi-user.target"]);
    expect(values(text, "After")).toEqual(["network-online.target"]);
    expect(values(text, "User")).toEqual(["cards"]);
    expect(values(text, "RuntimeDirectory")).toEqual(["cardwire-work"]);
    expect(values(text, "Environment")).toEqual(["XDG_RUNTIME_DIR=/run/cardwire-work"]);
    expect(values(text, "ProtectSystem")).toEqual(["strict"]);
    expect(values(text, "CapabilityBoundingSet")).toEqual([""]);
    expect(values(text, "ReadWritePaths")).toEqual([]);
    expect(values(text, "PrivateTmp")).toEqual(["yes"]);
  });

  test("of root shares its directory with root's other attachments", () => {
    const text = unitText({ ...plan, system });
    expect(values(text, "User")).toEqual([]);
    expect(values(text, "RuntimeDirectory")).toEqual(["cardwire"]);
    expect(values(text, "RuntimeDirectoryPreserve")).toEqual(["yes"]);
  });

  test("gives its socket to a group", () => {
    const group = { ...system, group: "cards" };
    const asUser = unitText({ ...plan, system: { ...group, user: "wire" } });
    expect(values(asUser, "SupplementaryGroups")).toEqual(["cards"]);
    expect(values(asUser, "CapabilityBoundingSet")).toEqual([""]);
    expect(values(unitText({ ...plan, system: group }), "CapabilityBoundingSet")).toEqual([
      "CAP_CHOWN",
    ]);
  });

  test("at the standard path, root prepares it before and clears it behind", () => {
    const place = { make: ["/bin/node", "make"], clear: ["/bin/node", "clear"] };
    const text = unitText({ ...plan, system: { ...system, user: "wire", place } });
    expect(values(text, "ExecStartPre")).toEqual(["+/bin/node make"]);
    expect(values(text, "ExecStopPost")).toEqual(["+-/bin/node clear"]);
    expect(values(text, "ReadWritePaths")).toEqual(["-/run/pcscd"]);
    expect(values(text, "After")).toEqual(["network-online.target pcscd.socket pcscd.service"]);
  });

  test("reaches sockets elsewhere", () => {
    const text = unitText({
      ...plan,
      system: { ...system, writable: ["/srv/my cards"], sharesTmp: true },
    });
    expect(values(text, "ReadWritePaths")).toEqual(['"/srv/my cards"', "/tmp /var/tmp"]);
    expect(values(text, "PrivateTmp")).toEqual(["no"]);
  });
});
