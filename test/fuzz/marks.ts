/** Stand in an input for the context and the handle that a live server gave. */
export const CONTEXT = 0x5eedc0de;
export const CARD = 0x5eedca4d;
