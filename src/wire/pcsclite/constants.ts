/** Message numbers: pcsc-lite src/winscard_msg.h, `enum pcsc_msg_commands`. Numbers left out were never served in 4:x. */
export const Command = {
  EstablishContext: 0x01,
  ReleaseContext: 0x02,
  Connect: 0x04,
  Reconnect: 0x05,
  Disconnect: 0x06,
  BeginTransaction: 0x07,
  EndTransaction: 0x08,
  Transmit: 0x09,
  Control: 0x0a,
  Status: 0x0b,
  Cancel: 0x0d,
  GetAttrib: 0x0f,
  SetAttrib: 0x10,
  Version: 0x11,
  GetReadersState: 0x12,
  WaitReaderStateChange: 0x13,
  StopWaitingReaderStateChange: 0x14,
  GetReaderEvents: 0x15,
  GetReadersStateSize: 0x16,
  GetReadersStateArray: 0x17,
} as const;
export type Command = (typeof Command)[keyof typeof Command];

/** The protocol's major version number; the minor ones are in dialects.ts. */
export const MAJOR = 4;

/** The longest payload of TRANSMIT and CONTROL, bytes, in either direction: MAX_BUFFER_SIZE_EXTENDED. */
export const MAX_PAYLOAD = 4 + 3 + 65_536 + 3 + 2;
/** The attribute buffer of GET_ATTRIB and SET_ATTRIB, bytes: MAX_BUFFER_SIZE. */
export const MAX_ATTRIBUTE = 264;
/** MAX_ATR_SIZE, bytes. */
export const MAX_ATR = 33;
/** What unused slots of real daemons carry as the length of their ATR: "not initialised". */
export const ATR_NOT_INITIALISED = 34;
/** Slots that a daemon can have at most: a reader's name ends in two hexadecimal digits. */
export const MAX_SLOTS = 256;

/** SCARD_CTL_CODE(3400), CM_IOCTL_GET_FEATURE_REQUEST: PC/SC part 10, section 2.2. */
export const FEATURE_REQUEST = 0x42000d48;
