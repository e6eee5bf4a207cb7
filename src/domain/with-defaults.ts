/**
 * `of`, with defaults for what it does not say. Made once for each object that it gives, as long as that one lives: this
 * is asked with each command.
 */
export function withDefaults<T extends object>(
  defaults: T,
  of: (name: string) => Partial<T>,
): (name: string) => T {
  const made = new WeakMap<Partial<T>, T>();
  return (name) => {
    const own = of(name);
    const known = made.get(own);
    if (known) return known;
    const whole = { ...defaults, ...own };
    made.set(own, whole);
    return whole;
  };
}
