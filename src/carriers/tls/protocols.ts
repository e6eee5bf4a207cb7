/**
 * Where `cardwire serve` listens unless told: the number of the standard for smart cards, ISO/IEC 7816. Any user may
 * listen there.
 */
export const DEFAULT_PORT = 7816;

/** What a connection is for, as ALPN tells (RFC 7301). */
export const Protocol = {
  /** A link: docs/link-protocol.md. */
  Link: "cardwire-link/1",
  /** A token and a request, for a certificate. */
  Join: "cardwire-join/1",
  /** A request, for a certificate in the place of the one that was shown. */
  Renew: "cardwire-renew/1",
} as const;
export type Protocol = (typeof Protocol)[keyof typeof Protocol];

/** Nothing older: TLS 1.3 shows certificates to nobody who listens, and has no weak choice left to make. */
export const VERSIONS = { minVersion: "TLSv1.3", maxVersion: "TLSv1.3" } as const;

/** Purposes of certificates (RFC 5280, 4.2.1.12). */
export const Purpose = { Server: "1.3.6.1.5.5.7.3.1", Client: "1.3.6.1.5.5.7.3.2" } as const;
