import type { Reader } from "../../domain/card-service.ts";
import { Protocol, ReaderStateBit, ShareMode } from "../../domain/pcsc.ts";
import { Watchable } from "../../domain/watchable.ts";
import type { ReaderState } from "../../wire/pcsclite/layouts.ts";
import type { Sighting } from "./watcher.ts";

/** What our own replies told about a reader after the daemon's last list was asked for. */
interface Told {
  readonly protocol?: number;
  readonly stateBits?: number;
  /** A handle of ours was closed: the daemon's count may still include it. */
  readonly closed?: number;
  readonly at: number;
  /** The card that this was told of: another insertion or removal makes it void. */
  readonly eventCounter: number;
}

interface Own {
  handles: number;
  exclusive: boolean;
}

/**
 * The readers as applications see them: the daemon's last list, overlaid with what our own replies tell. pcscd raises
 * no event for a reset and only a late one for sharing, but an application must see its own effects at once.
 */
export class ReaderTable {
  readonly #raw = new Map<string, ReaderState>();
  readonly #told = new Map<string, Told>();
  readonly #own = new Map<string, Own>();
  readonly #shown = new Watchable<readonly Reader[]>([]);
  #moment = 0;

  get readers(): readonly Reader[] {
    return this.#shown.value;
  }

  get shown(): Watchable<readonly Reader[]> {
    return this.#shown;
  }

  /**
   * Whether others on the card host use a reader. That they stopped may go unannounced: pcscd looks from time to time,
   * and raises no event for what came and went in between.
   */
  get hasForeignUse(): boolean {
    return [...this.#raw.values()].some(({ name, sharing }) => {
      const own = this.#own.get(name);
      return sharing > (own?.handles ?? 0) || (sharing < 0 && !own?.exclusive);
    });
  }

  find(name: string): Reader | undefined {
    return this.#shown.value.find((reader) => reader.name === name);
  }

  /** Numbers moments, so that a list can be told to be older than a reply. */
  readonly now = (): number => this.#moment;

  /** Begins a new moment. @returns its number: a list that was asked for from now on bears at least this one. */
  mark(): number {
    this.#moment += 1;
    return this.#moment;
  }

  /**
   * The daemon's list arrived.
   *
   * @returns whether a reply of ours came after the list was asked for: then it has to be asked again to be sure.
   */
  update({ states, askedAt }: Sighting): boolean {
    this.#raw.clear();
    for (const state of states) this.#raw.set(state.name, state);
    for (const [name, { at, eventCounter }] of this.#told)
      if (at <= askedAt || this.#raw.get(name)?.eventCounter !== eventCounter)
        this.#told.delete(name);
    this.#show();
    return this.#told.size > 0;
  }

  /** The daemon is gone, and with it every reader and handle. */
  clear(): void {
    if (this.#raw.size === 0) return;
    this.#raw.clear();
    this.#told.clear();
    this.#show();
  }

  /** A handle of ours was opened, or reopened in another share mode. */
  opened(name: string, { share, activeProtocol }: { share: number; activeProtocol: number }): void {
    const own = this.#ownOf(name);
    own.handles += 1;
    own.exclusive = share === ShareMode.Exclusive;
    this.negotiated(name, activeProtocol, { powersUp: share !== ShareMode.Direct });
  }

  /** A handle was refused, but only after the card was given power and a protocol. */
  refused(
    name: string,
    { share, activeProtocol }: { share: number; activeProtocol?: number },
  ): void {
    if (activeProtocol === undefined || activeProtocol === 0) return;
    this.negotiated(name, activeProtocol, { powersUp: share !== ShareMode.Direct });
  }

  /** A handle of ours was closed. */
  closed(name: string): void {
    const own = this.#ownOf(name);
    own.handles -= 1;
    own.exclusive = false; // there was no other handle beside an exclusive one
    if (own.handles <= 0) this.#own.delete(name);
    this.#tell(name, { closed: (this.#told.get(name)?.closed ?? 0) + 1 });
  }

  /**
   * A connect or reconnect was answered; direct ones may answer 0. All give the card power but direct connects and
   * reconnects that leave the card as it is: these find it as another disconnect may have left it, without (seen with
   * 1.9.9).
   */
  negotiated(name: string, protocol: number, { powersUp = true } = {}): void {
    const powered = ReaderStateBit.Present | ReaderStateBit.Powered | ReaderStateBit.Negotiable;
    const present = ((this.find(name)?.stateBits ?? 0) & ReaderStateBit.Present) !== 0;
    const gotPower = powersUp && protocol !== 0 && present;
    this.#tell(name, { protocol, ...(gotPower && { stateBits: powered }) });
  }

  /** A handle's share mode changed. */
  reshared(name: string, share: number): void {
    this.#ownOf(name).exclusive = share === ShareMode.Exclusive;
    this.#tell(name, {});
  }

  /** We reset the card, or took its power. */
  wasReset(name: string, { unpowered }: { unpowered: boolean }): void {
    const present = ((this.find(name)?.stateBits ?? 0) & ReaderStateBit.Present) !== 0;
    this.#tell(name, {
      protocol: Protocol.Undefined,
      ...(unpowered && present && { stateBits: ReaderStateBit.Present }),
    });
  }

  #ownOf(name: string): Own {
    const own = this.#own.get(name) ?? { handles: 0, exclusive: false };
    this.#own.set(name, own);
    return own;
  }

  #tell(name: string, news: Omit<Told, "at" | "eventCounter">): void {
    this.mark();
    const raw = this.#raw.get(name);
    if (!raw) return;
    const { eventCounter } = raw;
    this.#told.set(name, { ...this.#told.get(name), ...news, at: this.#moment, eventCounter });
    this.#show();
  }

  #show(): void {
    this.#shown.set([...this.#raw.values()].map((raw) => this.#overlaid(raw)));
  }

  #overlaid(raw: ReaderState): Reader {
    const told = this.#told.get(raw.name);
    return {
      name: raw.name,
      ...(raw.atrLength > 0 && { atr: raw.atr.subarray(0, raw.atrLength) }),
      stateBits: told?.stateBits ?? raw.state,
      sharing: this.#sharing(raw, told),
      protocol: told?.protocol ?? raw.protocol,
      eventCounter: raw.eventCounter,
    };
  }

  /** Applications see no more of it than: exclusive, in use, or not. */
  #sharing(raw: ReaderState, told: Told | undefined): number {
    const own = this.#own.get(raw.name);
    if (own?.exclusive) return -1;
    const others = raw.sharing === -1 ? 0 : Math.max(0, raw.sharing - (told?.closed ?? 0));
    if (own) return Math.max(own.handles, others);
    return raw.sharing === -1 && told?.closed === undefined ? -1 : others;
  }
}
