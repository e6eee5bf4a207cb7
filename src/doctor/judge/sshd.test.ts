import { describe, expect, test } from "vitest";
import { healthyHost } from "../../../test/doctor/healthy-host.ts";
import { type ForwardFacts, judgeSshd } from "./sshd.ts";

const facts: ForwardFacts = {
  opened: true,
  listens: true,
  bindUnlink: false,
  key: { file: "/home/bob/.ssh/authorized_keys", line: 3, options: ["port-forwarding", "pty"] },
  shell: true,
  sessionRefused: false,
  secondSession: true,
};

const judged = (changed: Partial<ForwardFacts>, host: Parameters<typeof judgeSshd>[2]) =>
  judgeSshd("cardhost", { ...facts, ...changed }, host);

const troubles = (changed: Partial<ForwardFacts>, host: Parameters<typeof judgeSshd>[2]) =>
  judged(changed, host)
    .filter(({ level }) => level === "fault" || level === "warning")
    .map(({ check, level }) => `${check} ${level}`);

test("a healthy one is not blamed", () => {
  expect(troubles({}, healthyHost)).toEqual([]);
});

test("a socket at which nobody listens over there is not sshd's fault", () => {
  const host = { ...healthyHost, connect: "missing" } as const;
  const found = judged({ opened: false }, host);
  expect(found[0]).toMatchObject({ check: "sshd-untried", level: "note" });
});

test("the socket answers over there, and not through sshd", () => {
  expect(troubles({ opened: false, listens: false }, healthyHost)).toEqual([
    "sshd-forbids-forwarding fault",
    "sshd-forbids-listening warning",
  ]);
});

describe("a key's options", () => {
  const key = { file: "/k", line: 3, options: ["pty"] };

  test("are named once, as the fault", () => {
    expect(troubles({ opened: false, listens: false, key }, healthyHost)).toEqual([
      "sshd-key-restricted fault",
    ]);
  });

  test("permitopen stops `attach` alone", () => {
    const limited = { ...key, options: ["port-forwarding", "permitopen"] };
    expect(troubles({ opened: false, key: limited }, healthyHost)).toEqual([
      "sshd-key-restricted fault",
    ]);
  });

  test("are named without a shell, too", () => {
    const unknown = { listens: undefined, bindUnlink: undefined, shell: false };
    const found = judged({ ...unknown, opened: false, key }, undefined);
    expect(found.map(({ check }) => check)).toEqual([
      "sshd-key-restricted",
      "sshd-untried",
      "sshd-no-shell",
    ]);
  });
});

test("the remedy names the lines that forbid it, and only them", () => {
  const file = "/etc/ssh/sshd_config.d/50.conf";
  const sshdConfig = [
    { file, line: 2, text: "AllowTcpForwarding=yes" },
    { file, line: 4, text: "PermitOpen localhost:80" },
    { file, line: 9, text: "  allowstreamlocalforwarding  REMOTE".trim() },
  ];
  const [found] = judged({ opened: false }, { ...healthyHost, sshdConfig });
  expect(found?.remedy?.split("\n").slice(0, 5)).toEqual([
    "# on cardhost, in place of",
    `#   ${file}:4: PermitOpen localhost:80`,
    `#   ${file}:9: allowstreamlocalforwarding  REMOTE`,
    "AllowStreamLocalForwarding yes",
    "PermitOpen any",
  ]);
});

test("a value for the other direction is guilty, one for this direction is not", () => {
  const line = { file: "/c", line: 1, text: "AllowStreamLocalForwarding local" };
  const [, listening] = judged({ listens: false }, { ...healthyHost, sshdConfig: [line] });
  expect(listening?.remedy).toContain("/c:1: AllowStreamLocalForwarding local");
  const [forwarding] = judged({ opened: false }, { ...healthyHost, sshdConfig: [line] });
  expect(forwarding?.remedy).not.toContain("/c:1");
});

test.each([
  [{ secondSession: false }, /only one session/],
  [{ sessionRefused: true, shell: false, secondSession: undefined }, /no session/],
] as const)("sessions: %j", (changed, what) => {
  const found = judged(changed, healthyHost).find(({ check }) => check === "sshd-max-sessions");
  expect(found?.what).toMatch(what);
});

test("a forced command is named with its line", () => {
  const key = { file: "/k", line: 7, options: ["command", "port-forwarding"] };
  const found = judged({ shell: false, listens: undefined, key }, undefined);
  expect(found.at(-1)?.what).toContain("/k line 7 forces a command");
});
