import * as v from "valibot";

// What an administrator's command and a running serve say to each other: a line of JSON each way.

const words = v.pipe(v.string(), v.maxLength(2_048));

export const ControlRequest = v.union([
  /** Who has each card, and who waits for it. */
  v.object({ do: v.literal("attendance") }),
  /** Takes the cards from whoever has them. */
  v.object({
    do: v.literal("kick"),
    /** A reader's name, or a glob; all readers unless told. */
    reader: v.optional(words),
    /** Only from this identity. */
    identity: v.optional(words),
  }),
]);
export type ControlRequest = v.InferOutput<typeof ControlRequest>;

const CardAttendance = v.object({
  reader: v.string(),
  /** The card's serial number, where rules made serve ask for it. */
  serial: v.optional(v.string()),
  /** Whose turn it is now. */
  holder: v.optional(v.string()),
  /** To whom the card is leased, and under which number. */
  lease: v.optional(v.object({ identity: v.string(), fence: v.number() })),
  /** In the order of their turns. */
  waiting: v.array(v.object({ identity: v.string(), what: v.string(), waitedMs: v.number() })),
});
/** Who has one card, and who waits for it. */
export type CardAttendance = Readonly<v.InferOutput<typeof CardAttendance>>;

const Kicked = v.object({ reader: v.string(), identity: v.string() });
export type Kicked = Readonly<v.InferOutput<typeof Kicked>>;

export const ControlAnswer = v.union([
  v.object({ attendance: v.array(CardAttendance) }),
  v.object({ kicked: v.array(Kicked) }),
  v.object({ code: v.string(), message: v.string(), hint: v.optional(v.string()) }),
]);
export type ControlAnswer = v.InferOutput<typeof ControlAnswer>;
