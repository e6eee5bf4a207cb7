import { type Pcscd, startPcscd } from "../test/lab/pcscd.ts";
import { type Sshd, startSshd } from "../test/lab/sshd.ts";
import { compile } from "./compile.ts";
import { type Recorder, startRecorder } from "./recorder.ts";

/** The ways from a program to pcscd that are compared. */
export const ways = ["pcscd", "attach unix:", "ssh -L", "cardwire"] as const;
export type WayName = (typeof ways)[number];

/** The ways as names of directories. */
export const recorded: Readonly<Record<WayName, string>> = {
  pcscd: "direct",
  "attach unix:": "unix",
  "ssh -L": "plain",
  cardwire: "cardwire",
};

/** A card host, and the measuring programs. */
export interface Stage extends AsyncDisposable {
  readonly pcscd: Pcscd;
  /** A socket for each way, in front of pcscd's. */
  readonly recorder: Recorder;
  /** Logins find the recorder's socket of the way "cardwire" at /run/pcscd. */
  readonly sshd: Sshd;
  /** Logins find pcscd's own. */
  readonly bareSshd: Sshd;
  /** The compiled turns.c. */
  readonly turns: string;
}

/** A pcscd with a test card in the first of its two readers, and two sshd in front of it. */
export async function openStage(): Promise<Stage> {
  const turns = await compile("turns", ["-I/usr/include/PCSC", "-lpcsclite"]);
  const pcscd = await startPcscd();
  const recorder = await startRecorder(pcscd.socketPath, Object.values(recorded));
  const sshd = await startSshd({ pcscdDirectory: recorder.directory(recorded.cardwire) });
  const bareSshd = await startSshd({ pcscdDirectory: pcscd.directory });
  return {
    pcscd,
    recorder,
    sshd,
    bareSshd,
    turns,
    async [Symbol.asyncDispose]() {
      for (const one of [bareSshd, sshd, recorder, pcscd]) await one[Symbol.asyncDispose]();
    },
  };
}
