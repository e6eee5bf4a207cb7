import { CommanderError } from "@commander-js/extra-typings";
import { describe, expect, test } from "vitest";
import type { CardService, Reader } from "../domain/card-service.ts";
import { CardwireError } from "../domain/errors.ts";
import { ReaderStateBit } from "../domain/pcsc.ts";
import type { OpenReaders } from "./open.ts";
import { program } from "./program.ts";
import { parseSources } from "./sources.ts";

const card: Reader = {
  name: "Virtual 00 00",
  atr: Buffer.from("3b00", "hex"),
  stateBits: ReaderStateBit.Present,
  sharing: 0,
  protocol: 0,
  eventCounter: 1,
};

interface Outcome {
  readonly out: readonly string[];
  readonly err: readonly string[];
  readonly error: unknown;
  /** What was asked for its readers. */
  readonly asked: unknown;
  readonly exit: unknown;
}

/** Runs a command line without a process. */
async function cardwire(
  argv: readonly string[],
  {
    readers = [card],
    sources = [],
    env = {},
  }: {
    readers?: readonly Reader[];
    sources?: OpenReaders["sources"];
    env?: Record<string, string>;
  } = {},
): Promise<Outcome> {
  const out: string[] = [];
  const err: string[] = [];
  let asked: unknown;
  let exit: unknown;
  const io = {
    out: (text: string) => void out.push(...text.split("\n")),
    err: (text: string) => void err.push(...text.split("\n")),
    env,
  };
  const service = { readers } as Partial<CardService> as CardService;
  const opened = { service, sources, [Symbol.asyncDispose]: async () => {} };
  const top = program(io, {
    version: "1.2.3",
    rest: [],
    setExit: (how) => {
      exit = how;
    },
    withReaders: async (named, _options, use) => {
      asked = named.map(({ text }) => text);
      use(opened);
    },
  });
  const error: unknown = await top.parseAsync([...argv], { from: "user" }).then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  return { out, err, error, asked, exit };
}

