import type { CardSession, ConnectOptions } from "../../domain/card-service.ts";
import { Disposition, Protocol } from "../../domain/pcsc.ts";
import {
  FEATURE_QUERY,
  type Feature,
  featureOf,
  levelOf,
  pinCommand,
  readFeatures,
} from "./controls.ts";
import type { Verdict } from "./decide.ts";
import type { Gate } from "./gate.ts";
import { profileFor, profiles } from "./profiles.ts";
import { refusalOf } from "./refusal.ts";

type Pci = Parameters<CardSession["transmit"]>[1];
type Transmitted = Awaited<ReturnType<CardSession["transmit"]>>;

/** A session that sends only what its identity may send. What is refused never reaches the card or the reader. */
export class PolicySession implements CardSession {
  readonly #gate: Gate;

  constructor(gate: Gate) {
    this.#gate = gate;
  }

  async begin(options: { signal: AbortSignal }): Promise<void> {
    await this.#gate.run((inner) => inner.begin(options));
    this.#gate.begun();
  }

  async end(disposition: number): Promise<void> {
    await this.#disposing(disposition, (inner) => inner.end(disposition));
    this.#gate.ended();
  }

  /** A refused command is answered 6985, one that the PIN guard refuses 6983. */
  async transmit(apdu: Uint8Array, pci: Pci): Promise<Transmitted> {
    const gate = this.#gate;
    if (!isPlainProtocol(pci.send) && gate.profile !== "manage") {
      const why = `another protocol than T=0 and T=1: ${gate.wants("manage")}`;
      throw gate.refuse("SCardTransmit", { why });
    }
    return await gate.alone("SCardTransmit", () => this.#transmit(apdu, pci));
  }

  async #transmit(apdu: Uint8Array, pci: Pci): Promise<Transmitted> {
    const gate = this.#gate;
    const verdict = gate.decide(apdu);
    if (verdict.isAllowed)
      return await gate.send(verdict, (inner) => inner.transmit(apdu, pci), dataIn);
    gate.refuse("SCardTransmit", refusalOf(verdict));
    return { data: refusedWith(verdict), receiveProtocol: pci.receive };
  }

  async control(code: number, data: Uint8Array): Promise<Uint8Array> {
    const call = "SCardControl";
    const gate = this.#gate;
    checkAccess(gate, call);
    const feature = await this.#feature(code);
    const level = levelOf(feature);
    if (level > profiles[gate.profile])
      throw gate.refuse(call, { code, why: `${feature.name}: ${gate.wants(profileFor(level))}` });
    if (feature.does === "verifies" || feature.does === "begins to verify")
      return await gate.alone(call, () => this.#verify(code, data, feature));
    if (feature.does === "has verified") return await this.#verified(code, data, feature);
    const answer = await gate.run((inner) => inner.control(code, data));
    if (code === FEATURE_QUERY) gate.state.features = readFeatures(answer);
    return answer;
  }

  /** The reader asks for a PIN, and sends the command in `data` with it. */
  async #verify(code: number, data: Uint8Array, { name, does }: Feature): Promise<Uint8Array> {
    const call = "SCardControl";
    const gate = this.#gate;
    const command = pinCommand(data);
    if (!command) {
      const why = `${name} with another command than VERIFY: ${gate.wants("manage")}`;
      if (gate.profile !== "manage") throw gate.refuse(call, { code, why });
      gate.state.view.lost();
      return await gate.run((inner) => inner.control(code, data));
    }
    const verdict = gate.decideWithPin(command);
    if (!verdict.isAllowed) throw gate.refuse(call, { ...refusalOf(verdict), code });
    const send = (inner: CardSession) => inner.control(code, data);
    if (does === "begins to verify") return await gate.sendAtPad(verdict, send);
    return await gate.send(verdict, send, (answer) => answer);
  }

