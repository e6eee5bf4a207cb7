/** Every code of a CardwireError that is not one of PC/SC's, and when it is thrown. Whoever throws a new one adds it here. */
export const errorCodes = {
  E_ADDRESS: "Nobody knows under which address others reach this computer.",
  E_AGENT: "No agent can run on the other computer, or the one there does not do what it should.",
  E_AUDIT:
    "The audit log cannot be written: to its end, or at all where nothing may happen that it does not record.",
  E_CANNOT_RUN: "The program that `run` was given is there but cannot be started.",
  E_CARD_DATA:
    "The text cannot be a card's name, PIN, PUK or management key, or there is none to be had.",
  E_CARD_FILE: "A card's file cannot be read or written, is no card's, or is open to others.",
  E_CARD_FILE_EXISTS: "There is a file already where a new card's was to be.",
  E_CARD_IN_USE: "Another cardwire runs the card of this file.",
  E_CERTIFICATE:
    "A certificate cannot be read, is from another authority, does not hold now, or was made for something else.",
  E_CLOSED: "Something was asked of a line, a service or a client after its owner had closed it.",
  E_CONFIG: "The settings file cannot be read, is not TOML, or says something that makes no sense.",
  E_DEMO:
    "A step of the demo failed: a program of OpenSC's, or the card did not do what it is to do.",
  E_DENIED:
    "The card host does not let this computer in, or not any more: its certificate expired, or its identity was revoked.",
  E_DISK_FULL:
    "There is no space left for a socket, the record of an attachment, a card's file, or cardwire's state.",
  E_GROUP: "The group does not exist here, or you are not a member of it.",
  E_IDENTITY: "There is no identity of this name.",
  E_JOINED: "A card host was joined under this name already.",
  E_LEASE: "A reader cannot be leased, or the lease is over; the message says why.",
  E_LINE_DOWN:
    "There is no connection to the card host now. It is tried again without being asked.",
  E_LINK: "The cardwire at the other end refuses the link; its reason is given.",
  E_LISTEN: "The address or port cannot be listened at.",
  E_LOCKED:
    "Another cardwire was busy with the same socket, name or state for more than two seconds.",
  E_NAME: "The text cannot be the name of an attachment, of a card host, or of an identity.",
  E_NAME_IN_USE: "A running attachment has this name already.",
  E_NOT_FOUND: "The program that `run` was given does not exist.",
  E_NOT_JOINED: "No card host of this name or address was joined from here.",
  E_NO_ATTACHMENT:
    "No attachment is running, none has this name, or several run and none was named.",
  E_NO_PCSCD: "pcscd is not installed, its socket is not there, or nobody listens at it.",
  E_NO_READER: "No reader of this computer has this name.",
  E_NO_SERVE: "No `cardwire serve` of this user runs here.",
  E_NO_SERVICE: "No service has this name.",
  E_NO_SHELL:
    "The account on the other computer has no shell, without which this cannot be done there.",
  E_NO_SSH: "The ssh program cannot be found or may not be run.",
  E_NO_SYSTEMD: "systemd is not there, does not run this computer, or cannot be reached.",
  E_PCSCD_GONE: "The connection to pcscd ended before the answer came.",
  E_PCSCD_REFUSED:
    "pcscd closes each connection without a word: polkit refuses it, or pcscd has 200 connections already.",
  E_PCSCD_UNREACHABLE:
    "ssh works but does not reach pcscd's socket, and without a shell over there nobody can say why.",
  E_PCSCD_VERSION: "pcscd speaks no version of the protocol that cardwire knows.",
  E_PEER:
    "Who answers at the card host's address is somebody else, or its certificate does not hold now.",
  E_PORT_IN_USE: "Another program listens at a TCP port that was to be cardwire's.",
  E_PROTOCOL: "The other end broke the protocol. Its connection is closed.",
  E_RUNTIME_DIR: "The run-time directory cannot be made, is not yours, or is open to others.",
  E_SERVICE: "systemd does not take, start or stop the unit of a service.",
  E_SHELL: "The shell that `env` was asked for cannot write the socket's path.",
  E_SOCKET_DENIED:
    "You have no right to connect to pcscd's socket, or to make one where it was asked for.",
  E_SERVE_RUNS: "A `cardwire serve` with the same state runs already.",
  E_SOCKET_IN_USE: "A program listens at this socket already.",
  E_SOCKET_PATH:
    "The path cannot be a socket's: it is empty, not absolute or longer than 107 bytes, its directory is missing, something else is there, or ssh cannot use it.",
  E_SSH: "ssh ended for a reason that has no code of its own. The message carries its last line.",
  E_SSH_AUTH: "The card host refused the login.",
  E_SSH_COMMAND:
    "The ssh command has an unfinished quotation mark or backslash, or names no program.",
  E_SSH_CONFIG: "ssh rejects its configuration or its arguments.",
  E_SSH_FORWARDING: "sshd on the card host forbids forwarding to pcscd's socket.",
  E_SSH_HOST: "ssh cannot find the host's address.",
  E_SSH_HOST_KEY: "The host's key is unknown or has changed.",
  E_SSH_UNREACHABLE: "ssh cannot connect to the host, or lost the connection.",
  E_STATE:
    "A file or directory of cardwire's state cannot be read or written, is damaged, or is open to others.",
  E_STATUS_WORD: "A card answered another status word where only 9000 would do.",
  E_TOKEN: "The token is none, is damaged, was used already, has expired, or was withdrawn.",
  E_UNINSTALL: "Something is in use, or was not cardwire's to remove.",
  E_UNREACHABLE: "No `cardwire serve` answers at the card host's address.",
  E_USAGE: "The command line lacks something that its parser cannot see.",
  E_USER: "The user does not exist here, or cannot run cardwire.",
  E_WHERE:
    "WHERE is neither a host for ssh, `cardwire://` with a host, `unix:` with an absolute path, `software:`, nor `demo:`.",
} as const satisfies Readonly<Record<`E_${string}`, string>>;

export type ErrorCode = keyof typeof errorCodes;
