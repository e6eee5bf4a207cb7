import { type ChildProcess, spawn } from "node:child_process";
import {
  closeSync,
  existsSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
} from "node:fs";
import { join } from "node:path";
import type { Watched } from "../test/lab/secret-watch.ts";
import { inNamespaces } from "./namespaces.ts";
import { ensurePackages, PROGRAM_PATH } from "./packages.ts";
import { ensureSuites } from "./suites.ts";

// npm test: formatting, lint, types, the build, the plain tests, and then the tests with real
// programs inside namespaces of their own. `--long` adds the long ones, `--bench` measures instead;
// anything else is handed to vitest, and then only vitest runs.

/** How long a stopped child may take to end before it is killed, ms. */
const GRACE_MS = 3_000;

/** How many files with real programs are tested at once. */
const LANES = 2;
/** Of the files with real programs, the ones that take longest. */
const LONGEST: readonly string[] = [
  "doctor",
  "differential",
  "service",
  "completion",
  "article",
  "cli",
  "share",
  "cut-line",
];

const total = { passed: 0, failed: 0, skipped: 0 };
/** What failed and why, to be told once more where it is not overlooked. */
const failures: string[] = [];
const children = new Set<ChildProcess>();
/** Not in /tmp: the namespaces have one of their own. */
const counts = mkdtempSync("/var/tmp/cardwire-test-");
/** What the tests with real programs found out about secrets, a line for each file. */
const secretsFile = join(counts, "secrets");
let stopping = false;
let runs = 0;

const node = (script: string, ...args: readonly string[]): readonly string[] => [
  process.execPath,
  `node_modules/${script}`,
  ...args,
];

interface StatusOptions {
  readonly env?: NodeJS.ProcessEnv;
  /** The descriptor of an open file. */
  readonly output?: number | "inherit";
}

/** Runs a program to its end, its output on ours or in a file. Gives its exit status, 1 for a signal. */
async function status(
  argv: readonly string[],
  { env = process.env, output = "inherit" }: StatusOptions = {},
): Promise<number> {
  const [command = "", ...args] = argv;
  if (stopping) return 1;
  const child = spawn(command, args, {
    stdio: ["ignore", output, output],
    env: { ...env, PATH: env["PATH"] ?? PROGRAM_PATH },
  });
  children.add(child);
  const code = await new Promise<number>((resolve) => {
    child.once("error", (error) => {
      console.error(`${command}: ${error.message}`);
      resolve(1);
    });
    child.once("close", (exit) => resolve(exit ?? 1));
  });
  children.delete(child);
  return code;
}

/** What it prints is shown when it is done: others run beside it. */
async function check(name: string, argv: readonly string[]): Promise<void> {
  const path = join(counts, name);
  const output = openSync(path, "w");
  const ok = (await status(argv, { output })) === 0;
  closeSync(output);
  process.stdout.write(readFileSync(path));
  total[ok ? "passed" : "failed"] += 1;
  if (!ok) failures.push(name);
  console.log(`${ok ? "passed" : "FAILED"}: ${name}`);
}

/** What `test/closing-line-reporter.ts` writes, a line for each run of vitest. */
interface Counts extends Readonly<typeof total> {
  readonly failures: readonly string[];
}

/** Runs one project of vitest.config.ts, or a part of it, and adds up its tests. Gives how many there were. */
async function vitest(
  project: string,
  rest: readonly string[],
  { inside, output = "inherit" }: { inside: boolean; output?: number | "inherit" },
): Promise<number> {
  runs += 1;
  const file = join(counts, `${runs}`);
  const env = { CLOSING_LINE_FILE: file, SECRETS_FILE: secretsFile };
  const args = ["run", "--project", project, "--passWithNoTests", ...rest];
  const outside = { argv: node("vitest/vitest.mjs", ...args), env: { ...process.env, ...env } };
  const ran = inside
    ? inNamespaces(["node", "node_modules/vitest/vitest.mjs", ...args], env)
    : outside;
  const code = await status(ran.argv, { env: ran.env, output });
  const lines = existsSync(file) ? readFileSync(file, "utf8").trim().split("\n") : [];
  let tests = 0;
  let failed = 0;
  for (const line of lines) {
    const run = JSON.parse(line) as Counts;
    total.passed += run.passed;
    total.failed += run.failed;
    total.skipped += run.skipped;
    failures.push(...run.failures);
    failed += run.failed;
    tests += run.passed + run.failed;
  }
  // vitest that fails without a failed test, or dies before it can report, has failed all the same.
  if (code !== 0 && failed === 0) {
    total.failed += 1;
    failures.push(`vitest itself, of ${[project, ...rest].join(" ")}: status ${code}`);
  }
  return tests;
}

