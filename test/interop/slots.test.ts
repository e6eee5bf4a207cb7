import { chown, copyFile, mkdir, rename, rm, symlink, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { users } from "../lab/users.ts";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type Pcscd, readerNames, startPcscd } from "../lab/pcscd.ts";
import { publicDirectory } from "../lab/processes.ts";
import { type ProgramOptions, run, start } from "../lab/programs.ts";
import { foreign } from "../lab/suites.ts";
import { here, PcscClient, type Programs } from "../pcsc/client.ts";
import { writeLibrary } from "../slots/library.ts";
import { type Attached, attach, PATIENCE_MS, using } from "./programs/cardwire.ts";

// How many slots a program expects is found out from the libpcsclite that it has loaded. See test/slots/library.ts for
// why the libraries with 48 are made here.

const SCRIPT = fileURLToPath(new URL("../slots/program.py", import.meta.url));
/** This computer's own, with 16. */
const SYSTEM = "/usr/lib/x86_64-linux-gnu/libpcsclite.so.1";

let pcscd: Pcscd;
let folder: string;
beforeAll(async () => {
  pcscd = await startPcscd();
});
afterAll(() => pcscd[Symbol.asyncDispose]());
beforeEach(async () => {
  folder = await publicDirectory("libraries");
  return () => rm(folder, { recursive: true });
});

/** Where a library is, and where it has its own name. */
const place = (name = "libpcsclite.so.1.0.0") => join(folder, name);

interface Options extends ProgramOptions {
  readonly programs?: Programs;
  readonly minor?: number;
  readonly order?: "little" | "big";
  /** Words before the program. */
  readonly within?: readonly string[];
}

/** A program of alice's, unless told, with these libraries loaded. */
async function loaded(
  { socket }: Pick<Attached, "socket">,
  libraries: readonly string[],
  options: Options = {},
) {
  const { programs = here, minor = 4, order = "little", within = [], ...how } = options;
  const args = ["-B", "-u", SCRIPT, libraries.join(","), `${minor}`, order];
  const [command = "", ...rest] = [...within, ...programs.program("python3", args)];
  const program = start(command, rest, { user: "alice", env: using(socket), ...how });
  await program.waitForLine(/^loaded$/, { timeoutMs: PATIENCE_MS });
  return {
    /** How many slot records it is sent. */
    async count(): Promise<number> {
      program.write("\n");
      const line = await program.waitForLine(/records/, { timeoutMs: PATIENCE_MS });
      return Number(line.split(" ")[0]);
    },
    [Symbol.asyncDispose]: () => program[Symbol.asyncDispose](),
  };
}

/** The same, for one that is asked once. */
async function countOf(
  attached: Pick<Attached, "socket">,
  libraries: readonly string[],
  options: Options = {},
) {
  await using program = await loaded(attached, libraries, options);
  return await program.count();
}

const attachHere = (args: readonly string[] = [], options: ProgramOptions = {}) =>
  attach([`unix:${pcscd.socketPath}`, ...args], options);

describe("a program's own library", () => {
  test("of 48 slots, beside real ones of 16, on one socket", async () => {
    await writeLibrary(SYSTEM, place());
    await using attached = await attachHere();
    await using real = new PcscClient(attached.socket);
    await real.must("establish", { context: "a" });
    await using many = await loaded(attached, [place()]);
    await using few = await loaded(attached, [SYSTEM]);
    for (let times = 0; times < 3; times++) {
      expect(await many.count()).toBe(48);
      expect(await few.count()).toBe(16);
      expect(await real.must("list", { context: "a" })).toMatchObject({ readers: readerNames });
    }
    // Nobody knows what a program without a library expects, or one with both.
    expect(await countOf(attached, [])).toBe(16);
    expect(await countOf(attached, [place(), SYSTEM])).toBe(16);
  });

  test("is the one that libpcsclite.so.1 loads, from 2.1.0 on, or has another name in a bundle", async () => {
    await writeLibrary(SYSTEM, place("libpcsclite_real.so.1"));
    await writeLibrary(SYSTEM, place("libpcsclite-1f2e3d.so.1.0.0"));
    await using attached = await attachHere();
    expect(await countOf(attached, [SYSTEM, place("libpcsclite_real.so.1")], { minor: 5 })).toBe(
      48,
    );
    expect(await countOf(attached, [place("libpcsclite-1f2e3d.so.1.0.0")])).toBe(48);
  });

  test("of a big-endian machine", async () => {
    const machine = foreign("s390x");
    const own = join(machine.root, "usr/lib/s390x-linux-gnu/libpcsclite.so.1.0.0");
    await writeLibrary(own, place());
    await using attached = await attachHere();
    const options = { programs: machine, order: "big" } as const;
    expect(await countOf(attached, [place()], options)).toBe(48);
    expect(await countOf(attached, [own], options)).toBe(16);
  });

  test("does not matter where --slots says it", async () => {
    await writeLibrary(SYSTEM, place());
    await using declared = await attachHere(["--slots", "48", "--name", "many"]);
    expect(await countOf(declared, [SYSTEM])).toBe(48);
    await using few = await attachHere(["--slots", "16", "--name", "few"]);
    expect(await countOf(few, [place()])).toBe(16);
  });
});

