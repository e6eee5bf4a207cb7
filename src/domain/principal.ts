/** Who acts on a card. */
export interface Principal {
  /** For people: `uid 1000`, later a certificate's or an ssh user's name. */
  readonly name: string;
}
