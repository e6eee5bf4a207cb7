import { type CommandApdu, encodeResponse, parseCommand } from "../../wire/iso7816/apdu.ts";
import type { SoftwareCard } from "../card.ts";
import { attest } from "./attest.ts";
import { generalAuthenticate } from "./authenticate.ts";
import { type Answer, type Command, Sw } from "./command.ts";
import { generate } from "./generate.ts";
import { importKey } from "./import-key.ts";
import { setManagementKey } from "./management.ts";
import { getData, putData } from "./objects.ts";
import { changeReferenceData, resetRetryCounter, verify } from "./references.ts";
import { select } from "./select.ts";
import { afterAnother, freshSession, type Session } from "./session.ts";
import type { PivState } from "./state.ts";
import { ChainedCommand, PendingAnswer } from "./transport.ts";
import { getMetadata, getSerial, getVersion, moveKey, reset, setTries } from "./yubico.ts";

const Ins = {
  Verify: 0x20,
  ChangeReferenceData: 0x24,
  ResetRetryCounter: 0x2c,
  Generate: 0x47,
  GeneralAuthenticate: 0x87,
  Select: 0xa4,
  GetResponse: 0xc0,
  GetData: 0xcb,
  PutData: 0xdb,
  MoveKey: 0xf6,
  GetMetadata: 0xf7,
  GetSerial: 0xf8,
  Attest: 0xf9,
  SetTries: 0xfa,
  Reset: 0xfb,
  GetVersion: 0xfd,
  Import: 0xfe,
  SetManagementKey: 0xff,
} as const;

/** The card's instructions: SP 800-73-4 part 2, table 2, and YubiKey's own. */
const commands: ReadonlyMap<number, Command> = new Map<number, Command>([
  [Ins.Verify, verify],
  [Ins.ChangeReferenceData, changeReferenceData],
  [Ins.ResetRetryCounter, resetRetryCounter],
  [Ins.Generate, generate],
  [Ins.GeneralAuthenticate, generalAuthenticate],
  [Ins.GetData, getData],
  [Ins.PutData, putData],
  [Ins.MoveKey, moveKey],
  [Ins.GetMetadata, getMetadata],
  [Ins.GetSerial, getSerial],
  [Ins.Attest, attest],
  [Ins.SetTries, setTries],
  [Ins.Reset, reset],
  [Ins.GetVersion, getVersion],
  [Ins.Import, importKey],
  [Ins.SetManagementKey, setManagementKey],
]);

/** T=1, the card's capabilities (chaining and extended lengths), and `cardwire` as historical bytes. */
const ATR = Buffer.from("3b8e8131fe158073c021c058636172647769726542", "hex");

export interface PivCardOptions {
  /**
   * Stores what changed, before the command that changed it is answered. When it fails, the command has had no effect
   * and is answered `6581`; whoever stores tells people why.
   */
  readonly save?: (state: PivState) => Promise<void>;
}

/** A PIV card (NIST SP 800-73-4), with the commands of a YubiKey that administrate it. */
export class PivCard implements SoftwareCard {
  readonly atr: Uint8Array = ATR;
  readonly #save: PivCardOptions["save"];
  #state: PivState;
  #session: Session = { ...freshSession };
  #chain = new ChainedCommand();
  #pending = new PendingAnswer();

  constructor(state: PivState, { save }: PivCardOptions = {}) {
    this.#state = state;
    this.#save = save;
  }

  get state(): PivState {
    return this.#state;
  }

  reset(): void {
    this.#session = { ...freshSession }; // another object: a command that is under way sees it
    this.#chain = new ChainedCommand();
    this.#pending = new PendingAnswer();
  }

  async process(command: Uint8Array): Promise<Uint8Array> {
    const apdu = parseCommand(command);
    if (!apdu) return encodeResponse(answer(Sw.WrongLength));
    const refused = refusedClass(apdu.cla);
    if (refused !== undefined) return encodeResponse(answer(refused));
    if (apdu.ins === Ins.GetResponse) return encodeResponse(this.#pending.next(apdu));
    this.#pending = new PendingAnswer();
    const chain = this.#chain;
    const whole = chain.add(apdu);
    if ("sw" in whole) return encodeResponse(answer(whole.sw));
    const { sw, data } = await this.#run(whole);
    // A reset in the meantime: nobody fetches the rest of that answer.
    const pending = this.#chain === chain ? this.#pending : new PendingAnswer();
    return encodeResponse(pending.first({ sw, data: data ?? NOTHING }, apdu.le));
  }

  async #run(apdu: CommandApdu): Promise<Answer> {
    const before = this.#session;
    const command = apdu.ins === Ins.Select ? select : commands.get(apdu.ins);
    if (!command || (!before.isSelected && command !== select))
      return { sw: Sw.InstructionNotSupported };
    const done = await command({ state: this.#state, session: before }, apdu);
    const isStored = await this.#store(done.state);
    if (!isStored) return { sw: Sw.MemoryFailure };
    // What a command that outlived a reset let in is not let in any more.
    if (this.#session === before) this.#session = follow(done.session ?? before, apdu.ins);
    return done;
  }

  async #store(state: PivState | undefined): Promise<boolean> {
    if (!state || state === this.#state) return true;
    try {
      await this.#save?.(state);
    } catch {
      return false;
    }
    this.#state = state;
    return true;
  }
}

const NOTHING = new Uint8Array(0);
const answer = (sw: number) => ({ sw, data: NOTHING });

/** What holds only until the next command. */
function follow(session: Session, ins: number): Session {
  const isVerify = ins === Ins.Verify;
  const isAuthenticate = ins === Ins.GeneralAuthenticate;
  const next = isVerify ? session : afterAnother(session);
  return isAuthenticate ? next : { ...next, challenge: undefined };
}

/** ISO/IEC 7816-4, 5.4.1: the first interindustry range, chained or not, without secure messaging, on channel 0. */
function refusedClass(cla: number): number | undefined {
  if ((cla & 0xe0) !== 0) return Sw.ClassNotSupported;
  if ((cla & 0x0c) !== 0) return Sw.SecureMessagingNotSupported;
  return (cla & 0x03) === 0 ? undefined : Sw.LogicalChannelNotSupported;
}
