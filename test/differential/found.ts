import type { Call, Step } from "./step.ts";

// The shortest of the sequences by which random ones once showed a difference. All are mended.

const reader = "Virtual PCD 00 00";
const call = (client: number, name: string, args: Call["with"]): Call => ({
  do: "call",
  client,
  call: name,
  with: args,
});

const establish = (client: number) => call(client, "establish", { context: "a" });
const connect = (client: number, how: Call["with"] = {}) =>
  call(client, "connect", { context: "a", card: "a0", reader, share: 2, protocols: 3, ...how });
const reconnect = (client: number, how: Call["with"] = {}) =>
  call(client, "reconnect", { card: "a0", share: 2, protocols: 3, initialization: 0, ...how });
const on = (client: number, name: string, args: Call["with"] = {}) =>
  call(client, name, { card: "a0", ...args });

/** Whether the protocol of a reader whose card was pulled outlives this disposition. */
const emptyReaderAfter = (disposition: number): readonly Step[] => [
  establish(0),
  { do: "pull", slot: 0 },
  connect(0, { share: 3, protocols: 4 }),
  on(0, "disconnect", { disposition }),
  connect(0, { share: 3, protocols: 0 }),
  on(0, "status"),
];

export const found: Readonly<Record<string, readonly Step[]>> = {
  "a direct connect gives a card without power none": [
    establish(0),
    connect(0),
    on(0, "disconnect", { disposition: 2 }),
    connect(0, { share: 3, protocols: 7 }),
    on(0, "status"),
  ],
  "a refused exclusive reconnect has chosen the protocol": [
    establish(0),
    connect(0, { share: 3 }),
    establish(1),
    connect(1, { share: 3 }),
    on(1, "begin"),
    reconnect(0, { share: 1 }),
    on(1, "end", { disposition: 0 }),
    on(1, "status"),
  ],
  "the same, for a card that nobody negotiated with since its reset": [
    establish(0),
    connect(0),
    establish(2),
    connect(2),
    on(2, "end", { disposition: 1 }),
    reconnect(0, { share: 3 }),
    reconnect(2, { share: 1, protocols: 2 }),
    on(0, "begin"),
    on(0, "end", { disposition: 0 }),
    on(0, "status"),
  ],
  "a removal opens the lock of exclusive access for good": [
    establish(2),
    connect(2, { share: 1 }),
    { do: "pull", slot: 0 },
    { do: "insert", slot: 0, atr: "3b800181" },
    reconnect(2, { share: 1, initialization: 1 }),
    on(2, "begin"),
    on(2, "end", { disposition: 0 }),
  ],
};

