import type { Server, Socket } from "node:net";
import type { CardService } from "../../domain/card-service.ts";
import { Rv } from "../../domain/return-codes.ts";
import type { FixedSlots } from "../../wire/pcsclite/dialects.ts";
import { Application, type Peer, type Surroundings } from "./application.ts";
import { Numbers } from "./numbers.ts";
import { ReadersView } from "./readers-view.ts";
import { slotArrays } from "./slots.ts";

/** Applications at once on one socket. pcscd serves 200; what they cost here is memory alone. */
const MAX_APPLICATIONS = 2_000;
/** Beyond so many there is not even an answer: those who were refused may stay for as long as they like. */
const MAX_CONNECTIONS = MAX_APPLICATIONS + 100;

export interface PcscliteServerOptions {
  /**
   * Slots of the array that every application up to 4:5 is sent: 16, or 48 for Fedora's and its derivatives' libraries.
   * Where it is not told, each application's peer is asked, and 16 are sent if that does not know.
   */
  readonly slots?: FixedSlots | undefined;
  /**
   * Globs over names, for applications that cannot see all readers since there are more than slots: they see those with
   * a card first, then those that match, in the order given, then the others.
   */
  readonly first?: readonly string[] | undefined;
  /** Who is at the other end of a connection, and whether it is refused. */
  readonly identify?: (socket: Socket) => Peer;
}

/** Serves a CardService to programs that use libpcsclite, of any release and byte order, on a socket as pcscd's. */
export class PcscliteServer implements AsyncDisposable {
  readonly #server: Server;
  readonly #applications = new Set<Application>();
  readonly #around: Surroundings;
  readonly #identify: (socket: Socket) => Peer;

  /**
   * @param server listens, or will. Its connections are this object's from now on; the server itself stays the
   *   caller's to close.
   * @param service stays the caller's to dispose.
   */
  constructor(server: Server, service: CardService, options: PcscliteServerOptions = {}) {
    this.#server = server;
    this.#identify = options.identify ?? (() => ({ name: "application" }));
    this.#around = {
      service,
      view: new ReadersView(service, () => {
        for (const application of this.#applications) application.changed();
      }),
      contexts: new Numbers(),
      handles: new Numbers(),
      slots: options.slots,
      slotArray: slotArrays(options.first),
      find: (context) => this.#find((one) => one.context === context),
      shownTo: ({ peer: { pid } }) =>
        pid === undefined
          ? undefined
          : this.#find(({ peer, shown }) => peer.pid === pid && shown !== undefined)?.shown,
    };
    server.on("connection", this.#accept);
  }

  /** Applications that are connected now; each is one SCARDCONTEXT, or a cancel. */
  get applications(): number {
    return this.#applications.size;
  }

  /** Hangs up on every application. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.off("connection", this.#accept);
    for (const application of this.#applications) application.close();
  }

  #find(is: (application: Application) => boolean): Application | undefined {
    for (const application of this.#applications) if (is(application)) return application;
    return undefined;
  }

  readonly #accept = (socket: Socket): void => {
    if (this.#applications.size >= MAX_CONNECTIONS) {
      socket.destroy();
      return;
    }
    const isFull = this.#applications.size >= MAX_APPLICATIONS;
    const peer = { ...this.#identify(socket), ...(isFull && { refusal: Rv.NoMemory }) };
    const application = new Application(socket, peer, this.#around);
    this.#applications.add(application);
    this.#around.view.follow();
    application.signal.addEventListener("abort", () => {
      this.#applications.delete(application);
      this.#around.view.unfollow();
    });
  };
}
