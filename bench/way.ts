import { delayLine } from "../test/lab/delay-line.ts";
import { type Attached, cardwireAttach, plainForward } from "./attach.ts";
import type { Tally } from "./recorder.ts";
import {
  type AgentWayName,
  agentWays,
  isAgentWay,
  recorded,
  type Stage,
  type WayName,
} from "./stage.ts";
import { tap } from "./tap.ts";
import type { LineEvent } from "./waits.ts";

/** What passed since the last time. */
export interface Traffic {
  readonly requests: Tally;
  readonly line: readonly LineEvent[];
}

/** A way to pcscd whose requests and line are watched. Disposing ends it. */
export interface Way extends AsyncDisposable {
  readonly name: WayName;
  /** What programs are told as PCSCLITE_CSOCK_NAME. */
  readonly socket: string;
  readonly roundTripMs: number;
  take(): Promise<Traffic>;
}

/** Opens a fresh one. `roundTripMs` is that of its line, where it has one. */
export async function openWay(stage: Stage, name: WayName, roundTripMs: number): Promise<Way> {
  const { recorder } = stage;
  const recordedAs = recorded[isAgentWay(name) ? "agent" : name];
  const requests = (): Promise<Tally> => recorder.take(recordedAs);
  const socketHere = recorder.socket(recordedAs);
  if (name === "pcscd" || name === "attach unix:") {
    const attached =
      name === "pcscd" ? undefined : await cardwireAttach(`unix:${recorder.socket("unix")}`);
    return {
      name,
      socket: attached?.socket ?? socketHere,
      roundTripMs: 0,
      take: async () => ({ requests: await requests(), line: [] }),
      [Symbol.asyncDispose]: async () => attached?.[Symbol.asyncDispose](),
    };
  }
  const sshd = isAgentWay(name) ? stage.agentSshd : stage.sshd;
  const line = await delayLine({ port: sshd.port, delayMs: roundTripMs / 2 });
  const tapped = await tap(line.proxyCommand);
  const config = await sshd.configWith([`ProxyCommand ${tapped.proxyCommand}`]);
  const attached = await attach(name, { config, socketHere });
  return {
    name,
    socket: attached.socket,
    roundTripMs,
    take: async () => ({ requests: await requests(), line: await tapped.take() }),
    async [Symbol.asyncDispose]() {
      for (const one of [attached, tapped, line]) await one[Symbol.asyncDispose]();
    },
  };
}

/** @param options.socketHere what plain ssh forwards: its logins find none at /run/pcscd. */
async function attach(
  name: Exclude<WayName, "pcscd" | "attach unix:">,
  { config, socketHere }: { readonly config: string; readonly socketHere: string },
): Promise<Attached> {
  if (name === "ssh -L") return await plainForward(config, socketHere);
  return await cardwireAttach("cardhost", { config, flags: flagsOf(name) });
}

/** What `attach` is told for a way over ssh. */
export const flagsOf = (name: AgentWayName | "cardwire"): readonly string[] =>
  name === "cardwire" ? ["--via", "forward"] : ["--via", "agent", ...agentWays[name]];
