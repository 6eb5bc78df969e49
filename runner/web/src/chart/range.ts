// A stretch of steps that is looked at.
export interface Range {
  from: number;
  to: number;
}

/** Keeps a stretch within the whole and at least two steps wide. */
export function fit(range: Range, whole: Range): Range | null {
  let { from, to } = range;
  if (to - from < 2) {
    const middle = (from + to) / 2;
    from = middle - 1;
    to = middle + 1;
  }
  const width = to - from;
  if (width >= whole.to - whole.from) return null;
  if (from < whole.from) return { from: whole.from, to: whole.from + width };
  if (to > whole.to) return { from: whole.to - width, to: whole.to };
  return { from, to };
}

/** A stretch made wider (factor above 1) or narrower around a step. */
export function scale(range: Range, factor: number, around: number): Range {
  return { from: around - (around - range.from) * factor, to: around + (range.to - around) * factor };
}

export function same(a: Range | null, b: Range | null): boolean {
  return a === b || (a !== null && b !== null && a.from === b.from && a.to === b.to);
}
