import { mkdir, readdir, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type Pcscd, startPcscd } from "../lab/pcscd.ts";
import { type Program, run, start } from "../lab/programs.ts";
import { type Sshd, startSshd } from "../lab/sshd.ts";
import { suite } from "../lab/suites.ts";
import { users } from "../lab/users.ts";
import { attach, RUNTIME, using } from "./programs/cardwire.ts";
import {
  attachAs,
  installCardwire,
  line,
  plantTree,
  prepare,
  Sandbox,
  type ShellOptions,
  shell,
  withShell,
} from "./programs/recipes.ts";

// The recipes of docs/sandboxes.md. Inside is another libpcsclite than the card host's pcscd knows.

const { home } = users.alice;
const LISTED = expect.stringMatching(/0 +Yes +Virtual PCD 00 00\n1 +No +Virtual PCD 00 01\n/);
const NOTHING = expect.stringContaining("No smart card readers found.");
const alice = { user: "alice" } as const;
const root = { user: "root" } as const;
const ALL = "What holds for all of them";

let pcscd: Pcscd;
let sshd: Sshd;
const installed: AsyncDisposable[] = [];

beforeAll(async () => {
  pcscd = await startPcscd();
  sshd = await startSshd({ pcscdDirectory: pcscd.directory });
  installed.push(await sshd.installFor("alice"), await sshd.installFor("root"));
  installed.push(await installCardwire());
});
afterAll(async () => {
  for (const one of installed) await one[Symbol.asyncDispose]();
  await sshd[Symbol.asyncDispose]();
  await pcscd[Symbol.asyncDispose]();
});
beforeEach(async () => {
  await rm(join(home, "cards"), { recursive: true, force: true });
  await prepare(line(ALL, "mkdir"), alice);
});

const outside = () => attachAs(line(ALL, "cardwire attach"), alice);
const openToAll = () => attachAs(line(ALL, "cardwire attach", 1), alice);

describe("what is mounted", () => {
  let tree: AsyncDisposable;
  beforeAll(async () => {
    tree = await plantTree(suite("trixie"), "alice");
  });
  afterAll(() => tree[Symbol.asyncDispose]());

  const bwrap = line("bubblewrap", "bwrap");
  const mounting = (what: string, inside = "/run/pcscd") =>
    new Sandbox(withShell(bwrap.replace("~/cards /run/pcscd", `${what} ${inside}`)), alice);

  test("a directory of the socket's own is good before, during and after an attachment, and holds nothing else", async () => {
    await using sandbox = mounting("~/cards");
    expect(await sandbox.list()).toEqual(NOTHING);
    for (const _ of [1, 2]) {
      await using _attached = await outside();
      expect(await sandbox.list()).toEqual(LISTED);
      expect(await readdir(join(home, "cards"))).toEqual(["pcscd.comm"]);
    }
    expect(await sandbox.list()).toEqual(NOTHING);
  });

  test("the same when the attachment was killed", async () => {
    const first = await outside();
    await using sandbox = mounting("~/cards");
    first.program.kill("SIGKILL");
    await first.program.exited;
    expect(await sandbox.list()).toEqual(NOTHING);
    await using _second = await outside();
    expect(await sandbox.list()).toEqual(LISTED);
  });

  test("read-only, nobody inside replaces the socket", async () => {
    await using _attached = await outside();
    const tried = await shell(bwrap.replace("opensc-tool -l", "dash -c 'echo >/run/pcscd/x'"), {
      user: "alice",
    });
    expect(tried.stderr).toContain("Read-only file system");
  });

  test("a socket file is good until the attachment is restarted", async () => {
    const first = await outside();
    await using sandbox = mounting("~/cards/pcscd.comm", "/run/pcscd/pcscd.comm");
    expect(await sandbox.list()).toEqual(LISTED);
    await first[Symbol.asyncDispose]();
    await using _second = await outside();
    expect(await sandbox.list()).toEqual(NOTHING);
  });

  test("so is an attachment's own directory, and ssh's control connection is in it", async () => {
    const first = await attach(["cardhost"]);
    await using sandbox = mounting(join(RUNTIME, "cardhost"));
    expect(await sandbox.list()).toEqual(LISTED);
    const files = await readdir(join(RUNTIME, "cardhost"), { recursive: true });
    expect(files.filter((name) => /^ssh-.*\/c\d+$/.test(name))).toHaveLength(1);
    await first[Symbol.asyncDispose]();
    await using _second = await attach(["cardhost"]);
    expect(await sandbox.list()).toEqual(NOTHING);
  });
});

