import { describe, expect, test } from "vitest";
import { healthyHost } from "../../../test/doctor/healthy-host.ts";
import { judgePcscd, type PcscdCase } from "./pcscd.ts";

const there = { name: "cardhost", remote: true };
const here = { name: "this computer", remote: false };
const facts: PcscdCase = {
  place: there,
  socket: "/run/pcscd/pcscd.comm",
  needed: true,
  daemon: { state: "answers", protocol: "4:5", readers: [], roundTripMs: 1 },
  host: healthyHost,
};

const judge = (changed: Partial<PcscdCase>) => judgePcscd({ ...facts, ...changed });
const names = (changed: Partial<PcscdCase>) =>
  judge(changed).map(({ check, level }) => `${check} ${level}`);

const withPolkit = { ...healthyHost, polkit: true, features: ["USB", "polkit"] };
const hangsUp = { state: "hangs-up" } as const;
const nobody = { state: "nobody" } as const;

test("one that answers is told with release, protocol and who starts it", () => {
  expect(judge({})).toEqual([
    {
      check: "pcscd-answers",
      level: "good",
      what: "pcscd 2.3.3 on cardhost speaks protocol 4:5",
    },
    {
      check: "pcscd-activation",
      level: "good",
      what: "systemd on cardhost starts pcscd when it is needed; it ends when nobody has used it for a minute",
    },
  ]);
});

test.each([
  ["by hand", { active: "inactive", enabled: "disabled" }, "pcscd-activation note"],
  [
    "by a socket that is disabled",
    { active: "active", enabled: "disabled" },
    "pcscd-activation note",
  ],
])("started %s it is gone after a reboot", (_how, socket, expected) => {
  const units = { socket, service: { active: "active", enabled: "disabled" } };
  expect(names({ host: { ...healthyHost, units } })).toContain(expected);
});

describe("one that hangs up", () => {
  test("was told to by polkit, where it asks polkit", () => {
    const [found] = judge({ daemon: hangsUp, host: withPolkit });
    expect(found).toMatchObject({ check: "polkit-refuses", level: "fault" });
    expect(found?.remedy).toMatch(/^# on cardhost:\nsudo tee \/etc\/polkit-1\/rules\.d\//);
    expect(found?.remedy).toContain('subject.user === "bob"');
  });

  // No polkit that old can be had here.
  test.each(["0.105", "0.96"])("polkit %s gets a .pkla file", (polkitVersion) => {
    const [found, old] = judge({ daemon: hangsUp, host: { ...withPolkit, polkitVersion } });
    expect(old).toMatchObject({ check: "polkit-old", level: "note" });
    expect(found?.remedy?.split("\n").slice(1)).toEqual([
      "sudo tee /etc/polkit-1/localauthority/50-local.d/50-cardwire.pkla <<'END'",
      "[cardwire]",
      "Identity=unix-user:bob",
      "Action=org.debian.pcsc-lite.access_pcsc;org.debian.pcsc-lite.access_card",
      "ResultAny=yes",
      "ResultInactive=yes",
      "ResultActive=yes",
      "END",
    ]);
  });

  test.each(["0.106", "0.120", "121", "126"])("polkit %s gets a rule", (polkitVersion) => {
    const [found] = judge({ daemon: hangsUp, host: { ...withPolkit, polkitVersion } });
    expect(found?.remedy).toContain("polkit.addRule(function");
  });

  test.each([
    ["root", { ...withPolkit, root: true }],
    ["built without polkit", healthyHost],
    ["told not to ask", { ...withPolkit, running: ["pcscd --disable-polkit"] }],
  ])("has another reason: %s", (_why, host) => {
    expect(names({ daemon: hangsUp, host })).toEqual(["pcscd-hangs-up fault"]);
  });

  test("is full, whatever polkit thinks", () => {
    const host = { ...withPolkit, connections: 200 };
    expect(names({ daemon: hangsUp, host })).toEqual(["pcscd-full fault"]);
  });

  test("without a shell polkit is the best guess", () => {
    const [found] = judge({ daemon: hangsUp, host: undefined });
    expect(found?.check).toBe("polkit-refuses");
    expect(found?.remedy).toContain('"USER"');
  });
});

describe("where nobody answers", () => {
  test.each([
    ["missing", "pcscd-not-running", "there is no socket /run/x/y.comm on this computer"],
    ["refused", "pcscd-dead-socket", "nobody listens at /run/x/y.comm on this computer"],
  ] as const)(
    "at a socket that is not pcscd's own (%s), pcscd is not blamed",
    (connect, check, what) => {
      const host = { ...healthyHost, connect };
      const [found] = judge({ place: here, socket: "/run/x/y.comm", daemon: nobody, host });
      expect(found).toMatchObject({ check, what });
      expect(found?.remedy).toContain("cardwire attach");
      expect(found?.remedy).not.toContain("systemctl");
    },
  );

  test.each([
    ["missing", true, "pcscd-not-running fault"],
    ["missing", false, "pcscd-not-installed fault"],
    ["refused", true, "pcscd-dead-socket fault"],
    ["denied", true, "pcscd-denied fault"],
  ] as const)("a socket that is %s, installed %s", (connect, installed, expected) => {
    expect(names({ daemon: nobody, host: { ...healthyHost, connect, installed } })).toEqual([
      expected,
    ]);
  });

  test("sshd is to blame when the socket answers over there", () => {
    expect(judge({ daemon: nobody })).toEqual([]);
  });

  test("without a shell both are named", () => {
    const [found] = judge({ daemon: nobody, host: undefined });
    expect(found?.check).toBe("pcscd-unreachable");
    expect(found?.remedy).toMatch(/apt install pcscd[^]*AllowStreamLocalForwarding yes/);
  });

  test("on a computer that uses other readers none is missed", () => {
    const host = { ...healthyHost, connect: "missing", installed: false } as const;
    const [found] = judge({ place: here, needed: false, daemon: nobody, host });
    expect(found).toMatchObject({ check: "pcscd-not-installed", level: "note" });
    expect(found?.remedy).toBe("sudo apt install pcscd\nsudo systemctl enable --now pcscd.socket");
  });

  test("a masked unit is unmasked first", () => {
    const units = {
      socket: { active: "inactive", enabled: "masked" },
      service: { active: "inactive", enabled: "masked" },
    };
    const host = { ...healthyHost, connect: "missing", units } as const;
    expect(judge({ daemon: nobody, host })[0]?.remedy).toMatch(/unmask.*\nsudo systemctl enable/);
  });
});

test.each([
  ["silent", "pcscd-silent fault"],
  ["stranger", "pcscd-version fault"],
  ["denied", "pcscd-denied fault"],
] as const)("%s", (state, expected) => {
  expect(names({ daemon: { state } })).toEqual([expected]);
});