/** The files with real programs, those that take longest first, so that no lane works alone at the end. */
function labFiles(): string[] {
  const folders = ["test/interop", "test/faults", "test/package"];
  const files = folders.flatMap((folder) =>
    readdirSync(folder).flatMap((name) => (name.endsWith(".test.ts") ? [`${folder}/${name}`] : [])),
  );
  const isLong = (file: string) => LONGEST.some((name) => file.endsWith(`/${name}.test.ts`));
  return [...files.filter(isLong), ...files.filter((file) => !isLong(file))];
}

/**
 * The tests with real programs: file by file, each in namespaces of its own, in lanes that work side by side, since most
 * of their time these tests wait. What a file prints is shown when it is done.
 */
async function lab(rest: readonly string[]): Promise<number> {
  if (rest.length > 0) return await vitest("lab", rest, { inside: true });
  const files = labFiles();
  const lane = async (number: number): Promise<number> => {
    const path = join(counts, `lane-${number}`);
    let tests = 0;
    for (let file = files.shift(); file !== undefined; file = files.shift()) {
      if (stopping) break;
      const output = openSync(path, "w");
      const some = await vitest("lab", [file], { inside: true, output });
      closeSync(output);
      process.stdout.write(readFileSync(path));
      if (some === 0) {
        console.error(`${file}: no test ran`);
        total.failed += 1;
      }
      tests += some;
    }
    return tests;
  };
  const tests = await Promise.all(Array.from({ length: LANES }, (_, number) => lane(number)));
  return tests.reduce((sum, some) => sum + some, 0);
}

/** One more test: of all that cardwire's programs showed while those with real programs ran, nothing was secret. */
function noSecrets(): void {
  if (!existsSync(secretsFile)) return;
  const lines = readFileSync(secretsFile, "utf8").trim().split("\n");
  const watched = lines.map((line) => JSON.parse(line) as Watched);
  const sum = (of: "bytes" | "processes" | "records") =>
    watched.reduce((all, one) => all + one[of], 0);
  const found = [...new Set(watched.flatMap((one) => one.found))];
  const seen = `${sum("bytes")} bytes, ${sum("processes")} processes, ${sum("records")} records`;
  console.log(`looked for PINs and private keys in ${seen}: ${found.length} found`);
  total[found.length === 0 ? "passed" : "failed"] += 1;
  failures.push(...found.map((one) => `secrets: ${one}`));
}

/** Ends the children, first kindly. What runs inside namespaces ends with them. */
async function stop(): Promise<void> {
  stopping = true;
  const ends = [...children].map((child) => new Promise((resolve) => child.once("close", resolve)));
  for (const child of children) child.kill("SIGTERM");
  const late = setTimeout(() => {
    for (const child of children) child.kill("SIGKILL");
  }, GRACE_MS);
  await Promise.all(ends);
  clearTimeout(late);
  rmSync(counts, { recursive: true, force: true });
}

async function main(args: readonly string[]): Promise<number> {
  const rest = args.filter((arg) => arg !== "--long" && arg !== "--bench");
  ensurePackages();
  if (!args.includes("--bench")) ensureSuites(rest);
  const checks =
    rest.length === 0 && !args.includes("--bench")
      ? [
          check("biome format", node("@biomejs/biome/bin/biome", "format", ".")),
          check("oxlint", node("oxlint/bin/oxlint", "--type-aware")),
          check("tsc", node("typescript/bin/tsc", "--noEmit")),
        ]
      : [];
  const built = await status(node("tsx/dist/cli.mjs", "scripts/build.ts"));
  await Promise.all(checks);
  if (built !== 0) {
    console.error("the build failed");
    total.failed += 1;
  }
  if (args.includes("--bench")) {
    const bench = inNamespaces(
      ["node", "node_modules/tsx/dist/cli.mjs", "bench/main.ts", ...rest],
      {},
    );
    return total.failed > 0 ? 1 : await status(bench.argv, { env: bench.env });
  }
  // Side by side: those with real programs mostly wait.
  const sides = await Promise.all([vitest("unit", rest, { inside: false }), lab(rest)]);
  let tests = sides[0] + sides[1];
  if (args.includes("--long")) tests += await vitest("long", rest, { inside: true });
  noSecrets();
  if (tests === 0) console.error("no test ran");
  for (const failure of failures) console.log(`FAILED ${failure}`);
  const skipped = total.skipped > 0 ? `, ${total.skipped} skipped` : "";
  console.log(`${total.passed} passed, ${total.failed} failed${skipped}`);
  return total.failed > 0 || tests === 0 ? 1 : 0;
}

for (const [signal, code] of [
  ["SIGINT", 130],
  ["SIGTERM", 143],
  ["SIGHUP", 129],
] as const) {
  process.once(signal, () => {
    void stop().then(() => process.exit(code));
  });
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  console.log(`${total.passed} passed, ${total.failed + 1} failed`);
  process.exitCode = 1;
} finally {
  await stop();
}
