import type { Socket } from "node:net";
import type { Arrival } from "../carriers/tls/listen.ts";
import { Protocol } from "../carriers/tls/protocols.ts";
import { networkOf } from "../carriers/tls/waiting-room.ts";
import { CardwireError } from "../domain/errors.ts";
import type { Grant } from "../domain/identity.ts";
import { FrameStream } from "../link/frame-stream.ts";
import { GREETING, REFUSAL } from "../link/greeting.ts";
import type { Hall } from "../link/hall.ts";
import type { Events } from "../observe/events.ts";
import { encodeFrame, Reason, Type } from "../wire/link/frames.ts";
import { ARRIVALS_AT_ONCE, Arrivals } from "./arrivals.ts";
import type { Enrolment } from "./enrolment.ts";
import type { Guests } from "./guests.ts";
import type { Register } from "./records.ts";
import type { Visitor } from "./visitor.ts";

/** How long the last words to somebody who has to go may take, ms. */
const LAST_WORDS_MS = 400;
/** The longest that a timer may take, ms: some 24 days. What ends later is seen by those who look from time to time. */
const MAX_DELAY_MS = 2 ** 31 - 1;

export interface DoorOptions {
  readonly hall: Hall;
  readonly enrolment: Enrolment;
  readonly guests: Guests;
  readonly register: () => Register;
  /** Whether somebody may come just now who is let in. */
  readonly mayCome: (identity: string) => boolean;
  /** Slows down those who come from that address. */
  readonly slow: (address: string) => void;
  /** Is told who comes and goes. */
  readonly tell: (visit: Visit) => void;
  readonly signal: AbortSignal;
}

export type Visit = Events["cardwire:visitor"];

interface Inside {
  readonly visitor: Visitor;
  readonly stream: Socket;
}

/** Where users of this computer are. */
const HERE = "this computer";

/** Looks at everybody who comes, each time, and sends those away who may not be here any more. */
export class Door {
  readonly #options: DoorOptions;
  readonly #inside = new Set<Inside>();
  /** What those who are inside were let in with. */
  readonly #known = new Map<string, Grant>();
  /** Who was not let in, by the network that he came from. */
  readonly #failures = new Arrivals();

  constructor(options: DoorOptions) {
    this.#options = options;
  }

