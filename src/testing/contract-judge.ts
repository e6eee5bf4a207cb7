import assert from "node:assert/strict";
import type { CardService, CardSession, Connected, Reader } from "../domain/card-service.ts";
import { ReturnCodeError } from "../domain/errors.ts";

/** A service to be judged, with a card in its first reader and none in its second. Disposed after each test. */
export interface ContractSubject extends AsyncDisposable {
  readonly service: CardService;
  /** The number of an attribute that the first reader has. */
  readonly attribute: number;
  /** Whether calls wait for their turn where pcscd answers `SCARD_E_SHARING_VIOLATION`. */
  readonly queues?: boolean;
  /** Takes the card out of the first reader. Resolves when the service can know. */
  readonly pull: () => Promise<void>;
  /** Puts it in again. */
  readonly insert: () => Promise<void>;
}

/** How long the service may take for one step, ms. Only a service that never answers comes near it. */
const LIMIT_MS = 20_000;
const T0_OR_T1 = 3;
const SHARED = 2;
const principal = { name: "contract" };

export const signal = (): AbortSignal => AbortSignal.timeout(LIMIT_MS);

/** Asserts what a call is refused with. */
export async function refuses(call: Promise<unknown>, rv: number): Promise<void> {
  await assert.rejects(call, (error: unknown) => {
    if (!(error instanceof ReturnCodeError)) throw error;
    assert.equal(error.rv.toString(16), rv.toString(16));
    return true;
  });
}

/** A service with the steps that every test below needs. */
export class Judge {
  readonly service: CardService;
  readonly subject: ContractSubject;

  constructor(subject: ContractSubject) {
    this.subject = subject;
    this.service = subject.service;
  }

  reader(index: 0 | 1): Reader {
    const reader = this.service.readers[index];
    assert.ok(reader, `the service has no reader ${index}`);
    return reader;
  }

  async open(
    index: 0 | 1 = 0,
    { share = SHARED, protocols = T0_OR_T1, within = signal() } = {},
  ): Promise<Connected> {
    const how = { share, protocols, principal };
    return await this.service.connect(this.reader(index).name, how, { signal: within });
  }

  async session(index: 0 | 1 = 0, share = SHARED): Promise<CardSession> {
    return (await this.open(index, { share })).session;
  }

  /** Resolves when a list shows the reader so. @throws {AssertionError} when none does in time. */
  async sees(index: 0 | 1, is: (reader: Reader) => boolean, what: string): Promise<void> {
    for await (const readers of this.service.watch({ signal: signal() })) {
      const reader = readers[index];
      if (reader && is(reader)) return;
    }
    assert.fail(`no list showed ${what}`);
  }
}
