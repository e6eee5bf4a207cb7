import { attach, leftIn, RUNTIME, sshMasters } from "../interop/programs/cardwire.ts";
import { type Pcscd, type PcscdOptions, startPcscd } from "../lab/pcscd.ts";
import { startSshd } from "../lab/sshd.ts";

// A pcscd, and attachments to it: where programs are run that must not notice a difference.

export type Carrier = "unix" | "ssh";

/** Disposing ends all, and fails when cardwire left something behind. */
export interface Places extends AsyncDisposable {
  readonly pcscd: Pcscd;
  /** The sockets of attachments, by the carrier that they use. */
  readonly through: Readonly<Record<Carrier, string>>;
}

/** What was opened, to be ended in reverse. */
class Opened implements AsyncDisposable {
  readonly #all: AsyncDisposable[] = [];

  add<T extends AsyncDisposable>(one: T): T {
    this.#all.unshift(one);
    return one;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const one of this.#all.splice(0)) await one[Symbol.asyncDispose]();
  }
}

const nothingLeft: AsyncDisposable = {
  async [Symbol.asyncDispose]() {
    const left = [...(await leftIn(RUNTIME)), ...(await sshMasters())];
    if (left.length > 0) throw new Error(`left behind: ${left.join(", ")}`);
  },
};

/** Starts a pcscd, a sshd on its computer, and alice's attachment by each carrier. */
export async function openPlaces(options: PcscdOptions = {}): Promise<Places> {
  const opened = new Opened();
  try {
    const pcscd = opened.add(await startPcscd(options));
    const sshd = opened.add(await startSshd({ pcscdDirectory: pcscd.directory }));
    opened.add(nothingLeft);
    const far = ["cardhost", "--name", "far", "--ssh", `ssh -F ${sshd.clientConfig}`];
    const ssh = opened.add(await attach(far));
    const unix = opened.add(await attach([`unix:${pcscd.socketPath}`, "--name", "near"]));
    return {
      pcscd,
      through: { unix: unix.socket, ssh: ssh.socket },
      [Symbol.asyncDispose]: () => opened[Symbol.asyncDispose](),
    };
  } catch (error) {
    await opened[Symbol.asyncDispose]();
    throw error;
  }
}
