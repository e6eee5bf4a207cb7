/** A signal that follows others for as long as it is held. */
export interface FirstSignal extends Disposable {
  readonly signal: AbortSignal;
}

/**
 * A signal that aborts with the first of `signals`, and lets go of them when it is disposed. `AbortSignal.any` does the
 * latter only when its result is collected, and until then costs about a kilobyte for each call (measured on Node.js
 * 20.20, with one source that lives as long as the process).
 */
export function firstSignal(...signals: readonly AbortSignal[]): FirstSignal {
  const first = new AbortController();
  const follow = signals.map((source) => {
    const abort = () => first.abort(source.reason);
    if (source.aborted) abort();
    else source.addEventListener("abort", abort, { once: true });
    return () => source.removeEventListener("abort", abort);
  });
  return {
    signal: first.signal,
    [Symbol.dispose]() {
      for (const letGo of follow) letGo();
    },
  };
}
