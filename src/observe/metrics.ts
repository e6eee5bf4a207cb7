/** What a name may be, and its labels (OpenMetrics 1.0, section 4.2). */
type Labels = Readonly<Record<string, string>>;

interface Family {
  readonly name: string;
  readonly type: "counter" | "gauge" | "histogram";
  readonly help: string;
  /** Its lines, without what stands before them. */
  lines(): Iterable<string>;
}

/** Labels of one metric, at most: what others could make grow without end is bounded. */
const MOST_SERIES = 1_000;

/** Numbers of one kind, each known by its labels, which have the same names each time. */
class Series<T> {
  /** By the values of the labels: the text is made once, for commands are counted often. */
  readonly #all = new Map<string, { readonly text: string; readonly value: T }>();
  readonly #make: () => T;

  constructor(make: () => T) {
    this.#make = make;
  }

  of(labels: Labels): T {
    const known = this.#all.get(keyOf(labels));
    return known ? known.value : this.#first(labels);
  }

  *entries(): Iterable<[labels: string, value: T]> {
    for (const { text, value } of this.#all.values()) yield [text, value];
  }

  #first(labels: Labels): T {
    // What is too much is counted together.
    const isFull = this.#all.size >= MOST_SERIES;
    const key = isFull ? "" : keyOf(labels);
    const known = this.#all.get(key);
    if (known) return known.value;
    const value = this.#make();
    this.#all.set(key, { text: isFull ? "" : labelsText(labels), value });
    return value;
  }
}

function keyOf(labels: Labels): string {
  const [first, ...others] = Object.keys(labels);
  const value = first === undefined ? "" : (labels[first] ?? "");
  return others.length === 0 ? value : Object.values(labels).join("\0");
}

export interface Counter {
  add(labels?: Labels, by?: number): void;
}

export interface Histogram {
  /** @param value in the metric's unit: seconds. */
  observe(value: number, labels?: Labels): void;
}

interface Buckets {
  readonly counts: number[];
  sum: number;
  count: number;
}

/** Metrics by name, as Prometheus collects them. */
export class Metrics {
  readonly #families: Family[] = [];

  /** Something that is counted. Its name is without `_total`, which the text adds. */
  counter(name: string, help: string): Counter {
    const series = new Series(() => ({ value: 0 }));
    this.#families.push({
      name,
      type: "counter",
      help,
      *lines() {
        for (const [labels, { value }] of series.entries())
          yield `${name}_total${braced(labels)} ${value}`;
      },
    });
    return {
      add: (labels = {}, by = 1) => {
        series.of(labels).value += by;
      },
    };
  }

  /** Something that is looked at whenever it is asked for. */
  gauge(name: string, help: string, read: () => Iterable<readonly [Labels, number]>): void {
    this.#families.push({
      name,
      type: "gauge",
      help,
      *lines() {
        for (const [labels, value] of read()) yield `${name}${braced(labelsText(labels))} ${value}`;
      },
    });
  }

  /** How often something took how long. @param bounds upper bounds in seconds, rising. */
  histogram(name: string, help: string, bounds: readonly number[]): Histogram {
    const series = new Series<Buckets>(() => ({ counts: bounds.map(() => 0), sum: 0, count: 0 }));
    this.#families.push({
      name,
      type: "histogram",
      help,
      *lines() {
        for (const [labels, { counts, sum, count }] of series.entries()) {
          const with_ = (le: string) => braced([labels, `le="${le}"`].filter(Boolean).join(","));
          for (const [at, bound] of bounds.entries())
            yield `${name}_bucket${with_(String(bound))} ${counts[at] ?? 0}`;
          yield `${name}_bucket${with_("+Inf")} ${count}`;
          yield `${name}_count${braced(labels)} ${count}`;
          yield `${name}_sum${braced(labels)} ${sum}`;
        }
      },
    });
    return {
      observe: (value, labels = {}) => {
        const one = series.of(labels);
        one.sum += value;
        one.count += 1;
        for (let at = bounds.length - 1; at >= 0 && value <= (bounds[at] ?? 0); at -= 1)
          one.counts[at] = (one.counts[at] ?? 0) + 1;
      },
    };
  }

  /** All of them, as OpenMetrics 1.0 writes them. */
  text(): string {
    const lines: string[] = [];
    for (const family of this.#families) {
      const { name, type, help } = family;
      lines.push(`# TYPE ${name} ${type}`, `# HELP ${name} ${escaped(help)}`, ...family.lines());
    }
    return `${lines.join("\n")}\n# EOF\n`;
  }
}

/** The type of what {@link Metrics.text} makes. */
export const OPEN_METRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8";

const labelsText = (labels: Labels): string =>
  Object.entries(labels)
    .map(([name, value]) => `${name}="${escaped(value)}"`)
    .join(",");

const braced = (labels: string): string => (labels === "" ? "" : `{${labels}}`);

const escaped = (text: string): string =>
  text.replaceAll("\\", "\\\\").replaceAll("\n", "\\n").replaceAll('"', '\\"');