describe("help", () => {
  test("names every command", async () => {
    const { out, error } = await cardwire(["--help"]);
    expect(error).toMatchObject({ exitCode: 0 });
    for (const name of [
      "attach",
      "run",
      "env",
      "readers",
      "serve",
      "invite",
      "join",
      "service",
      "uninstall",
    ]) {
      expect(out.join("\n")).toMatch(new RegExp(`^  ${name} `, "m"));
    }
  });

  test.each(["attach", "run", "env", "readers", "share", "doctor", "config", "completion"])(
    "of %s begins with examples",
    async (name) => {
      const { out, error } = await cardwire([name, "--help"]);
      expect(error).toMatchObject({ exitCode: 0 });
      const at = out.indexOf("Examples:");
      expect(at).toBeGreaterThan(0);
      expect(at).toBeLessThan(out.findIndex((line) => line.startsWith("Usage:")));
      expect(out.slice(at + 1).join("\n")).toMatch(new RegExp(`^  \\$ .*cardwire ${name}`, "m"));
      // Commander folds text at 80; what we write ourselves is to fit, too.
      expect(out.filter((line) => line.length > 80)).toEqual([]);
    },
  );

  test("begins with the most common tasks, and groups the commands", async () => {
    const { out } = await cardwire(["--help"]);
    const text = out.join("\n");
    expect(text).toMatch(/^Smart card readers[^]*Examples:\n( {2}\$ .+ {3}# .+\n){5}\nUsage:/);
    expect(text).toMatch(/^To see it work:\n {2}demo/m);
    expect(text).toMatch(/^Readers of another computer:\n {2}attach/m);
    expect(text).toMatch(/^Setting up:\n(.*\n)*? {2}config/m);
  });

  test("the version is the package's", async () => {
    expect((await cardwire(["--version"])).out).toEqual(["1.2.3"]);
  });
});

describe("wrong usage is said in one line, and what is right in another", () => {
  test.each([
    [["atach", "host"], "unknown command 'atach'", "Did you mean attach?"],
    [["attach", "host", "--soket", "x"], "unknown option '--soket'", "Did you mean --socket?"],
    [["attach", "host", "--mode", "9"], "argument '9' is invalid", "Usage: cardwire attach"],
    [["attach", "software:", "--vpcd-port", "65535"], "at most 65534", "Usage: cardwire attach"],
    [["attach", "host", "--slots", "17"], "Allowed choices are 16, 48", "cardwire attach --help"],
    [["invite", "bob", "--address", "foo bar"], "'foo bar' is invalid", "cardwire invite"],
    [["invite", "bob", "--address", ""], "'' is invalid", "cardwire invite"],
    [["invite", "bob", "--address", "http://x"], "'http://x' is invalid", "cardwire invite"],
    [["invite", "bob", "--address", "::"], "'::' is invalid", "cardwire invite"],
    [["invite", "bob", "--port", "0"], "'0' is invalid", "cardwire invite"],
    [["env", "a", "b"], "too many arguments for 'env'", "cardwire env [options] [name]"],
  ])("%j", async (argv, what, right) => {
    const { out, err, error } = await cardwire(argv);
    expect(error).toBeInstanceOf(CommanderError);
    expect(out).toEqual([]);
    expect(err).toHaveLength(2);
    expect(err[0]).toMatch(/^cardwire: /);
    expect(err[0]).toContain(what);
    expect(err[1]).toMatch(/^hint: .* tells more\.$/);
    expect(err[1]).toContain(right);
  });

  test.each([
    [["run", "host"], "there is nothing to run", "run WHERE -- COMMAND"],
    [["run", "host", "ls"], "there is nothing to run", "run WHERE -- COMMAND"],
    [["attach"], "WHERE is missing", "--local"],
    [
      ["invite", "bob", ...Array.from({ length: 9 }, () => ["--address", "a"]).flat()],
      "a token has room for 8 addresses",
      "the best first",
    ],
    [["attach", "a", "b", "a"], "a is named twice", "once"],
    [["readers", "unix:/run/pcscd/pcscd.comm", "--local"], "local is named twice", "once"],
  ])("%j", async (argv, what, right) => {
    const { error } = await cardwire(argv);
    expect(CardwireError.is(error) && [error.code, error.message, error.hint]).toEqual([
      "E_USAGE",
      what,
      expect.stringContaining(right),
    ]);
  });

  test.each(["ftp://x", "unix:relative"])("a WHERE like %s", async (where) => {
    for (const command of ["attach", "readers"]) {
      expect((await cardwire([command, where])).error).toMatchObject({ code: "E_WHERE" });
    }
  });
});

describe("readers", () => {
  test("prints a table", async () => {
    expect((await cardwire(["readers", "host"])).out).toEqual([
      "READER         STATE  ATR",
      "Virtual 00 00  card   3B 00",
    ]);
  });

  test("prints a line of JSON each", async () => {
    const { out } = await cardwire(["readers", "host", "--json"], {
      readers: [card, { ...card, name: "B" }],
    });
    expect(out.map((line) => JSON.parse(line) as unknown)).toMatchObject([
      { reader: "Virtual 00 00", atr: "3b00" },
      { reader: "B" },
    ]);
  });

  test("without readers says what to do, where scripts do not read it", async () => {
    const { out, err } = await cardwire(["readers", "host"], { readers: [] });
    expect([out, err]).toEqual([[], ["No readers. Plug one in over there."]]);
    expect((await cardwire(["readers", "host", "--json"], { readers: [] })).out).toEqual([]);
  });

  test("looks where programs look, unless told", async () => {
    const env = { PCSCLITE_CSOCK_NAME: "/tmp/other.comm" };
    const asked = async (argv: readonly string[], given = {}) =>
      (await cardwire(argv, given)).asked;
    expect(await asked(["readers"])).toEqual(["unix:/run/pcscd/pcscd.comm"]);
    expect(await asked(["readers"], { env })).toEqual(["unix:/tmp/other.comm"]);
    expect(await asked(["readers", "me@host", "b"], { env })).toEqual(["me@host", "b"]);
    expect(await asked(["readers", "--local"], { env })).toEqual(["local"]);
    expect(await asked(["readers", "a", "--local"], { env })).toEqual(["a", "local"]);
  });

  test("says of each host why it cannot be reached, and fails; the others' readers are listed", async () => {
    const absence = new CardwireError("E_SSH_HOST", "ssh to b: no such host", { hint: "Look." });
    const [a, b] = parseSources(["a", "b"]).map(
      (source) => ({ source, service: {} }) as OpenReaders["sources"][number],
    );
    const sources = [a!, { ...b!, absence }];
    const { out, err, exit } = await cardwire(["readers", "a", "b"], { sources });
    expect(out).toHaveLength(2);
    expect(err).toEqual(["b: ssh to b: no such host", "hint: Look."]);
    expect(exit).toBe(1);
  });
});
