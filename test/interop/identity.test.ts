import { existsSync } from "node:fs";
import { appendFile, chmod, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { until } from "../lab/processes.ts";
import { run, start } from "../lab/programs.ts";
import { type Sshd, startSshd } from "../lab/sshd.ts";
import { MAIN, PATIENCE_MS, using } from "./programs/cardwire.ts";
import { type GreetingServer, startGreetingServer } from "./programs/greeting-server.ts";
import { behindPcscd, inSoftware, type PivPlace } from "./programs/piv-places.ts";

// What a PIV card is for: it proves who somebody is, to sshd and to servers that ask for a certificate. The card lies in
// the reader of a real pcscd, and in a software reader.

const PIN = "123456";
/** Debian has it in the folder of the architecture. */
const MODULE = "$(dpkg -L opensc-pkcs11 | grep -m1 '/opensc-pkcs11[.]so$')";
const HOLDER = "Alice Example";

let directory: string;
let places: Record<"pcscd" | "software", PivPlace>;
let sshd: Sshd;
let server: GreetingServer;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "identity-"));
  await chmod(directory, 0o755);
  const file = join(directory, "alice.card");
  const made = await run("node", [MAIN, "card", "new", "piv", file, "--name", HOLDER]);
  if (made.status !== 0) throw new Error(made.stderr);
  places = { pcscd: await behindPcscd(file), software: await inSoftware(file) };
  sshd = await startSshd();
  await writeFile(join(directory, "ask"), `#!/bin/sh\necho ${PIN}\n`, { mode: 0o755 });
  const { stdout } = await places.pcscd.say("pkcs15-tool --read-certificate 1");
  server = await startGreetingServer(stdout.slice(stdout.indexOf("-----BEGIN CERTIFICATE")));
});

afterAll(async () => {
  await server?.[Symbol.asyncDispose]();
  await sshd?.[Symbol.asyncDispose]();
  for (const place of Object.values(places ?? {})) await place[Symbol.asyncDispose]();
  await rm(directory, { recursive: true, force: true });
});

/** Shell commands that make a database of NSS in a new folder: the card's module in it, and the server's certificate. */
const makeDatabase = (folder: string): string => `
  mkdir -p ${folder} && certutil -N -d sql:${folder} --empty-password
  modutil -force -dbdir sql:${folder} -add card -libfile ${MODULE}
  certutil -A -d sql:${folder} -n server -t C,, -i ${server.certificate}`;

const GET = "printf 'GET / HTTP/1.0\\r\\n\\r\\n'";

describe.each(["pcscd", "software"] as const)("with the card in %s", (which) => {
  test("sshd lets its holder in", async () => {
    const keys = await places[which].say(`ssh-keygen -D ${MODULE} | grep 'PIV AUTH'`);
    expect(keys.stdout).toMatch(/^ssh-rsa /);
    await appendFile(join(sshd.directory, "authorized_keys"), keys.stdout);
    const known = `-o HostKeyAlias=cardhost -o UserKnownHostsFile=${sshd.directory}/known_hosts`;
    const login = (option: string) =>
      places[which].say(`
        export SSH_ASKPASS=${directory}/ask SSH_ASKPASS_REQUIRE=force
        ssh -F none -p ${sshd.port} ${known} -o ${option} bob@${sshd.address} id -un`);
    const welcome = { status: 0, stdout: "bob\n" };
    expect(await login(`PKCS11Provider=${MODULE}`)).toMatchObject(welcome);
    expect(await login("IdentityFile=none")).toMatchObject({ status: 255, stdout: "" });
  });

  test("GnuTLS shows a server its certificate", async () => {
    const url = `pkcs11:token=${encodeURIComponent(HOLDER)};id=%01`;
    const greeted = await places[which].say(`
      export GNUTLS_PIN=${PIN}
      ${GET} | gnutls-cli --provider ${MODULE} --x509cafile ${server.certificate} \\
        --x509certfile '${url};type=cert' --x509keyfile '${url};type=private' -p ${server.port} localhost`);
    expect(greeted.stdout).toContain(`hello ${HOLDER}\n`);
  });

  test("NSS shows it too", async () => {
    // tstclnt does not end by itself, and would be given an IPv6 address first.
    const greeted = await places[which].say(`
      printf '${PIN}\\n' >pin
      ${makeDatabase("nss")}
      name=$(certutil -L -d sql:nss -h all -f pin | sed -n 's/^\\(.*Certificate for PIV Authentication\\).*/\\1/p')
      ${GET} | timeout 3 tstclnt -4 -h localhost -p ${server.port} -d sql:nss -n "$name" -W pin`);
    expect(greeted.stdout).toContain(`hello ${HOLDER}\n`);
  });
});

test.skipIf(!existsSync("/usr/bin/chromium"))(
  "Chromium asks its user for the PIN, and opens a page for the holder",
  { timeout: 120_000 },
  async () => {
    const { socket } = places.software;
    const home = join(directory, "home");
    const policies = join(directory, "policies");
    await mkdir(join(policies, "policies", "managed"), { recursive: true });
    await writeFile(
      join(policies, "policies", "managed", "certificate.json"),
      JSON.stringify({
        AutoSelectCertificateForUrls: [
          JSON.stringify({ pattern: `https://localhost:${server.port}`, filter: {} }),
        ],
      }),
    );
    const prepared = await run("sh", [
      "-c",
      `set -e; mount --bind ${policies} /etc/chromium
     mkdir ${home}; export HOME=${home}; ${makeDatabase(`${home}/.pki/nssdb`)}; chown -R alice ${home}`,
    ]);
    expect(prepared.status).toBe(0);
    const screen = { user: "alice", env: { DISPLAY: ":7", HOME: home } } as const;
    // Without -noreset it begins anew when its last client goes: the one that asks below whether it is up, which can
    // cost Chromium its connection.
    const wanted = [":7", "-screen", "0", "1000x700x24", "-nolisten", "tcp", "-noreset"];
    await using _screen = start("Xvfb", wanted, { user: "alice" });
    await until(
      "a screen",
      async () => (await run("xdotool", ["getmouselocation"], screen)).status === 0,
    );
    const args = ["--disable-gpu", "--no-first-run", "--password-store=basic", "--no-sandbox"];
    await using browser = start(
      "chromium",
      [...args, `--user-data-dir=${home}/profile`, `https://localhost:${server.port}/`],
      { user: "alice", env: { ...screen.env, ...using(socket) } },
    );
    const before = server.greeted.length;
    const dialog = ["search", "--name", "^Unlock Security Device$"];
    const asked = until(
      "Chromium to ask for the PIN",
      async () => (await run("xdotool", dialog, screen)).status === 0,
      PATIENCE_MS * 2,
    );
    const ended = browser.exited.then(() => {
      throw new Error(`Chromium ended before it asked for the PIN:\n${browser.output}`);
    });
    await Promise.race([asked, ended]);
    await run("xdotool", ["type", `${PIN}\n`], screen);
    await until("a greeting", async () => server.greeted.length > before, PATIENCE_MS);
    expect(server.greeted.at(-1)).toBe(HOLDER);
  },
);
