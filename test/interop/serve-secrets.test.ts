import { readdir, readFile, rm, writeFile } from "node:fs/promises";
import { request } from "node:http";
import { join } from "node:path";
import { expect, test } from "vitest";
import { publicDirectory } from "../lab/processes.ts";
import { run, start } from "../lab/programs.ts";
import { OWN_PINS } from "../lab/secrets.ts";
import { users } from "../lab/users.ts";
import { cardwire, MAIN, PATIENCE_MS } from "./programs/cardwire.ts";
import { behindPcscd } from "./programs/piv-places.ts";

// PINs go through serve, right ones and wrong ones, in good commands and bad ones: none is in anything that is written.

const [PIN, WRONG] = OWN_PINS;

/** All forms in which such digits would be found. */
const forms = OWN_PINS.flatMap((pin) => {
  const hex = Buffer.from(pin).toString("hex");
  const spaced = hex.match(/../g)?.join(" ") ?? "";
  return [
    pin,
    hex,
    spaced,
    spaced.replaceAll(" ", ","),
    Buffer.from(pin).toString("base64").slice(0, 7),
  ];
});

const found = (text: string): readonly string[] => forms.filter((form) => text.includes(form));

/** The command lines of all processes that are cardwire's. */
async function commandLines(): Promise<string> {
  const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name));
  const lines = pids.map((pid) => readFile(`/proc/${pid}/cmdline`, "latin1").catch(() => ""));
  return (await Promise.all(lines)).filter((line) => line.includes(MAIN)).join("\n");
}

async function filesIn(directory: string): Promise<string> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  const texts = entries
    .filter((entry) => entry.isFile())
    .map((entry) => readFile(join(entry.parentPath, entry.name), "latin1"));
  return (await Promise.all(texts)).join("\n");
}

test("no PIN, and no token, is in the record, the metrics, what is printed, or the process list", async () => {
  const directory = await publicDirectory("secrets");
  const state = join(directory, "state");
  const metrics = `/run/user/${users.alice.uid}/secrets-metrics`;
  await run("install", ["-d", "-o", "alice", "-m", "0700", state]);
  const file = join(directory, "alice.card");
  const pinFile = join(directory, "pin");
  await writeFile(pinFile, `${PIN}\n`, { mode: 0o600 });
  const card = ["card", "new", "piv", file, "--name", "Alice", "--pin-file", pinFile];
  const made = await run("node", [MAIN, ...card]);
  expect(made).toMatchObject({ status: 0 });
  try {
    await using place = await behindPcscd(file);
    const env = { XDG_STATE_HOME: state, PCSCLITE_CSOCK_NAME: place.socket };
    const asAlice = { user: "alice", env } as const;
    const flags = ["--address", "127.0.0.1", "--metrics", metrics];
    await using serve = start("node", [MAIN, "serve", "-v", ...flags], asAlice);
    await serve.waitForLine(/^Ctrl-C ends it/, { timeoutMs: PATIENCE_MS });
    const token = (await cardwire(["invite", "bob", "--profile", "manage"], asAlice)).stdout.trim();
    const joined = await cardwire(["join", "--name", "far"], { ...asAlice, input: token });
    expect(joined).toMatchObject({ status: 0 });
    await using attached = start(
      "node",
      [MAIN, "attach", "-v", "--json", "--name", "far", "far"],
      asAlice,
    );
    const { socket } = JSON.parse(
      await attached.waitForLine(/^\{/, { timeoutMs: PATIENCE_MS }),
    ) as {
      socket: string;
    };
    const env2 = { PCSCLITE_CSOCK_NAME: socket };
    const sign = (pin: string) =>
      run(
        "sh",
        [
          "-c",
          `cd $(mktemp -d) && echo x >m && pkcs11-tool --login --pin ${pin} --id 01 --sign -m SHA256-RSA-PKCS -i m -o s`,
        ],
        {
          user: "alice",
          env: env2,
        },
      );
    expect((await sign(PIN)).status).toBe(0);
    expect((await sign(WRONG)).status).not.toBe(0);
    const hex = Buffer.from(WRONG).toString("hex");
    // A length that lies, a chain, secure messaging, an unknown class, the PIN alone, a change of it, and a PIN pad's block.
    const bad = [
      `002000800A${hex}`,
      `1020008006${hex}`,
      `0C20008006${hex}`,
      `F020008006${hex}`,
      hex,
      `0024008010${hex}FFFF${hex}FFFF`,
    ];
    for (const command of bad)
      await run("opensc-tool", ["-r", "0", "-s", command], { user: "alice", env: env2 });
    const told = await new Promise<string>((resolve, reject) => {
      request({ socketPath: metrics, path: "/metrics" }, (answer) => {
        let text = "";
        answer.on("data", (chunk: Buffer) => (text += chunk.toString()));
        answer.on("end", () => resolve(text));
      })
        .on("error", reject)
        .end();
    });
    const processes = await commandLines();
    attached.kill("SIGINT");
    await attached.exited;
    serve.kill("SIGINT");
    expect(await serve.exited).toMatchObject({ status: 0 });
    const written = await filesIn(state);
    // It was all there to be written.
    expect(written).toContain('"command":"VERIFY"');
    expect(written).toContain('"sw":"63c');
    const everything = { written, told, serve: serve.output, attached: attached.output, processes };
    for (const [name, text] of Object.entries(everything))
      expect([name, found(text), text.includes(token)]).toEqual([name, [], false]);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}, 120_000);
