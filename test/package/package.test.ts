import { chown, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { attach, PATIENCE_MS, using } from "../interop/programs/cardwire.ts";
import { type Pcscd, startPcscd } from "../lab/pcscd.ts";
import { publicDirectory } from "../lab/processes.ts";
import { type RunOptions, run } from "../lab/programs.ts";
import { type Sshd, startSshd } from "../lab/sshd.ts";
import { users } from "../lab/users.ts";

// The package as it would be published, installed elsewhere by an ordinary user, without a network: its dependencies
// come from here, and koffi, which is optional, does not come at all.

const repository = fileURLToPath(new URL("../../", import.meta.url));

interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly bin: Readonly<Record<string, string>>;
  readonly man: readonly string[];
  readonly dependencies: Readonly<Record<string, string>>;
  readonly exports: Readonly<Record<string, string | Readonly<Record<string, string>>>>;
}

let pcscd: Pcscd;
let sshd: Sshd;
let installed: AsyncDisposable;
/** Where the packed files are. */
let packed: string;
/** A project of alice's that depends on cardwire. */
let consumer: string;
let manifest: Manifest;
/** Every file of the package, without the leading `package/`. */
let files: readonly string[];

async function npm(args: readonly string[], options: RunOptions = {}): Promise<string> {
  const quiet = "--offline --no-audit --no-fund --no-update-notifier --ignore-scripts".split(" ");
  const done = await run("npm", [...args, ...quiet], { timeoutMs: 120_000, ...options });
  if (done.status !== 0) throw new Error(`npm ${args.join(" ")}:\n${done.stdout}${done.stderr}`);
  return done.stdout;
}

/** Packs a folder and gives the tarball's path. */
async function pack(folder: string): Promise<string> {
  const cache = join(packed, "cache");
  const list = await npm([
    "pack",
    folder,
    "--json",
    "--pack-destination",
    packed,
    "--cache",
    cache,
  ]);
  const [{ filename = "" } = {}] = JSON.parse(list) as readonly { filename?: string }[];
  return join(packed, filename);
}

/** What a package needs, and what that needs in turn. */
async function dependenciesOf({
  dependencies = {},
}: Pick<Partial<Manifest>, "dependencies">): Promise<ReadonlySet<string>> {
  const all = new Set(Object.keys(dependencies));
  for (const name of Object.keys(dependencies)) {
    const file = join(repository, "node_modules", name, "package.json");
    const below = await dependenciesOf(JSON.parse(await readFile(file, "utf8")) as Manifest);
    for (const one of below) all.add(one);
  }
  return all;
}

const asAlice = (program: string, args: readonly string[], options: RunOptions = {}) =>
  run(program, args, { user: "alice", cwd: consumer, timeoutMs: PATIENCE_MS, ...options });