describe("bubblewrap and chroot, with a file tree of Debian 11", () => {
  let tree: AsyncDisposable;
  beforeAll(async () => {
    tree = await plantTree(suite("bullseye"), "root");
  });
  afterAll(() => tree[Symbol.asyncDispose]());

  test("bubblewrap, as an ordinary user", async () => {
    await using _attached = await outside();
    const inside = await shell(line("bubblewrap", "bwrap"), alice);
    expect(inside).toMatchObject({ status: 0, stdout: LISTED });
  });

  test("chroot, root and an ordinary user", async () => {
    await prepare(line("chroot", "mkdir"), root);
    await using _attached = await attachAs(line("chroot", "cardwire attach"), root);
    await prepare(line("chroot", "mkdir", 1), root);
    await prepare(line("chroot", "mount"), root);
    const chroot = line("chroot", "chroot");
    expect(await shell(chroot, root)).toMatchObject({ stdout: LISTED });
    const asBob = chroot.replace("chroot ", `chroot --userspec=${users.bob.uid} `);
    expect(await shell(asBob, root)).toMatchObject({ stdout: LISTED });
  });
});

test("systemd-nspawn", async () => {
  await using _tree = await plantTree(suite("trixie"), "root");
  await prepare(line("chroot", "mkdir"), root);
  const nspawn = line("systemd-nspawn", "systemd-nspawn")
    // There is no systemd here to tell of the container, and no terminal to talk to it.
    .replace("systemd-nspawn", "systemd-nspawn --register=no --keep-unit --pipe");
  await using sandbox = new Sandbox(withShell(nspawn), root);
  for (const _ of [1, 2]) {
    await using _attached = await attachAs(line("chroot", "cardwire attach"), root);
    expect(await sandbox.list()).toEqual(LISTED);
  }
});

describe("Flatpak", () => {
  const ID = "org.example.Cards";
  /** A runtime out of a Debian, and a program in it that lists the readers. */
  const MAKE = `
    cd "$(mktemp -d)"
    mkdir -p runtime/files app/files/bin app/export
    cp -a /srv/debian/usr runtime/usr
    chmod -R u+w runtime
    of="runtime=org.example.Platform/$(flatpak --default-arch)/13
    sdk=org.example.Platform/$(flatpak --default-arch)/13"
    printf '[Runtime]\nname=org.example.Platform\n%s\n' "$of" >runtime/metadata
    printf '[Application]\nname=${ID}\ncommand=list\n%s\n' "$of" >app/metadata
    printf '#!/bin/sh\nexec opensc-tool -l\n' >app/files/bin/list
    chmod +x app/files/bin/list
    flatpak build-export --runtime --disable-sandbox repository runtime 13
    flatpak build-export --disable-sandbox repository app
    flatpak --user remote-add --no-gpg-verify here repository
    # It asks the system's bus whether a parent forbids this program; on an empty one nobody does.
    export GO='DBUS_SYSTEM_BUS_ADDRESS=$DBUS_SESSION_BUS_ADDRESS exec "$@"'
    dbus-run-session -- sh -c "$GO" sh flatpak --user install -y --noninteractive here ${ID}
    rm -rf "$PWD"`;

  beforeAll(async () => {
    await using _tree = await plantTree(suite("trixie"), "alice");
    await prepare(MAKE, alice);
  });
  afterAll(() => prepare("rm -rf ~/.local/share/flatpak ~/.cache/flatpak ~/.var", alice));

  test("by cardwire run, for as long as the program runs", async () => {
    const command = line("Flatpak", "cardwire run");
    expect(await shell(command, alice)).toMatchObject({ status: 0, stdout: LISTED });
    const without = command.replace("--socket=pcsc ", "");
    expect(await shell(without, alice)).toMatchObject({ stdout: NOTHING });
  });

  test("by an override, for an attachment that comes and goes", async () => {
    await prepare(line("Flatpak", "flatpak override"), alice);
    await using sandbox = new Sandbox(`flatpak run --command=sh ${ID}`, alice);
    for (const _ of [1, 2]) {
      await using _attached = await outside();
      expect(await sandbox.list()).toEqual(LISTED);
    }
    // With its own socket on, Flatpak leaves out what the override says.
    await using attached = await outside();
    const script = "echo $PCSCLITE_CSOCK_NAME";
    const asked = ["run", "--socket=pcsc", "--command=sh", ID, "-c", script];
    const own = await run("flatpak", asked, { user: "alice", env: using(attached.socket) });
    expect(own.stdout).toBe("/run/pcscd/pcscd.comm\n");
  });
});

