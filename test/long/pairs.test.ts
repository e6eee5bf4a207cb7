import { readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { attach } from "../interop/programs/cardwire.ts";
import { type Pcscd, startPcscd } from "../lab/pcscd.ts";
import { startSshd } from "../lab/sshd.ts";
import { exercise } from "../pairs/exercise.ts";
import {
  clientReleases,
  daemonReleases,
  pcscdOf,
  programsOf,
  type Release,
  without,
} from "../pairs/parties.ts";
import { differences, type Results } from "../pairs/results.ts";
import { keptTable, type Outcome, PairingTable, verdict } from "../pairs/table.ts";
import { here } from "../pcsc/client.ts";

// Every client with every daemon, directly and through cardwire. Through cardwire each has to be told exactly what its own
// release's daemon tells it directly. scripts/suites.ts fetches what is named here: suite("bullseye"),
// suite("bookworm"), suite("trixie"), suite("sid").

/** Longest that one exercise may take, ms; some 10 s are usual. */
const LIMIT_MS = 300_000;

const table = new PairingTable();
/** What each client is told by its own release's daemon. */
const references = new Map<Release, Results>();

/** What a client has to be told where the daemon is another release's. */
function expected(client: Release, daemon: Release): Results {
  const reference = references.get(client);
  if (!reference) throw new Error(`${client} had no good end with its own daemon`);
  return client === daemon ? reference : without(reference, client, daemon);
}

const found = (results: Results, client: Release, daemon: Release): Results =>
  client === daemon ? results : without(results, client, daemon);

test.each(clientReleases)(
  "%s with its own daemon",
  async (release) => {
    await using pcscd = await startPcscd(pcscdOf(release));
    const programs = programsOf(release);
    const results = await exercise({ programs, socket: pcscd.socketPath, pcscd });
    references.set(release, results);
    table.set(release, release, "direct", "ok");
  },
  LIMIT_MS,
);

describe.each(daemonReleases)("%s's daemon", (daemon) => {
  let pcscd: Pcscd;
  let attached: Awaited<ReturnType<typeof attach>>;

  beforeAll(async () => {
    pcscd = await startPcscd(pcscdOf(daemon));
    attached = await attach([`unix:${pcscd.socketPath}`]);
  });
  afterAll(async () => {
    await attached[Symbol.asyncDispose]();
    await pcscd[Symbol.asyncDispose]();
  });

  test.each(clientReleases)(
    "serves %s through cardwire",
    async (client) => {
      const programs = programsOf(client);
      const results = await exercise({ programs, socket: attached.socket, pcscd });
      const told = found(results, client, daemon);
      table.set(client, daemon, "through cardwire", verdict(expected(client, daemon), told));
      expect(differences(expected(client, daemon), told)).toEqual([]);
    },
    LIMIT_MS,
  );

  test.each(clientReleases.filter((client) => client !== daemon))(
    "and %s directly, or not",
    async (client) => {
      const programs = programsOf(client);
      const outcome = await exercise({ programs, socket: pcscd.socketPath, pcscd }).then(
        (results): Outcome => found(results, client, daemon),
        (error: unknown): Outcome => (error instanceof Error ? error : new Error(String(error))),
      );
      table.set(client, daemon, "direct", verdict(expected(client, daemon), outcome));
    },
    LIMIT_MS,
  );
});

describe("this computer's own daemon, through ssh", () => {
  test.each(clientReleases)(
    "serves %s as directly",
    async (client) => {
      await using pcscd = await startPcscd();
      await using sshd = await startSshd({ pcscdDirectory: pcscd.directory });
      await using _installed = await sshd.installFor("alice");
      await using attached = await attach(["cardhost"]);
      const programs = programsOf(client);
      const results = await exercise({ programs, socket: attached.socket, pcscd });
      // Which release this computer has is not known here; 1.9.1 is the one with a peculiarity.
      const [told, should] = [results, expected(client, client)].map((one) =>
        without(one, "bullseye"),
      ) as [Results, Results];
      expect(differences(should, told)).toEqual([]);
    },
    LIMIT_MS,
  );

  test(
    "serves its own programs as directly",
    async () => {
      await using pcscd = await startPcscd();
      await using sshd = await startSshd({ pcscdDirectory: pcscd.directory });
      await using _installed = await sshd.installFor("alice");
      await using attached = await attach(["cardhost"]);
      const direct = await exercise({ programs: here, socket: pcscd.socketPath, pcscd });
      const through = await exercise({ programs: here, socket: attached.socket, pcscd });
      expect(differences(direct, through)).toEqual([]);
    },
    LIMIT_MS,
  );
});

test("docs/compatibility.md has the table as it came out", () => {
  process.stdout.write(`\n${table.markdown()}\n`);
  const document = readFileSync(new URL("../../docs/compatibility.md", import.meta.url), "utf8");
  expect(keptTable(document)).toBe(table.markdown());
});
