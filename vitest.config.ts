import { defineConfig } from "vitest/config";

/** One at a time: these tests start daemons and measure. */
const withRealPrograms = {
  fileParallelism: false,
  pool: "forks",
  testTimeout: 60_000,
  hookTimeout: 60_000,
  setupFiles: "./test/lab/inside.ts",
} as const;

export default defineConfig({
  test: {
    // scripts/test.ts runs part of this as root, and nothing of root's may stay in the tree.
    cache: false,
    reporters: ["default", "./test/closing-line-reporter.ts"],
    projects: [
      {
        test: {
          name: "unit",
          include: ["src/**/*.test.ts", "test/*.test.ts"],
          testTimeout: 30_000,
        },
      },
      {
        test: {
          name: "lab",
          include: ["test/{interop,faults,package}/**/*.test.ts"],
          ...withRealPrograms,
        },
      },
      { test: { name: "long", include: ["test/long/**/*.test.ts"], ...withRealPrograms } },
    ],
  },
});
