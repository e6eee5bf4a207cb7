import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { footprint } from "../src/host/footprint.ts";

test("docs/uninstall.md lists the paths that uninstall removes, and no others", () => {
  const page = readFileSync("docs/uninstall.md", "utf8");
  const [, rows = ""] = /\n\| --- [^\n]*\n((?:\|[^\n]*\n)*)/.exec(page) ?? [];
  const whose = { root: "root", users: "every user but root", all: "everybody" } as const;
  expect(rows.trim().split("\n")).toEqual(
    footprint.map(
      ({ path, of, what, until }) => `| \`${path}\` | ${whose[of]} | ${what} | ${until} |`,
    ),
  );
});
