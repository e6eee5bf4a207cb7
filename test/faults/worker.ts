import { type Program, start } from "../lab/programs.ts";
import type { UserName } from "../lab/users.ts";
import { type Attached, python, type Report, Reports } from "./attached.ts";

/** A program that runs all the time, and what it reports. */
export class Worker implements AsyncDisposable {
  readonly program: Program;
  readonly #reports: Reports;

  constructor(
    env: Attached["env"],
    name: string,
    args: readonly string[],
    user: UserName = "alice",
  ) {
    this.program = start(...python(name, ...args), { user, env });
    this.#reports = new Reports(this.program);
  }

  get reports(): readonly Report[] {
    return this.#reports.all;
  }

  /** The payloads of which the card said that it took them. */
  get done(): readonly string[] {
    return this.reports.flatMap(({ done }) => (typeof done === "string" ? [done] : []));
  }

  /** What it says at its end: how often each call failed, by code, and how long a call took at most, ms. */
  get summary(): { readonly codes: readonly string[]; readonly longest: number } {
    const { codes = {}, longest } = this.reports.at(-1) ?? {};
    return { codes: Object.keys(codes as object), longest: Number(longest) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.program[Symbol.asyncDispose]();
  }
}
