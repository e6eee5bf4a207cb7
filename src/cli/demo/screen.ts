import { DEFAULT_PIN } from "../../software-cards/piv/state.ts";
import type { Io } from "../io.ts";
import { exportLine, printable } from "../report.ts";
import { type Style, styled } from "../style.ts";
import type { DemoScreen, Done } from "./demo.ts";

interface End {
  readonly socket: string;
  /** Whether the card is still there after this. */
  readonly stays: boolean;
}

/** The demo for a person, step by step. Its lines fit into 80 columns. */
export class DemoText implements DemoScreen {
  readonly #io: Io;
  readonly #style: Style;
  #ms = 0;

  constructor(io: Io) {
    this.#io = io;
    this.#style = styled(io);
    io.out(
      "A smart card in one place, programs in another; both on this computer, with no\n" +
        "reader, no card, no pcscd and no root.\n",
    );
  }

  done({ name, by, result, ms }: Done): void {
    const { bold, dim } = this.#style;
    this.#ms += ms;
    const time = dim(`${ms.toFixed(0).padStart(5)} ms`);
    this.#io.out(
      `${time}  ${name.padEnd(6)}  ${bold(printable(by))}\n${" ".repeat(18)}${printable(result)}`,
    );
  }

  walkedBy(who: string): void {
    this.#io.out(`\n${printable(who)} uses the card through the socket:\n`);
  }

  end({ socket, stays }: End): void {
    const { bold, dim, green } = this.#style;
    this.#io.out(`\n${green("All of it worked")}, in ${(this.#ms / 1000).toFixed(1)} s.`);
    if (!stays) return;
    const tries = [
      [exportLine(socket), ""],
      ["opensc-tool --list-readers", ""],
      ["pkcs11-tool --login --test", `the PIN is ${DEFAULT_PIN}`],
      ["ssh-keygen -D opensc-pkcs11.so", "its keys, for authorized_keys"],
    ] as const;
    const lines = tries.map(([line, what]) =>
      what === "" ? `  ${bold(line)}` : `  ${bold(line.padEnd(32))}${dim(`# ${what}`)}`,
    );
    this.#io.out(["The card stays until Ctrl-C. In another terminal:\n", ...lines].join("\n"));
  }
}

/** The same for scripts: one object when all is done. */
export class DemoJson implements DemoScreen {
  readonly #io: Io;
  readonly #steps: Done[] = [];
  #by = "";

  constructor(io: Io) {
    this.#io = io;
  }

  done(step: Done): void {
    this.#steps.push({ ...step, ms: Math.round(step.ms * 10) / 10 });
  }

  walkedBy(who: string): void {
    this.#by = who;
  }

  end({ socket, stays }: End): void {
    const where = stays ? { socket } : {};
    this.#io.out(JSON.stringify({ by: this.#by, steps: this.#steps, ...where }));
  }
}
