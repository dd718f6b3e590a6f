/**
 * Series by one short text, so that labels are put together once per series and a request pays for a look-up alone. The number of texts is
 * bounded: beyond it all share `other`, which is what their labels say, too.
 */
export class SeriesCache<Series> {
  private readonly known = new Map<string, Series>();

  constructor(
    private readonly create: (text: string) => Series,
    private readonly maxTexts = 10_000,
  ) {}

  of(text: string): Series {
    return this.known.get(text) ?? this.add(text);
  }

  private add(text: string): Series {
    const kept = this.known.size < this.maxTexts ? text : 'other';
    let series = this.known.get(kept);
    if (series === undefined) {
      series = this.create(kept);
      this.known.set(kept, series);
    }
    return series;
  }
}

/** Lets the first texts through and calls the others `other`. */
export class BoundedTexts {
  private readonly known = new Set<string>();

  constructor(private readonly max: number) {}

  of(text: string): string {
    if (this.known.has(text)) return text;
    if (this.known.size >= this.max) return 'other';
    this.known.add(text);
    return text;
  }
}
