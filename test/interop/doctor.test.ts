import { chmod, copyFile, mkdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { lookAtNearHost } from "../../src/doctor/gather/near-host.ts";
import { runInMountsOf } from "../lab/mounts.ts";
import { type Pcscd, startPcscd } from "../lab/pcscd.ts";
import { publicDirectory, signal, until } from "../lab/processes.ts";
import { PATH, run, start } from "../lab/programs.ts";
import { mountAsSystemSocket, type Sshd, startSshd } from "../lab/sshd.ts";
import { users } from "../lab/users.ts";
import {
  attach,
  cardwire,
  leftIn,
  MAIN,
  PATIENCE_MS,
  RUNTIME,
  sshMasters,
  using,
} from "./programs/cardwire.ts";
import { doctor, expectTrouble, troubles } from "./programs/doctor.ts";

// `cardwire doctor` with real faults: each is made in a real ssh, sshd, pcscd or environment, and must be recognised
// by its name, with what mends it, without blaming anything else.

let pcscd: Pcscd;
let sshd: Sshd;
let installed: AsyncDisposable;
/** A directory that everybody may enter, for whatever a test puts in the way. */
let place: string;

beforeAll(async () => {
  pcscd = await startPcscd();
  sshd = await startSshd({ pcscdDirectory: pcscd.directory });
  installed = await sshd.installFor("alice");
  place = await publicDirectory("doctor");
});
afterAll(async () => {
  await installed[Symbol.asyncDispose]();
  await sshd[Symbol.asyncDispose]();
  await pcscd[Symbol.asyncDispose]();
  await rm(place, { recursive: true });
});

const local = () => `unix:${pcscd.socketPath}`;

/** Another sshd in front of the same pcscd, and what its findings are. */
async function behind(config: readonly string[], extra: readonly string[] = []) {
  await using other = await startSshd({ config, pcscdDirectory: pcscd.directory });
  return await doctor(["cardhost", "--ssh", `ssh -F ${other.clientConfig}`, ...extra]);
}

const withConfig = async (lines: readonly string[]) => [
  "--ssh",
  `ssh -F ${await sshd.configWith(lines)}`,
];

describe("a healthy setup", () => {
  const healthy = ["ssh-client", "ssh-connects", "sshd-version", "sshd-forwards", "sshd-listens"];

  test("has no fault and no warning, over one ssh connection, and nothing is left of it", async () => {
    const diagnosis = await doctor(["cardhost"]);
    expect(troubles(diagnosis)).toEqual([]);
    expect(diagnosis.status).toBe(0);
    const good = diagnosis.findings.filter(({ level }) => level === "good");
    expect(good.map(({ check }) => check)).toEqual([
      ...healthy,
      "pcscd-answers",
      "readers",
      "line-round-trip",
      "variable",
      "library",
      "node",
    ]);
    expect(diagnosis.find("readers").what).toContain("Virtual PCD 00 00");
    expect(diagnosis.find("line-round-trip").what).toMatch(/\d ms; .*signature.* \d\.\d+ s/);
    expect(await sshMasters()).toEqual([]);
    expect(await leftIn(RUNTIME)).toEqual([]);
    for (const folder of ["/run/tmp", "/tmp", `/run/user/${users.bob.uid}`])
      expect((await leftIn(folder)).filter((name) => name.startsWith("cardwire-doctor"))).toEqual(
        [],
      );
  });

  test("on one computer that is both", async () => {
    await using _mounted = await mountAsSystemSocket(pcscd.directory);
    const diagnosis = await doctor();
    expect(troubles(diagnosis)).toEqual([]);
    expect(diagnosis.find("pcscd-answers").what).toMatch(/this computer speaks protocol 4:\d/);
  });

  test("with an attachment in use", async () => {
    await using attached = await attach(["cardhost"]);
    const diagnosis = await doctor(["cardhost"], { env: using(attached.socket) });
    expect(troubles(diagnosis)).toEqual([]);
    expect(diagnosis.find("attachment").what).toContain("2 readers of cardhost");
    expect(diagnosis.find("variable").what).toContain("the attachment cardhost");
  });

  test("is told in lines for people: a mark each, remedies further in, no colour in a pipe", async () => {
    const good = await cardwire(["doctor", "cardhost"]);
    expect(good).toMatchObject({ status: 0, stderr: "No faults.\n" });
    expect(good.stdout).toMatch(/^ssh to the card host\n {2}ok {7}ssh here is OpenSSH/);
    const bad = await cardwire(["doctor", "nosuchhost.invalid"]);
    expect(bad).toMatchObject({ status: 1, stderr: "1 fault.\n" });
    expect(bad.stdout).toMatch(
      /^ {2}FAULT {4}ssh to nosuchhost\.invalid: .*\[ssh-host-unknown\]\n {13}Check the name/m,
    );
    expect(`${good.stdout}${bad.stdout}`).not.toContain("\u001b");
    const verbose = await cardwire(["doctor", "-v"]);
    expect(verbose.stdout).toMatch(/^ {2}ok .*\[node\]\n {13}Node\.js is 20\.19 or later\.$/m);
  });
});

describe("ssh", () => {
  test("that is not installed", async () => {
    expectTrouble(await doctor(["cardhost", "--ssh", "/nonexistent/ssh"]), "ssh-missing", {
      remedy: /apt install openssh-client/,
    });
  });

  test("that is too old", async () => {
    // No such release can be had here: a real ssh that gives a false answer to -V.
    const old = join(place, "old-ssh");
    const words = '[ "$1" = -V ] && echo "OpenSSH_6.6.1p1 Ubuntu-2" >&2 && exit; exec ssh "$@"';
    await writeFile(old, `#!/bin/sh\n${words}\n`, { mode: 0o755 });
    expectTrouble(await doctor(["cardhost", "--ssh", old]), "ssh-client-old", {
      what: /6\.6.*6\.7/,
      remedy: /apt install openssh-client/,
    });
  });

  test("to a name that nobody knows", async () => {
    expectTrouble(await doctor(["nosuchhost.invalid"]), "ssh-host-unknown", { remedy: /spelling/ });
  });

  test("to a computer that does not answer", async () => {
    const args = ["cardhost", ...(await withConfig(["Port 1"]))];
    expectTrouble(await doctor(args), "ssh-unreachable", {
      what: /Connection refused/,
      remedy: /cardhost true$/,
    });
  });

  test("whose login is refused", async () => {
    const args = ["cardhost", ...(await withConfig(["PubkeyAuthentication no"]))];
    expectTrouble(await doctor(args), "ssh-login-refused", { remedy: /ssh-add/ });
  });

  test("to a host whose key has changed", async () => {
    const known = join(place, "known_hosts");
    await run("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", join(place, "other")]);
    await writeFile(known, `cardhost ${await readFile(join(place, "other.pub"), "utf8")}`);
    const args = ["cardhost", ...(await withConfig([`UserKnownHostsFile ${known}`]))];
    expectTrouble(await doctor(args), "ssh-host-key", {
      what: /has changed/,
      remedy: /ssh-keygen -f .* -R/,
    });
  });

  test("with a mistake in its configuration", async () => {
    const args = ["cardhost", ...(await withConfig(["Bogus yes"]))];
    expectTrouble(await doctor(args), "ssh-config", { what: /bogus/i, remedy: /ssh -F/ });
  });
});

