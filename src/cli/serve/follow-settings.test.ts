import { mkdtemp, rename, rm, stat, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { NO_SERVE_SETTINGS } from "../settings/serve-settings.ts";
import { followSettings } from "./follow-settings.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "follow-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

test("another file is noticed whose time of modification is the old one's", async () => {
  const [path, next] = [join(folder, "config.toml"), join(folder, "next")];
  const at = new Date("2026-11-28T12:00:00Z");
  for (const one of [path, next]) {
    await writeFile(one, "[serve]\n");
    await utimes(one, at, at);
  }
  const applied = vi.fn<() => void>();
  const live = { load: async () => NO_SERVE_SETTINGS, fixed: new Map<string, string>() };
  using _following = followSettings(live, NO_SERVE_SETTINGS, applied, path);
  await stat(path); // it has looked by then, too
  await rename(next, path);
  await vi.waitFor(() => expect(applied).toHaveBeenCalled(), { timeout: 5_000 });
});
