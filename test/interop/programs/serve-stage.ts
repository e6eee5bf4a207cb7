import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { type Computers, startComputers } from "../../lab/computers.ts";
import { type Pcscd, type PcscdOptions, startPcscd } from "../../lab/pcscd.ts";
import { until } from "../../lab/processes.ts";
import { type Program, type ProgramOptions, start } from "../../lab/programs.ts";
import { cardwire, leftIn, MAIN, PATIENCE_MS } from "./cardwire.ts";

type User = "bob" | "carol";
const STATE = ".local/state/cardwire";

/** alice's computer1 has the readers and runs serve; bob and carol use them from computer2. */
export class ServeStage implements AsyncDisposable {
  readonly pcscd: Pcscd;
  readonly lab: Computers<"computer1" | "computer2">;
  #serve: Program | undefined;

  private constructor(pcscd: Pcscd, lab: ServeStage["lab"]) {
    this.pcscd = pcscd;
    this.lab = lab;
  }

  /**
   * @param sshdConfig lines for every sshd, as in `startSshd`.
   * @param cards what lies in the readers, as in `startPcscd`.
   */
  static async open(
    sshdConfig: readonly string[] = [],
    cards?: PcscdOptions["cards"],
  ): Promise<ServeStage> {
    const pcscd = await startPcscd(cards && { cards });
    const lab = await startComputers(["computer1", "computer2"], { sshdConfig });
    await lab.computer1.plugIn(pcscd);
    return new ServeStage(pcscd, lab);
  }

  get serve(): Program {
    if (!this.#serve) throw new Error("serve was not started");
    return this.#serve;
  }

  readonly here = (): ProgramOptions => ({ user: "alice", on: this.lab.computer1 });

  readonly there = (user: User = "bob") => ({ user, on: this.lab.computer2 }) as const;

  home(on: "computer1" | "computer2", user: string): string {
    return join(this.lab[on].root, "run/home", user, STATE);
  }

  async startServe(...flags: readonly string[]): Promise<void> {
    this.#serve = start("node", [MAIN, "serve", "-v", ...flags], this.here());
    await this.#serve.waitForLine(/^Ctrl-C ends it/, { timeoutMs: PATIENCE_MS });
  }

  /** What is on the record. */
  async recorded(): Promise<readonly Record<string, unknown>[]> {
    const text = await readFile(join(this.home("computer1", "alice"), "serve/audit.log"), "utf8");
    const lines = text.split("\n").filter(Boolean);
    return lines.map((line) => JSON.parse(line) as Record<string, unknown>);
  }

  /** Resolves when something like that is on the record. */
  async untilRecorded(event: string, about: (record: Record<string, unknown>) => boolean) {
    await until(`${event} to be recorded`, async () =>
      (await this.recorded()).some((record) => record["event"] === event && about(record)),
    );
  }

  /** Ends serve, which leaves nothing behind, and forgets everybody. */
  async clear(): Promise<void> {
    this.serve.kill("SIGINT");
    const { status } = await this.serve.exited;
    const left = await leftIn(join(this.lab.computer1.root, "run/user/4101/cardwire"));
    if (status !== 0 || left.length > 0)
      throw new Error(`serve ended with ${status}, left behind: ${left.join(", ")}`);
    await rm(this.home("computer1", "alice"), { recursive: true, force: true });
    for (const user of ["bob", "carol"])
      await rm(this.home("computer2", user), { recursive: true, force: true });
  }

  async invite(name: string, ...flags: readonly string[]): Promise<string> {
    // The test card's commands are nobody else's: only who may do everything may send them.
    const profile = flags.includes("--profile") ? [] : ["--profile", "manage"];
    const done = await cardwire(["invite", name, ...profile, ...flags], this.here());
    if (!/^cardwire-1-[A-Za-z0-9_-]+\n$/.test(done.stdout))
      throw new Error(`no token: ${done.stdout}${done.stderr}`);
    return done.stdout;
  }

  async joining(token: string, user: User = "bob", ...flags: readonly string[]) {
    return await cardwire(["join", ...flags], { ...this.there(user), input: token });
  }

  async joined(name: string, user: User = "bob", ...flags: readonly string[]): Promise<void> {
    const done = await this.joining(await this.invite(name, ...flags), user);
    if (done.status !== 0 || done.stdout !== `joined computer1 as ${name}\n`)
      throw new Error(`not joined: ${done.stdout}${done.stderr}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.lab[Symbol.asyncDispose]();
    await this.pcscd[Symbol.asyncDispose]();
  }
}
