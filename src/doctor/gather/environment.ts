import { execFile } from "node:child_process";
import { realpath, stat } from "node:fs/promises";
import { promisify } from "node:util";
import { errorCode } from "../../host/error-code.ts";
import type { EnvironmentFacts, Privilege, ProgramFacts } from "../judge/environment.ts";
import { mentions } from "./file-text.ts";

/** How long a program that is asked may take, ms. */
const LIMIT_MS = 3_000;

/** Programs that may use cards and often run with other rights than their user's. */
const WELL_KNOWN = [
  "/usr/bin/sudo",
  "/usr/bin/su",
  "/usr/bin/pkexec",
  "/usr/bin/gnome-keyring-daemon",
  "/usr/lib/polkit-1/polkit-agent-helper-1",
  "/usr/lib/x86_64-linux-gnu/xscreensaver/xscreensaver-auth",
];

/** Bits of st_mode that give a program its owner's or group's rights (chmod(2)). */
const SET_USER_ID = 0o4000;
const SET_GROUP_ID = 0o2000;

/** What the user's service manager gives to the programs that it starts. */
export async function lookAtSession({
  signal,
}: {
  signal: AbortSignal;
}): Promise<EnvironmentFacts["session"]> {
  try {
    const asked = promisify(execFile)("systemctl", ["--user", "show-environment"], {
      signal,
      timeout: LIMIT_MS,
    });
    const [, variable] = /^PCSCLITE_CSOCK_NAME=(.*)$/m.exec((await asked).stdout) ?? [];
    return { variable };
  } catch {
    return undefined; // no systemd, or none that serves this user
  }
}

/** Programs that were asked for, and of the usual ones those that run with other rights. */
export async function lookAtPrograms(
  asked: readonly string[],
  { signal }: { signal: AbortSignal },
): Promise<readonly ProgramFacts[]> {
  const one = (path: string, isAsked: boolean) => lookAtProgram(path, isAsked, signal);
  const [given, known] = await Promise.all([
    Promise.all(asked.map((path) => one(path, true))),
    Promise.all(WELL_KNOWN.map((path) => one(path, false))),
  ]);
  return [
    ...given,
    ...known.filter(({ unknown, privilege }) => unknown === undefined && privilege !== undefined),
  ];
}

async function lookAtProgram(
  path: string,
  asked: boolean,
  signal: AbortSignal,
): Promise<ProgramFacts> {
  const facts = { path, asked, privilege: undefined, bundled: false };
  try {
    const file = await realpath(path);
    const found = await stat(file);
    if (!found.isFile()) return { ...facts, unknown: "it is not a file" };
    const { mode } = found;
    const privilege = setId(mode) ?? (await capabilities(file, signal));
    // pcscd's socket and the variable's name stand together in libpcsclite alone.
    const bundled = asked && (await mentions(file, ["PCSCLITE_CSOCK_NAME", "/pcscd"], { signal }));
    return { ...facts, privilege, bundled };
  } catch (error) {
    return { ...facts, unknown: errorCode(error) ?? "it could not be read" };
  }
}

function setId(mode: number): Privilege | undefined {
  if ((mode & SET_USER_ID) !== 0) return "set-user-ID";
  return (mode & SET_GROUP_ID) !== 0 ? "set-group-ID" : undefined;
}

/** Node.js has no call for extended attributes; getcap prints nothing for a file without capabilities. */
async function capabilities(file: string, signal: AbortSignal): Promise<Privilege | undefined> {
  const env = { ...process.env, PATH: `${process.env["PATH"] ?? ""}:/usr/sbin:/sbin` };
  const asked = promisify(execFile)("getcap", [file], { signal, timeout: LIMIT_MS, env });
  const said = await asked.catch(() => undefined); // no getcap: most systems have none of these programs
  return said?.stdout.includes("cap_") ? "file capabilities" : undefined;
}
