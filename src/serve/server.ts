import { setMaxListeners } from "node:events";
import type { Socket } from "node:net";
import type { OrganisationCertificates } from "../carriers/tls/certificate-files.ts";
import { readCertificate } from "../carriers/tls/certificates.ts";
import { listenTls, type ServerSecrets, type TlsListener } from "../carriers/tls/listen.ts";
import { Protocol } from "../carriers/tls/protocols.ts";
import type { CardService } from "../domain/card-service.ts";
import { CardwireError } from "../domain/errors.ts";
import { Holdings } from "../domain/holdings.ts";
import type { Grant, Profile } from "../domain/identity.ts";
import type { Leasing } from "../domain/leasing.ts";
import type { Principal } from "../domain/principal.ts";
import { ServedLink } from "../fronts/link/served-link.ts";
import { Hall, type Patience } from "../link/hall.ts";
import { FEATURES } from "../link/versions.ts";
import { emit } from "../observe/events.ts";
import { Allotments } from "./allotment.ts";
import { allotted } from "./allotted.ts";
import { allottedLeasing } from "./allotted-leasing.ts";
import { allottedLink } from "./allotted-link.ts";
import { type AuthorityFiles, authorityFiles, holds } from "./authority-files.ts";
import { Door, type Visit } from "./door.ts";
import { Enrolment } from "./enrolment.ts";
import { type Guests, invitedGuests, memberGuests } from "./guests.ts";
import type { IdentityLimits } from "./identity-limits.ts";
import { LiveRegister } from "./live-register.ts";
import { type LocalDoor, type LocalDoorOptions, openLocalDoor } from "./local-door.ts";
import { Locals, withLocals } from "./locals.ts";
import { Repeats } from "./repeats.ts";
import { openStore, type Store } from "./store.ts";
import type { NameOf } from "./visitor.ts";

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
  /** Who leases cards to whom is let in; absent where nobody does. `view` is what he sees. */
  readonly leasing?: ((principal: Principal, view: CardService) => Leasing) | undefined;
  /** The most that a link may ask for. */
  readonly most: Patience;
  /** What an identity may have at once; docs/serve.md has what holds unless told. Asked each time. */
  readonly limits?: ((identity: string) => Partial<IdentityLimits>) | undefined;
  /** Who we are, for people. */
  readonly about: () => string;
  /** Where the state is; its own place unless told. */
  readonly path?: string | undefined;
  /** How long the certificates hold that are given here, ms; 90 days unless told. */
  readonly lifetimeMs?: number | undefined;
  /** Lets users of this computer in as well, at a Unix socket. */
  readonly local?: LocalOptions | undefined;
  /** Certificates of an organisation's, in the place of those that are made here. */
  readonly organisation?: Organisation | undefined;
}

export interface LocalOptions extends Pick<LocalDoorOptions, "path" | "group"> {
  /** What those may do with cards who are neither root nor the user of this process. */
  readonly profile: Profile;
}

/** An organisation that certifies people and computers by itself. */
export interface Organisation extends OrganisationCertificates {
  /** How its certificates name people. */
  readonly nameOf: NameOf;
  /** What each of them may use. */
  readonly grant: Grant;
}

/** Readers that are offered to those who were invited. */
export interface Serve extends AsyncDisposable {
  readonly port: number;
  /** By which invitations know this card host; undefined where nobody is invited. */
  readonly fingerprint: string | undefined;
  /** Sessions of links. */
  readonly links: number;
  /** Where users of this computer come in, or why they cannot; undefined where they are not to. */
  readonly local: Omit<LocalDoor, keyof AsyncDisposable> | CardwireError | undefined;
}

/**
 * Offers readers over TLS to those who were invited, or who have a certificate of an organisation's.
 *
 * @throws {CardwireError} `E_PORT_IN_USE`, `E_LISTEN`, `E_STATE`, `E_DISK_FULL`, `E_LOCKED`, and what is wrong with the
 *   group that is to be let in on this computer.
 */
