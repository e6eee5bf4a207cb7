// Two cardwires of different age agree on the highest version that both speak, and on the features that both have.

/** Versions of the link that this cardwire speaks. */
export const LOWEST = 1;
export const HIGHEST = 1;

/** Optional parts of the protocol, one bit each. */
export const Feature = {
  /** Leases are asked for and told of. */
  Leases: 1,
} as const;

/** Those that this cardwire knows. */
export const FEATURES: number = Feature.Leases;

/** The highest version that both ends speak, if there is one. */
export function agree(other: {
  readonly lowest: number;
  readonly highest: number;
}): number | undefined {
  const version = Math.min(HIGHEST, other.highest);
  return version >= Math.max(LOWEST, other.lowest) ? version : undefined;
}
