import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { until } from "../lab/processes.ts";
import { run, start } from "../lab/programs.ts";
import { startInTerminal } from "../lab/terminal.ts";
import { attach, cardwire, MAIN, PATIENCE_MS, using } from "./programs/cardwire.ts";

// `cardwire card`: files and people. What the card itself does is in piv.test.ts.

let folder: string;
let file: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "card-"));
  await run("chown", ["alice", folder]);
  file = join(folder, "test.card");
});
afterEach(() => rm(folder, { recursive: true }));

const make = (...more: readonly string[]) =>
  cardwire(["card", "new", "piv", file, "--name", "test", "--algorithm", "eccp256", ...more]);

const insert = (...args: readonly string[]) =>
  start("node", [MAIN, "card", "piv", ...args], { user: "alice" });

describe("a new card", () => {
  test("lies in a file of its own; what everybody knows is told once", async () => {
    const made = await make();
    expect(made).toMatchObject({ status: 0 });
    expect(made.stdout).toMatch(/^PIN +123456\nPUK +12345678\nmanagement key +0102030405060708/m);
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    const again = await make();
    expect(again).toMatchObject({ status: 1, stdout: "" });
    expect(again.stderr).toMatch(/is there already\nhint: /);
  });

  test("is named after its holder", async () => {
    const args = ["card", "new", "piv", "--name", "Zoë O'Hara", "--algorithm", "eccp256", "--json"];
    const { stdout } = await cardwire(args, { cwd: folder });
    expect(JSON.parse(stdout)).toMatchObject({ file: join(folder, "zoë-o-hara.card") });
    const hidden = await cardwire(args.with(4, "../../.etc"), { cwd: folder });
    expect(JSON.parse(hidden.stdout)).toMatchObject({ file: join(folder, "etc.card") });
  });

  test("with PIN, PUK and key out of files tells none of them", async () => {
    const key = "a5".repeat(24);
    await Promise.all([
      writeFile(join(folder, "pin"), "47114711\n"),
      writeFile(join(folder, "puk"), "secret!!\n"),
      writeFile(join(folder, "key"), `${key}\n`),
    ]);
    const flags = ["pin", "puk", "management-key"].flatMap((what) => [
      `--${what}-file`,
      join(folder, what === "management-key" ? "key" : what),
    ]);
    const made = await make(...flags, "--management-algorithm", "aes192");
    expect(made.status).toBe(0);
    expect(made.stdout + made.stderr).not.toMatch(/47114711|secret|a5a5|PIN|PUK/);
    const { pin, managementKey } = JSON.parse(await readFile(file, "utf8")) as Record<
      string,
      { value: string; algorithm?: number }
    >;
    expect(pin?.value).toBe(Buffer.from("47114711").toString("base64"));
    expect(managementKey).toEqual({
      algorithm: 0x0a,
      value: Buffer.from(key, "hex").toString("base64"),
    });
  });

  test.each([
    ["a PIN of letters", "--pin-file", "abcdefgh", /six to eight digits/],
    [
      "a PUK that is too long",
      "--puk-file",
      "secretsecret",
      /six to eight letters, digits or signs/,
    ],
    ["a key that is too short", "--management-key-file", "a5a5a5a5", /3des is 24 bytes in hex/],
  ])("%s is refused, and not repeated", async (_what, flag, text, why) => {
    await writeFile(join(folder, "text"), text);
    const { status, stdout, stderr } = await make(flag, join(folder, "text"));
    expect(status).toBe(1);
    expect(stderr).toMatch(why);
    expect(stdout + stderr).not.toContain(text);
    await expect(stat(file)).rejects.toMatchObject({ code: "ENOENT" });
  });

  test("asks at the terminal, which does not show what is typed", async () => {
    const argv = [
      "node",
      MAIN,
      "card",
      "new",
      "piv",
      file,
      "--name",
      "x",
      "--algorithm",
      "eccp256",
    ];
    await using terminal = startInTerminal([...argv, "--pin-file", "-"], { user: "alice" });
    await terminal.waitForLine(/PIN: /, { timeoutMs: PATIENCE_MS });
    terminal.write("4711712\x7f1\r");
    await terminal.waitForLine(/serial number/, { timeoutMs: PATIENCE_MS });
    await terminal.exited;
    expect(terminal.output).not.toMatch(/47117/);
    expect(await readFile(file, "utf8")).toContain(
      Buffer.from("4711711\xff", "latin1").toString("base64"),
    );
  });

  test("cannot ask where there is no terminal", async () => {
    const { status, stderr } = await make("--pin-file", "-");
    expect(status).toBe(1);
    expect(stderr).toMatch(/there is no terminal to ask at\nhint: /);
  });
});

