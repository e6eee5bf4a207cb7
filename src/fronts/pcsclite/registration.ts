import { Rv } from "../../domain/return-codes.ts";

/**
 * Whether an application waits for an event, and what it is owed. Exactly one 8-byte message goes out for each
 * registration: an event, a cancellation, or the answer to STOP (protocol reference, sections 3.3 and 5.9).
 */
export class Registration {
  #state: "none" | "waiting" | "held" = "none";
  #owed: number | undefined;

  /** @param held whether the array is still to be sent; no event may go out before it. */
  register({ held }: { held: boolean }): void {
    this.#state = held ? "held" : "waiting";
    this.#owed = undefined;
  }

  /** Something happened. @returns whether its event goes out now; while held it goes out later, otherwise nobody waits. */
  notify(rv: number): boolean {
    if (this.#state === "held") {
      this.#owed = this.#owed === Rv.Cancelled ? this.#owed : rv;
      return false;
    }
    const waits = this.#state === "waiting";
    this.#state = "none";
    return waits;
  }

  /** Whether events wait for the array to go out. */
  get isHeld(): boolean {
    return this.#state === "held";
  }

  /** The array is out. @returns the result of an event that goes out right behind it, if there is one. */
  arrayIsOut(): number | undefined {
    if (this.#state !== "held") return undefined;
    const owed = this.#owed;
    this.#state = owed === undefined ? "waiting" : "none";
    this.#owed = undefined;
    return owed;
  }

  /** @returns the result in the answer to STOP, or nothing when the event that is on its way serves as the answer. */
  stop(): number | undefined {
    if (this.#state === "none") return undefined;
    const owed = this.#owed;
    this.#state = "none";
    this.#owed = undefined;
    return owed ?? Rv.Success;
  }
}
