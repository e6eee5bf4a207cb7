import { X509Certificate } from "node:crypto";
import { join } from "node:path";
import type { Duplex } from "node:stream";
import { isRenewalDue } from "../carriers/tls/authority.ts";
import { checkDates } from "../carriers/tls/certificates.ts";
import { dialTls } from "../carriers/tls/dial.ts";
import { Protocol } from "../carriers/tls/protocols.ts";
import { CardwireError } from "../domain/errors.ts";
import { firstSignal } from "../domain/first-signal.ts";
import { holdLock } from "../host/lock.ts";
import { emit } from "../observe/events.ts";
import type { Way } from "../services/remote/presence.ts";
import { hostsPath, type JoinedHost, readHost, replaceCertificate } from "./hosts.ts";
import { renewCertificate } from "./join.ts";

/** How often it is looked whether the certificate is to be renewed, ms, while the line stays up. */
const LOOK_MS = 6 * 3_600_000;
/** How long a renewal may take, ms. */
const RENEW_MS = 30_000;

/** The way to a host that was joined. Its certificate is renewed in time, beside the links that there are. */
export class JoinedWay implements Way, AsyncDisposable {
  readonly name: string;
  readonly #host: string;
  readonly #path: string;
  readonly #life = new AbortController();
  readonly #looking: NodeJS.Timeout;
  #renewing: Promise<void> | undefined;
  #good: string | undefined;

  constructor(host: string, path = hostsPath()) {
    this.name = `cardwire://${host}`;
    this.#host = host;
    this.#path = path;
    this.#looking = setInterval(() => void this.#look(), LOOK_MS); // never rejects
    this.#looking.unref();
  }

  /**
   * Connects with what is in the host's files now.
   *
   * @throws {CardwireError} `E_NOT_JOINED`, `E_DENIED` when the certificate expired, `E_UNREACHABLE`, `E_PEER`.
   */
  async open({ signal }: { signal: AbortSignal }): Promise<Duplex> {
    const host = await readHost(this.#host, this.#path);
    checkOwn(host);
    const addresses = [
      ...host.addresses.filter((one) => one === this.#good),
      ...host.addresses.filter((one) => one !== this.#good),
    ];
    const { credentials } = host;
    const place = { ...host, addresses };
    const { stream, address } = await dialTls(place, Protocol.Link, { credentials, signal });
    this.#good = address;
    this.#renewIfDue(host);
    return stream;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#looking);
    this.#life.abort(new CardwireError("E_CLOSED", "it was closed"));
    await this.#renewing;
  }

  async #look(): Promise<void> {
    try {
      this.#renewIfDue(await readHost(this.#host, this.#path));
    } catch {
      // The next connection tells why.
    }
  }

  #renewIfDue(host: JoinedHost): void {
    if (this.#renewing || this.#life.signal.aborted) return;
    if (host.fingerprint === undefined) return; // its organisation sees to that
    if (!isRenewalDue(host.credentials.certificate)) return;
    this.#renewing = this.#renew(host).finally(() => {
      this.#renewing = undefined;
    });
  }

  /** Never rejects: it is tried again with the next connection, or at the next look. */
  async #renew(host: JoinedHost): Promise<void> {
    try {
      await using lock = await holdLock(join(this.#path, this.#host));
      if (!lock) return; // another process is about it
      using either = firstSignal(AbortSignal.timeout(RENEW_MS), this.#life.signal);
      const certificate = await renewCertificate(host, either);
      await replaceCertificate(this.#host, certificate, this.#path);
    } catch (error) {
      if (this.#life.signal.aborted) return;
      const why = error instanceof Error ? error.message : String(error);
      emit("cardwire:trouble", () => ({ what: `the certificate cannot be renewed: ${why}` }));
    }
  }
}

/** @throws {CardwireError} `E_DENIED` when our certificate does not hold now: the card host would say no more. */
function checkOwn({ name, credentials }: JoinedHost): void {
  try {
    checkDates(new X509Certificate(credentials.certificate));
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new CardwireError("E_DENIED", `${name}: ${why}`, {
      cause,
      hint: `If this computer's clock is right: 'cardwire leave ${name}', and join with another token.`,
    });
  }
}
