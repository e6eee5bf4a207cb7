import type { ChildProcessWithoutNullStreams } from "node:child_process";
import { once } from "node:events";
import { setTimeout as delay } from "node:timers/promises";
import { deferred } from "../../domain/deferred.ts";
import type { RunningMaster } from "./master.ts";
import { type Answer, MARK } from "./remote-socket-script.ts";

/** How long the shell over there may take for an answer, ms. */
const ANSWER_MS = 15_000;

/** How long it may take to clean up, ms. After that it does so unwatched, when it learns that its input has ended. */
const END_MS = 5_000;

/** Most that is kept of what the shell says before its next answer is whole, characters. */
const MAX_ANSWER = 65_536;

/** Where the script's own output begins; a login shell may have said something before. */
const MARK_LINE = new RegExp(`^${MARK}\\r?\\n`, "m");

/** A script that runs over there for as long as the connection does. */
export interface Keeper {
  /** What it said first. */
  readonly first: Answer;
  /** Resolves when it has ended, for whatever reason. */
  readonly ended: Promise<void>;
  /** Gives it a command. @returns its answer, or undefined when it ended or took too long. */
  ask(command: string): Promise<Answer | undefined>;
  /** Lets it clean up and end. Never throws; bounded. */
  end(): Promise<void>;
}

/** @returns undefined where no shell runs the script: an account without one, or with a forced command. */
export async function startKeeper(
  master: Pick<RunningMaster, "session">,
  script: string,
  { signal }: { signal: AbortSignal },
): Promise<Keeper | undefined> {
  const child = master.session();
  const answers = new Answers(child);
  const kill = () => void child.kill("SIGKILL");
  signal.addEventListener("abort", kill, { once: true });
  try {
    child.stdin.write(script);
    const first = await answers.next();
    signal.throwIfAborted();
    if (first === undefined) {
      kill();
      return undefined;
    }
    return {
      first,
      ended: answers.ended,
      ask: (command) => {
        child.stdin.write(`${command}\n`);
        return answers.next();
      },
      end: async () => {
        const limit = new AbortController();
        const late = delay(END_MS, undefined, { signal: limit.signal }).then(kill, () => {});
        child.stdin.end("remove\n");
        await answers.ended;
        limit.abort();
        await late;
      },
    };
  } finally {
    signal.removeEventListener("abort", kill);
  }
}

/** Reads `name=value` lines up to `end=`, as often as it is asked to. */
class Answers {
  readonly ended: Promise<void>;
  #text = "";
  #hasBegun = false;
  #more = deferred();
  #isOver = false;

  constructor(child: ChildProcessWithoutNullStreams) {
    const proceed = () => {
      this.#more.resolve();
      this.#more = deferred();
    };
    child.on("error", () => {}); // "close" follows
    child.stdin.on("error", () => {}); // it ended without reading
    child.stderr.resume(); // what the login shell complains of is not for us
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      this.#text = (this.#text + text).slice(-MAX_ANSWER);
      proceed();
    });
    this.ended = once(child, "close").then(
      () => {},
      () => {},
    );
    void this.ended.then(() => {
      this.#isOver = true;
      proceed();
    });
  }

  async next(): Promise<Answer | undefined> {
    const until = AbortSignal.timeout(ANSWER_MS);
    const late = new Promise<void>((resolve) => {
      until.addEventListener("abort", () => resolve(), { once: true });
    });
    for (;;) {
      const answer = this.#take();
      if (answer !== undefined) return answer;
      if (this.#isOver || until.aborted) return undefined;
      await Promise.race([this.#more.promise, late]);
    }
  }

  #take(): Answer | undefined {
    if (!this.#hasBegun) {
      const mark = MARK_LINE.exec(this.#text);
      if (mark === null) return undefined;
      this.#hasBegun = true;
      this.#text = this.#text.slice(mark.index + mark[0].length);
    }
    const end = /^end=.*\n/m.exec(this.#text);
    if (end === null) return undefined;
    const lines = this.#text.slice(0, end.index).split("\n");
    this.#text = this.#text.slice(end.index + end[0].length);
    return new Map(
      lines.flatMap((line) => {
        const [, name, value] = /^([a-z-]+)=(.*?)\r?$/.exec(line) ?? [];
        return name === undefined || value === undefined ? [] : [[name, value] as const];
      }),
    );
  }
}
