import { appendFileSync } from "node:fs";
import { stripVTControlCharacters } from "node:util";
import type { Reporter, TestModule } from "vitest/node";

/** What is told of an error. */
interface Told {
  readonly message: string;
  readonly diff?: string | undefined;
}

/** The most of one error's text that is told again at the end, characters. */
const MOST_TOLD = 1_500;

/**
 * Appends one line of JSON, `{ passed, failed, skipped, failures }`, to the file that CLOSING_LINE_FILE names, so that
 * scripts/test.ts can add up several runs and name at the end what failed. A file that cannot be loaded, a hook that
 * throws and an error that nobody caught each count as one failure: vitest has no failed test for these.
 */
export default class ClosingLineReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], unhandledErrors: readonly unknown[]): void {
    const file = process.env["CLOSING_LINE_FILE"];
    if (file === undefined) return;
    const counts = { passed: 0, failed: 0, skipped: 0 };
    const failures: string[] = [];
    const fail = (what: string, errors: readonly Told[]): void => {
      counts.failed += 1;
      const why = errors.map(({ message, diff = "" }) => `${message}\n${diff}`.trim()).join("\n");
      failures.push(stripVTControlCharacters(`${what}: ${why.slice(0, MOST_TOLD)}`));
    };
    for (const error of unhandledErrors) fail("an error that nobody caught", [asError(error)]);
    for (const module of modules) {
      const name = module.relativeModuleId;
      if (module.errors().length > 0) fail(name, module.errors());
      for (const suite of module.children.allSuites()) {
        if (suite.errors().length > 0) fail(`${name} > ${suite.fullName}`, suite.errors());
      }
      for (const test of module.children.allTests()) {
        const { state, errors = [] } = test.result();
        // Pending at the end of a run: its worker died under it.
        if (state === "passed" || state === "skipped") counts[state] += 1;
        else fail(`${name} > ${test.fullName}`, errors);
      }
    }
    appendFileSync(file, `${JSON.stringify({ ...counts, failures })}\n`);
  }
}

/** What vitest hands over are errors, or what is left of them between two processes. */
const asError = (thrown: unknown): Told =>
  typeof thrown === "object" && thrown !== null && "message" in thrown
    ? { message: String(thrown.message) }
    : { message: String(thrown) };
