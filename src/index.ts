/**
 * cardwire as a library: the readers of a pcscd, here or behind a carrier, and a server that offers them to programs.
 *
 * ```ts
 * import { pcscdService, unixCarrier } from "cardwire";
 *
 * const { signal } = new AbortController();
 * await using carrier = unixCarrier("/run/pcscd/pcscd.comm");
 * await using service = await pcscdService(carrier, { pipelining: true, rememberFeatures: true, keepWarm: false }, { signal });
 * console.log(service.readers);
 * ```
 */
export type { Carrier, Line, LineDown } from "./carriers/carrier.ts";
export { type SshCarrierOptions, sshCarrier } from "./carriers/ssh/carrier.ts";
export { unixCarrier } from "./carriers/unix.ts";
export type { CardService, CardSession, ConnectOptions, Reader } from "./domain/card-service.ts";
export { CardwireError, ProtocolError, ReturnCodeError } from "./domain/errors.ts";
export { Disposition, Protocol, ReaderStateBit, ShareMode } from "./domain/pcsc.ts";
export type { Principal } from "./domain/principal.ts";
export { Rv, returnCodes } from "./domain/return-codes.ts";
export type { Peer } from "./fronts/pcsclite/application.ts";
export { PcscliteServer, type PcscliteServerOptions } from "./fronts/pcsclite/server.ts";
export { type Events, listen } from "./observe/events.ts";
export type { PcscdOptions } from "./services/pcscd/daemon.ts";
export { MergedService, type MergedSource } from "./services/merged.ts";
export { PcscdService, pcscdService, type StartOptions } from "./services/pcscd/service.ts";
