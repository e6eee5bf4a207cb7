import { CardwireError } from "../domain/errors.ts";
import { errorCode } from "../host/error-code.ts";
import { portHolder } from "../host/port-holder.ts";
import { byHolder } from "../host/socket-holder.ts";
import { SoftwareReaders } from "../services/software/service.ts";
import { listenForVpcdCards, type VpcdPorts } from "../services/software/vpcd-ports.ts";
import { VPCD_PORT } from "../wire/vpcd.ts";
import type { OpenSource } from "./open-source.ts";
import type { Source } from "./sources.ts";

/** Two, as vpcd has. Programs take the digits at the end for reader and slot. */
const READERS = ["Software Reader 00 00", "Software Reader 01 00"] as const;
/** vpcd's protocol has no authentication: nobody from elsewhere may put a card in. */
const LOOPBACK = "127.0.0.1";

/**
 * Opens readers of this process, empty, with a port for the cards of other programs.
 *
 * @throws {CardwireError} `E_PORT_IN_USE`.
 */
export async function openSoftware(
  source: Source,
  { vpcdPort = VPCD_PORT }: { readonly vpcdPort?: number | undefined },
): Promise<OpenSource> {
  const service = new SoftwareReaders(READERS);
  const ports = await listen(service, vpcdPort);
  return {
    source,
    name: source.text,
    service,
    server: `in software, with places for cards at ${ports.ports.map((port) => `${LOOPBACK}:${port}`).join(" and ")}`,
    protocol: undefined,
    absence: undefined,
    roundTrip: async () => undefined,
    async [Symbol.asyncDispose]() {
      await ports[Symbol.asyncDispose]();
      await service[Symbol.asyncDispose]();
    },
  };
}

async function listen(service: SoftwareReaders, port: number): Promise<VpcdPorts> {
  try {
    return await listenForVpcdCards(service, READERS, { host: LOOPBACK, port });
  } catch (cause) {
    const code = errorCode(cause);
    if (code !== "EADDRINUSE" && code !== "EACCES") throw cause;
    const first = (cause as { readonly port?: number }).port ?? port;
    const by = byHolder(await portHolder(first));
    const what = code === "EACCES" ? "may not be had without root" : `is in use${by}`;
    throw new CardwireError(
      "E_PORT_IN_USE",
      `port ${first}, where cards connect to a reader, ${what}`,
      {
        cause,
        hint: "Choose others with --vpcd-port: its number and the next, or 0 for any that are free.",
      },
    );
  }
}
