/** What one identity may have at once, over all its links. */
export interface IdentityLimits {
  /** Links, those that wait to be resumed included. */
  readonly links: number;
  /** Handles on cards. */
  readonly handles: number;
  /** Calls a second that go to cards. Further ones are carried out later. */
  readonly perSecond: number;
  /** Commands that wait for a card, and answers that wait for the line, bytes. */
  readonly bytes: number;
}

/** More than a person's programs need, and more than cards can do: a reader takes some 200 commands a second. */
export const DEFAULT_IDENTITY_LIMITS: IdentityLimits = {
  links: 64,
  handles: 256,
  perSecond: 2_000,
  bytes: 16 << 20,
};