beforeAll(async () => {
  pcscd = await startPcscd();
  sshd = await startSshd({ pcscdDirectory: pcscd.directory });
  installed = await sshd.installFor("alice");
  packed = await publicDirectory("packed");
  consumer = await mkdtemp("/run/tmp/consumer-");
  await chown(consumer, users.alice.uid, users.alice.gid);

  const tarball = await pack(repository);
  const listed = await run("tar", ["-tzf", tarball]);
  files = listed.stdout
    .trim()
    .split("\n")
    .map((file) => file.replace(/^package\//, ""));
  manifest = JSON.parse(await readFile(join(repository, "package.json"), "utf8")) as Manifest;

  const tarballs = [tarball];
  const overrides: Record<string, Record<string, string>> = {};
  for (const name of await dependenciesOf(manifest)) {
    const folder = join(repository, "node_modules", name);
    tarballs.push(await pack(folder));
    // One that has its own release of another package cannot share the others'.
    for (const own of await readdir(join(folder, "node_modules")).catch(() => []))
      overrides[name] = {
        ...overrides[name],
        [own]: `file:${await pack(join(folder, "node_modules", own))}`,
      };
  }
  await writeFile(join(consumer, "package.json"), JSON.stringify({ overrides }));
  await chown(join(consumer, "package.json"), users.alice.uid, users.alice.gid);
  await run("chmod", ["-R", "a+rX", packed]);
  await npm(["install", "--omit=optional", "--cache", join(consumer, ".cache"), ...tarballs], {
    user: "alice",
    cwd: consumer,
  });
}, 240_000);
afterAll(async () => {
  await installed[Symbol.asyncDispose]();
  await sshd[Symbol.asyncDispose]();
  await pcscd[Symbol.asyncDispose]();
  await rm(packed, { recursive: true, force: true });
  await rm(consumer, { recursive: true, force: true });
});

describe("the tarball", () => {
  test("has what people look for, and what the manifest names", () => {
    const named = Object.values(manifest.exports).flatMap((target) =>
      typeof target === "string" ? [target] : Object.values(target),
    );
    const paths = [...named, ...Object.values(manifest.bin), ...manifest.man].map((path) =>
      path.replace(/^\.\//, ""),
    );
    for (const file of ["LICENSE", "README.md", "package.json", ...paths]) {
      expect(files).toContain(file);
    }
  });

  test("has the program, its declarations, documents and templates, and nothing else", () => {
    const expected =
      /^(dist\/man\/[a-z-]+\.[15]|dist\/.+(?<!\.test)\.(js|d\.ts)(\.map)?|dist\/agent\.cjs(\.sha256)?|docs\/[^/]+\.(md|svg)|templates\/polkit\/50-cardwire\.rules|[A-Z]+(\.md)?|package\.json)$/;
    expect(files.filter((file) => !expected.test(file))).toEqual([]);
  });

  test("tells nothing that is not for others", async () => {
    const folder = join(consumer, "node_modules/cardwire");
    const words = 'PRIVATE KEY|_authToken|\\.npmrc|/home/[a-z]+/|/root/|from "vitest"';
    const found = await run("grep", ["-rlE", words, "dist", "package.json"], { cwd: folder });
    expect(found).toMatchObject({ status: 1, stdout: "" });
  });

  test("is installed without koffi", async () => {
    const listed = await asAlice("ls", ["node_modules"]);
    expect(listed.stdout.split("\n")).toContain("cardwire");
    expect(listed.stdout.split("\n")).not.toContain("koffi");
  });
});

describe("the installed program", () => {
  const bin = () => join(consumer, "node_modules/.bin/cardwire");

  test("says its version", async () => {
    const said = await asAlice(bin(), ["--version"]);
    expect(said).toMatchObject({ status: 0, stdout: `${manifest.version}\n`, stderr: "" });
  });

  test.each(["a socket", "ssh", "an agent"])("attaches through %s", async (way) => {
    const where = way === "a socket" ? `unix:${pcscd.socketPath}` : "cardhost";
    const flags = way === "an agent" ? ["--via", "agent"] : [];
    await using attached = await attach([where, ...flags], { bin: bin() });
    const listed = await asAlice("opensc-tool", ["-l"], { env: using(attached.socket) });
    expect(listed.stdout).toMatch(/Yes\s+Virtual PCD 00 00/);
  });

  test("runs a program with the readers, and lists them", async () => {
    const ran = await asAlice(bin(), ["run", "cardhost", "--", "pcsc_scan", "-r"]);
    expect(ran.status).toBe(0);
    expect(ran.stdout).toContain("0: Virtual PCD 00 00\n1: Virtual PCD 00 01");
    const listed = await asAlice(bin(), ["readers", "cardhost", "--json"]);
    expect(listed.stdout.trim().split("\n")).toHaveLength(2);
  });
});

describe("installed for everybody", () => {
  test("the program, and its manual pages where man looks", async () => {
    const prefix = join(consumer, "global");
    await npm(["install", "--global", "--prefix", prefix, "./node_modules/cardwire"], {
      user: "alice",
      cwd: consumer,
      env: { npm_config_cache: join(consumer, ".cache") },
    });
    const said = await asAlice(join(prefix, "bin/cardwire"), ["--version"]);
    expect(said).toMatchObject({ status: 0, stdout: `${manifest.version}\n` });
    for (const [number, name] of [
      ["1", "cardwire"],
      ["1", "cardwire-attach"],
      ["5", "cardwire-config"],
    ] as const) {
      const env = { MANPATH: join(prefix, "share/man"), LC_ALL: "C.UTF-8" };
      const page = await asAlice("man", ["-P", "cat", number, name], { env });
      expect(page).toMatchObject({ status: 0, stderr: "" });
      expect(page.stdout).toContain(`${name.toUpperCase()}(${number})`);
    }
  });

  test("settings work without anything but what was installed", async () => {
    const env = { XDG_CONFIG_HOME: join(consumer, "config") };
    await asAlice("mkdir", ["-p", join(env.XDG_CONFIG_HOME, "cardwire")]);
    const file = join(env.XDG_CONFIG_HOME, "cardwire/config.toml");
    await writeFile(file, '[attach.work]\nwhere = "cardhost"\n', { mode: 0o644 });
    const cardwire = join(consumer, "node_modules/.bin/cardwire");
    const listed = await asAlice(cardwire, ["readers", "work"], { env });
    expect(listed).toMatchObject({ status: 0, stderr: "" });
    expect(listed.stdout).toContain("Virtual PCD 00 00");
  });
});

describe("the library", () => {
  /** Prints the names of the readers; `load` gives the module. */
  const use = (load: string, top: string) => `
    ${load}
    ${top}
      const { signal } = new AbortController();
      const carrier = unixCarrier(process.argv[2]);
      const options = { pipelining: true, rememberFeatures: true, keepWarm: false };
      const service = await pcscdService(carrier, options, { signal });
      console.log(service.readers.map((reader) => reader.name).join());
      await service[Symbol.asyncDispose]();
      await carrier[Symbol.asyncDispose]();
    })();`;

  test.each([
    ["import", "mjs", `import { pcscdService, unixCarrier } from "cardwire";`],
    ["require()", "cjs", `const { pcscdService, unixCarrier } = require("cardwire");`],
  ])("works by %s", async (_how, extension, load) => {
    const file = `use.${extension}`;
    await writeFile(join(consumer, file), use(load, "(async () => {"));
    const said = await asAlice("node", ["--no-warnings", file, pcscd.socketPath]);
    expect(said).toMatchObject({
      status: 0,
      stdout: "Virtual PCD 00 00,Virtual PCD 00 01\n",
      stderr: "",
    });
  });

  test("has types, for a strict project too", async () => {
    const source = `
      import { CardwireError, type CardService, pcscdService, Rv, unixCarrier } from "cardwire";
      import { fakeService } from "cardwire/testing";

      export async function names(path: string): Promise<readonly string[]> {
        const { signal } = new AbortController();
        await using carrier = unixCarrier(path);
        const options = { pipelining: true, rememberFeatures: true, keepWarm: false };
        await using service = await pcscdService(carrier, options, { signal });
        return named(service);
      }
      const named = (service: CardService): readonly string[] => service.readers.map(({ name }) => name);
      export const fake: CardService = fakeService([]);
      export const hint = (error: unknown): string | undefined =>
        CardwireError.is(error) ? error.hint : undefined;
      export const timeout: number = Rv.Timeout;
      // @ts-expect-error: the path is a string.
      unixCarrier(1);
    `;
    await writeFile(join(consumer, "use.mts"), source);
    const settings = {
      compilerOptions: {
        target: "es2023",
        lib: ["es2023", "esnext.disposable"],
        module: "nodenext",
        strict: true,
        exactOptionalPropertyTypes: true,
        noUncheckedIndexedAccess: true,
        skipLibCheck: false,
        noEmit: true,
        typeRoots: [join(repository, "node_modules/@types")],
        types: ["node"],
      },
      files: ["use.mts"],
    };
    await writeFile(join(consumer, "tsconfig.json"), JSON.stringify(settings));
    const tsc = join(repository, "node_modules/typescript/bin/tsc");
    const said = await asAlice("node", [tsc, "-p", "."]);
    expect(said).toMatchObject({ status: 0, stdout: "" });
  });
});
