import { chmod, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { runInMountsOf } from "../lab/mounts.ts";
import { type Pcscd, startPcscd } from "../lab/pcscd.ts";
import { type Polkit, RULES_DIRECTORY, startPolkit } from "../lab/polkit.ts";
import { publicDirectory } from "../lab/processes.ts";
import { type Sshd, startSshd } from "../lab/sshd.ts";
import { daemonOf, type Suite, suite } from "../lab/suites.ts";
import { attach, cardwire } from "./programs/cardwire.ts";
import { doctor, expectTrouble, troubles } from "./programs/doctor.ts";

// A pcscd that was built with polkit, a polkitd that it asks, and people who log in over ssh, as whom cardwire comes.
// polkit admits by itself only those who sit at the card host.

const suites: readonly (readonly [name: string, load: () => Suite])[] = [
  ["trixie", () => suite("trixie")],
  ["sid", () => suite("sid")],
];

describe.each(suites)("pcscd of Debian %s, which asks polkit", (_name, load) => {
  let polkit: Polkit;
  let pcscd: Pcscd;
  let sshd: Sshd;
  let place: string;

  beforeAll(async () => {
    const their = load();
    polkit = await startPolkit(join(their.root, "usr/share/polkit-1/actions"));
    pcscd = await startPcscd(daemonOf(their, { polkit: true }));
    sshd = await startSshd({ pcscdDirectory: pcscd.directory });
    place = await publicDirectory("polkit");
    await installThere(their);
    await polkit.showIn(sshd.pid);
  });
  afterAll(async () => {
    await sshd[Symbol.asyncDispose]();
    await pcscd[Symbol.asyncDispose]();
    await polkit[Symbol.asyncDispose]();
    await rm(place, { recursive: true });
  });

  /** Makes the suite's pcscd the one that the card host has installed. */
  async function installThere(their: Suite): Promise<void> {
    const words = their.program("pcscd").map((word) => `'${word}'`);
    const file = join(place, "pcscd");
    await writeFile(file, `#!/bin/sh\nexec ${words.join(" ")} "$@"\n`);
    await chmod(file, 0o755);
    await runInMountsOf(sshd.pid, ["mount", "--bind", file, "/usr/sbin/pcscd"]);
  }

  /** WHERE and `--ssh` for alice, who logs in there as somebody. */
  const as = (user: "bob" | "carol"): readonly string[] => [
    `${user}@cardhost`,
    "--ssh",
    `ssh -F ${sshd.clientConfig}`,
  ];

  const isAdmitted = async (user: "bob" | "carol"): Promise<boolean> => {
    const listed = await cardwire(["readers", ...as(user)]);
    if (listed.status === 0) return listed.stdout.includes("Virtual PCD 00 00");
    expect(listed.stderr).toContain(`hangs up on ${user} without a word`);
    return false;
  };

  const dropRules = () =>
    polkit.reloaded(() => polkit.script(`rm -f ${RULES_DIRECTORY}/50-cardwire.rules`));

  test("bob is refused; the rule that attach prints lets him in, and nobody else", async () => {
    const refused = await cardwire(["attach", ...as("bob")]);
    expect(refused.status).toBe(1);
    expect(refused.stderr).toMatch(/pcscd at .* hangs up on bob without a word\nhint: .*polkit/);
    const rule = /^ {4}polkit\.addRule[^]*?^ {4}\}\);$/m.exec(refused.stderr)?.[0];
    expect(rule).toContain('"bob"');
    const file = `${RULES_DIRECTORY}/50-cardwire.rules`;
    await polkit.reloaded(() => polkit.script(`cat >${file} <<'END'\n${rule}\nEND`));

    await using attached = await attach(as("bob"));
    expect(attached.program.output).toContain("Virtual PCD 00 00");
    expect(await isAdmitted("carol")).toBe(false);
    await dropRules();
    expect(await isAdmitted("bob")).toBe(false);
  });

  test("doctor finds it, and its remedy mends it as it stands", async () => {
    const sick = await doctor(as("bob"));
    expectTrouble(sick, "polkit-refuses", {
      what: /hangs up on bob without a word: polkit refuses it/,
      remedy:
        /^# on bob@cardhost:\nsudo tee \/etc\/polkit-1\/rules\.d\/50-cardwire\.rules <<'END'\n/,
    });
    const remedy = sick.find("polkit-refuses").remedy ?? "";
    await polkit.reloaded(() => polkit.script(`sudo() { "$@" >/dev/null; }\n${remedy}`));

    const well = await doctor(as("bob"));
    expect(troubles(well)).toEqual([]);
    expect(well.find("polkit-admits").what).toContain("lets bob use pcscd");
    expect((await doctor(as("carol"))).find("polkit-refuses").remedy).toContain('"carol"');
    await dropRules();
  });

  test("the file that comes with the package does, with another name filled in", async () => {
    const template = await readFile("templates/polkit/50-cardwire.rules", "utf8");
    const filled = template.replace('subject.user === "cardwire"', 'subject.user === "carol"');
    const file = `${RULES_DIRECTORY}/50-cardwire.rules`;
    await polkit.reloaded(() => polkit.script(`cat >${file} <<'END'\n${filled}END`));
    expect(await isAdmitted("carol")).toBe(true);
    expect(await isAdmitted("bob")).toBe(false);
    await dropRules();
  });
});
