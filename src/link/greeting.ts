/** What is said first to whoever connects to a Unix socket for links: he learns that somebody is there, and alive. */
export const GREETING = 0x2b;

/** Said in its place to whom is not let in. Why follows, as a line of text. */
export const REFUSAL = 0x2d;