export async function openServe(options: ServeOptions): Promise<Serve> {
  const { addresses, port, view, leasing, most, about } = options;
  const opened = new Holdings();
  try {
    const store = await openStore(options.path);
    const locals = new Locals(options.local?.profile ?? "use");
    const { secrets, files, isGood, renew, ...shown } = await credentialsOf(store, options);
    const guests = withLocals(shown.guests, locals);
    const visits = opened.hold(new Repeats<Visit>(VISITS));
    const tell = (visit: Visit): void => visits.note(visit, kindOf(visit));
    const register = opened.hold(await LiveRegister.open(store, complain));
    const life = new AbortController();
    setMaxListeners(0, life.signal); // as many as there are people who join just now
    const allotments = new Allotments(options.limits);
    const hall: Hall = new Hall({
      most,
      mostEach: ({ name }) => allotments.limitsOf(name).links,
      refusedOne: ({ name }) => allotments.refusedLink(name),
      features: FEATURES,
      about,
      serve: (end, { principal }) => {
        const grant = principal && guests.grantOf(register.value, principal.name);
        if (!principal || !grant) throw new CardwireError("E_DENIED", "nobody knows who that is");
        const seen = view(principal, grant);
        const allotment = allotments.of(principal.name);
        const leases = leasing && allottedLeasing(leasing(principal, seen), allotment);
        const service = allotted(seen, allotment);
        return allottedLink(
          end,
          allotment,
          (own) => new ServedLink(service, own, principal, leases),
        );
      },
    });
    const { lifetimeMs } = options;
    const enrolment = new Enrolment({ files, register, lifetimeMs });
    const { signal } = life;
    const door = new Door({
      hall,
      enrolment,
      guests,
      register: () => register.value,
      mayCome: (identity) => allotments.mayCome(identity),
      slow: (address) => listener.slow(address),
      tell,
      signal,
    });
    const listener: TlsListener = opened.hold(
      await listenTls({
        port,
        addresses,
        secrets: secrets(),
        protocols: Object.values(Protocol),
        arrived: (arrival) => door.arrived(arrival),
        refused: (address, reason, cost) => {
          if (cost !== "nothing") door.failed(address);
          tell({ what: "refused", address, reason });
        },
      }),
    );
    const local = options.local && (await openHere(options.local, door, locals));
    if (local && Symbol.asyncDispose in local) opened.hold(local);
    opened.hold(hall); // last: those who are there are told before their lines are cut
    const showNew = async (): Promise<void> => {
      await renew();
      listener.renew(secrets());
    };
    const look = async (): Promise<void> => {
      door.changed(register.value); // certificates expire without a word
      await showNew();
    };
    const looking = setInterval(() => void look().catch(complain), LOOK_MS);
    looking.unref();
    const following = (async () => {
      for await (const now of register.follow({ signal })) {
        door.changed(now);
        // Whoever invited somebody made another: see authorityFiles.
        if (!isGood()) await showNew().catch(complain);
      }
    })();
    return {
      port: listener.port,
      get fingerprint() {
        return files()?.fingerprint;
      },
      get links() {
        return hall.size;
      },
      local,
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

/** Visits of one kind that are told one by one; nobody who comes all the time fills a disk. */
const VISITS: ConstructorParameters<typeof Repeats<Visit>>[0] = {
  tell: (visit) => emit("cardwire:visitor", () => visit),
  few: 5,
  others: { what: "refused", reason: "there are more of them than are told apart" },
};

/** Whoever is refused may choose the numbers in the reason. */
const kindOf = ({ what, identity, address, reason = "" }: Visit): string =>
  JSON.stringify([what, identity, address, reason.replace(/[0-9]+/g, "0")]);

/** Opens the door for users of this computer. Another `cardwire serve` may have it: that is no reason to give up. */
async function openHere(
  { path, group }: LocalOptions,
  door: Door,
  locals: Locals,
): Promise<LocalDoor | CardwireError> {
  const come = async (stream: Socket, uid: number): Promise<void> => {
    try {
      door.arrivedHere(stream, await locals.enter(uid));
    } catch (error) {
      stream.destroy();
      complain(error);
    }
  };
  const arrived = (stream: Socket, uid: number) => void come(stream, uid); // never rejects
  try {
    return await openLocalDoor({ path, group, arrived });
  } catch (error) {
    if (group === undefined && CardwireError.is(error)) return error;
    throw error;
  }
}

/** What is shown of this card host, and whom it lets in by what they show. */
async function credentialsOf(
  store: Store,
  { host, organisation }: ServeOptions,
): Promise<{
  readonly guests: Guests;
  readonly secrets: () => ServerSecrets;
  /** Of its own authority; undefined where it has none. */
  readonly files: () => AuthorityFiles | undefined;
  /** Whether that holds now. */
  readonly isGood: () => boolean;
  readonly renew: () => Promise<void>;
}> {
  if (organisation) {
    const { authorities, credentials } = organisation;
    return {
      guests: memberGuests(organisation),
      secrets: () => ({ ...credentials, authorities: [authorities] }),
      files: () => undefined,
      isGood: () => true,
      renew: async () => {},
    };
  }
  let files = await authorityFiles(store, host);
  return {
    guests: invitedGuests(() => readCertificate(files.authority.certificate)),
    secrets: () => ({
      key: files.server.key,
      // Who joins knows the authority by the fingerprint of its key only: it is shown as well.
      certificate: files.server.certificate + files.authority.certificate,
      authorities: [files.authority.certificate],
    }),
    files: () => files,
    isGood: () => holds(files.authority),
    renew: async () => {
      files = await authorityFiles(store, host);
    },
  };
}

/** The state's files cannot be read, or not be written, just now. */
function complain(error: unknown): void {
  const reason = error instanceof Error ? error.message : String(error);
  emit("cardwire:trouble", () => ({ what: reason }));
}
