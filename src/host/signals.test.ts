import { spawn } from "node:child_process";
import { once } from "node:events";
import { expect, test } from "vitest";
import { untilSignal } from "./signals.ts";

test.each(["SIGINT", "SIGTERM", "SIGHUP"] as const)("%s aborts instead of ending", async (name) => {
  using until = untilSignal();
  expect(until.received).toBeUndefined();
  const aborted = once(until.signal, "abort");
  process.kill(process.pid, name);
  await aborted;
  expect(until.received).toBe(name);
});

test("disposed, it leaves the signals alone", () => {
  const before = process.listenerCount("SIGTERM");
  untilSignal()[Symbol.dispose]();
  expect(process.listenerCount("SIGTERM")).toBe(before);
});

test("an impatient second signal does not end the clean-up", async () => {
  const source = new URL("signals.ts", import.meta.url).href;
  const script = `
    const { untilSignal } = await import(${JSON.stringify(source)});
    const until = untilSignal();
    const alive = setInterval(() => {}, 1000);
    until.signal.addEventListener("abort", () => console.log("aborted"));
    process.on("SIGUSR2", () => { console.log("clean " + until.received); clearInterval(alive); });
    console.log("ready");`;
  const args = ["--import", "tsx", "--input-type=module", "-e", script];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
  const lines: string[] = [];
  for await (const text of child.stdout.setEncoding("utf8")) {
    lines.push(...String(text).trim().split("\n"));
    if (lines.at(-1) === "ready") child.kill("SIGINT");
    if (lines.at(-1) === "aborted") {
      child.kill("SIGINT");
      child.kill("SIGUSR2");
    }
  }
  expect(lines).toEqual(["ready", "aborted", "clean SIGINT"]);
});
