import { execFile } from "node:child_process";
import { promisify } from "node:util";

// sd_notify(3). Node.js has no datagram sockets of the Unix kind, so systemd's own program speaks for us: it is there
// wherever systemd is, while koffi is an optional package. The price is that the unit needs NotifyAccess=all, and five
// milliseconds each time. It waits until the message is read (since release 246), so that its sender can be told.

/** How long systemd may take to read a message, ms. systemd-notify itself gives up after 5 s. */
const NOTIFY_MS = 10_000;

/** The process' own environment unless a test says otherwise. */
type Environment = Readonly<Record<string, string | undefined>>;

/** Whether somebody waits to be told how we are, as systemd does of a unit with Type=notify. */
export const isManaged = (env: Environment = process.env): boolean => Boolean(env["NOTIFY_SOCKET"]);

/**
 * Tells the service manager that the service works. Without one, it does nothing.
 *
 * @param options.status one line for people, as {@link notifyStatus} takes it.
 * @throws {Error} when there is a manager and it cannot be told.
 */
export async function notifyReady(
  { status }: { status: string },
  env?: Environment,
): Promise<void> {
  await notify(["--ready", `--status=${oneLine(status)}`], env);
}

/** Tells the service manager how the service is, in one line for people. @throws {Error} as {@link notifyReady} does. */
export async function notifyStatus(status: string, env?: Environment): Promise<void> {
  await notify([`--status=${oneLine(status)}`], env);
}

/** Tells the service manager that the service ends by its own will. @throws {Error} as {@link notifyReady} does. */
export async function notifyStopping(env?: Environment): Promise<void> {
  await notify(["STOPPING=1"], env);
}

async function notify(args: readonly string[], env: Environment = process.env): Promise<void> {
  if (!isManaged(env)) return;
  await promisify(execFile)("systemd-notify", args, { env: { ...env }, timeout: NOTIFY_MS });
}

/** A line feed would begin another assignment. */
const oneLine = (text: string): string => text.replaceAll(/\p{C}+/gu, " ");
