import { defineConfig } from "vitest/config";
export default defineConfig({ test: { cache: false as any, include: ["test/fuzz/*.test.ts"] } });
