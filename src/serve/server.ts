import { listenTls } from "../carriers/tls/listen.ts";
import { readCertificate } from "../carriers/tls/certificates.ts";
import { Protocol } from "../carriers/tls/protocols.ts";
import type { CardService } from "../domain/card-service.ts";
import { CardwireError } from "../domain/errors.ts";
import { Holdings } from "../domain/holdings.ts";
import type { Grant } from "../domain/identity.ts";
import type { Principal } from "../domain/principal.ts";
import { ServedLink } from "../fronts/link/served-link.ts";
import { Hall, type Patience } from "../link/hall.ts";
import { FEATURES } from "../link/versions.ts";
import { emit } from "../observe/events.ts";
import { authorityFiles } from "./authority-files.ts";
import { Door } from "./door.ts";
import { Enrolment } from "./enrolment.ts";
import { LiveRegister } from "./live-register.ts";
import { openStore } from "./store.ts";

/** How often the server's own certificate, and the ends of others', are looked at, ms. */
const LOOK_MS = 3_600_000;

/** What one identity sees of the readers: whatever stands between it and them is put in here. */
export type View = (principal: Principal, grant: Grant) => CardService;

export interface ServeOptions {
  /** Addresses of this computer; none: all of them. */
  readonly addresses: readonly string[];
  /** 0: any that is free. */
  readonly port: number;
  /** What this computer is called. */
  readonly host: string;
  readonly view: View;
  /** The most that a link may ask for. */
  readonly most: Patience;
  /** Who we are, for people. */
  readonly about: () => string;
  /** Where the state is; its own place unless told. */
  readonly path?: string | undefined;
  /** How long certificates hold, ms; see {@link Enrolment}. */
  readonly lifetimeMs?: number | undefined;
}

/** Readers that are offered to those who were invited. */
export interface Serve extends AsyncDisposable {
  readonly port: number;
  /** By which invitations know this card host. */
  readonly fingerprint: string;
  /** Sessions of links. */
  readonly links: number;
}

/**
 * Offers readers over TLS to those who were invited.
 *
 * @throws {CardwireError} `E_PORT_IN_USE`, `E_LISTEN`, `E_STATE`, `E_DISK_FULL`, `E_LOCKED`
 */
export async function openServe(options: ServeOptions): Promise<Serve> {
  const { addresses, port, host, view, most, about, lifetimeMs } = options;
  const opened = new Holdings();
  try {
    const store = await openStore(options.path);
    let files = await authorityFiles(store, host);
    const register = opened.hold(await LiveRegister.open(store, complain));
    const life = new AbortController();
    const hall: Hall = new Hall({
      most,
      features: FEATURES,
      about,
      serve: (end, { principal }) => {
        const grant = register.value.identities.find(({ name }) => name === principal?.name);
        if (!principal || !grant) throw new CardwireError("E_DENIED", "nobody knows who that is");
        return new ServedLink(view(principal, grant), end, principal);
      },
    });
    const enrolment = new Enrolment({ files: () => files, register, lifetimeMs });
    const { signal } = life;
    const authority = readCertificate(files.authority.certificate);
    const door = new Door({ hall, enrolment, authority, register: () => register.value, signal });
    const secrets = () => ({ ...files.server, authorities: [files.authority.certificate] });
    const listener = opened.hold(
      await listenTls({
        port,
        addresses,
        secrets: secrets(),
        protocols: Object.values(Protocol),
        arrived: (arrival) => door.arrived(arrival),
        refused: (address, reason) =>
          emit("cardwire:visitor", () => ({ what: "refused", address, reason })),
      }),
    );
    opened.hold(hall); // last: those who are there are told before their lines are cut
    const look = async (): Promise<void> => {
      door.changed(register.value); // certificates expire without a word
      files = await authorityFiles(store, host);
      listener.renew(secrets());
    };
    const looking = setInterval(() => void look().catch(complain), LOOK_MS);
    looking.unref();
    const following = (async () => {
      for await (const now of register.follow({ signal })) door.changed(now);
    })();
    return {
      port: listener.port,
      fingerprint: files.fingerprint,
      get links() {
        return hall.size;
      },
      async [Symbol.asyncDispose]() {
        clearInterval(looking);
        life.abort(new CardwireError("E_CLOSED", "cardwire serve ends"));
        await following;
        await opened[Symbol.asyncDispose]();
      },
    };
  } catch (error) {
    await opened[Symbol.asyncDispose]();
    throw error;
  }
}

/** The state's files cannot be read, or not be written, just now. */
function complain(error: unknown): void {
  const reason = error instanceof Error ? error.message : String(error);
  emit("cardwire:trouble", () => ({ what: reason }));
}
