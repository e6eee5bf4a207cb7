import { once } from "node:events";
import { readFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { type CertificateFiles, readCertificates } from "../../carriers/tls/certificate-files.ts";
import { DEFAULT_PORT, Purpose } from "../../carriers/tls/protocols.ts";
import { readerJson } from "../../domain/reader-json.ts";
import { runtimeDirectory } from "../../host/paths.ts";
import { makeScratchDirectory } from "../../host/scratch-directory.ts";
import { serveSocket } from "../../host/serve-socket.ts";
import { SYSTEM_SOCKET } from "../../host/system-socket.ts";
import { controlAt } from "../../serve/control.ts";
import type { Invited } from "../../serve/invite.ts";
import { rememberPlace } from "../../serve/place.ts";
import { type Organisation, openServe, type Serve } from "../../serve/server.ts";
import { aloneWith } from "../../serve/sole.ts";
import { openStore } from "../../serve/store.ts";
import type { PcscdOptions } from "../../services/pcscd/daemon.ts";
import type { Io } from "../io.ts";
import { printNotices } from "../notices.ts";
import { type OpenReaders, openReaders } from "../open.ts";
import { PLAIN_WAY } from "../options.ts";
import { absenceLines, readersTable } from "../report.ts";
import { tellServiceManager } from "../service-manager.ts";
import { parseSources, whereHere } from "../sources.ts";
import type { LocalWish } from "./local-options.ts";
import { type InvitationWish, invitedJson, invitedText, inviteIn } from "./run-invite.ts";
import { type SupervisionOptions, supervise } from "./supervision.ts";
import { printVisitors } from "./visitors.ts";

/** The most that a link may ask for, ms: as long as a computer takes to start anew, and no longer for others' cards. */
const MOST = { graceMs: 300_000, lockMs: 30_000 };

export interface RunServeOptions extends PcscdOptions, Omit<SupervisionOptions, "audit"> {
  /** See {@link SupervisionOptions}; a file in the state directory unless told. */
  readonly audit: string | undefined;
  readonly port: number | undefined;
  readonly addresses: readonly string[];
  readonly invitation: InvitationWish | undefined;
  /** In the place of an authority of this card host's own. */
  readonly organisation:
    | {
        readonly files: CertificateFiles;
        readonly nameOf: Organisation["nameOf"];
        readonly grant: Organisation["grant"];
      }
    | undefined;
  /** Users of this computer; undefined where none of them is to come in. */
  readonly local: LocalWish | undefined;
  /** Starts although pcscd cannot be reached yet. */
  readonly wait: boolean;
  readonly json: boolean;
  readonly verbose: boolean;
}

/** Offers the readers of this computer until `signal` aborts. */
export async function runServe(
  options: RunServeOptions,
  { io, signal }: { readonly io: Io; readonly signal: AbortSignal },
): Promise<void> {
  const { addresses, port = DEFAULT_PORT, invitation, verbose } = options;
  const organisation = options.organisation && {
    ...options.organisation,
    ...(await readCertificates(options.organisation.files, Purpose.Server)),
  };
  const store = await openStore(); // before anything is opened that may take long
  await using _alone = await aloneWith(store);
  const runtime = await runtimeDirectory();
  const scratch = await makeScratchDirectory(runtime, "serve");
  try {
    const open = { ...options, directory: scratch.path, canAskAgain: false, way: PLAIN_WAY };
    const where = whereHere(io.env);
    const from = parseSources([where]);
    // Who comes by ssh wants this computer's readers, and no others.
    const isHere = where === `unix:${SYSTEM_SOCKET}`;
    await using readers = await openReaders(from, { ...open, ssh: undefined }, { io, signal });
    using _notices = printNotices(io, { verbose, sources: readers.sources }); // what the end has to say, too
    const audit = options.audit ?? store.file("audit.log");
    await using supervision = await supervise(readers.service, { ...options, audit });
    const control = join(scratch.path, "control");
    await using _control = await controlAt(control, supervision);
    await using serve = await openServe({
      addresses,
      port,
      host: hostname(),
      view: supervision.view,
      leasing: supervision.leasing,
      most: MOST,
      limits: (identity) => supervision.terms.identityLimits(identity),
      local: isHere ? options.local && { ...options.local, path: serveSocket(runtime) } : undefined,
      about: () => about(readers),
      organisation,
    });
    await rememberPlace(store, {
      port: serve.port,
      addresses: [...addresses],
      organisation: organisation !== undefined,
      control,
    });
    await supervision.offerMetrics(() => serve.links);
    using _visitors = printVisitors(io, { verbose });
    const invited = invitation && (await inviteIn(store, invitation));
    tell(io, serve, { readers, name: invitation?.name, invited, json: options.json });
    const status = `the readers here are offered at port ${serve.port}`;
    await using _manager = await tellServiceManager(status, { io, sources: readers.sources });
    if (!signal.aborted) await once(signal, "abort");
  } finally {
    await scratch.remove();
  }
}

/** What people at the other end see of us. */
function about({ sources }: OpenReaders): string {
  const { version } = JSON.parse(
    readFileSync(new URL("../../../package.json", import.meta.url), "utf8"),
  ) as { readonly version: string };
  return `cardwire ${version}, pcscd protocol ${sources[0]?.protocol ?? "?"}`;
}

/** What keeps users of this computer from joining. */
function localLines(local: Serve["local"]): readonly string[] {
  if (local === undefined) return [];
  if (!("path" in local))
    return [`Who comes here by ssh has an agent of his own: ${local.message}`];
  const { path, closedDoor: door } = local;
  if (door === undefined) return [];
  return [`Members of the group cannot reach ${path}: ${door} does not let them in.`];
}

function tell(
  io: Io,
  { port, fingerprint, local }: Serve,
  told: {
    readonly readers: OpenReaders;
    readonly name: string | undefined;
    readonly invited: Invited | undefined;
    readonly json: boolean;
  },
): void {
  const { name = "", invited, json } = told;
  const { service, sources } = told.readers;
  if (json) {
    const readers = service.readers.map(readerJson);
    const invitation = invited && invitedJson(name, invited);
    const socket = local && "path" in local ? local.path : undefined;
    io.out(JSON.stringify({ port, fingerprint, readers, invitation, local: socket }));
    return;
  }
  const count = service.readers.length === 1 ? "1 reader" : `${service.readers.length} readers`;
  io.out(`${count} of this computer can be used by those who are invited, at port ${port}`);
  if (service.readers.length > 0) io.out(readersTable(service.readers).replaceAll(/^/gm, "  "));
  for (const { source, absence } of sources)
    if (absence)
      for (const line of absenceLines(source.text, absence, { isTried: true })) io.err(line);
  if (invited) {
    io.out(`\n${name} joins with:\n  ${invited.token}`);
    io.err(invitedText(name, invited));
  } else if (fingerprint !== undefined) io.err("'cardwire invite NAME' lets somebody in.");
  for (const line of localLines(local)) io.err(line);
  io.err("Ctrl-C ends it.");
}
