import { readdirSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";

/** What each folder of src may import besides itself. A new arrow is a decision: make it here, in review. */
const mayImport: Readonly<Record<string, readonly string[]>> = {
  domain: [],
  wire: ["domain"],
  observe: ["domain"],
  host: ["domain"],
  audit: ["domain", "host", "wire"],
  carriers: ["domain", "host", "observe"],
  "software-cards": ["domain", "wire"],
  link: ["domain", "wire"],
  services: ["audit", "carriers", "domain", "link", "observe", "software-cards", "wire"],
  client: ["carriers", "domain", "host", "joined", "services", "wire"],
  fronts: ["domain", "host", "link", "observe", "wire"],
  testing: ["domain"],
  agent: ["carriers", "domain", "fronts", "host", "link", "services", "wire"],
  // Both ends of `serve`: the card host, and a client host that joined it.
  serve: ["audit", "carriers", "domain", "fronts", "host", "link", "observe", "services", "wire"],
  joined: ["carriers", "domain", "host", "observe", "services", "wire"],
  // It looks at all ends of `attach` and `serve`.
  doctor: ["carriers", "domain", "host", "joined", "observe", "serve", "services", "wire"],
  cli: [
    "agent",
    "audit",
    "carriers",
    "client",
    "doctor",
    "domain",
    "fronts",
    "host",
    "joined",
    "observe",
    "serve",
    "services",
    "software-cards",
    "wire",
  ],
  // The library's public names.
  "index.ts": [
    "carriers",
    "client",
    "domain",
    "fronts",
    "observe",
    "serve",
    "services",
    "software-cards",
    "wire",
  ],
};

/** Folders that must run anywhere, at once, without a clock: bytes and values only. */
const pure = new Set(["domain", "wire", "software-cards", "testing"]);

const folderOf = (path: string): string => path.split("/")[0] ?? "";

const sources = readdirSync("src", { recursive: true, encoding: "utf8" })
  .filter((path) => path.endsWith(".ts") && !path.endsWith(".test.ts"))
  .map((path) => {
    const text = readFileSync(`src/${path}`, "utf8").replaceAll(/\/\*.*?\*\//gs, ""); // comments name what they like
    const targets = [...text.matchAll(/(?:from |import |import\()"([^"]+)"/g)].map(
      ([, to]) => to ?? "",
    );
    return { path, folder: folderOf(path), text, targets };
  });

test.each(sources)("$path imports only what its floor may", ({ path, folder, targets }) => {
  const imported = targets
    .filter((target) => target.startsWith("."))
    .map((target) => folderOf(new URL(target, `file:///${path}`).pathname.slice(1)));
  expect(Object.keys(mayImport)).toContain(folder);
  const allowed = new Set([folder, ...(mayImport[folder] ?? [])]);
  expect(imported.filter((other) => !allowed.has(other))).toEqual([]);
});

test.each(sources.filter(({ folder }) => pure.has(folder)))(
  "$path is pure",
  ({ text, targets }) => {
    const impure =
      /^node:(net|tls|http|https|http2|fs|child_process|dgram|dns|os|timers|process|worker_threads)/;
    expect(targets.filter((target) => impure.test(target))).toEqual([]);
    expect(text).not.toMatch(
      /\b(setTimeout|setInterval|setImmediate|process\.|performance\.now|Date\.now)\b/,
    );
  },
);

test("only the program itself reads its arguments and sets its exit status", () => {
  const allowed = new Set(["cli/main.ts", "agent/loader.ts"]);
  const touching = sources.filter(({ text }) => /\bprocess\.(argv|exit\b|exitCode)/.test(text));
  expect(touching.map(({ path }) => path).filter((path) => !allowed.has(path))).toEqual([]);
});

test("what is published needs no package but those it is installed with", () => {
  const { dependencies, optionalDependencies } = JSON.parse(
    readFileSync("package.json", "utf8"),
  ) as {
    readonly dependencies: Readonly<Record<string, string>>;
    readonly optionalDependencies: Readonly<Record<string, string>>;
  };
  const known = new Set([...Object.keys(dependencies), ...Object.keys(optionalDependencies)]);
  const packageOf = (target: string) =>
    target
      .split("/")
      .slice(0, target.startsWith("@") ? 2 : 1)
      .join("/");
  const used = sources
    .flatMap(({ targets }) => targets)
    .filter((target) => !target.startsWith(".") && !target.startsWith("node:"))
    .map(packageOf);
  expect(used.filter((name) => !known.has(name))).toEqual([]);
});
