import { appendFileSync } from "node:fs";
import type { Reporter, TestModule } from "vitest/node";

/**
 * Appends one line of JSON, `{ passed, failed, skipped }`, to the file that CLOSING_LINE_FILE names,
 * so that scripts/test.ts can add up several runs. A file that cannot be loaded, a hook that throws
 * and an error that nobody caught each count as one failure: vitest has no failed test for these.
 */
export default class ClosingLineReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], unhandledErrors: readonly unknown[]): void {
    const file = process.env["CLOSING_LINE_FILE"];
    if (file === undefined) return;
    const counts = { passed: 0, failed: unhandledErrors.length, skipped: 0 };
    for (const module of modules) {
      if (module.errors().length > 0) counts.failed += 1;
      for (const suite of module.children.allSuites()) {
        if (suite.errors().length > 0) counts.failed += 1;
      }
      for (const test of module.children.allTests()) {
        const { state } = test.result();
        // Pending at the end of a run: its worker died under it.
        counts[state === "pending" ? "failed" : state] += 1;
      }
    }
    appendFileSync(file, `${JSON.stringify(counts)}\n`);
  }
}