  arrived(arrival: Arrival): void {
    if (this.#options.signal.aborted) return void arrival.stream.destroy();
    const { guests, register } = this.#options;
    try {
      if (arrival.protocol !== Protocol.Link && !guests.enrols)
        throw new CardwireError("E_DENIED", "certificates are not given here");
      if (arrival.protocol === Protocol.Join) return void this.#join(arrival); // never rejects
      const visitor = guests.visitorOf(arrival);
      guests.admit(register(), visitor, Date.now());
      if (!this.#options.mayCome(visitor.name)) {
        this.#options.slow(arrival.address);
        return void arrival.stream.destroy(); // a link of his comes again by itself, and goes on
      }
      if (arrival.protocol === Protocol.Renew)
        void this.#renew(arrival, visitor); // never rejects
      else this.#link(arrival, visitor);
    } catch (error) {
      this.#refuse(arrival, error);
    }
  }

  /** Somebody came who is a user of this computer, as the kernel says. He is greeted, or told why not. */
  arrivedHere(stream: Socket, name: string): void {
    if (this.#options.signal.aborted) return void stream.destroy();
    const { guests, register, tell } = this.#options;
    const visitor = { name, fingerprint: "" };
    try {
      guests.admit(register(), visitor, Date.now());
    } catch (error) {
      const reason = reasonOf(error);
      tell({ what: "refused", identity: name, address: HERE, reason });
      const line = Buffer.from(`${reason.replaceAll("\n", " ")}\n`);
      stream.end(Buffer.concat([Uint8Array.of(REFUSAL), line]));
      setTimeout(() => stream.destroy(), LAST_WORDS_MS).unref();
      return;
    }
    if (!this.#options.mayCome(name)) return void stream.destroy();
    stream.write(Uint8Array.of(GREETING));
    this.#link({ stream, address: HERE, admit: () => {} }, visitor);
  }

  /** Who may come in has changed: sends those away who may not stay. */
  changed(register: Register): void {
    for (const [name, before] of this.#known) {
      const now = this.#options.guests.grantOf(register, name);
      if (now && grantText(now) === grantText(before)) continue;
      this.#known.delete(name);
      const why = now ? `what ${name} may use has changed` : `the identity ${name} was revoked`;
      this.#dismiss(name, new CardwireError("E_DENIED", why));
    }
    this.#endExpired(register);
  }

  #dismiss(name: string, reason: CardwireError): void {
    this.#options.hall.dismiss((principal) => principal.name === name, reason);
    for (const { visitor, stream } of this.#inside)
      if (visitor.name === name) setTimeout(() => stream.destroy(), LAST_WORDS_MS).unref();
    this.#options.tell({ what: "dismissed", identity: name, reason: reason.message });
  }

  /** A line whose key may not come in any more is cut: its session does not go on over another. */
  #endExpired(register: Register): void {
    for (const { visitor, stream } of this.#inside) {
      try {
        this.#options.guests.admit(register, visitor, Date.now());
      } catch {
        setTimeout(() => stream.destroy(), LAST_WORDS_MS).unref();
      }
    }
  }

  #link(
    { stream, address, admit }: Pick<Arrival, "address" | "admit"> & { readonly stream: Socket },
    visitor: Visitor,
  ): void {
    const { guests, register, hall, tell } = this.#options;
    const grant = guests.grantOf(register(), visitor.name);
    admit();
    const one = { visitor, stream };
    const look = (): void => this.#endExpired(register());
    const expired = setTimeout(look, Math.min(leftTo(visitor), MAX_DELAY_MS));
    expired.unref();
    const who = { identity: visitor.name, address };
    this.#inside.add(one);
    if (grant) this.#known.set(visitor.name, grant);
    stream.once("close", () => {
      clearTimeout(expired);
      this.#inside.delete(one);
      tell({ what: "left", ...who });
    });
    tell({ what: "came", ...who });
    const refused = (reason: string): void => tell({ what: "refused", ...who, reason });
    hall.accept(stream, { name: visitor.name }, refused);
  }

  async #join(arrival: Arrival): Promise<void> {
    const { enrolment, signal, tell } = this.#options;
    try {
      const identity = await enrolment.join(arrival, { signal });
      tell({ what: "joined", identity, address: arrival.address });
    } catch (error) {
      this.failed(arrival.address);
      tell({ what: "refused", address: arrival.address, reason: reasonOf(error) });
    }
  }

  async #renew(arrival: Arrival, visitor: Visitor): Promise<void> {
    const { enrolment, signal, tell } = this.#options;
    const who = { identity: visitor.name, address: arrival.address };
    try {
      await enrolment.renew(arrival, visitor, { signal });
      tell({ what: "renewed", ...who });
    } catch (error) {
      tell({ what: "refused", ...who, reason: reasonOf(error) });
    }
  }

  /** Somebody came to nothing, with a handshake: once or twice by mistake, but not all the time. */
  failed(address: string): void {
    if (!this.#failures.may(networkOf(address), ARRIVALS_AT_ONCE)) this.#options.slow(address);
  }

  /** He is told why, in the words of a link where he wants one; his time is as limited as before. */
  #refuse({ stream, address, protocol }: Arrival, error: unknown): void {
    const reason = reasonOf(error);
    this.failed(address);
    this.#options.tell({ what: "refused", address, reason });
    if (protocol !== Protocol.Link) {
      stream.end(`${JSON.stringify({ code: "E_DENIED", message: reason })}\n`);
      return;
    }
    const frames = new FrameStream(stream);
    frames.write(encodeFrame(Type.Refused, { reason: Reason.Denied }, Buffer.from(reason)));
    frames.close(error);
  }
}

/** How long a certificate still holds, ms. */
const leftTo = ({ expires = Number.POSITIVE_INFINITY }: Visitor): number => expires - Date.now();

const reasonOf = (error: unknown): string =>
  error instanceof Error ? error.message.slice(0, 256) : "something went wrong";

const grantText = ({ readers, profile }: Grant): string => JSON.stringify([readers, profile]);
