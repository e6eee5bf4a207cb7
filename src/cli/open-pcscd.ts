import type { Carrier } from "../carriers/carrier.ts";
import { pcscdService } from "../services/pcscd/service.ts";
import type { OpenSource, OpenSourceOptions } from "./open-source.ts";
import type { Source } from "./sources.ts";

/**
 * Opens the readers of a pcscd. The carrier is closed with them, and when they cannot be opened.
 *
 * @throws {CardwireError} why they cannot, with what to do.
 */
export async function openPcscd(
  source: Source,
  carrier: Carrier,
  options: OpenSourceOptions,
  { signal }: { signal: AbortSignal },
): Promise<OpenSource> {
  try {
    const { keepTrying } = options;
    const service = await pcscdService(carrier, options, { signal, keepTrying });
    const protocol = () => service.traits && `4:${service.traits.minor}`;
    return {
      source,
      name: carrier.name,
      service,
      get server() {
        return `pcscd protocol ${protocol()}`;
      },
      get protocol() {
        return protocol();
      },
      get absence() {
        return service.absence;
      },
      roundTrip: (within) => service.roundTrip(within),
      async [Symbol.asyncDispose]() {
        await service[Symbol.asyncDispose]();
        await carrier[Symbol.asyncDispose]();
      },
    };
  } catch (error) {
    await carrier[Symbol.asyncDispose]();
    throw error;
  }
}
