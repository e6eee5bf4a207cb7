import { describe, test } from "vitest";
import { unixCarrier } from "../../src/carriers/unix.ts";
import type { PcscdOptions } from "../../src/services/pcscd/daemon.ts";
import { pcscdService } from "../../src/services/pcscd/service.ts";
import { type ContractSubject, cardServiceContract } from "../../src/testing/index.ts";
import { startPcscd } from "../lab/pcscd.ts";

// The contract of every CardService, kept by PcscdService over the real daemon. Each clause has a daemon of its own.

/** The one attribute that vpcd knows. */
const TAG_IFD_ATR = 0x0303;

async function overPcscd(options: Partial<PcscdOptions>): Promise<ContractSubject> {
  const pcscd = await startPcscd();
  const carrier = unixCarrier(pcscd.socketPath);
  const all = { pipelining: true, rememberFeatures: true, keepWarm: false, ...options };
  const service = await pcscdService(carrier, all, { signal: AbortSignal.timeout(10_000) });
  return {
    service,
    attribute: TAG_IFD_ATR,
    pull: () => pcscd.cards[0].pull(),
    insert: () => pcscd.cards[0].insert(),
    async [Symbol.asyncDispose]() {
      await service[Symbol.asyncDispose]();
      await carrier[Symbol.asyncDispose]();
      await pcscd[Symbol.asyncDispose]();
    },
  };
}

describe("PcscdService over pcscd", () => {
  cardServiceContract(test, () => overPcscd({}));
});

describe("PcscdService over pcscd, without pipelining", () => {
  cardServiceContract(test, () => overPcscd({ pipelining: false, rememberFeatures: false }));
});