describe("Podman without root", () => {
  const podman = line("Docker and Podman", "podman run");
  const config = join(home, ".config/containers/containers.conf");
  /** Subordinate ids, and control groups of version 2, as an installed computer has them. */
  const SURROUNDINGS = `
    echo alice:100000:65536 >/run/tmp/subid
    mount --bind /run/tmp/subid /etc/subuid
    mount --bind /run/tmp/subid /etc/subgid
    mount -t cgroup2 none /sys/fs/cgroup
    mount --make-rshared /
    echo ready
    exec cat`;
  let holder: Program;
  let there: ShellOptions;

  beforeAll(async () => {
    await using _tree = await plantTree(suite("trixie"), "alice");
    holder = start("unshare", ["--mount", "--", "/bin/sh", "-ec", SURROUNDINGS]);
    await holder.waitForLine(/^ready$/);
    const enter = ["nsenter", `--target=${holder.pid}`, "--mount", "--"];
    there = { ...alice, on: { enter } };
    // The lab has no network to give away.
    await mkdir(dirname(config), { recursive: true });
    await writeFile(config, '[containers]\nnetns = "none"\n');
    await run("chown", ["-R", "alice", join(home, ".config")]);
    const image = "tar -C /srv/debian -c . | podman import - debian-opensc";
    await prepare(image, there);
  });
  afterAll(async () => {
    await prepare("podman unshare rm -rf ~/.local/share/containers ~/.config/containers", there);
    // A process stays that keeps the user namespace for the next podman.
    await prepare('kill "$(cat $XDG_RUNTIME_DIR/libpod/tmp/pause.pid)"', there);
    await holder.stop();
  });

  test("its root gets in, and so does the user himself with keep-id", async () => {
    await using _attached = await outside();
    expect(await shell(podman, there)).toMatchObject({ status: 0, stdout: LISTED });
    const keep = podman.replace("run ", "run --userns=keep-id ");
    expect(await shell(keep, there)).toMatchObject({ status: 0, stdout: LISTED });
  });

  test("other users inside get in when both doors are open", async () => {
    const other = podman.replace("run ", "run --user 1000 ");
    {
      await using _closed = await outside();
      expect(await shell(other, there)).toMatchObject({ stdout: NOTHING });
    }
    await prepare(line(ALL, "chmod"), alice);
    await using _open = await openToAll();
    expect(await shell(other, there)).toMatchObject({ stdout: LISTED });
    const bob = { user: "bob", env: using(join(home, "cards/pcscd.comm")) } as const;
    expect(await run("opensc-tool", ["-l"], bob)).toMatchObject({ stdout: NOTHING });
  });

  test("a container outlives the attachment", async () => {
    await using sandbox = new Sandbox(withShell(podman.replace("run ", "run -i ")), there);
    for (const _ of [1, 2]) {
      await using _attached = await outside();
      expect(await sandbox.list()).toEqual(LISTED);
    }
  });
});
