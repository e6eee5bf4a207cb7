import { execFile } from "node:child_process";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { readStart } from "../../host/read-start.ts";

/** How long rpm may take, ms. */
const LIMIT_MS = 3_000;

/** Most of a package manager's records that is read, bytes: those of some thousand packages. */
const MAX_BYTES = 64 * 1024 * 1024;

/** Which release of libpcsclite the package manager's records below a root name. Nothing but its text tells it. */
export async function packagedVersion(
  root: string,
  { signal }: { signal: AbortSignal },
): Promise<string | undefined> {
  return (
    (await fromDebian(root)) ??
    (await fromAlpine(root)) ??
    (await fromArch(root)) ??
    (await fromRpm(root, signal))
  );
}

const read = (root: string, path: string): Promise<string> =>
  readStart(join(root, path), MAX_BYTES).then(
    ({ bytes }) => new TextDecoder().decode(bytes),
    () => "", // another kind of system
  );

async function fromDebian(root: string): Promise<string | undefined> {
  const records = (await read(root, "var/lib/dpkg/status")).split("\n\n");
  const own = records.find(
    (record) => /^Package: libpcsclite1$/m.test(record) && /^Status: .* installed$/m.test(record),
  );
  return upstream(/^Version: (.*)$/m.exec(own ?? "")?.[1]);
}

async function fromAlpine(root: string): Promise<string | undefined> {
  const records = (await read(root, "lib/apk/db/installed")).split("\n\n");
  const own = records.find((record) => /^P:pcsc-lite-libs$/m.test(record));
  return upstream(/^V:(.*)$/m.exec(own ?? "")?.[1]);
}

async function fromArch(root: string): Promise<string | undefined> {
  const names = await readdir(join(root, "var/lib/pacman/local")).catch(() => []);
  return upstream(/^pcsclite-(\d.*)$/m.exec(names.join("\n"))?.[1]);
}

async function fromRpm(root: string, signal: AbortSignal): Promise<string | undefined> {
  const args = ["--root", root, "-q", "--qf", "%{VERSION}\n", "pcsc-lite-libs"];
  const asked = promisify(execFile)("rpm", args, { signal, timeout: LIMIT_MS });
  const said = await asked.catch(() => undefined); // no rpm, or no such package
  return upstream(said?.stdout.split("\n")[0]);
}

/** pcsc-lite's own number, without the distribution's epoch and revision. */
const upstream = (version: string | undefined): string | undefined =>
  /^(?:\d+:)?(\d+(?:\.\d+)+)/.exec(version ?? "")?.[1];
