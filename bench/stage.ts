import { type Pcscd, startPcscd } from "../test/lab/pcscd.ts";
import { type Sshd, startSshd } from "../test/lab/sshd.ts";
import { compile } from "./compile.ts";
import { type Recorder, startRecorder } from "./recorder.ts";

/** The ways from a program to pcscd that are compared. */
export const ways = ["pcscd", "attach unix:", "ssh -L", "cardwire"] as const;

/** Those through an agent on the card host, and what `attach` is told for them. */
export const agentWays = {
  agent: [],
  "agent --no-pipelining": ["--no-pipelining"],
  "agent --prefetch off": ["--prefetch", "off"],
  "agent --strict": ["--strict"],
} as const;
export type AgentWayName = keyof typeof agentWays;
export type WayName = (typeof ways)[number] | AgentWayName;

export const isAgentWay = (name: WayName): name is AgentWayName => Object.hasOwn(agentWays, name);

/** The ways as names of directories. Those through agents share one: their requests are not told apart. */
export const recorded: Readonly<Record<(typeof ways)[number] | "agent", string>> = {
  pcscd: "direct",
  "attach unix:": "unix",
  "ssh -L": "plain",
  cardwire: "cardwire",
  agent: "agent",
};

/** A card host, and the measuring programs. */
export interface Stage extends AsyncDisposable {
  readonly pcscd: Pcscd;
  /** A socket for each way, in front of pcscd's. */
  readonly recorder: Recorder;
  /** Logins find the recorder's socket of the way "cardwire" at /run/pcscd. */
  readonly sshd: Sshd;
  /** The same for agents. */
  readonly agentSshd: Sshd;
  /** Logins find pcscd's own. */
  readonly bareSshd: Sshd;
  /** The compiled turns.c and calls.c. */
  readonly turns: string;
  readonly calls: string;
}

/** A pcscd with a test card in the first of its two readers, and two sshd in front of it. */
export async function openStage(): Promise<Stage> {
  const pcsc = ["-I/usr/include/PCSC", "-lpcsclite"];
  const turns = await compile("turns", pcsc);
  const calls = await compile("calls", pcsc);
  const pcscd = await startPcscd();
  const recorder = await startRecorder(pcscd.socketPath, Object.values(recorded));
  const sshd = await startSshd({ pcscdDirectory: recorder.directory(recorded.cardwire) });
  const agentSshd = await startSshd({ pcscdDirectory: recorder.directory(recorded.agent) });
  const bareSshd = await startSshd({ pcscdDirectory: pcscd.directory });
  return {
    pcscd,
    recorder,
    sshd,
    agentSshd,
    bareSshd,
    turns,
    calls,
    async [Symbol.asyncDispose]() {
      for (const one of [bareSshd, agentSshd, sshd, recorder, pcscd])
        await one[Symbol.asyncDispose]();
    },
  };
}
