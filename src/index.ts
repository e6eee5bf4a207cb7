/**
 * cardwire as a library: the readers of this computer, of another one, or of this program, as a PC/SC client, and the
 * parts to offer them to other programs.
 *
 * ```ts
 * import { connect } from "cardwire";
 *
 * await using client = await connect("alice@cardhost");
 * const reader = await client.waitForCard();
 * await using card = await client.connect(reader.name);
 * console.log(await card.command({ ins: 0xa4, p1: 4, data: aid, le: 256 }));
 * ```
 */
export type { Carrier, Line, LineDown } from "./carriers/carrier.ts";
export { type SshCarrierOptions, sshCarrier } from "./carriers/ssh/carrier.ts";
export { unixCarrier } from "./carriers/unix.ts";
export { type CallOptions, Card, type Command, type Sharing } from "./client/card.ts";
export { Client, type WaitOptions } from "./client/client.ts";
export { connect, type ConnectOptions as ClientOptions } from "./client/connect.ts";
export { StatusWordError } from "./client/errors.ts";
export type { CardEnd, ProtocolName, Share } from "./client/names.ts";
export type { Transaction } from "./client/transaction.ts";
export type {
  CardService,
  CardSession,
  Connected,
  ConnectOptions,
  Reader,
} from "./domain/card-service.ts";
export { CardwireError, ProtocolError, ReturnCodeError } from "./domain/errors.ts";
export {
  type Lease,
  LeaseError,
  type LeasePlace,
  type LeaseRefusal,
  type LeaseWish,
  type Leasing,
} from "./domain/leasing.ts";
export { Disposition, Protocol, ReaderStateBit, ShareMode } from "./domain/pcsc.ts";
export type { Principal } from "./domain/principal.ts";
export { Rv, returnCodes } from "./domain/return-codes.ts";
export type { Peer } from "./fronts/pcsclite/application.ts";
export { PcscliteServer, type PcscliteServerOptions } from "./fronts/pcsclite/server.ts";
export { type Events, listen } from "./observe/events.ts";
export {
  type CertificateFiles,
  type OrganisationCertificates,
  readCertificates,
} from "./carriers/tls/certificate-files.ts";
export { Purpose as CertificatePurpose } from "./carriers/tls/protocols.ts";
export type { Grant, Profile } from "./domain/identity.ts";
export { grantedReaders } from "./serve/granted.ts";
export {
  openServe,
  type Organisation,
  type Serve,
  type ServeOptions,
  type View,
} from "./serve/server.ts";
export type { PcscdOptions } from "./services/pcscd/daemon.ts";
export { MergedService, type MergedSource } from "./services/merged.ts";
export { Policy, type PolicyGrant, type PolicyOptions } from "./services/policy/policy.ts";
export type { Refusal } from "./services/policy/refusal.ts";
export type { AtrPattern, ByteMask, Rule, Rules } from "./services/policy/rule.ts";
export type { AidPattern } from "./services/policy/selection.ts";
export { PcscdService, pcscdService, type StartOptions } from "./services/pcscd/service.ts";
export { SoftwareReaders, type SoftwareReadersOptions } from "./services/software/service.ts";
export {
  listenForVpcdCards,
  type VpcdPlaces,
  type VpcdPorts,
} from "./services/software/vpcd-ports.ts";
export {
  insertIntoVpcd,
  type InsertOptions,
  type VpcdAddress,
} from "./services/software/vpcd-card.ts";
export type { SoftwareCard } from "./software-cards/card.ts";
export { Algorithm as PivAlgorithm } from "./software-cards/piv/algorithms.ts";
export { PivCard, type PivCardOptions } from "./software-cards/piv/card.ts";
export {
  provision as provisionPivCard,
  type ProvisionOptions as PivProvisionOptions,
} from "./software-cards/piv/provision.ts";
export {
  readState as readPivState,
  writeState as writePivState,
} from "./software-cards/piv/state-text.ts";
export type { PivState } from "./software-cards/piv/state.ts";
export {
  type CommandApdu,
  encodeCommand,
  encodeResponse,
  parseCommand,
  parseResponse,
  type ResponseApdu,
} from "./wire/iso7816/apdu.ts";
export { encodeTlv, findTlv, parseTlv, type Tlv } from "./wire/iso7816/tlv.ts";
