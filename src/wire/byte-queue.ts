interface Link {
  readonly chunk: Uint8Array;
  next: Link | undefined;
}

const NOTHING = new Uint8Array(0);

/**
 * Bytes that arrived in chunks and leave in exact lengths. It holds what was pushed, so whoever pushes sees to it
 * that this stays bounded ({@link length}).
 */
export class ByteQueue {
  // A list, because taking the first element off a long array copies all the others.
  #first: Link | undefined;
  #last: Link | undefined;
  /** Bytes of the first chunk that are taken already. */
  #head = 0;
  #length = 0;

  /** Bytes that wait to be taken. */
  get length(): number {
    return this.#length;
  }

  push(chunk: Uint8Array): void {
    if (chunk.length === 0) return;
    const link: Link = { chunk, next: undefined };
    if (this.#last) this.#last.next = link;
    else this.#first = link;
    this.#last = link;
    this.#length += chunk.length;
  }

  /** The next `count` bytes, which stay in the queue, or `undefined` while fewer are there. */
  peek(count: number): Uint8Array | undefined {
    if (count > this.#length) return undefined;
    const first = this.#first;
    if (!first) return NOTHING;
    if (first.chunk.length - this.#head >= count)
      return first.chunk.subarray(this.#head, this.#head + count);
    // The bytes span chunks. Joining all of them once keeps many small chunks from being copied again and again.
    return this.#join(first).subarray(0, count);
  }

  /** Takes the next `count` bytes out, or nothing and `undefined` while fewer are there. Valid until the caller's chunk is reused. */
  take(count: number): Uint8Array | undefined {
    const taken = this.peek(count);
    if (taken) this.#drop(count);
    return taken;
  }

  #join(first: Link): Uint8Array {
    const joined = new Uint8Array(this.#length);
    joined.set(first.chunk.subarray(this.#head));
    let at = first.chunk.length - this.#head;
    for (let link = first.next; link; link = link.next) {
      joined.set(link.chunk, at);
      at += link.chunk.length;
    }
    this.#first = { chunk: joined, next: undefined };
    this.#last = this.#first;
    this.#head = 0;
    return joined;
  }

  #drop(count: number): void {
    this.#length -= count;
    this.#head += count;
    if (this.#first && this.#head >= this.#first.chunk.length) {
      this.#first = this.#first.next;
      if (!this.#first) this.#last = undefined;
      this.#head = 0;
    }
  }
}
