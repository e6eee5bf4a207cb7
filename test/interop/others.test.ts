import { mkdirSync } from "node:fs";
import { chmod, chown, mkdtemp, rm } from "node:fs/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Pcscd, startPcscd } from "../lab/pcscd.ts";
import { run, start } from "../lab/programs.ts";
import { type Sshd, startSshd } from "../lab/sshd.ts";
import { type UserName, users } from "../lab/users.ts";
import { attach, here, MAIN, PATIENCE_MS, share, using } from "./programs/cardwire.ts";

// What another, unprivileged user of the same computer can do with all that cardwire made: nothing, unless it was asked
// for. Directories above are open to everybody here, so that only cardwire's own rights count.

let pcscd: Pcscd;
let sshd: Sshd;
let installed: readonly AsyncDisposable[];
/** alice's run-time directory, which she left open. */
let open: string;
/** Everybody's. */
let place: string;

beforeAll(async () => {
  pcscd = await startPcscd();
  sshd = await startSshd({ loginUser: "alice", pcscdDirectory: pcscd.directory });
  installed = await Promise.all([sshd.installFor("alice"), sshd.installFor("root")]);
  open = await mkdtemp("/run/tmp/runtime-");
  await chown(open, users.alice.uid, users.alice.gid);
  await chmod(open, 0o755);
  place = await mkdtemp("/run/tmp/place-");
  await chmod(place, 0o1777);
  // Such a home is common, too.
  await chmod(users.alice.home, 0o755);
});
afterAll(async () => {
  for (const one of installed) await one[Symbol.asyncDispose]();
  await sshd[Symbol.asyncDispose]();
  await pcscd[Symbol.asyncDispose]();
  await rm(open, { recursive: true });
  await rm(place, { recursive: true });
  await chmod(users.alice.home, 0o700);
});

/** Files that cardwire made for others than this user, as root finds them. */
async function made(user: UserName): Promise<readonly string[]> {
  const ours = ["(", "-not", "-path", "/tmp/*", "-o", "-path", "/tmp/*cardwire*", ")"];
  const folders = [open, place, "/tmp", "/run/cardwire"];
  const { stdout } = await run("find", [
    ...folders,
    "-mindepth",
    "1",
    "-not",
    "-user",
    `${users[user].uid}`,
    ...ours,
  ]);
  return stdout.split("\n").filter(Boolean);
}

/** What of it lets a user in, and how. */
async function doors(user: UserName): Promise<readonly string[]> {
  const paths = await made(user);
  expect(paths).not.toEqual([]);
  const input = `${paths.join("\n")}\n`;
  const tried = await run("/usr/bin/python3", [here("intruder.py")], { user, input, cwd: "/" });
  expect(tried).toMatchObject({ status: 0, stderr: "" });
  return tried.stdout.split("\n").filter(Boolean);
}

describe.each(["bob", "carol"] as const)("%s gets in nowhere", (user) => {
  test.each([
    ["attach", () => attach(["cardhost"], { env: { XDG_RUNTIME_DIR: open } })],
    [
      "attach without a run-time directory",
      () => attach(["cardhost"], { env: { XDG_RUNTIME_DIR: "" } }),
    ],
    [
      "attach --socket",
      () => attach(["cardhost", "--socket", `${place}/s`], { env: { XDG_RUNTIME_DIR: open } }),
    ],
    ["root's attach", () => attach(["cardhost"], { user: "root" })],
    [
      "share",
      () => share(["cardhost"], { env: { ...using(pcscd.socketPath), XDG_RUNTIME_DIR: open } }),
    ],
    [
      "share --socket",
      () =>
        share(["cardhost", "--socket", `${place}/s`], {
          env: { ...using(pcscd.socketPath), XDG_RUNTIME_DIR: open },
        }),
    ],
  ])("%s", async (_, make) => {
    await using _made = await make();
    expect(await doors(user)).toEqual([]);
  });

  test("run", async () => {
    const argv = [MAIN, "run", "cardhost", "--", "sh", "-c", "echo ready; cat"];
    const env = { XDG_RUNTIME_DIR: open };
    await using program = start("node", argv, { user: "alice", env });
    await program.waitForLine(/^ready$/, { timeoutMs: PATIENCE_MS });
    expect(await doors(user)).toEqual([]);
    program.closeInput();
    await program.exited;
  });
});

test("who was asked in gets as far as the socket, and no further", async () => {
  const path = `${place}/s`;
  await using _made = await attach(["cardhost", "--group", "cards", "--socket", path], {
    env: { XDG_RUNTIME_DIR: open },
  });
  expect(await doors("bob")).toEqual([]);
  expect(await doors("carol")).toEqual([`${path} read write connect`]);
});

test("a trap that was laid is not walked into", async () => {
  // The directory that alice's cardwire would make, made by bob.
  const trap = `/tmp/cardwire-${users.alice.uid}`;
  await rm(trap, { recursive: true, force: true }); // an agent of hers may have been here
  mkdirSync(trap);
  await chown(trap, users.bob.uid, users.bob.gid);
  const argv = [MAIN, "attach", "cardhost"];
  const env = { XDG_RUNTIME_DIR: "" };
  const refused = await run("node", argv, { user: "alice", env, timeoutMs: PATIENCE_MS });
  expect(refused.stderr).toMatch(/^cardwire: the run-time directory .* belongs to uid 4102/);
  await rm(trap, { recursive: true });
});
