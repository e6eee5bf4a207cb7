import { existsSync, readlinkSync } from "node:fs";
import { isAbsolute, join } from "node:path";
import { SUITES_INSIDE } from "../../scripts/namespaces.ts";
import { type PcscdOptions, pcscdArguments } from "./pcscd.ts";
import type { Argv } from "./programs.ts";
import type { Order } from "./reader-states.ts";
import { type recipes, type SuiteName, suiteFolder } from "../../scripts/suites.ts";

// Programs of other Debian suites and architectures, which are not installed:
//
//     const [command, ...args] = suite("trixie").program("pcsc_scan", ["-r"]);
//     const [command, ...args] = foreign("s390x").program("opensc-tool", ["-l"]);
//     await run(command, args, { user: "alice", env: using(socket) });
//
// They see this computer's files (and so its sockets), but load their own suite's libraries. For a
// pcscd: startPcscd(daemonOf(suite("trixie"))). For more, `root` is a file tree to chroot into or to
// make a container of; it is read-only, with /run, /tmp, /proc and /dev to mount something on.
//
// scripts/test.ts fetches beforehand what a selected test file names in just this way, with the
// name as a literal; scripts/suites.ts has the packages of each.

export interface Suite {
  readonly root: string;
  /** Byte order of its programs. */
  readonly order: Order;
  /** How to start one of its programs, by name or by its path in `root`. */
  readonly program: (program: string, args?: readonly string[]) => Argv;
}

type Native = { [N in SuiteName]: (typeof recipes)[N]["architecture"] extends "amd64" ? N : never };

/** Suites of this computer's own architecture. */
export type NativeSuite = Native[SuiteName];

/** Architectures that qemu runs: s390x is big-endian, armhf and i386 have 32 bits. */
export type ForeignSuite = Exclude<SuiteName, NativeSuite>;

/** Where a shared library may be, of a machine with this triplet. */
const libraries = (triplet: string): readonly string[] => [
  `/usr/lib/${triplet}`,
  `/usr/lib/${triplet}/systemd`,
];

/** @throws {Error} when nobody fetched it. */
function rootOf(name: SuiteName): string {
  const root = join(SUITES_INSIDE, suiteFolder(name));
  if (existsSync(root)) return root;
  throw new Error(`no packages of ${name} here: name it in the test file, see ${import.meta.url}`);
}

/** @throws {Error} when the suite has no such program. */
function find(root: string, program: string): string {
  const places = program.startsWith("/")
    ? [program]
    : [`/usr/bin/${program}`, `/usr/sbin/${program}`];
  const found = places.map((place) => join(root, place)).find((path) => existsSync(path));
  if (found === undefined) throw new Error(`${root} has no ${program}`);
  return found;
}

/** Programs of another Debian suite, each with its own loader and C library. */
export function suite(name: NativeSuite): Suite {
  const root = rootOf(name);
  const link = "/lib64/ld-linux-x86-64.so.2";
  const target = readlinkSync(join(root, link));
  // In older suites the link is absolute, and would lead to this computer's own loader.
  const loader = join(root, isAbsolute(target) ? target : link);
  const path = libraries("x86_64-linux-gnu").map((folder) => join(root, folder));
  return {
    root,
    order: "little",
    program: (program, args = []) => [
      ...homeOf(program, root),
      loader,
      "--library-path",
      path.join(":"),
      find(root, program),
      ...args,
    ],
  };
}

/** Python looks for its library beside the program that was started, which is the loader. */
const homeOf = (program: string, root: string): readonly [] | readonly ["env", string] =>
  program === "python3" ? ["env", `PYTHONHOME=${join(root, "usr")}`] : [];

const machines = {
  s390x: { emulator: "qemu-s390x-static", triplet: "s390x-linux-gnu", order: "big" },
  armhf: { emulator: "qemu-arm-static", triplet: "arm-linux-gnueabihf", order: "little" },
  i386: { emulator: "qemu-i386-static", triplet: "i386-linux-gnu", order: "little" },
} as const satisfies Readonly<Record<ForeignSuite, unknown>>;

/** Programs of another machine, run by qemu, which looks for each file below `root` first. */
export function foreign(name: ForeignSuite): Suite {
  const root = rootOf(name);
  const { emulator, triplet, order } = machines[name];
  const path = libraries(triplet).join(":");
  return {
    root,
    order,
    program: (program, args = []) => [
      emulator,
      "-L",
      root,
      "-E",
      `LD_LIBRARY_PATH=${path}`,
      find(root, program),
      ...args,
    ],
  };
}

/** Where vpcd's package says which readers there are. */
const VPCD_CONFIG = "/etc/reader.conf.d/vpcd";

/**
 * What `startPcscd` needs to start a suite's pcscd, with that suite's own driver. With `polkit`, that daemon asks polkitd
 * for everybody.
 */
export function daemonOf(
  { program, root, order }: Suite,
  { polkit = false } = {},
): Pick<PcscdOptions, "program" | "args" | "driversOf" | "order"> {
  const options = polkit ? ["--foreground"] : pcscdArguments(program("pcscd"));
  // The file itself: programs of 32 bits under qemu cannot read the folder's entries, whose numbers have 64.
  const [command, ...args] = program("pcscd", [...options, "--config", VPCD_CONFIG]);
  return { program: command, args, driversOf: root, order };
}
