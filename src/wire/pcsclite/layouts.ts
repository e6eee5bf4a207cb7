import { bytes, cstring, type Infer, i32, type Struct, struct, u32 } from "../struct.ts";
import { MAX_ATR, MAX_ATTRIBUTE } from "./constants.ts";

// Source of every layout: pcsc-lite src/winscard_msg.h and src/eventhandler.h. Each struct serves request and
// reply alike; docs: "The pcsc-lite client/daemon protocol", section 1.4.

export const Header = struct({ size: u32, command: u32 });

export const Empty = struct({});
export const Version = struct({ major: i32, minor: i32, rv: u32 });
export const EstablishContext = struct({ scope: u32, context: u32, rv: u32 });
export const ReleaseContext = struct({ context: u32, rv: u32 });
export const Reconnect = struct({
  card: i32,
  share: u32,
  protocols: u32,
  initialization: u32,
  activeProtocol: u32,
  rv: u32,
});
/** DISCONNECT and END_TRANSACTION. */
export const Dispose = struct({ card: i32, disposition: u32, rv: u32 });
/** BEGIN_TRANSACTION and STATUS. */
export const CardOnly = struct({ card: i32, rv: u32 });
export const Cancel = struct({ context: u32, rv: u32 });
export const Transmit = struct({
  card: i32,
  sendProtocol: u32,
  sendPciLength: u32,
  sendLength: u32,
  receiveProtocol: u32,
  receivePciLength: u32,
  receiveLength: u32,
  rv: u32,
});
export type Transmit = Infer<typeof Transmit>;
export const Control = struct({
  card: i32,
  code: u32,
  sendLength: u32,
  receiveLength: u32,
  returned: u32,
  rv: u32,
});
export type Control = Infer<typeof Control>;
export const Attribute = struct({
  card: i32,
  id: u32,
  value: bytes(MAX_ATTRIBUTE),
  length: u32,
  rv: u32,
});
/** The event itself, the reply to STOP, and the body that WAIT and STOP have up to 4:3. */
export const Event = struct({ timeOut: u32, rv: u32 });
export const ReaderEvents = struct({ readerEvents: u32, rv: u32 });
export const ReadersStateSize = struct({ slots: i32 });

const connect = (nameBytes: number) =>
  struct({
    context: u32,
    reader: cstring(nameBytes),
    share: u32,
    protocols: u32,
    card: i32,
    activeProtocol: u32,
    rv: u32,
  });
/** Names have 128 bytes since release 1.8.4. */
export const Connect = connect(128);
/** Up to release 1.8.3 (still 4:2) names have 100 bytes. */
export const Connect100 = connect(100);
export type Connect = Infer<typeof Connect>;

const readerState = (nameBytes: number) =>
  struct({
    name: cstring(nameBytes),
    eventCounter: u32,
    state: u32,
    sharing: i32,
    atr: bytes(MAX_ATR),
    atrLength: u32,
    protocol: u32,
  });
/** One slot, 184 bytes: three bytes of padding follow the 33-byte ATR. An unused slot has an empty name. */
export const ReaderState: Struct<ReaderState> = readerState(128);
/** The same with the 100-byte names of 1.8.3: 156 bytes. */
export const ReaderState100: Struct<ReaderState> = readerState(100);
export interface ReaderState {
  name: string;
  eventCounter: number;
  state: number;
  /** −1 exclusive, 0 unused, otherwise the number of shared and direct handles. */
  sharing: number;
  atr: Uint8Array;
  /** 0 to 33; 34 in unused slots of real daemons. */
  atrLength: number;
  protocol: number;
}
