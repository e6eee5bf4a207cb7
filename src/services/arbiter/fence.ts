import type { Desk } from "./desk.ts";

/** The lease under which a handle was connected, if there was one: what was connected under it ends with it. */
export class Fence {
  readonly #desk: Desk;
  readonly #identity: string;
  /** The lease's number. */
  #number: number | undefined;

  constructor(desk: Desk, identity: string) {
    this.#desk = desk;
    this.#identity = identity;
    this.renew();
  }

  /** The handle is connected anew, under the lease that is in force now, if it is this identity's. */
  renew(): void {
    const { tenure } = this.#desk;
    this.#number = tenure?.identity === this.#identity ? tenure.fence : undefined;
  }

  /** Whether the lease is over. */
  get isBroken(): boolean {
    return this.#number !== undefined && this.#number !== this.#desk.tenure?.fence;
  }

  isOf(number: number): boolean {
    return this.#number === number;
  }
}
