import { expect, test } from "vitest";
import { judgeSockets, type SocketFacts } from "./sockets.ts";

const attached = {
  name: "work",
  where: ["cardhost"],
  socket: "/run/user/1/cardwire/work/pcscd.comm",
  pid: 9,
  readers: ["A"],
};
const facts: SocketFacts = {
  directory: "/run/user/1/cardwire",
  attachments: [attached],
  shared: [],
  dead: [],
  stale: [],
  left: [],
};

test("one that answers", () => {
  expect(judgeSockets(facts)).toEqual([
    {
      check: "attachment",
      level: "good",
      what: "work: 1 reader of cardhost at /run/user/1/cardwire/work/pcscd.comm",
    },
  ]);
});

test("several hosts in one attachment are a place of their own", () => {
  const both = { ...attached, name: "both", where: ["cardhost", "other"], pid: 10 };
  expect(judgeSockets({ ...facts, attachments: [attached, both] })).toHaveLength(2);
  const again = { ...both, name: "again", pid: 11 };
  const found = judgeSockets({ ...facts, attachments: [attached, both, again] }).at(-1);
  expect(found?.what).toContain("2 attachments lead to cardhost and other: both, again");
  expect(found?.remedy).toMatch(/^kill 11 /);
});

test("paths in remedies are safe in a shell", () => {
  const [, found] = judgeSockets({ ...facts, stale: ["/run/it's $HOME"] });
  expect(found?.remedy).toBe(`rm '/run/it'\\''s $HOME'`);
});

test.each([
  [true, "shared-socket good"],
  [false, "shared-socket-silent warning"],
])("a socket that another computer shares here, answering: %s", (answers, expected) => {
  const one = { path: "/run/user/1/cardwire/a/pcscd.comm", lender: "eve at other", answers };
  const found = judgeSockets({ ...facts, shared: [one] }).at(-1);
  expect(`${found?.check} ${found?.level}`).toBe(expected);
  expect(found?.what).toContain("eve at other");
});

test("a directory that cannot be read is told", () => {
  const [found] = judgeSockets({ ...facts, unread: "EIO" });
  expect(found).toMatchObject({ check: "sockets-unknown", level: "note" });
});
