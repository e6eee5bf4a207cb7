import { realpath } from "node:fs/promises";
import { join } from "node:path";
import * as v from "valibot";
import { CardwireError } from "../domain/errors.ts";
import { withLock } from "../host/lock.ts";
import {
  makePrivatePath,
  readPrivateFile,
  statePath,
  writePrivateFile,
} from "../host/private-file.ts";
import { removeLeftoversIn } from "../host/replace-file.ts";
import { Identities, Invitations, type Register } from "./records.ts";

/** Where a card host keeps its authority and who may come in. */
export const servePath = (): string => join(statePath(), "serve");

const IDENTITIES = "identities.json";
const INVITATIONS = "invitations.json";

/** Whether a file of that name is a part of what {@link Store.read} reads. */
export const isOfRegister = (name: string): boolean => name === IDENTITIES || name === INVITATIONS;

/** The files of a card host's state that say who may come in. Several processes use them at once. */
export class Store {
  readonly path: string;

  /** Use {@link openStore}. @param path without symbolic links: the same place is the same lock. */
  constructor(path: string) {
    this.path = path;
  }

  /** @throws {CardwireError} `E_STATE` when a file cannot be read, or is not what cardwire wrote. */
  async read(): Promise<Register> {
    const [{ identities }, { invitations }] = await Promise.all([
      this.#load(IDENTITIES, Identities, { version: 1, identities: [] } as const),
      this.#load(INVITATIONS, Invitations, { version: 1, invitations: [] } as const),
    ]);
    return { identities, invitations };
  }

  /**
   * Changes it, as one step for everybody who does so.
   *
   * @throws {CardwireError} what `change` throws, and then nothing is changed; `E_STATE`, `E_DISK_FULL`, `E_LOCKED`.
   */
  async change(change: (register: Register) => Register): Promise<Register> {
    return await this.locked(async () => {
      const before = await this.read();
      const after = change(before);
      // First: should the second fail, an invitation is used up, and nobody has come in by it.
      if (after.invitations !== before.invitations)
        await this.#save(INVITATIONS, { version: 1, invitations: after.invitations });
      if (after.identities !== before.identities)
        await this.#save(IDENTITIES, { version: 1, identities: after.identities });
      return after;
    });
  }

  /** Runs `action` while nobody else changes anything here. */
  async locked<T>(action: () => Promise<T>): Promise<T> {
    return await withLock(this.file("register"), action);
  }

  file(name: string): string {
    return join(this.path, name);
  }

  async #load<const S extends v.GenericSchema>(
    name: string,
    schema: S,
    empty: v.InferOutput<S>,
  ): Promise<v.InferOutput<S>> {
    const path = this.file(name);
    const text = await readPrivateFile(path);
    if (text === undefined) return empty;
    try {
      return v.parse(schema, JSON.parse(text));
    } catch (cause) {
      throw new CardwireError("E_STATE", `${path} is damaged`, {
        cause,
        hint: "Put back a copy of it, or remove it: those whom it names have to be invited again.",
      });
    }
  }

  async #save(name: string, value: object): Promise<void> {
    await writePrivateFile(this.file(name), `${JSON.stringify(value, undefined, 2)}\n`);
  }
}

/** The state of a card host, as far as there is one: nothing is made. */
export async function existingStore(path: string = servePath()): Promise<Store> {
  return new Store(await realpath(path).catch(() => path)); // not there: it reads as empty
}

/** Opens the state of a card host, made where there is none. @throws {CardwireError} `E_STATE`, `E_DISK_FULL`, `E_LOCKED` */
export async function openStore(path: string = servePath()): Promise<Store> {
  await makePrivatePath(path);
  const store = new Store(await realpath(path));
  await store.locked(() => removeLeftoversIn(store.path)); // of one that was killed
  return store;
}
