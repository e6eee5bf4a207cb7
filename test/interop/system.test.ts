import { existsSync, statSync } from "node:fs";
import { mkdir, rm } from "node:fs/promises";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { type Pcscd, pcscdArguments, startPcscd } from "../lab/pcscd.ts";
import { type ProgramOptions, run, start } from "../lab/programs.ts";
import { until } from "../lab/processes.ts";
import { cardwire, leftIn, MAIN, PATIENCE_MS } from "./programs/cardwire.ts";

// The socket at pcsc-lite's standard path: programs find it without any variable. Under systemd: service.test.ts.

const SOCKET = "/run/pcscd/pcscd.comm";

let pcscd: Pcscd;
beforeAll(async () => {
  pcscd = await startPcscd();
  await rm("/run/pcscd", { recursive: true }); // as on a computer without pcscd
});
afterEach(async () => {
  const left = await leftIn("/run/cardwire");
  if (left.length > 0) throw new Error(`left behind: ${left.join(", ")}`);
  await rm("/run/pcscd", { recursive: true, force: true });
});
afterAll(async () => {
  await pcscd[Symbol.asyncDispose]();
  await mkdir("/run/pcscd"); // the lab's pcscds mount theirs there
});

/** Attaches as root; resolves when the socket is there. Disposing ends it as Ctrl-C does. */
async function attachSystem(args: readonly string[] = [], options: ProgramOptions = {}) {
  const argv = [MAIN, "attach", `unix:${pcscd.socketPath}`, "--system", ...args];
  const program = start("node", argv, options);
  try {
    await program.waitForLine(/^Ctrl-C ends/, { timeoutMs: PATIENCE_MS });
  } catch (error) {
    await program.stop();
    throw error;
  }
  const end = async () => {
    program.kill("SIGINT");
    await program.exited;
  };
  return { program, [Symbol.asyncDispose]: end };
}

const finds = async (user: "root" | "alice" | "bob" | "carol"): Promise<boolean> =>
  (await run("opensc-tool", ["-l"], { user })).stdout.includes("Virtual PCD 00 00");

const refused = async (args: readonly string[], options: ProgramOptions = { user: "root" }) => {
  const done = await cardwire(["attach", `unix:${pcscd.socketPath}`, ...args], options);
  const [, message, hint] = /^cardwire: (.+)\nhint: (.+)\n$/.exec(done.stderr) ?? [];
  return { status: done.status, message, hint };
};

test("programs need no variable, and attach says so", async () => {
  const attached = await attachSystem(["--mode", "0666"]);
  expect(attached.program.output).toContain(
    `Programs find them here by themselves, at ${SOCKET}: no variable is needed.\n`,
  );
  expect(attached.program.output).not.toContain("PCSCLITE_CSOCK_NAME");
  await using scan = start("pcsc_scan", ["-r"], { user: "bob" });
  await scan.waitForLine(/Virtual PCD 00 01/);
  expect(await finds("bob")).toBe(true);
  // As pcscd makes it.
  expect(statSync("/run/pcscd")).toMatchObject({ mode: 0o40755, uid: 0, gid: 0 });
  await scan.stop();
  await attached[Symbol.asyncDispose]();
  expect(existsSync("/run/pcscd")).toBe(false);
});

test("nobody else is let in unless asked for, and attach says how", async () => {
  await using attached = await attachSystem();
  expect([await finds("root"), await finds("alice")]).toEqual([true, false]);
  expect(attached.program.output).toMatch(
    /^Only root's programs are let in; --mode 0666 .*--group/m,
  );
});

test("--group lets in a group", async () => {
  await using attached = await attachSystem(["--group", "cards"]);
  expect([await finds("carol"), await finds("bob")]).toEqual([true, false]);
  expect(attached.program.output).not.toContain("are let in");
});

test("a directory that was there stays", async () => {
  await run("mkdir", ["/run/pcscd"]);
  await (await attachSystem())[Symbol.asyncDispose]();
  expect(await leftIn("/run/pcscd")).toEqual([]);
  expect(existsSync("/run/pcscd")).toBe(true);
});

test("a stale socket is replaced", async () => {
  const killed = await attachSystem();
  killed.program.kill("SIGKILL");
  await killed.program.exited;
  expect(existsSync(SOCKET)).toBe(true);
  await using _attached = await attachSystem();
  expect(await finds("root")).toBe(true);
});

test("a living pcscd is refused by name, before anything is asked, and left alone", async () => {
  await using local = start("pcscd", [...pcscdArguments()]);
  await until("pcscd to listen", () => existsSync(SOCKET), PATIENCE_MS);
  await until("pcscd to answer", async () => (await run("opensc-tool", ["-l"])).status === 0);
  // A host that nobody could reach: it is not even tried.
  const done = await cardwire(["attach", "nosuchhost.invalid", "--system"], { user: "root" });
  expect(done).toMatchObject({ status: 1, stdout: "" });
  expect(done.stderr).toBe(
    `cardwire: ${SOCKET} is in use by process ${local.pid} (pcscd)\n` +
      "hint: Stop pcscd with 'sudo systemctl disable --now pcscd.socket pcscd.service'; or leave it and attach without --system, with --local if its readers are to be in the same list.\n",
  );
  expect((await run("opensc-tool", ["-l"])).status).toBe(0);
});

test("another attachment there is refused, too", async () => {
  await using attached = await attachSystem();
  const { status, message, hint } = await refused(["--system", "--name", "other"]);
  expect(status).toBe(1);
  expect(message).toContain(`${SOCKET} is in use by process ${attached.program.pid} (node`);
  expect(hint).toBe("End that program first, or attach without --system.");
});

test("without the right to it, it says how to get it", async () => {
  expect(await refused(["--system"], { user: "alice" })).toEqual({
    status: 1,
    message: `no right to make ${SOCKET}`,
    hint: expect.stringMatching(/sudo.*service install --as USER/),
  });
});

test.each([
  [
    ["--system", "--socket", "/run/tmp/x"],
    /option '--system' cannot be used with option '--socket/,
  ],
  [["--system", "--local"], /^with --system, cardwire takes the place of the pcscd at/],
])("%j is wrong usage", async (args, message) => {
  const { status, message: said } = await refused(args);
  expect(status).toBe(2);
  expect(said).toMatch(message);
});

test("a service manager that cannot be told is no reason to end", async () => {
  const env = { NOTIFY_SOCKET: "/run/tmp/nobody" };
  await using attached = await attachSystem([], { env });
  await attached.program.waitForLine(/^the service manager cannot be told: .*systemd-notify/);
  expect(await finds("root")).toBe(true);
});
