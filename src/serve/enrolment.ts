import { createHash } from "node:crypto";
import { type CheckedRequest, certify, readRequest, validity } from "../carriers/tls/authority.ts";
import { readCertificate } from "../carriers/tls/certificates.ts";
import { hear, say } from "../carriers/tls/exchange.ts";
import { keyFingerprint } from "../carriers/tls/keys.ts";
import type { Arrival } from "../carriers/tls/listen.ts";
import { CardwireError, ProtocolError } from "../domain/errors.ts";
import { JoinRequest, RenewRequest, type Reply, read } from "../wire/join/messages.ts";
import type { AuthorityFiles } from "./authority-files.ts";
import type { LiveRegister } from "./live-register.ts";
import { goodInvitation, withGuest, withRenewal } from "./register.ts";
import type { Visitor } from "./visitor.ts";

/** Longest request, bytes. */
const MAX_REQUEST = 16 << 10;
/** Errors that whoever asked is told of in full. */
const TOLD: ReadonlySet<string> = new Set(["E_TOKEN", "E_DENIED", "E_PROTOCOL"]);

export interface EnrolmentOptions {
  /** Of this card host's own authority; undefined where it has none. */
  readonly files: () => AuthorityFiles | undefined;
  readonly register: LiveRegister;
  /** How long a certificate holds, ms. Its own default unless told. */
  readonly lifetimeMs?: number | undefined;
}

/** Gives certificates to those who were invited, and later ones to those who have one. */
export class Enrolment {
  readonly #options: EnrolmentOptions;

  constructor(options: EnrolmentOptions) {
    this.#options = options;
  }

  /**
   * Serves a connection of somebody who has a token. The token is used up before he gets anything.
   *
   * @returns as whom he joined.
   * @throws {CardwireError} `E_TOKEN` and others, of which he was told.
   */
  async join({ stream }: Arrival, { signal }: { signal: AbortSignal }): Promise<string> {
    return await answering(stream, async () => {
      const asked = read(JoinRequest, await hear(stream, { signal, most: MAX_REQUEST }));
      if (!asked) throw new ProtocolError("that is no request to join");
      const { register } = this.#options;
      const secret = createHash("sha256").update(asked.secret).digest("hex");
      // Before anything is signed. Somebody may have been invited this very moment.
      const { name } = goodInvitation(await register.latest(), secret, Date.now());
      const made = await this.#certify(asked.request, name);
      const key = { fingerprint: made.fingerprint, on: asked.on, expires: made.expires };
      await register.change((now) => withGuest(now, secret, key, Date.now()));
      return { name, ...made };
    });
  }

  /** Serves one of somebody who may come in. The new certificate is for the key that he showed. */
  async renew(
    { stream }: Arrival,
    visitor: Visitor,
    { signal }: { signal: AbortSignal },
  ): Promise<string> {
    return await answering(stream, async () => {
      const asked = read(RenewRequest, await hear(stream, { signal, most: MAX_REQUEST }));
      if (!asked) throw new ProtocolError("that is no request for a certificate");
      const { name } = visitor;
      const made = await this.#certify(asked.request, name);
      if (made.fingerprint !== visitor.fingerprint)
        throw new CardwireError("E_DENIED", "the request is for another key");
      await this.#options.register.change((now) => withRenewal(now, { name, ...made }));
      return { name, ...made };
    });
  }

  async #certify(der: Uint8Array, name: string): Promise<Certified> {
    const request: CheckedRequest | undefined = await readRequest(der);
    if (!request) throw new ProtocolError("that is no request for a certificate");
    const { lifetimeMs } = this.#options;
    const authority = this.#options.files()?.authority;
    if (!authority) throw new CardwireError("E_DENIED", "certificates are not given here");
    const options = lifetimeMs === undefined ? {} : { lifetimeMs };
    const certificate = await certify(authority, request, name, options);
    const expires = validity(readCertificate(certificate)).to;
    return { certificate, expires, fingerprint: keyFingerprint(request.spki) };
  }
}

interface Certified {
  readonly certificate: string;
  readonly expires: number;
  readonly fingerprint: string;
}

/** Sends what `act` comes to, or why not, and hangs up. @returns the name. */
async function answering(
  stream: Arrival["stream"],
  act: () => Promise<{ readonly name: string } & Certified>,
): Promise<string> {
  try {
    const { name, certificate } = await act();
    say(stream, { name, certificate } satisfies Reply);
    return name;
  } catch (error) {
    // What is wrong with the files here, and where they are, is nobody else's affair.
    const told = CardwireError.is(error) && TOLD.has(error.code);
    const code = told ? error.code : "E_DENIED";
    const message = told ? error.message : "the card host cannot do that just now";
    say(stream, { code, message } satisfies Reply);
    throw error;
  }
}
