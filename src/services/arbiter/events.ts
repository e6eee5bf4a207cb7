/** Its holder gave it back; its time ran out; an administrator took it; its holder is gone. */
export type LeaseEnd = "released" | "time" | "kick" | "gone" | "denied";

/** What an arbiter decides, for whoever keeps a record. Times in ms. */
export type ArbiterEvent = { readonly reader: string; readonly identity: string } & (
  | {
      readonly type: "transaction";
      /** How long it waited for its turn, and had it. */
      readonly waitedMs: number;
      readonly heldMs: number;
      readonly commands: number;
      readonly how: "ended" | "taken";
    }
  | {
      /** The card was reset before `identity` got it. */
      readonly type: "hand-over";
      /** Who had it before; undefined where that is not known. */
      readonly from: string | undefined;
      readonly ms: number;
    }
  /** A transaction was taken from `identity`, and the card reset. */
  | { readonly type: "taken"; readonly why: "idle" | "total" | "kick" | "lease" }
  | { readonly type: "lease" | "lease-renewed"; readonly fence: number }
  | { readonly type: "lease-ended"; readonly fence: number; readonly why: LeaseEnd }
  | { readonly type: "refused"; readonly what: "connect" | "wait" | "lease"; readonly why: string }
);