/** A process in a namespace of its own, in which it has number 1. */
const apart = { enter: "unshare --pid --fork --kill-child --mount-proc".split(" ") };

describe("a program", () => {
  test("of another user is strange to all but root", async () => {
    await writeLibrary(SYSTEM, place());
    await chown(folder, users.alice.uid, users.alice.gid);
    const args = ["--mode", "0666", "--socket", place("pcscd.comm")];
    {
      await using attached = await attachHere(args);
      expect(await countOf(attached, [place()], { user: "bob" })).toBe(16);
      expect(await countOf(attached, [place()])).toBe(48);
    }
    await using attached = await attachHere(args, { user: "root" });
    expect(await countOf(attached, [place()], { user: "bob" })).toBe(48);
  });

  test("in a container can be looked at, one outside of ours cannot", async () => {
    await writeLibrary(SYSTEM, place());
    await using attached = await attachHere();
    expect(await countOf(attached, [place()], { on: apart })).toBe(48);
    const contained = await attachHere(["--name", "contained"], { on: apart });
    // unshare takes no signal for the program that it runs.
    await using _contained = {
      async [Symbol.asyncDispose]() {
        await contained.program.stop();
      },
    };
    expect(await countOf(contained, [place()])).toBe(16);
    expect(await countOf(contained, [SYSTEM])).toBe(16);
  });
});

// As at an upgrade of the package while programs run. Only root can still read the file; others see the memory it takes.
describe.each(["alice", "root"] as const)(
  "a library that is gone from its place, to %s",
  (user) => {
    const replacements: readonly (readonly [string, (at: string) => Promise<unknown>])[] = [
      ["nothing", (at) => rm(at)],
      ["another one", (at) => copyFile(SYSTEM, at)],
      ["a pipe that nobody writes to", (at) => run("mkfifo", ["-m", "0666", at])],
      ["a device", (at) => symlink("/dev/zero", at)],
      [
        "a huge file",
        async (at) => {
          await writeFile(at, "\x7fELF");
          await truncate(at, 2 ** 40);
        },
      ],
    ];
    test.each(replacements)("with %s there", async (_, put) => {
      await writeLibrary(SYSTEM, place("many.so"));
      await copyFile(SYSTEM, place("few.so"));
      await mkdir(place("many"));
      await mkdir(place("few"));
      const many = place("many/libpcsclite.so.1");
      const few = place("few/libpcsclite.so.1");
      await rename(place("many.so"), many);
      await rename(place("few.so"), few);
      await using attached = await attachHere([], { user });
      await using expectsMany = await loaded(attached, [many], { user });
      await using expectsFew = await loaded(attached, [few], { user });
      for (const path of [many, few]) {
        await rename(path, `${path}.old`);
        await rm(`${path}.old`);
        await put(path).catch(() => {});
      }
      expect(await expectsMany.count()).toBe(48);
      expect(await expectsFew.count()).toBe(16);
    });
  },
);

test("whatever else a program maps under that name tells nothing, and does no harm", async () => {
  const files: Readonly<Record<string, (at: string) => Promise<unknown>>> = {
    text: (at) => writeFile(at, "libpcsclite ".repeat(1_000)),
    // An ELF file whose table of sections is everywhere and endless.
    sections: (at) =>
      writeFile(at, Buffer.from(`\x7fELF\x02\x01${"\xff".repeat(8_000)}`, "latin1")),
    huge: async (at) => {
      await writeFile(at, "\x7fELF");
      await truncate(at, 2 ** 40);
    },
  };
  await using attached = await attachHere();
  for (const [name, write] of Object.entries(files)) {
    const path = place(`libpcsclite.so.${name}.mapped`);
    await write(path);
    expect(await countOf(attached, [path])).toBe(16);
  }
});