describe("sshd", () => {
  test.each([
    [["AllowStreamLocalForwarding no"], ["sshd-forbids-listening"]],
    [["AllowStreamLocalForwarding remote"], []],
    [["AllowTcpForwarding no"], ["sshd-forbids-listening"]],
    [["DisableForwarding yes"], ["sshd-forbids-listening"]],
    [["PermitOpen none"], []],
  ])("that forbids to forward: %j", async (config, also) => {
    expectTrouble(await behind(config), "sshd-forbids-forwarding", {
      remedy:
        /on cardhost, in \/etc\/ssh\/sshd_config.*\nAllowStreamLocalForwarding yes\nAllowTcpForwarding yes\n.*\n.*\nsudo systemctl reload/,
      also,
    });
  });

  test("whose configuration can be read: the guilty line is named", async () => {
    await using other = await startSshd({
      config: ["AllowStreamLocalForwarding no"],
      pcscdDirectory: pcscd.directory,
    });
    const file = join(place, "sshd_config");
    await writeFile(file, "Port 22\nAllowTcpForwarding yes\nAllowStreamLocalForwarding no\n");
    await runInMountsOf(other.pid, ["mount", "--bind", file, "/etc/ssh/sshd_config"]);
    const found = await doctor(["cardhost", "--ssh", `ssh -F ${other.clientConfig}`]);
    expect(found.find("sshd-forbids-forwarding").remedy).toBe(
      [
        "# on cardhost, in place of",
        "#   /etc/ssh/sshd_config:3: AllowStreamLocalForwarding no",
        "AllowStreamLocalForwarding yes",
        "sudo systemctl reload ssh   # or sshd, as the unit is called there",
      ].join("\n"),
    );
  });

  test.each([["AllowStreamLocalForwarding local"], ["AllowTcpForwarding local"]])(
    "that opens no sockets: %s",
    async (line) => {
      const diagnosis = await behind([line]);
      expectTrouble(diagnosis, "sshd-forbids-listening", {
        level: "warning",
        what: /share/,
        remedy: /AllowStreamLocalForwarding yes/,
      });
      expect(diagnosis.find("sshd-forwards").level).toBe("good");
    },
  );

  test.each([
    ["restrict", /line 2:\nPut 'port-forwarding' behind 'restrict'/],
    ["no-port-forwarding", /line 2:\nPut 'port-forwarding' behind 'restrict', or remove/],
    ['permitopen="localhost:22"', /line 2:\nRemove the 'permitopen=/],
  ])("with a key that is restricted: %s", async (options, remedy) => {
    await using other = await startSshd({ pcscdDirectory: pcscd.directory });
    const file = join(other.directory, "authorized_keys");
    const keys = (await readFile(file, "utf8")).split("\n");
    await writeFile(file, keys.map((key) => key && `${options} ${key}`).join("\n"));
    const found = await doctor(["cardhost", "--ssh", `ssh -F ${other.clientConfig}`]);
    expectTrouble(found, "sshd-key-restricted", { remedy });
  });

  test("with one session a connection", async () => {
    expectTrouble(await behind(["MaxSessions 1"]), "sshd-max-sessions", {
      level: "warning",
      remedy: /MaxSessions 10/,
    });
  });

  test("with no session at all", async () => {
    const diagnosis = await behind(["MaxSessions 0"]);
    expectTrouble(diagnosis, "sshd-max-sessions", { level: "warning", remedy: /MaxSessions 10/ });
    expect(diagnosis.find("pcscd-answers").level).toBe("good");
  });

  test("that forces a command", async () => {
    const diagnosis = await behind(["ForceCommand echo no shell for you"]);
    expect(troubles(diagnosis)).toEqual([]);
    expect(diagnosis.find("sshd-no-shell").level).toBe("note");
    expect(diagnosis.find("readers").level).toBe("good");
  });

  test("that removes stale sockets itself, or not", async () => {
    const on = await behind(["StreamLocalBindUnlink yes"]);
    expect(troubles(on)).toEqual([]);
    expect(on.find("sshd-bind-unlink")).toMatchObject({
      level: "note",
      what: expect.stringContaining("is on"),
    });
    expect((await doctor(["cardhost"])).find("sshd-bind-unlink").what).toContain("is off");
  });
});

describe("pcscd over there", () => {
  test("that is not installed", async () => {
    await using bare = await startSshd({ pcscdDirectory: place }); // no socket is there
    const nothing = join(place, "nothing");
    await writeFile(nothing, "");
    await runInMountsOf(bare.pid, ["mount", "--bind", nothing, "/usr/sbin/pcscd"]);
    const found = await doctor(["cardhost", "--ssh", `ssh -F ${bare.clientConfig}`]);
    expectTrouble(found, "pcscd-not-installed", {
      remedy: /^# on cardhost:\nsudo apt install pcscd\nsudo systemctl enable --now pcscd\.socket$/,
    });
  });

  test("that does not run", async () => {
    await using bare = await startSshd({ pcscdDirectory: place }); // no socket is there
    const found = await doctor(["cardhost", "--ssh", `ssh -F ${bare.clientConfig}`]);
    expectTrouble(found, "pcscd-not-running", {
      remedy: /^# on cardhost:\nsudo systemctl enable --now pcscd\.socket$/,
    });
  });

  test("that was killed, and its socket that stayed", async () => {
    await pcscd.stop({ kill: true });
    try {
      expectTrouble(await doctor(["cardhost"]), "pcscd-dead-socket", {
        remedy: /systemctl restart pcscd\.socket/,
      });
    } finally {
      await pcscd.start();
    }
  });

  test("whose socket is not for this user", async () => {
    await chmod(pcscd.socketPath, 0o600);
    try {
      expectTrouble(await doctor(["cardhost"]), "pcscd-denied", {
        what: /^bob has no right/,
        remedy: /chmod 0666 \/run\/pcscd\/pcscd\.comm/,
      });
    } finally {
      await chmod(pcscd.socketPath, 0o666);
    }
  });

  test("that stands still", async () => {
    signal(pcscd.pid, "SIGSTOP");
    try {
      expectTrouble(await doctor(["cardhost"]), "pcscd-silent", {
        remedy: /systemctl restart pcscd/,
      });
    } finally {
      signal(pcscd.pid, "SIGCONT");
    }
  });

  test("that has all the connections it takes", async () => {
    const held: Socket[] = [];
    try {
      await until("pcscd to hang up on somebody", async () => {
        held.push(await dialled(pcscd.socketPath)); // its queue is short, and may be full
        return held.some(({ closed }) => closed);
      });
      expectTrouble(await doctor(["cardhost"]), "pcscd-full", {
        what: /20\d connections/,
        remedy: /systemctl restart pcscd/,
      });
    } finally {
      for (const socket of held) socket.destroy();
      await until("pcscd to answer again", async () => (await pcscd.readers()).length > 0);
    }
  });

  test("that has no readers, and no driver for any", async () => {
    await using empty = await pcscdWithoutReaders();
    await using other = await startSshd({ pcscdDirectory: empty.directory });
    const args = ["cardhost", "--ssh", `ssh -F ${other.clientConfig}`];
    expectTrouble(await doctor(args), "readers-none", { level: "warning", remedy: /lsusb/ });
    await runInMountsOf(other.pid, ["mount", "-t", "tmpfs", "none", "/usr/lib/pcsc/drivers"]);
    expectTrouble(await doctor(args), "ccid-driver-missing", {
      level: "warning",
      remedy: /apt install libccid/,
    });
  });

  test("that lists other readers than an attachment here", async () => {
    await using attached = await attach(["cardhost"]);
    await using empty = await pcscdWithoutReaders();
    await using other = await startSshd({ pcscdDirectory: empty.directory });
    const args = ["cardhost", "--ssh", `ssh -F ${other.clientConfig}`];
    const found = await doctor(args, { env: using(attached.socket) });
    expectTrouble(found, "readers-differ", {
      level: "warning",
      what: /shows "Virtual PCD 00 00", "Virtual PCD 00 01", which is not there/,
      remedy: /start it anew/,
      also: ["readers-none"],
    });
  });
});

describe("readers and cards", () => {
  test("a reader that a program keeps for itself", async () => {
    const script = [
      "from smartcard.scard import *",
      "import sys",
      "c = SCardEstablishContext(SCARD_SCOPE_USER)[1]",
      "print(SCardConnect(c, 'Virtual PCD 00 00', SCARD_SHARE_EXCLUSIVE, SCARD_PROTOCOL_ANY)[0], flush=True)",
      "sys.stdin.read()",
    ].join("\n");
    const env = using(pcscd.socketPath);
    await using holder = start("/usr/bin/python3", ["-c", script], { user: "bob", env });
    await holder.waitForLine(/^0$/);
    // Whoever looks over there looks at pcscd's own place, which is another mount of the same directory.
    await using mounted = await mountAsSystemSocket(pcscd.directory);
    expectTrouble(await doctor([], { user: "root" }), "reader-exclusive", {
      level: "warning",
      what: /"Virtual PCD 00 00" on this computer is held exclusively by python3 \(process \d+ of bob\)/,
      remedy: new RegExp(`^kill ${holder.pid} `),
    });
    await mounted[Symbol.asyncDispose]();
    expectTrouble(await doctor(["cardhost"]), "reader-exclusive", {
      level: "warning",
      what: /"Virtual PCD 00 00" on cardhost is held exclusively/,
      remedy: /^# on cardhost:\n/,
    });
  });

  test("whoever examines does not name himself, and a cardwire is known by its script, too", async () => {
    // pcscd knows its socket by the place where it made it.
    await using _mounted = await mountAsSystemSocket(pcscd.directory);
    const socket = "/run/pcscd/pcscd.comm";
    const link = join(place, "cardwire");
    await symlink(join(MAIN, "../../.."), link);
    const bin = join(place, "bin/cardwire");
    await mkdir(join(place, "bin"));
    await symlink(MAIN, bin);
    const started = [join(link, "dist/cli/main.js"), bin].map((script, n) =>
      attach([`unix:${socket}`, "--name", `script-${n}`], { bin: script }),
    );
    const own = await dialled(socket);
    try {
      const attached = await Promise.all(started);
      const found = await lookAtNearHost(socket, { signal: AbortSignal.timeout(30_000) });
      const clients = found?.clients ?? [];
      expect(clients.map(({ pid }) => pid)).not.toContain(process.pid);
      for (const { program } of attached)
        expect(clients).toContainEqual({ pid: program.pid, user: "alice", program: "cardwire" });
    } finally {
      own.destroy();
      for (const one of await Promise.allSettled(started))
        if (one.status === "fulfilled") await one.value[Symbol.asyncDispose]();
    }
  });

  test("GnuPG's scdaemon is named, and how it lets go", async () => {
    await using _mounted = await mountAsSystemSocket(pcscd.directory);
    await run("mkdir", ["-m", "700", "-p", `${users.bob.home}/.gnupg`], { user: "bob" });
    try {
      // No application of a card: scdaemon then takes any card at all.
      const taken = await run("gpg-connect-agent", ["scd serialno undefined", "/bye"], {
        user: "bob",
      });
      expect(taken.stdout).toContain("OK");
      expectTrouble(await doctor([], { user: "bob" }), "reader-exclusive", {
        level: "warning",
        what: /"Virtual PCD 00 00" on this computer is held exclusively by scdaemon \(process \d+\)$/,
        remedy: /^gpgconf --kill scdaemon .*\necho pcsc-shared >> ~\/\.gnupg\/scdaemon\.conf/,
      });
      expectTrouble(await doctor(["cardhost"]), "reader-exclusive", {
        level: "warning",
        what: /on cardhost is held exclusively by scdaemon/,
        remedy: /^# on cardhost:\ngpgconf --kill scdaemon/,
      });
    } finally {
      await run("gpgconf", ["--kill", "all"], { user: "bob" });
      await rm(`${users.bob.home}/.gnupg`, { recursive: true });
    }
  });
});

describe("attachments and sockets here", () => {
  test("two that lead to the same place", async () => {
    await using one = await attach(["cardhost"]);
    await using two = await attach(["cardhost", "--name", "again"]);
    const found = await doctor(["cardhost"], { env: using(one.socket) });
    expectTrouble(found, "attachment-duplicate", {
      level: "warning",
      what: /2 attachments lead to cardhost: again, cardhost/,
      remedy: new RegExp(`^kill (${one.program.pid}|${two.program.pid}) `),
    });
  });

  test("one that was killed", async () => {
    const attached = await attach([local(), "--name", "gone"]);
    attached.program.kill("SIGKILL");
    await attached.program.exited;
    try {
      expectTrouble(await doctor(["cardhost"]), "attachment-dead", {
        level: "warning",
        what: /the attachment gone was killed/,
        remedy: new RegExp(`^rm -r ${RUNTIME}/gone `),
      });
    } finally {
      await rm(join(RUNTIME, "gone"), { recursive: true });
    }
  });

  test("one that stands still", async () => {
    await using attached = await attach([local(), "--name", "frozen"]);
    attached.program.kill("SIGSTOP");
    try {
      const found = await doctor(["cardhost"], { env: using(attached.socket) });
      expectTrouble(found, "attachment-silent", {
        what: /the attachment frozen/,
        remedy: new RegExp(`^kill ${attached.program.pid}\ncardwire attach unix:.* --name frozen$`),
        also: ["variable-silent"],
      });
    } finally {
      attached.program.kill("SIGCONT");
    }
  });

  test("a stale socket, and what a killed command left", async () => {
    await cardwire(["env"]); // makes nothing
    const script = `mkdir -p -m 700 ${RUNTIME} && cd ${RUNTIME} && mkdir .cardwire-zzz.1-abcdef &&
      perl -MSocket -e 'socket(S, PF_UNIX, SOCK_STREAM, 0); bind(S, pack_sockaddr_un("old.comm"))'`;
    await run("sh", ["-c", script], { user: "alice" });
    try {
      const found = await doctor(["cardhost"]);
      expectTrouble(found, "socket-stale", {
        level: "warning",
        what: /nobody listens at .*old\.comm/,
        remedy: new RegExp(`^rm ${RUNTIME}/old\\.comm$`),
      });
      expect(found.find("directory-left").remedy).toBe(`rm -r ${RUNTIME}/.cardwire-zzz.1-abcdef`);
    } finally {
      await rm(RUNTIME, { recursive: true });
    }
  });

  test("a run-time directory that is open to others", async () => {
    await run("mkdir", ["-m", "777", RUNTIME], { user: "alice" });
    try {
      expectTrouble(await doctor(["cardhost"]), "runtime-directory", {
        what: /open to others \(mode 0777\)/,
        remedy: new RegExp(`^chmod 700 ${RUNTIME} `),
      });
    } finally {
      await rm(RUNTIME, { recursive: true });
    }
  });
});

describe("a socket that another computer shares here", () => {
  test("is not believed to be one where another user has put it", async () => {
    const uid = users.alice.uid;
    const evil = `/tmp/cardwire-share-${uid}-evil`;
    // What answers there is a pcscd, and whoever reads the pipe waits for ever.
    const script = `mkdir ${evil} && cd ${evil} && mkfifo pcscd.comm.owner && ln -s ${pcscd.socketPath} pcscd.comm`;
    await run("sh", ["-c", script], { user: "bob" });
    try {
      const found = await doctor(["cardhost"]);
      expect(found.findings.filter(({ what }) => what.includes("evil"))).toEqual([]);
    } finally {
      await rm(evil, { recursive: true });
    }
  });

  test("answers, and the line that uses it is given; or its line is dead", async () => {
    // Alice lends to herself: bob's account over there is hers here.
    const config = await sshd.configWith(["User alice"]);
    const ssh = ["--ssh", `ssh -F ${config}`, "--via", "forward"];
    const argv = [MAIN, "share", "cardhost", ...ssh, "--name", "lent"];
    const env = using(pcscd.socketPath);
    await using lending = start("node", argv, { user: "carol", env });
    const [, socket = ""] =
      /(\/\S*lent\/pcscd\.comm)/.exec(
        await lending.waitForLine(/lent\/pcscd\.comm/, { timeoutMs: PATIENCE_MS }),
      ) ?? [];
    // Her login over there has no XDG_RUNTIME_DIR; she may look from one that has.
    const there = { XDG_RUNTIME_DIR: "" };
    for (const login of [there, {}]) {
      const found = await doctor(["cardhost"], { env: login });
      expectTrouble(found, "variable-unset", {
        level: "warning",
        remedy: new RegExp(`^export PCSCLITE_CSOCK_NAME=${socket}$`),
      });
      expect(found.find("shared-socket").what).toContain(socket);
    }
    lending.kill("SIGSTOP");
    try {
      expectTrouble(await doctor(["cardhost"], { env: there }), "shared-socket-silent", {
        level: "warning",
        remedy: /start 'cardwire share' anew/,
      });
    } finally {
      lending.kill("SIGCONT");
    }
    lending.kill("SIGINT");
    await lending.exited;
  });
});

describe("PCSCLITE_CSOCK_NAME", () => {
  test("that is not set although an attachment runs", async () => {
    await using _attached = await attach(["cardhost"]);
    expectTrouble(await doctor(["cardhost"]), "variable-unset", {
      level: "warning",
      remedy: /^eval "\$\(cardwire env\)"$/,
    });
  });

  test("that is not set, and a pcscd of this computer in the way", async () => {
    await using _attached = await attach([local()]);
    await using _mounted = await mountAsSystemSocket(pcscd.directory);
    expectTrouble(await doctor(["cardhost"]), "local-pcscd-in-the-way", {
      level: "warning",
      remedy: /^eval "\$\(cardwire env\)"$/,
    });
  });

  const leads: readonly (readonly [check: string, path: () => string, remedy: RegExp])[] = [
    ["variable-missing-socket", () => join(place, "none.comm"), /unset PCSCLITE_CSOCK_NAME/],
    ["variable-not-a-socket", () => "/etc/passwd", /unset PCSCLITE_CSOCK_NAME/],
    ["variable-too-long", () => `/run/tmp/${"x".repeat(120)}`, /--socket \/a\/shorter\/path/],
  ];
  test.each(leads)("%s", async (check, path, remedy) => {
    expectTrouble(await doctor(["cardhost"], { env: using(path()) }), check, { remedy });
  });

  test("that leads to a socket that somebody left", async () => {
    const dead = join(place, "dead.comm");
    const bind = "socket(S, PF_UNIX, SOCK_STREAM, 0); bind(S, pack_sockaddr_un($ARGV[0]))";
    await run("perl", ["-MSocket", "-e", bind, dead]);
    await chmod(dead, 0o666);
    expectTrouble(await doctor(["cardhost"], { env: using(dead) }), "variable-dead-socket", {
      remedy: /cardwire attach HOST/,
    });
  });

  test("that leads to a socket of somebody else", async () => {
    await using attached = await attach(
      [local(), "--name", "roots", "--socket", join(place, "roots.comm")],
      { user: "root" },
    );
    expectTrouble(await doctor(["cardhost"], { env: using(attached.socket) }), "variable-denied", {
      remedy: /--group and --mode/,
    });
  });

  test("that programs with other rights ignore", async () => {
    const program = join(place, "privileged");
    await copyFile("/bin/true", program);
    await chmod(program, 0o4755);
    const found = await doctor(["cardhost", "--program", program, "--program", "/bin/true"]);
    // A warning where the libpcsclite here is 2.0 or later, which Debian 12's is not.
    expect(found.find("variable-ignored").what).toContain(`${program} has set-user-ID`);
    expect(found.find("program-follows").what).toContain("/bin/true follows");
    const none = await doctor(["cardhost", "--program", "/nonexistent", "--program", "/dev/zero"]);
    const unknown = none.findings.filter(({ check }) => check === "program-unknown");
    expect(unknown.map(({ what }) => what)).toEqual([
      "/nonexistent: ENOENT",
      "/dev/zero: it is not a file",
    ]);
  });
});

describe("libpcsclite", () => {
  /** A root with a shared library in it that a compiler made. */
  async function root(source: string): Promise<string> {
    const path = await publicDirectory("root");
    const folder = join(path, "usr/lib64");
    await mkdir(folder, { recursive: true });
    await symlink("usr/lib64", join(path, "lib64"));
    const file = join(folder, "libpcsclite.so.1.0.0");
    const made = await run("cc", ["-shared", "-o", file, "-x", "c", "-"], { input: source });
    if (made.status !== 0) throw new Error(made.stderr);
    await symlink("libpcsclite.so.1.0.0", join(folder, "libpcsclite.so.1"));
    return path;
  }
  const look =
    'extern char *getenv(const char *); char *f(void) { return getenv("PCSCLITE_CSOCK_NAME"); }';

  // Fedora's own packages cannot be had here: only what tells theirs from others is made anew.
  test("of a Fedora, with 48 slots", async () => {
    const path = await root(
      `static char states[48][184]; char *g(int i) { return states[i]; } ${look}`,
    );
    expectTrouble(await doctor(["cardhost", "--root", path]), "library-slots", {
      level: "warning",
      what: /usr\/lib64\/libpcsclite\.so\.1 is .* 48 reader slots/,
      remedy: /--slots 48/,
    });
  });

  test("that knows no variable", async () => {
    const path = await root('const char *f(void) { return "/run/pcscd/pcscd.comm"; }');
    expectTrouble(await doctor(["cardhost", "--root", path]), "library-ignores-variable", {
      level: "warning",
      remedy: /the place that the library looks at: \/run\/pcscd\/pcscd\.comm$/,
    });
  });

  test("that is not there", async () => {
    const path = await publicDirectory("root");
    const found = await doctor(["cardhost", "--root", path]);
    expect(troubles(found)).toEqual([]);
    expect(found.find("library-missing").what).toContain(path);
  });

  test("of a container, with the release that its package manager tells", async () => {
    const path = await root(look);
    await mkdir(join(path, "var/lib/dpkg"), { recursive: true });
    const record = "Package: libpcsclite1\nStatus: install ok installed\nVersion: 2.3.3-1\n";
    await writeFile(join(path, "var/lib/dpkg/status"), record);
    const found = await doctor(["cardhost", "--root", path]);
    expect(found.findings.map(({ what }) => what)).toContainEqual(
      expect.stringMatching(/root-.* is libpcsclite 2\.3\.3, protocol 4:5/),
    );
  });
});

const dialled = (path: string): Promise<Socket> =>
  new Promise((resolve, reject) => {
    const socket = connect(path, () => resolve(socket));
    socket.on("error", reject);
  });

/** A pcscd that finds no driver: the lab's own always has vpcd's two readers. */
async function pcscdWithoutReaders(): Promise<AsyncDisposable & { readonly directory: string }> {
  const directory = await publicDirectory("pcscd");
  const script =
    'mount --bind "$1" /run/pcscd; mount -t tmpfs none /etc/reader.conf.d; exec pcscd --foreground';
  const argv = ["--mount", "--propagation", "private", "--", "/bin/sh", "-ec", script, "sh"];
  const daemon = start("unshare", [...argv, directory], { env: { PATH } });
  await until("pcscd to listen", async () => {
    (await dialled(join(directory, "pcscd.comm"))).destroy();
    return true;
  });
  return {
    directory,
    async [Symbol.asyncDispose](): Promise<void> {
      await daemon.stop();
      await rm(directory, { recursive: true, force: true });
    },
  };
}
