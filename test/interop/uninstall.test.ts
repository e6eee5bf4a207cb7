import { chown, mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { footprint } from "../../src/host/footprint.ts";
import { keepers } from "../faults/keepers.ts";
import { type Pcscd, startPcscd } from "../lab/pcscd.ts";
import { until } from "../lab/processes.ts";
import { everywhere, type ProgramOptions, run, start } from "../lab/programs.ts";
import { type Sshd, startSshd } from "../lab/sshd.ts";
import { startSystemd } from "../lab/systemd.ts";
import { type UserName, users } from "../lab/users.ts";
import { attach, cardwire, MAIN, PATIENCE_MS, sshMasters } from "./programs/cardwire.ts";

// After many commands, most of them killed, uninstall leaves the computer as it was before the first.

// Agents outlive a kill for their grace time: one is enough.
everywhere["CARDWIRE_VIA"] = "forward";

let pcscd: Pcscd;
let sshd: Sshd;
let logins: readonly AsyncDisposable[];
/** A directory of alice's own, for her sockets. */
let own: string;

beforeAll(async () => {
  // This computer's other users have theirs in the real one.
  await run("mount", ["-t", "tmpfs", "-o", "mode=1777", "tmpfs", "/tmp"]);
  pcscd = await startPcscd();
  sshd = await startSshd({ pcscdDirectory: pcscd.directory });
  logins = [await sshd.installFor("alice"), await sshd.installFor("root")];
  own = await mkdtemp("/run/tmp/own-");
  await chown(own, users.alice.uid, users.alice.gid);
});
afterAll(async () => {
  for (const one of logins) await one[Symbol.asyncDispose]();
  await sshd[Symbol.asyncDispose]();
  await pcscd[Symbol.asyncDispose]();
  await rm(own, { recursive: true });
  await run("umount", ["/tmp"]);
});

/** Where cardwire makes anything, and more. */
const PLACES = ["/run", "/tmp", "/etc", "/var/lib"];
/**
 * Not the lab's: vitest works in the first; others install programs in the others. Where an agent ran as bob, its empty
 * folder is the other computer's.
 */
const isForeign = (path: string): boolean =>
  path.startsWith("/run/repository") ||
  path === `/tmp/cardwire-${users.bob.uid}` ||
  (/^\/(etc|var)\//.test(path) && !/cardwire|pcscd/.test(path));

async function tree(directory: string): Promise<readonly string[]> {
  const entries = await readdir(directory, { withFileTypes: true }).catch(() => []);
  const below = entries.map(async (entry) => {
    const path = join(directory, entry.name);
    const inside = entry.isDirectory() && path !== "/run/repository" ? await tree(path) : [];
    return [path, ...inside].filter((one) => !isForeign(one));
  });
  return (await Promise.all(below)).flat();
}

const everything = async (): Promise<readonly string[]> =>
  (await Promise.all(PLACES.map(tree))).flat().toSorted();

let before: readonly string[];
beforeEach(async () => {
  before = await everything();
});
const added = async (): Promise<readonly string[]> => {
  const known = new Set(before);
  return (await everything()).filter((path) => !known.has(path));
};
afterEach(async () => {
  for (const user of ["alice", "root"] as const) await cardwire(["uninstall"], { user });
});

/** Attaches, or runs something else that lasts, and kills it once it works. */
async function killed(
  args: readonly string[],
  user: UserName,
  { ready = /^Ctrl-C ends/, env = {} }: { ready?: RegExp; env?: ProgramOptions["env"] } = {},
) {
  const program = start("node", [MAIN, ...args], { user, env });
  await program.waitForLine(ready, { timeoutMs: PATIENCE_MS });
  program.kill("SIGKILL");
  await program.exited;
}

/** Makes everything that commands of this user can leave behind. */
async function leaveTraces(user: UserName): Promise<void> {
  await killed(["attach", "cardhost"], user);
  await killed(["attach", "cardhost", "--name", "placed", "--socket", join(own, user)], user);
  // The same name again, elsewhere: nobody knows of the first place any more.
  await killed(["attach", "cardhost", "--name", "moved", "--socket", join(own, `${user}-1`)], user);
  await killed(["attach", "cardhost", "--name", "moved", "--socket", join(own, `${user}-2`)], user);
  // So long a name that ssh's sockets have no room beside the record.
  await killed(["attach", "cardhost", "--name", "n".repeat(60)], user);
  const agent = "--via agent --grace 1 --lock-time 1".split(" ");
  await killed(["attach", "cardhost", "--name", "agent", ...agent], user);
  await killed(["run", "cardhost", "--", "sh", "-c", "echo runs; exec sleep 30"], user, {
    ready: /^runs$/,
  });
  const env = { PCSCLITE_CSOCK_NAME: pcscd.socketPath };
  await killed(["share", "cardhost"], user, { env });
  // At boot, say: another run-time directory than at a login.
  await killed(["attach", "cardhost"], user, { env: { XDG_RUNTIME_DIR: "" } });
  for (const host of ["cardhost", "nosuchhost.invalid"])
    await cardwire(["readers", host], { user });
  // A kill between two system calls cannot be had at will: what one at that moment leaves, with a dead process' number.
  const aside = join(own, `.cardwire-zzzz.zzzzzz-abcdef`);
  await mkdir(aside);
  await chown(aside, users[user].uid, users[user].gid);
  const config = user === "root" ? "/etc/cardwire" : `${users[user].home}/.config/cardwire`;
  await mkdir(config, { recursive: true });
  await writeFile(join(config, "config.toml"), "");
  for (const path of [config, dirname(config)])
    if (user !== "root") await chown(path, users[user].uid, users[user].gid);
  // The ssh of a killed cardwire ends by itself.
  await until("every ssh to end", async () => (await sshMasters()).length === 0, PATIENCE_MS);
  await until("the agent to end", async () => (await keepers()).length === 0, PATIENCE_MS);
}

describe.each(["alice", "root"] as const)("after commands of %s that were killed", (user) => {
  test("nothing is left, and what goes is printed before", async () => {
    await leaveTraces(user);
    const left = await added();
    expect(left).toContain(join(own, `${user}-2`));
    expect(left).not.toContain(join(own, `${user}-1`));

    const dry = await cardwire(["uninstall", "--dry-run"], { user });
    expect(dry).toMatchObject({ status: 0 });
    expect(dry.stderr).toBe("The program itself goes with 'npm uninstall --global cardwire'.\n");
    const announced = dry.stdout.trim().split("\n");
    const isAnnounced = (path: string) =>
      announced.some((one) => path === one || path.startsWith(`${one}/`));
    // A user's ~/.config is his, whoever made it.
    const parents = [`${users[user].home}/.config`];
    expect(left.filter((path) => !isAnnounced(path) && !parents.includes(path))).toEqual([]);
    expect(await added()).toEqual(left);

    const done = await cardwire(["uninstall"], { user });
    expect(done).toMatchObject({ status: 0, stdout: dry.stdout });
    expect((await added()).filter((path) => !parents.includes(path))).toEqual([]);
    await rm(`${users[user].home}/.config`, { recursive: true, force: true });
    expect(await cardwire(["uninstall"], { user })).toMatchObject({ status: 0, stdout: "" });
  });
});

test("while anything runs, nothing is removed, and it is named", async () => {
  const words = ["-c", "echo runs; exec sleep 30"];
  await using attached = await attach(["cardhost", "--name", "work"]);
  await using running = start("node", [MAIN, "run", "cardhost", "--", "sh", ...words], {
    user: "alice",
  });
  await running.waitForLine(/^runs$/, { timeoutMs: PATIENCE_MS });
  const refused = await cardwire(["uninstall"]);
  expect(refused).toMatchObject({ status: 1, stdout: "" });
  expect(refused.stderr).toMatch(/^cardwire: cardwire is running: .*\nhint: End it first: /);
  for (const name of [`work (process ${attached.program.pid})`, `run (process ${running.pid})`])
    expect(refused.stderr).toContain(name);
  expect((await cardwire(["readers", `unix:${attached.socket}`])).status).toBe(0);
});

test("nor while another computer lends its readers here", async () => {
  await using lending = start("node", [MAIN, "share", "cardhost", "--mode", "0666"], {
    user: "alice",
    env: { PCSCLITE_CSOCK_NAME: pcscd.socketPath },
  });
  await lending.waitForLine(/^Ctrl-C ends/, { timeoutMs: PATIENCE_MS });
  // The lab's card host, where bob logs in, is this computer as well.
  const [, socket = ""] = /export PCSCLITE_CSOCK_NAME=(\S+)/.exec(lending.output) ?? [];
  const refused = await cardwire(["uninstall"], { user: "bob" });
  expect(refused).toMatchObject({ status: 1, stdout: "" });
  expect(refused.stderr).toContain("a share of another computer (process ");
  const env = { PCSCLITE_CSOCK_NAME: socket };
  const list = await run("opensc-tool", ["-l"], { user: "bob", env });
  expect(list.stdout).toContain("Virtual PCD 00 00");
});

test("another user's is not touched", async () => {
  await using _attached = await attach([`unix:${pcscd.socketPath}`], { user: "carol" });
  expect(await cardwire(["uninstall"])).toMatchObject({ status: 0, stdout: "" });
  expect(await cardwire(["uninstall"], { user: "root" })).toMatchObject({ status: 0, stdout: "" });
  expect((await cardwire(["env"], { user: "carol" })).status).toBe(0);
});

test("--json prints a line each", async () => {
  await killed(["attach", "cardhost"], "alice");
  const { stdout } = await cardwire(["uninstall", "--json"]);
  const lines = stdout.trim().split("\n");
  const [first = ""] = lines;
  expect(lines).toHaveLength(1);
  expect(JSON.parse(first)).toEqual({
    path: `/run/user/${users.alice.uid}/cardwire`,
    what: footprint.find(({ path }) => path === "$XDG_RUNTIME_DIR/cardwire")?.what,
    removed: true,
  });
  await until("every ssh to end", async () => (await sshMasters()).length === 0, PATIENCE_MS);
  await until("the agent to end", async () => (await keepers()).length === 0, PATIENCE_MS);
});

const FIND = "/etc/systemd /run -path /run/repository -prune -o -name *cardwire* -print".split(" ");

test("services go, too, once they do not run", async () => {
  await using systemd = await startSystemd();
  const there = (args: readonly string[], user: UserName = "root") =>
    systemd.run("node", [MAIN, ...args], { user, timeoutMs: 50_000 });
  const files = async () => (await systemd.run("find", FIND)).stdout;

  const words = ["--", "attach", "cardhost", "--system"];
  await there(["service", "install", "--as", "alice", ...words]);
  await there(["service", "install", "--", "attach", "cardhost"], "alice");
  const refused = await there(["uninstall"]);
  expect(refused).toMatchObject({ status: 1, stdout: "" });
  expect(refused.stderr).toMatch(/cardwire is running: cardhost \(process \d+\)/);
  expect((await there(["uninstall"], "alice")).status).toBe(1);

  const unit = "cardwire-cardhost.service";
  await systemd.run("systemctl", ["stop", unit]);
  const done = await there(["uninstall"]);
  expect(done.status).toBe(0);
  expect(done.stdout).toContain(`/etc/systemd/system/${unit}\n`);
  await systemd.run("systemctl", ["--user", "stop", unit], { user: "alice" });
  expect((await there(["uninstall"], "alice")).status).toBe(0);
  expect(await files()).toBe("");
  const listed = await systemd.run("systemctl", ["list-units", "--all", "cardwire-*"]);
  expect(listed.stdout).toContain("0 loaded units");
  expect((await systemd.run("test", ["-e", "/run/pcscd"])).status).toBe(1);
});

test("so does the standard path's directory", async () => {
  await rm("/run/pcscd", { recursive: true });
  try {
    before = await everything();
    await killed(["attach", `unix:${pcscd.socketPath}`, "--system"], "root");
    expect(await added()).toContain("/run/pcscd/pcscd.comm");
    const done = await cardwire(["uninstall"], { user: "root" });
    expect(done.stdout).toBe("/run/pcscd/pcscd.comm\n/run/pcscd\n/run/cardwire\n");
    expect(await added()).toEqual([]);
  } finally {
    await mkdir("/run/pcscd", { recursive: true }); // the lab's pcscds mount theirs there
  }
});
