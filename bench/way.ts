import { delayLine } from "../test/lab/delay-line.ts";
import { type Attached, cardwireAttach, plainForward } from "./attach.ts";
import type { Tally } from "./recorder.ts";
import { recorded, type Stage, type WayName } from "./stage.ts";
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
  const requests = (): Promise<Tally> => recorder.take(recorded[name]);
  const socketHere = recorder.socket(recorded[name]);
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
  const line = await delayLine({ port: stage.sshd.port, delayMs: roundTripMs / 2 });
  const tapped = await tap(line.proxyCommand);
  const config = await stage.sshd.configWith([`ProxyCommand ${tapped.proxyCommand}`]);
  const attached: Attached =
    name === "ssh -L"
      ? await plainForward(config, socketHere)
      : await cardwireAttach("cardhost", config);
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
