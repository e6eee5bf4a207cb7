import { connect } from "../../client/connect.ts";
import { CardwireError } from "../../domain/errors.ts";
import { runtimeDirectory } from "../../host/paths.ts";
import { makeScratchDirectory } from "../../host/scratch-directory.ts";
import { type Attachment, type AttachmentOptions, attach } from "../attachment.ts";
import { Holdings } from "../../domain/holdings.ts";
import type { Io } from "../io.ts";
import { PLAIN_WAY } from "../options.ts";
import { parseSources } from "../sources.ts";
import { walkByClient } from "./by-client.ts";
import { walkByOpensc } from "./by-opensc.ts";
import type { Walk } from "./step.ts";

/** Under this name the other commands find the attachment. */
const NAME = "demo";

/** A step that is over. */
export interface Done {
  readonly name: string;
  readonly by: string;
  /** What came of it, for people. */
  readonly result: string;
  readonly ms: number;
}

/** Is told what the demo does, as soon as it is done. */
export interface DemoScreen {
  readonly done: (step: Done) => void;
  /** Says who goes on from here. */
  readonly walkedBy: (who: string) => void;
}

/** Of both sides. */
const plain = {
  pipelining: true,
  rememberFeatures: true,
  keepWarm: false,
  socket: undefined,
  mode: undefined,
  group: undefined,
  slots: undefined,
  first: undefined,
  ssh: undefined,
  canAskAgain: false,
  wait: false,
  way: PLAIN_WAY,
} satisfies Omit<AttachmentOptions, "name">;

/**
 * Sets up a card host with a card made of software, attaches to it over its socket as others would, and uses the card
 * there.
 *
 * @returns the attachment, for everybody to use. Disposing it ends the card host, too.
 * @throws {CardwireError} `E_DEMO` when a step fails, or why it cannot be set up; nothing is left behind then.
 */
export async function demo(
  screen: DemoScreen,
  { io, signal }: { readonly io: Io; readonly signal: AbortSignal },
): Promise<Attachment> {
  const holdings = new Holdings();
  const context = { io, signal };
  const step = async (about: Pick<Done, "name" | "by">, run: () => Promise<string>) => {
    const start = performance.now();
    const result = await run();
    screen.done({ ...about, result, ms: performance.now() - start });
  };
  const open = async (where: string, name: string | undefined) =>
    holdings.hold(await attach(parseSources([where]), { ...plain, name }, context));
  try {
    let far = "";
    await step({ name: "host", by: "cardwire attach demo:" }, async () => {
      const host = await open("demo:", undefined);
      far = host.socket;
      return `${host.readers.service.readers.map(({ name }) => name).join()}: a new PIV card`;
    });
    let near: Attachment | undefined;
    await step({ name: "attach", by: `cardwire attach unix:SOCKET --name ${NAME}` }, async () => {
      near = await open(`unix:${far}`, NAME).catch((error: unknown) => {
        throw explainName(error);
      });
      return near.socket;
    });
    if (!near) throw new Error("unreachable: it was attached");
    const { socket, readers } = near;
    await walk(socket, { screen, step, ...context });
    return { socket, readers, [Symbol.asyncDispose]: () => holdings[Symbol.asyncDispose]() };
  } catch (error) {
    await holdings[Symbol.asyncDispose]();
    throw error;
  }
}

/** The demo has no `--name`, but whoever has its name may well have the same card. */
function explainName(error: unknown): unknown {
  if (!CardwireError.is(error) || error.code !== "E_NAME_IN_USE") return error;
  return new CardwireError(error.code, error.message, {
    cause: error,
    hint: `End it first, or use what it offers: eval "$(cardwire env ${NAME})"`,
  });
}

/** Uses the card behind a socket, with OpenSC or, where that is not installed, with the client of this package. */
async function walk(
  socket: string,
  {
    screen,
    step,
    io,
    signal,
  }: {
    readonly screen: DemoScreen;
    readonly step: (about: Pick<Done, "name" | "by">, run: () => Promise<string>) => Promise<void>;
    readonly io: Io;
    readonly signal: AbortSignal;
  },
): Promise<void> {
  const go = async ({ by, steps }: Walk) => {
    screen.walkedBy(by);
    for (const one of steps) await step(one, () => one.run({ signal }));
  };
  const directory = await makeScratchDirectory(await runtimeDirectory(), "try");
  try {
    const byOpensc = await walkByOpensc({ socket, directory: directory.path, env: io.env });
    if (byOpensc) return await go(byOpensc);
    await using client = await connect(`unix:${socket}`, { signal });
    await go(walkByClient(client));
  } finally {
    await directory.remove();
  }
}
