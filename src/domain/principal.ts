/** Who acts on a card. */
export interface Principal {
  /**
   * By which he is known, and told apart from others: `uid 1000` for a program of this computer, the name that a
   * certificate was made out to.
   */
  readonly name: string;
}
