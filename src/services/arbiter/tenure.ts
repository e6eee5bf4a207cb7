/** A lease in force: the card is one identity's alone. */
export interface Tenure {
  readonly identity: string;
  /** Higher than that of every lease before it on the same reader. */
  readonly fence: number;
}
