import { describe, expect, test } from "vitest";
import { type EnvironmentFacts, judgeEnvironment } from "./environment.ts";

const facts: EnvironmentFacts = {
  variable: undefined,
  place: undefined,
  standardSocket: "/run/pcscd/pcscd.comm",
  localPcscd: false,
  sources: [],
  session: undefined,
  programs: [],
  librarySecure: true,
};
const work = {
  socket: "/run/user/1/cardwire/work/pcscd.comm",
  title: "the attachment work",
  line: 'eval "$(cardwire env)"',
};

const judge = (changed: Partial<EnvironmentFacts>) => judgeEnvironment({ ...facts, ...changed });
const names = (changed: Partial<EnvironmentFacts>) =>
  judge(changed).map(({ check, level }) => `${check} ${level}`);

describe("without the variable", () => {
  test("nothing is missed where nothing is attached", () => {
    expect(names({})).toEqual(["variable good"]);
  });

  test("an attachment is not found, and the one line that changes it is given", () => {
    const [found] = judge({ sources: [work] });
    expect(found).toMatchObject({ check: "variable-unset", remedy: 'eval "$(cardwire env)"' });
    expect(names({ sources: [work], localPcscd: true })).toEqual([
      "local-pcscd-in-the-way warning",
    ]);
  });

  test("one at pcscd's own place is found", () => {
    const system = { ...work, socket: facts.standardSocket };
    expect(names({ sources: [system] })).toEqual(["variable good"]);
  });
});

describe("with the variable", () => {
  test("that leads to an attachment", () => {
    const found = names({ variable: work.socket, place: "answers", sources: [work] });
    expect(found).toEqual(["variable good"]);
  });

  test("that leads elsewhere", () => {
    const given = { variable: "/elsewhere", place: "answers", sources: [work] } as const;
    expect(names(given)).toEqual(["variable-elsewhere note"]);
    expect(judge(given)[0]?.remedy).toBe('eval "$(cardwire env)"');
  });

  test("that leads to nobody: the remedy depends on what there is", () => {
    const given = { variable: "/gone", place: "missing" } as const;
    expect(judge({ ...given, sources: [work] })[0]?.remedy).toBe('eval "$(cardwire env)"');
    expect(judge({ ...given, localPcscd: true })[0]?.remedy).toMatch(/^unset PCSCLITE_CSOCK_NAME/);
  });
});

// The lab has no service manager.
describe("the session's own environment", () => {
  const set = { variable: "/s", place: "answers" } as const;

  test.each([
    [{ variable: undefined }, /do not have it$/],
    [{ variable: "/other" }, /have \/other there instead$/],
  ])("that says otherwise: %j", (session, what) => {
    const [, found] = judge({ ...set, session });
    expect(found).toMatchObject({ check: "session-environment", level: "note" });
    expect(found?.what).toMatch(what);
    expect(found?.remedy).toMatch(/^systemctl --user import-environment PCSCLITE_CSOCK_NAME$/m);
  });

  test.each([undefined, { variable: "/s" }])("that says nothing else: %j", (session) => {
    expect(names({ ...set, session })).toEqual(["variable good"]);
  });
});

describe("programs with other rights", () => {
  const program = {
    path: "/usr/bin/x",
    asked: true,
    privilege: "set-user-ID",
    bundled: false,
  } as const;

  test("ignore the variable from libpcsclite 2.0 on", () => {
    expect(names({ programs: [program] })).toContain("variable-ignored warning");
    expect(names({ programs: [program], librarySecure: false })).toContain("variable-ignored note");
  });

  test("that nobody asked for are told in one line, and only where it matters", () => {
    const known = { ...program, asked: false };
    const programs = [known, { ...known, path: "/usr/bin/y" }];
    expect(names({ programs })).toEqual(["variable good"]);
    const [, found] = judge({ programs, variable: "/s", place: "answers" });
    expect(found).toMatchObject({ check: "variable-ignored", level: "note" });
    expect(found?.what).toContain("/usr/bin/x, /usr/bin/y");
  });

  test("a copy of the library in a program is told", () => {
    const found = names({ programs: [{ ...program, privilege: undefined, bundled: true }] });
    expect(found.slice(1)).toEqual(["library-bundled note", "program-follows good"]);
  });
});
