import { channel } from "node:diagnostics_channel";

/** Everything cardwire tells about itself. The log, and later metrics and the page, subscribe; those who emit know none of them. */
export interface Events {
  /** Whether a pcscd answers: `broken` may heal soon, `gone` has no readers any more, `resting` since nobody uses it. */
  "cardwire:pcscd": {
    readonly at: string;
    readonly state: "up" | "broken" | "gone" | "resting";
    readonly reason?: string;
  };
  /** Whether another cardwire is at the other end of a link: `broken` is resumed, `gone` begins anew. */
  "cardwire:link": {
    readonly at: string;
    readonly state: "up" | "broken" | "gone";
    readonly reason?: string;
  };
  /** So many connections to pcscd wait for another program's transaction that further ones have to queue here. */
  "cardwire:blocked": {
    readonly at: string;
    readonly reader: string;
    readonly connections: number;
  };
  /** A card of another program was put into a software reader. */
  "cardwire:card": { readonly reader: string; readonly from: string };
  /** Somebody at the door of `cardwire serve`. `address` is where he is. */
  "cardwire:visitor": {
    readonly what: "came" | "left" | "joined" | "renewed" | "refused" | "dismissed";
    readonly identity?: string;
    readonly address?: string;
    readonly reason?: string;
    /** It stands for so many alike. */
    readonly times?: number;
  };
  /** Somebody wants more of `cardwire serve` than an identity may have. Told once for all that follows soon. */
  "cardwire:limit": {
    readonly identity: string;
    /** `links`, `arrivals a second`, `handles`, `bytes`, `commands a second`. */
    readonly what: string;
    readonly most: number;
  };
  /** Something goes on, but not as well as it should: somebody has to look after it. */
  "cardwire:trouble": { readonly what: string };
  /** An application broke the protocol or could not be served. */
  "cardwire:refused": { readonly application: string; readonly reason: string };
}

/** Costs next to nothing while nobody listens: `make` is called only for a subscriber. */
export function emit<K extends keyof Events>(name: K, make: () => Events[K]): void {
  const target = channel(name);
  if (target.hasSubscribers) target.publish(make());
}

export function listen<K extends keyof Events>(
  name: K,
  on: (event: Events[K]) => void,
): Disposable {
  const handler = (event: unknown): void => on(event as Events[K]);
  channel(name).subscribe(handler);
  return {
    [Symbol.dispose]() {
      channel(name).unsubscribe(handler);
    },
  };
}
