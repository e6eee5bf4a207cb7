import { readdir, readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { run } from "../lab/programs.ts";
import { cardwire } from "./programs/cardwire.ts";

// The manual pages as they are built, read by the two programs that people read them with.

const folder = fileURLToPath(new URL("../../dist/man/", import.meta.url));
const pages = await readdir(folder);
const man = (page: string, args: readonly string[] = []) =>
  run("man", ["-l", ...args, `${folder}${page}`], { env: { MANWIDTH: "78", LC_ALL: "C.UTF-8" } });

/** Names of commands as `cardwire --help` lists them. */
async function commands(): Promise<readonly string[]> {
  const { stdout } = await cardwire(["--help"]);
  return [...stdout.matchAll(/^ {2}([a-z]+) /gm)].map(([, name = ""]) => name);
}

test("there is one for each command, one for all, and one for the settings file", async () => {
  const wanted = (await commands()).filter((name) => name !== "help");
  expect(wanted.length).toBeGreaterThan(5);
  const expected = wanted.map((name) => `cardwire-${name}.1`);
  expect(new Set(pages)).toEqual(new Set([...expected, "cardwire.1", "cardwire-config.5"]));
});

describe.each(pages)("%s", (page) => {
  test("is what groff and mandoc want", async () => {
    const groff = await man(page, ["--warnings", "-E", "UTF-8"]);
    expect(groff).toMatchObject({ status: 0, stderr: "" });
    const lint = await run("mandoc", ["-T", "lint", `${folder}${page}`]);
    expect(lint).toMatchObject({ status: 0, stdout: "", stderr: "" });
  });

  test("has what one looks for", async () => {
    const { stdout } = await man(page, ["-P", "cat"]);
    const sections = [...stdout.matchAll(/^[A-Z][A-Z ]+$/gm)].map(([title]) => title);
    const always = ["NAME", "DESCRIPTION", "ENVIRONMENT", "FILES", "EXAMPLES", "SEE ALSO"];
    const commandOnly = page.endsWith(".1") ? ["SYNOPSIS", "OPTIONS", "EXIT STATUS"] : [];
    expect(sections).toEqual(expect.arrayContaining([...always, ...commandOnly]));
    expect(stdout).toContain("config.toml");
    expect(stdout).not.toMatch(/undefined|\[object/);
  });

  test("is found by what it is about", async () => {
    const { stdout } = await run("lexgrog", [`${folder}${page}`]);
    expect(stdout).toMatch(new RegExp(`"${page.replace(/\.\d$/, "")} - .+"`));
  });
});

test("shows each option as --help has it", async () => {
  const help = (await cardwire(["attach", "--help"])).stdout;
  const options = [...help.matchAll(/^ {2}(?:-\w, )?(--[a-z-]+)/gm)].map(([, flag = ""]) => flag);
  expect(options.length).toBeGreaterThan(8);
  const { stdout } = await man("cardwire-attach.1", ["-P", "cat"]);
  for (const option of options) expect(stdout).toContain(option);
});

test("prints a minus that can be copied into a shell", async () => {
  const { stdout } = await man("cardwire-attach.1", ["-P", "cat"]);
  expect(stdout).toMatch(/^ +\$ cardwire attach .* --name work --mode 0660/m);
  expect(stdout).not.toMatch(/[\u2010-\u2015\u2212]/);
});

test("the settings page has every setting", async () => {
  const { stdout } = await man("cardwire-config.5", ["-P", "cat"]);
  for (const key of ["where", "mode", "slots", "pipelining", "keep-warm", "to", "readers"])
    expect(stdout).toMatch(new RegExp(`^ {7}${key}( |$)`, "m"));
});

test("package.json names them all, so that npm installs them", async () => {
  const manifest = await readFile(new URL("../../package.json", import.meta.url), "utf8");
  const { man: named } = JSON.parse(manifest) as { man: readonly string[] };
  expect(new Set(named)).toEqual(new Set(pages.map((page) => `./dist/man/${page}`)));
});