/** The same, of software readers. */
export const foundInSoftware: Readonly<Record<string, readonly Step[]>> = {
  "a card that nobody connected to loses its power beside handles of the one before it": [
    establish(0),
    connect(0),
    { do: "pull", slot: 0 },
    { do: "insert", slot: 0, atr: "3b00" },
  ],
  "a reconnect that finds no card is no use of the next one": [
    establish(0),
    connect(0),
    { do: "pull", slot: 0 },
    reconnect(0, { initialization: 1 }),
    { do: "insert", slot: 0, atr: "3b80800101" },
  ],
  "what a reconnect negotiates shows at once": [
    establish(0),
    connect(0),
    { do: "pull", slot: 0 },
    { do: "insert", slot: 0, atr: "3b80800101" },
    reconnect(0),
    on(0, "status"),
  ],
  "a card behind vpcd answers without power": [
    establish(1),
    connect(1, { share: 3 }),
    on(1, "begin"),
    on(1, "transmit", { apdu: "80e40000004000" }),
  ],
  "an end that ejects": [
    establish(0),
    connect(0, { share: 3, protocols: 2 }),
    on(0, "end", { disposition: 3 }),
  ],
  "an attribute that cannot be set": [
    establish(1),
    connect(1),
    on(1, "setattrib", { attribute: 0x10100, value: "0102" }),
  ],
  "a protocol that there is not, of a reader that there is not": [
    establish(1),
    connect(1, { reader: "No such reader", protocols: 0x100 }),
  ],
  "whoever waits for a card that goes is told so": [
    establish(0),
    connect(0),
    establish(2),
    connect(2),
    on(0, "begin"),
    on(2, "begin"),
    { do: "pull", slot: 0 },
  ],
  "a direct reconnect wants a card, too": [
    establish(0),
    connect(0),
    { do: "pull", slot: 0 },
    reconnect(0, { share: 3, protocols: 7 }),
  ],
  "exclusive access that was given up keeps its lock": [
    establish(0),
    connect(0, { share: 1 }),
    reconnect(0),
    establish(1),
    connect(1),
    on(0, "end", { disposition: 0 }),
    on(0, "end", { disposition: 0 }),
  ],
  "an end with a reset says first that there is no card": [
    { do: "pull", slot: 0 },
    establish(0),
    connect(0, { share: 3 }),
    on(0, "begin"),
    on(0, "end", { disposition: 2 }),
    on(0, "status"),
  ],
  "a reconnect does not give power, and the next connect then does not either": [
    establish(0),
    connect(0),
    establish(1),
    connect(1),
    on(1, "disconnect", { disposition: 2 }),
    reconnect(0, { protocols: 2 }),
    connect(1, { protocols: 1 }),
  ],
  "what a direct reconnect powers stays so": [
    establish(0),
    connect(0, { share: 3 }),
    reconnect(0, { share: 3, initialization: 2 }),
    on(0, "disconnect", { disposition: 0 }),
    connect(0),
    on(0, "transmit", { apdu: "8001000000" }),
  ],
  "a protocol that was chosen without power stays when it comes": [
    establish(0),
    connect(0, { share: 3 }),
    reconnect(0),
    establish(1),
    connect(1, { protocols: 1 }),
  ],
  "a raw command without a card fails in the driver": [
    { do: "pull", slot: 0 },
    establish(0),
    connect(0, { share: 3, protocols: 4 }),
    on(0, "transmit", { apdu: "8099000000" }),
  ],
  "a raw reconnect does not count as use": [
    establish(0),
    connect(0, { share: 3 }),
    reconnect(0, { protocols: 7, initialization: 2 }),
    on(0, "disconnect", { disposition: 1 }),
    connect(0, { share: 3, protocols: 0 }),
  ],
  "a reconnect's mode is looked at before its protocols": [
    establish(0),
    connect(0),
    reconnect(0, { share: 0, protocols: 0 }),
  ],
  "a removal does not end the use of a reader": [
    establish(0),
    connect(0),
    establish(1),
    { do: "pull", slot: 0 },
    connect(1, { share: 3, protocols: 7 }),
    on(0, "disconnect", { disposition: 3 }),
    on(1, "disconnect", { disposition: 0 }),
    connect(1),
  ],
  "a reconnect that is refused for its protocol is no use": [
    establish(0),
    connect(0, { share: 1 }),
    { do: "pull", slot: 0 },
    { do: "insert", slot: 0, atr: "3b800181" },
    reconnect(0, { protocols: 1, initialization: 2 }),
    on(0, "disconnect", { disposition: 0 }),
    connect(0, { protocols: 4 }),
  ],
  "a connect that waited counts one more, also where a reader is held alone by then": [
    establish(0),
    connect(0),
    on(0, "begin", {}),
    establish(1),
    connect(1, { share: 3 }),
    establish(2),
    reconnect(0, { share: 1, initialization: 1 }),
    { do: "pull", slot: 0 },
    connect(2),
    on(0, "disconnect", { disposition: 0 }),
    { do: "insert", slot: 0, atr: "3b800181" },
    connect(2, { share: 1 }),
  ],
  "and once its holder ends the transaction": [
    establish(0),
    connect(0),
    on(0, "begin", {}),
    establish(1),
    connect(1),
    establish(2),
    reconnect(0, { share: 1 }),
    on(0, "end", { disposition: 0 }),
    on(0, "end", { disposition: 0 }),
    connect(2),
    on(0, "disconnect", { disposition: 0 }),
    connect(2, { share: 1 }),
    on(1, "disconnect", { disposition: 0 }),
    connect(2, { share: 1 }),
  ],
  "a reset of an empty reader ends its protocol": emptyReaderAfter(1),
  "so does taking its power away": emptyReaderAfter(2),
};

/** The same for a cardwire at both ends. */
export const foundThroughAgent: Readonly<Record<string, readonly Step[]>> = {
  "a lock outlives an end with a reset": [
    establish(0),
    connect(0),
    on(0, "begin"),
    on(0, "begin"),
    on(0, "end", { disposition: 1 }),
    establish(1),
    connect(1),
    on(0, "end", { disposition: 0 }),
    on(1, "status"),
  ],
  "exclusive access that ends leaves its level": [
    establish(0),
    connect(0, { share: 1 }),
    reconnect(0),
    establish(1),
    connect(1),
    on(0, "end", { disposition: 0 }),
    on(1, "begin"),
  ],
  "who asks with another protocol is not answered from memory": [
    establish(0),
    connect(0),
    on(0, "transmit", { apdu: "80e2002000" }),
    on(0, "transmit", { apdu: "00c0000020" }),
    on(0, "begin"),
    on(0, "transmit", { apdu: "80e2002000" }),
    on(0, "transmit", { apdu: "00c0000020", pci: 1 }),
    on(0, "transmit", { apdu: "80e2002000" }),
    on(0, "transmit", { apdu: "00c0000020" }),
  ],
};
