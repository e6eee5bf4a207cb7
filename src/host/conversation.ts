import { createServer, type Socket } from "node:net";
import { dial } from "./dial.ts";
import { errorCode } from "./error-code.ts";
import { publishSocket } from "./unix-socket.ts";

// What two processes of one user say to each other through a socket of his alone: a line of JSON each.

/** How many may talk at once. */
const MAX_CONVERSATIONS = 64;
/** Longest line, characters. */
const MAX_LINE = 64 << 10;
/** Lines that nobody has taken yet, at most. */
const MAX_UNHEARD = 64;
/** How long the other one may take to read the last words, ms. */
const LAST_WORDS_MS = 1_000;

/** A conversation with another process. It ends when either of the two hangs up. */
export interface Conversation extends AsyncDisposable {
  /** What the other one says, until it has said everything, or is gone. Anything may come. */
  readonly heard: AsyncIterable<unknown>;
  /** Aborts when the other one has hung up, or is dead. */
  readonly gone: AbortSignal;
  say(message: object): void;
  /** There is nothing more to say; what the other one says is still heard. */
  finish(): void;
}

/**
 * Talks with each process of this user that comes, until it is disposed.
 *
 * @param talk has the conversation, and its end is the conversation's. Never rejects.
 * @throws {CardwireError} why there can be no socket.
 */
export async function converseAt(
  path: string,
  talk: (conversation: Conversation) => Promise<void>,
): Promise<AsyncDisposable> {
  const conversations = new Set<Promise<void>>();
  const sockets = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket);
    const whole = (async () => {
      await using conversation = conversationOn(socket);
      await talk(conversation);
    })().finally(() => {
      sockets.delete(socket);
      conversations.delete(whole);
    });
    conversations.add(whole);
  });
  server.maxConnections = MAX_CONVERSATIONS;
  const published = await publishSocket(server, { path, mode: 0o600 });
  return {
    async [Symbol.asyncDispose]() {
      await published[Symbol.asyncDispose]();
      for (const socket of sockets) socket.destroy();
      await Promise.all(conversations);
    },
  };
}

/** Begins one. @returns undefined where nobody listens. @throws the signal's reason. */
export async function converseWith(
  path: string,
  { signal }: { signal: AbortSignal },
): Promise<Conversation | undefined> {
  try {
    return conversationOn(await dial(path, { signal }));
  } catch (error) {
    signal.throwIfAborted();
    if (errorCode(error) === undefined) throw error;
    return undefined;
  }
}

function conversationOn(socket: Socket): Conversation {
  const gone = new AbortController();
  const hangUp = () => gone.abort(new Error("the other process hung up"));
  socket.on("error", () => {}); // close follows
  socket.once("close", hangUp).once("end", hangUp);
  const heard: unknown[] = [];
  let rest = "";
  let isOver = false;
  let wake = () => {};
  socket.setEncoding("utf8").on("data", (text: string) => {
    const lines = (rest + text).split("\n");
    rest = lines.pop() ?? "";
    heard.push(...lines.map(parsed));
    const isTooMuch = [rest, ...lines].some(({ length }) => length > MAX_LINE);
    if (isTooMuch || heard.length > MAX_UNHEARD) socket.destroy();
    wake();
  });
  const over = () => {
    isOver = true;
    wake();
  };
  socket.once("end", over).once("close", over);
  return {
    heard: {
      async *[Symbol.asyncIterator]() {
        for (;;) {
          if (heard.length > 0) yield heard.shift();
          else if (isOver) return;
          else
            await new Promise<void>((resolve) => {
              wake = resolve;
            });
        }
      },
    },
    gone: gone.signal,
    say: (message) => {
      if (socket.writable) socket.write(`${JSON.stringify(message)}\n`);
    },
    finish: () => void socket.end(),
    async [Symbol.asyncDispose]() {
      if (socket.destroyed) return;
      const closed = new Promise<void>((resolve) => socket.once("close", () => resolve()));
      socket.end();
      socket.destroySoon();
      const late = setTimeout(() => socket.destroy(), LAST_WORDS_MS);
      await closed;
      clearTimeout(late);
    },
  };
}

/** No JSON is nothing that anybody could have meant. */
function parsed(line: string): unknown {
  try {
    return JSON.parse(line) as unknown;
  } catch {
    return undefined;
  }
}