describe("a card in a reader", () => {
  const lists = async (socket: string, card: string) => {
    const { stdout } = await run("opensc-tool", ["-l"], { user: "alice", env: using(socket) });
    return stdout.includes(`0    ${card}`);
  };

  test("comes without pcscd, too, waits for its reader, and is pulled by Ctrl-C", async () => {
    await make();
    await using card = insert(file);
    await card.waitForLine(/^no reader at 127.0.0.1:35963/, { timeoutMs: PATIENCE_MS });
    {
      await using attached = await attach(["software:"]);
      await card.waitForLine(/^the card is in the reader/, { timeoutMs: PATIENCE_MS });
      await until("the card", () => lists(attached.socket, "Yes"));
    }
    await card.waitForLine(/^no reader at/, { timeoutMs: PATIENCE_MS });
    await using attached = await attach(["software:"]);
    await card.waitForLine(/^the card is in the reader/, { timeoutMs: PATIENCE_MS });
    const env = using(attached.socket);
    const login = "--login --pin 123456 --id 01 --sign -m ECDSA -i /dev/null -o /dev/null";
    const signed = await run("pkcs11-tool", login.split(" "), { user: "alice", env });
    expect(signed.stderr).toContain("Using signature algorithm ECDSA");
    card.kill("SIGINT");
    expect(await card.exited).toMatchObject({ status: 0 });
    await until("the empty reader", () => lists(attached.socket, "No"));
    expect(card.output).not.toContain("123456");
  });

  test("is one program's at a time", async () => {
    await make();
    await using card = insert(file);
    await card.waitForLine(/^no reader/, { timeoutMs: PATIENCE_MS });
    const second = await cardwire(["card", "piv", file]);
    expect(second).toMatchObject({ status: 1 });
    expect(second.stderr).toMatch(/another cardwire runs the card .*\nhint: /);
    card.kill("SIGKILL"); // which leaves no lock behind
    await card.exited;
    await using third = insert(file);
    await third.waitForLine(/^no reader/, { timeoutMs: PATIENCE_MS });
  });

  test("without space left says so, counts no try, and goes on when there is some", async () => {
    await make();
    // With room for the card and for its next state beside it; then it is filled.
    await run("mount", ["-t", "tmpfs", "-o", "size=64k,mode=755", "tmpfs", folder]);
    try {
      await run("chown", ["alice", folder]);
      await make();
      await using attached = await attach(["software:"]);
      await using card = insert(file);
      await card.waitForLine(/^the card is in the reader/, { timeoutMs: PATIENCE_MS });
      await until("the card", () => lists(attached.socket, "Yes"));
      const filler = join(folder, "filler");
      await run("dd", ["if=/dev/zero", `of=${filler}`, "bs=1k"]);
      const verify = async (pin: string) => {
        const args = ["-r", "Software", "-a", "verify-pin", "-P", pin];
        return await run("yubico-piv-tool", args, { user: "alice", env: using(attached.socket) });
      };
      expect(await verify("654321")).toMatchObject({ status: 1 });
      await card.waitForLine(/what the card changed is not kept: no space left/, {
        timeoutMs: PATIENCE_MS,
      });
      await card.waitForLine(/^hint: Free some space/);
      await rm(filler);
      expect((await verify("654321")).stderr).toContain("2 tries left");
      expect((await verify("123456")).stderr).toContain("Successfully verified");
    } finally {
      await run("umount", [folder]);
    }
  });

  test("made for the occasion needs no file", async () => {
    await using attached = await attach(["software:"]);
    await using card = insert();
    await card.waitForLine(/in memory only/, { timeoutMs: PATIENCE_MS });
    await card.waitForLine(/^the card is in the reader/, { timeoutMs: PATIENCE_MS });
    await until("the card", () => lists(attached.socket, "Yes"));
  });

  test.each([
    ["a file that is not there", ["/nowhere/x.card"], 1, /there is no \/nowhere\/x.card\nhint: /],
    ["a file that is no card's", [MAIN], 1, /belongs to uid 0|open to others|no card's state/],
    ["an address that is none", ["--vpcd", "nowhere"], 2, /nowhere is no host and port\nhint: /],
  ])("%s", async (_what, args, status, why) => {
    const said = await cardwire(["card", "piv", ...args]);
    expect(said.status).toBe(status);
    expect(said.stderr).toMatch(why);
  });
});
