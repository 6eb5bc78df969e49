//! Selecting and sorting a few hundred values in little code: what the standard
//! library has is faster for millions, and 12 KB of WebAssembly.

/// The value with `rank` values before it in order; none if there are fewer.
/// The values change places; `less` must be a
/// total order. Hoare's FIND, as Wirth wrote it: for a few hundred
/// values, as its worst case is quadratic.
pub fn select<T: Copy>(values: &mut [T], rank: usize, less: impl Fn(&T, &T) -> bool) -> Option<T> {
    let (mut from, mut to) = (0, values.len());
    // The value in question is in `from..to`, and the ranges do not overlap.
    while to.saturating_sub(from) > 1 {
        let pivot = *values.get(rank)?;
        let (mut low, mut high) = (from, to);
        while low < high {
            while less(&values[low], &pivot) {
                low += 1;
            }
            while less(&pivot, &values[high - 1]) {
                high -= 1;
            }
            if low < high {
                values.swap(low, high - 1);
                low += 1;
                high -= 1;
            }
        }
        if high <= rank {
            from = low.min(rank);
        }
        if rank < low {
            to = high.max(rank + 1);
        }
    }
    values.get(rank).copied()
}

/// Sorts values, in the order of [`f64::total_cmp`]. Shell's sort, with the gaps
/// of Ciura (2001).
pub fn sort(values: &mut [f64]) {
    for gap in [1750, 701, 301, 132, 57, 23, 10, 4, 1] {
        for next in gap..values.len() {
            let value = values[next];
            let mut at = next;
            while at >= gap && values[at - gap].total_cmp(&value).is_gt() {
                values[at] = values[at - gap];
                at -= gap;
            }
            values[at] = value;
        }
    }
}