  /** The reader tells what the card answered. That of another session's is none of this one's. */
  async #verified(code: number, data: Uint8Array, { name }: Feature): Promise<Uint8Array> {
    const gate = this.#gate;
    const ask = (inner: CardSession) => inner.control(code, data);
    const answer = await gate.answerAtPad(ask);
    if (answer) return answer;
    const why = `${name} of what this program did not begin: ${gate.wants("manage")}`;
    if (gate.profile !== "manage") throw gate.refuse("SCardControl", { code, why });
    return await gate.run(ask);
  }

  async status(): Promise<void> {
    await this.#gate.run((inner) => inner.status());
  }

  async getAttribute(id: number): Promise<Uint8Array> {
    checkAccess(this.#gate, "SCardGetAttrib");
    return await this.#gate.run((inner) => inner.getAttribute(id));
  }

  async setAttribute(id: number, value: Uint8Array): Promise<void> {
    const call = "SCardSetAttrib";
    const gate = this.#gate;
    checkAccess(gate, call);
    if (gate.profile !== "manage")
      throw gate.refuse(call, { code: id, why: `setting an attribute: ${gate.wants("manage")}` });
    await gate.run((inner) => inner.setAttribute(id, value));
  }

  async reconnect(how: Omit<ConnectOptions, "principal">, initialization: number): Promise<number> {
    await this.#gate.settle(); // it may be another card's
    checkAccess(this.#gate, "SCardReconnect", how.protocols);
    const active = await this.#disposing(initialization, (inner) =>
      inner.reconnect(how, initialization),
    );
    this.#gate.reconnected(how.share);
    return active;
  }

  async disconnect(disposition: number): Promise<void> {
    await this.#disposing(disposition, (inner) => inner.disconnect(disposition));
    this.#gate.close("disconnect");
  }

  async abandon(): Promise<void> {
    this.#gate.close("death");
    await this.#gate.run((inner) => inner.abandon());
  }

  /** What may reset the card. */
  async #disposing<T>(disposition: number, call: (inner: CardSession) => Promise<T>): Promise<T> {
    const gate = this.#gate;
    return await (disposition === Disposition.Leave ? gate.run(call) : gate.resetting(call));
  }

  /** Codes of features are the driver's. A program that knows them from before does not ask for them again. */
  async #feature(code: number): Promise<Feature> {
    const { state, profile } = this.#gate;
    if (code !== FEATURE_QUERY && !state.features && profile !== "manage")
      state.features = await this.#gate
        .run((inner) => inner.control(FEATURE_QUERY, NOTHING))
        .then(readFeatures, () => undefined);
    return featureOf(code, state.features);
  }
}

/** @throws {ReturnCodeError} `SCARD_W_SECURITY_VIOLATION` where a rule denies all of the card, or raw access is asked for. */
export function checkAccess(gate: Gate, call: string, protocols = 0): void {
  const rule = gate.barrier;
  if (rule) {
    const what = gate.lacksSerial ? "the card, whose serial number is not known" : "the card";
    throw gate.refuse(call, { rule: rule.name, why: `${what}: denied by ${rule.name}` });
  }
  if ((protocols & Protocol.Raw) !== 0 && gate.profile !== "manage")
    throw gate.refuse(call, { why: `raw access to the card: ${gate.wants("manage")}` });
}

const NOTHING = new Uint8Array(0);
const dataIn = ({ data }: Transmitted): Uint8Array => data;

/**
 * "Conditions of use not satisfied" (ISO/IEC 7816-4, 5.6): programs take it for final, while 6982 has them ask for a PIN.
 * For the PIN guard "authentication method blocked": they stop asking for it.
 */
const refusedWith = ({ because }: Verdict): Uint8Array =>
  Uint8Array.of(0x69, because.by === "pin guard" ? 0x83 : 0x85);

/** With others the bytes are no APDU, or nobody knows what they are. */
const isPlainProtocol = (protocol: number): boolean =>
  protocol === Protocol.T0 || protocol === Protocol.T1;
