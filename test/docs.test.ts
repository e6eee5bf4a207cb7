import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, test } from "vitest";
import { pages } from "../scripts/docs.ts";
import { checks } from "../src/doctor/checks.ts";
import { errorCodes } from "../src/domain/error-codes.ts";
import { returnCodes } from "../src/domain/return-codes.ts";

const read = (path: string): string => readFileSync(path, "utf8");
const files = (folder: string, end: string): readonly string[] =>
  readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((path) => path.endsWith(end))
    .map((path) => join(folder, path));

const sources = files("src", ".ts").filter(
  (path) => !path.endsWith(".test.ts") && !path.endsWith("domain/error-codes.ts"),
);
/** The error codes in a text, but not the tails of SCARD_E_… and of other names. */
const codesIn = (text: string): readonly string[] =>
  [...text.matchAll(/(?<![A-Z_])E_[A-Z]+(?:_[A-Z]+)*/g)].map(([code]) => code);

describe("error codes", () => {
  const used = new Set(sources.flatMap((path) => codesIn(read(path))));

  test.each([...used])("%s is in the table", (code) => {
    expect(Object.keys(errorCodes)).toContain(code);
  });

  test.each(Object.keys(errorCodes))("%s is thrown somewhere", (code) => {
    expect(sources.filter((path) => read(path).includes(`"${code}"`))).not.toEqual([]);
  });

  test("are all explained, and no others are", () => {
    expect(new Set(codesIn(read("docs/errors.md")))).toEqual(new Set(Object.keys(errorCodes)));
  });

  const rows = Object.entries(returnCodes).map(([rv, [code]]) => [code, rv] as const);
  test.each(rows)("%s is listed", (code, rv) => {
    const hex = `0x${Number(rv).toString(16).padStart(8, "0")}`;
    expect(read("docs/errors.md")).toContain(`| \`${code}\` | \`${hex}\` |`);
  });
});

test.each(Object.keys(checks))("doctor reports %s somewhere", (name) => {
  const judges = files("src/doctor", ".ts").filter(
    (path) => !path.endsWith(".test.ts") && !path.endsWith("checks.ts"),
  );
  expect(judges.filter((path) => read(path).includes(`"${name}"`))).not.toEqual([]);
});

test.each(Object.entries(pages))("%s is what `npm run docs` makes", (path, make) => {
  expect(read(path)).toBe(make());
});

const written = [
  ...readdirSync(".").filter((path) => path.endsWith(".md")),
  ...files("docs", ".md"),
];

describe.each(written)("%s", (path) => {
  const text = read(path);

  test("links to files that are there", () => {
    const targets = [...text.matchAll(/\]\((?!https?:)([^)#\s]+)/g)].map(
      ([, target = ""]) => target,
    );
    expect(targets.filter((target) => !existsSync(join(dirname(path), target)))).toEqual([]);
  });

  test("shows only commands that there are", () => {
    const commands = [...text.matchAll(/^ *\$ cardwire ([a-z]+)/gm)].map(([, name]) => name);
    const known = [...read("docs/cli.md").matchAll(/^## cardwire (\w+)/gm)].map(([, name]) => name);
    expect(commands.filter((name) => !known.includes(name))).toEqual([]);
  });
});

test.each([
  ["cardwire", "src/index.ts"],
  ["cardwire/testing", "src/testing/index.ts"],
])("docs/library.md imports only what %s exports", (name, entrance) => {
  const library = read(entrance);
  const imports = [...read("docs/library.md").matchAll(/import \{([^}]*)\} from "([^"]+)"/g)];
  const names = imports
    .filter(([, , from]) => from === name)
    .flatMap(([, list = ""]) => list.split(",").map((word) => word.trim()));
  expect(names.length).toBeGreaterThan(0);
  expect(names.filter((word) => !new RegExp(`\\b${word}\\b`).test(library))).toEqual([]);
});

test("ARCHITECTURE.md describes every file, once, and no others", () => {
  const named = [...read("ARCHITECTURE.md").matchAll(/^ {4}([a-z0-9/-]+\.ts) /gm)].map(
    ([, path = ""]) => `src/${path}`,
  );
  const there = files("src", ".ts").filter((path) => !path.endsWith(".test.ts"));
  expect(named.toSorted()).toEqual(there.toSorted());
});

test("pages of the library's names are made without a warning", { timeout: 120_000 }, () => {
  const made = spawnSync("npx", ["typedoc", "--emit", "none"], {
    cwd: "api-pages",
    encoding: "utf8",
  });
  expect(made.stdout + made.stderr).not.toMatch(/\[(?:warning|error)\]/);
  expect(made.status).toBe(0);
});
