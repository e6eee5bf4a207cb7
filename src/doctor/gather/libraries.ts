import { execFile } from "node:child_process";
import { realpath, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { promisify } from "node:util";
import { readStart } from "../../host/read-start.ts";
import type { LibrariesCase, LibraryFacts } from "../judge/libraries.ts";
import { readLibrary } from "../../host/library-file.ts";
import { findFiles } from "./find-files.ts";
import { packagedVersion } from "./packaged-version.ts";

/** The library's file names: from pcsc-lite 2.0 on, `libpcsclite.so.1` may only load the other one. */
const NAME = /^libpcsclite(_real)?\.so\.1$/;
const REAL = "libpcsclite_real.so.1";

/** Where libraries are in the root of a system, of a Flatpak runtime (`files`), or of an application in a sandbox. */
const SYSTEM_PLACES = [
  "usr/lib",
  "usr/lib64",
  "lib",
  "lib64",
  "usr/local/lib",
  "files/lib",
  "lib32",
];

/** Where programs bring libraries of their own. */
const BUNDLE_PLACES = ["opt", "usr/local", "snap", "app", "var/lib/flatpak/app"];

/** A library is a fraction of this, bytes. */
const MAX_BYTES = 8 * 1024 * 1024;

/** How long ldconfig may take, ms. */
const LIMIT_MS = 3_000;

/** The libpcsclites of this computer: those that programs are given, and those that some bring themselves. */
export async function lookAtLibraries({ signal }: { signal: AbortSignal }): Promise<LibrariesCase> {
  const [cached, bundles] = await Promise.all([linked(signal), bundled("/", signal)]);
  const system = cached.length > 0 ? cached : await inPlaces("/", SYSTEM_PLACES, signal);
  const libraries = await facts("/", { system, bundles, signal });
  return { place: "this computer", foreign: false, libraries };
}

/** The same below the root of another system: of a container, a chroot, a Flatpak runtime. */
export async function lookAtRoot(
  root: string,
  { signal }: { signal: AbortSignal },
): Promise<LibrariesCase> {
  const [system, bundles] = await Promise.all([
    inPlaces(root, SYSTEM_PLACES, signal),
    bundled(root, signal),
  ]);
  return { place: root, foreign: true, libraries: await facts(root, { system, bundles, signal }) };
}

/** What the dynamic linker gives to programs (ldconfig(8)). */
async function linked(signal: AbortSignal): Promise<readonly string[]> {
  const env = { ...process.env, PATH: `${process.env["PATH"] ?? ""}:/usr/sbin:/sbin` };
  const asked = promisify(execFile)("ldconfig", ["-p"], { signal, timeout: LIMIT_MS, env });
  const said = await asked.catch(() => undefined); // musl has none
  const paths = [...(said?.stdout ?? "").matchAll(/^\s*libpcsclite\.so\.1 .*=> (\/.*)$/gm)];
  return paths.map(([, path = ""]) => path);
}

async function inPlaces(
  root: string,
  places: readonly string[],
  signal: AbortSignal,
  depth = 3,
): Promise<readonly string[]> {
  const base = await realpath(root).catch(() => root);
  const real = await Promise.all(
    places.map((place) => realpath(join(root, place)).catch(() => "")),
  );
  // A link from the root of another system may lead to ours.
  const inside = [...new Set(real)].filter((path) => path.startsWith(base));
  return await findFiles(inside, { name: NAME, depth, signal });
}

const bundled = (root: string, signal: AbortSignal): Promise<readonly string[]> =>
  inPlaces(root, BUNDLE_PLACES, signal, 8);

async function facts(
  root: string,
  {
    system,
    bundles,
    signal,
  }: { system: readonly string[]; bundles: readonly string[]; signal: AbortSignal },
): Promise<readonly LibraryFacts[]> {
  const version = await packagedVersion(root, { signal });
  const found = await Promise.all([
    ...system.map((path) => library(path, { version, bundled: false })),
    ...bundles.map((path) => library(path, { version: undefined, bundled: true })),
  ]);
  const seen = new Set<string>();
  return found.flatMap((one) => {
    if (one === undefined || seen.has(one.inode)) return []; // found by two ways
    seen.add(one.inode);
    return [one.facts];
  });
}

/** Of a library that only loads another one beside it, that other one. None when it cannot be read. */
async function library(
  path: string,
  known: Pick<LibraryFacts, "version" | "bundled">,
): Promise<{ inode: string; facts: LibraryFacts } | undefined> {
  const beside = join(dirname(path), REAL);
  const file = basename(path) !== REAL && (await isFile(beside)) ? beside : path;
  try {
    const { stats, bytes } = await readStart(file, MAX_BYTES);
    if (!stats.isFile() || stats.size > MAX_BYTES) return undefined;
    const told = readLibrary(bytes);
    return { inode: `${stats.dev}:${stats.ino}`, facts: { path: file, ...known, ...told } };
  } catch {
    return undefined; // a link to nowhere, as in the root of another system, whose file is found by itself
  }
}

const isFile = (path: string): Promise<boolean> =>
  stat(path).then(
    (found) => found.isFile(),
    () => false,
  );
