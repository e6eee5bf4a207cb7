import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { explainFindings, type Findings, parseFindings, probeScript } from "./remote-probe.ts";
import { runSsh } from "./run-ssh.ts";

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "cardwire-test-"));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

/** As over there, but in this computer's sh. Without Perl when `bare`. */
async function probed(socket: string, bare = false): Promise<Findings | undefined> {
  const path = bare ? `export PATH=${join(directory, "bin")}\n` : "";
  if (bare) {
    mkdirSync(join(directory, "bin"), { recursive: true });
    for (const tool of ["id", "readlink"]) {
      const at = spawnSync("sh", ["-c", `command -v ${tool}`], { encoding: "utf8" }).stdout.trim();
      symlinkSync(at, join(directory, "bin", tool));
    }
  }
  const { stdout } = await runSsh(["/bin/sh"], [], {
    input: path + probeScript(socket),
    terminal: "apart",
    signal: AbortSignal.timeout(10_000),
  });
  return parseFindings(`a banner\n${stdout}`);
}

describe.each([
  ["with Perl", false],
  ["without Perl", true],
])("the probe %s", (_with, bare) => {
  test("finds a socket that is not there", async () => {
    const { username, uid } = userInfo();
    expect(await probed(join(directory, "it's not there"), bare)).toMatchObject({
      user: username,
      root: uid === 0,
      connect: "missing",
    });
  });

  test("finds somebody who listens, and a socket that was left behind", async () => {
    const socket = join(directory, "$(x) it's");
    const server = createServer((caller) => caller.destroy()).listen(socket);
    await once(server, "listening");
    expect(await probed(socket, bare)).toMatchObject({ connect: "ok" });
    server.close();
    const leave = `require("net").createServer().listen(process.argv[1], () => process.kill(process.pid, 9))`;
    spawnSync(process.execPath, ["-e", leave, socket]);
    rmSync(join(directory, "bin"), { recursive: true, force: true });
    expect(await probed(socket, bare)).toMatchObject({ connect: "refused" });
  });
});

test.each(["", "This account is not available.\n", "cardwire-probe-1\nuser=me\n"])(
  "%j is no answer",
  (output) => {
    expect(parseFindings(output)).toBeUndefined();
  },
);

const place = { place: "me@cardhost", socket: "/run/pcscd/pcscd.comm" };
const found: Findings = {
  user: "me",
  root: false,
  installed: true,
  polkit: true,
  connect: "ok",
};

test.each([
  ["sshd forbids it", false, found, "E_SSH_FORWARDING", "AllowStreamLocalForwarding yes"],
  [
    "not installed",
    false,
    { ...found, connect: "missing", installed: false },
    "E_NO_PCSCD",
    "sudo apt install pcscd",
  ],
  [
    "not started",
    false,
    { ...found, connect: "missing" },
    "E_NO_PCSCD",
    "systemctl enable --now pcscd.socket",
  ],
  [
    "left behind",
    false,
    { ...found, connect: "refused" },
    "E_NO_PCSCD",
    "systemctl restart pcscd.socket",
  ],
  ["no right", false, { ...found, connect: "denied" }, "E_SOCKET_DENIED", "0666"],
  ["no shell", false, undefined, "E_PCSCD_UNREACHABLE", "no shell"],
  ["polkit", true, found, "E_PCSCD_REFUSED", 'subject.user === "me"'],
  [
    "root, whom polkit passes",
    true,
    { ...found, root: true },
    "E_PCSCD_REFUSED",
    "200 connections",
  ],
  ["no shell, and it hung up", true, undefined, "E_PCSCD_REFUSED", 'subject.user === "USER"'],
] as const)("%s", (_what, opened, findings, code, hint) => {
  const error = explainFindings(place, { opened, findings });
  expect(error.code).toBe(code);
  expect(error.message).toContain("me@cardhost");
  expect(error.hint).toContain(hint);
});
