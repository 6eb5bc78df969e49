//! The dip test of unimodality (J. A. Hartigan and P. M. Hartigan, "The dip test
//! of unimodality", Annals of Statistics 13, 1985; the algorithm is that of P. M.
//! Hartigan, Applied Statistics 34, 1985, AS 217).
//!
//! The dip is the largest distance between the empirical distribution and the
//! unimodal distribution closest to it. Here it is counted in halves of a sample
//! until the end: a distance of k stands for k / (2n).

mod table;

use table::{COUNTS, SCALED, TAILS};

/// The dip of sorted, finite values; 0 if there are none or one is not finite.
#[must_use]
pub(crate) fn statistic(sorted: &[f64]) -> f64 {
    let (Some(first), Some(last)) = (sorted.first(), sorted.last()) else {
        return 0.0;
    };
    if sorted.iter().any(|value| !value.is_finite()) {
        return 0.0;
    }
    let units = if first < last { dip(sorted) } else { 1.0 };
    units / (2 * sorted.len()) as f64
}

/// The probability of a dip at least as large among so many values drawn from a
/// uniform distribution, the unimodal one with the largest dips. From a table
/// made by simulation; 0 is less than 1 in 10 000.
#[must_use]
pub(crate) fn p_value(count: usize, dip: f64) -> f64 {
    let scaled = dip * (count as f64).sqrt();
    let above = COUNTS.partition_point(|&known| known < count);
    let quantiles = |at: usize| SCALED.get(at).or(SCALED.last());
    let (Some(lower), Some(upper)) = (quantiles(above.saturating_sub(1)), quantiles(above)) else {
        return 1.0;
    };
    // Between two counts, by the logarithm: the distributions differ little.
    let weight = match (COUNTS.get(above.wrapping_sub(1)), COUNTS.get(above)) {
        (Some(&low), Some(&high)) => {
            (count as f64 / low as f64).ln() / (high as f64 / low as f64).ln()
        }
        _ => 1.0,
    };
    let mut before = (0.0, 1.0);
    for ((low, high), &tail) in lower.iter().zip(upper).zip(&TAILS) {
        let quantile = low + weight * (high - low);
        if scaled < quantile {
            let (from, p) = before;
            return p + (tail - p) * (scaled - from) / (quantile - from);
        }
        before = (quantile, tail);
    }
    0.0
}

/// For each position, the neighbour in the greatest convex minorant of the
/// distribution up to there (towards the first position), or in the least
/// concave majorant from there on (towards the last).
struct Links {
    minorant: Vec<usize>,
    majorant: Vec<usize>,
}

impl Links {
    fn new(x: &[f64]) -> Self {
        let last = x.len() - 1;
        let mut minorant = vec![0; x.len()];
        for at in 1..=last {
            let mut to = at - 1;
            // Drop the corners that are not convex.
            while to > 0 && !is_corner(x, at, to, minorant[to]) {
                to = minorant[to];
            }
            minorant[at] = to;
        }
        let mut majorant = vec![last; x.len()];
        for at in (0..last).rev() {
            let mut to = at + 1;
            while to < last && !is_corner(x, at, to, majorant[to]) {
                to = majorant[to];
            }
            majorant[at] = to;
        }
        Self { minorant, majorant }
    }
}

/// Whether the slope from `at` to `to` is steeper (for the minorant, flatter for
/// the majorant) than that from `to` on to `next`.
fn is_corner(x: &[f64], at: usize, to: usize, next: usize) -> bool {
    let rise = |from: usize, to: usize| from as f64 - to as f64;
    (x[at] - x[to]) * rise(to, next) < (x[to] - x[next]) * rise(at, to)
}

/// The corners from one position to another along links.
fn corners(links: &[usize], from: usize, to: usize) -> Vec<usize> {
    let mut corners = vec![from];
    let mut at = from;
    while at != to && corners.len() <= links.len() {
        at = links[at];
        corners.push(at);
    }
    corners
}

fn dip(x: &[f64]) -> f64 {
    let links = Links::new(x);
    let (mut low, mut high) = (0, x.len() - 1);
    let mut dip: f64 = 1.0;
    // Each round narrows the interval in which the mode may be.
    for _ in 0..x.len() {
        let minorant = corners(&links.minorant, high, low);
        let majorant = corners(&links.majorant, low, high);
        let (gap, left, right) = widest(x, &minorant, &majorant);
        if gap < dip {
            break;
        }
        let below = minorant[left..]
            .windows(2)
            .map(|pair| above_chord(x, pair[1], pair[0]));
        let over = majorant[right..]
            .windows(2)
            .map(|pair| below_chord(x, pair[0], pair[1]));
        dip = below.chain(over).fold(dip, f64::max);
        if (low, high) == (minorant[left], majorant[right]) {
            break;
        }
        (low, high) = (minorant[left], majorant[right]);
    }
    dip
}

/// The largest distance between the two, and the corner of each where the new
/// interval ends.
fn widest(x: &[f64], minorant: &[usize], majorant: &[usize]) -> (f64, usize, usize) {
    let (mut left, mut right) = (minorant.len() - 1, majorant.len() - 1);
    if left == 1 && right == 1 {
        return (1.0, left, right);
    }
    // From the low end on, corner by corner of either.
    let (mut a, mut b) = (left - 1, 1);
    let mut widest = 0.0;
    loop {
        let (convex, concave) = (minorant[a], majorant[b]);
        if convex > concave {
            let before = minorant[a + 1];
            let slope = (convex - before) as f64 / (x[convex] - x[before]);
            let gap = (concave + 1 - before) as f64 - (x[concave] - x[before]) * slope;
            b += 1;
            if gap >= widest {
                (widest, left, right) = (gap, a + 1, b - 1);
            }
        } else {
            let before = majorant[b - 1];
            let slope = (concave - before) as f64 / (x[concave] - x[before]);
            let gap = (x[convex] - x[before]) * slope - (convex as f64 - before as f64 - 1.0);
            if gap >= widest {
                (widest, left, right) = (gap, a, b);
            }
            a = a.saturating_sub(1);
        }
        b = b.min(majorant.len() - 1);
        if minorant[a] == majorant[b] {
            return (widest, left, right);
        }
    }
}

/// How far the distribution is above the chord between two positions.
fn above_chord(x: &[f64], from: usize, to: usize) -> f64 {
    chord(x, from, to, |steps, height| steps + 1.0 - height)
}

/// How far the distribution is below the chord between two positions.
fn below_chord(x: &[f64], from: usize, to: usize) -> f64 {
    chord(x, from, to, |steps, height| height - (steps - 1.0))
}

fn chord(x: &[f64], from: usize, to: usize, distance: impl Fn(f64, f64) -> f64) -> f64 {
    if to - from < 2 || x[to] <= x[from] {
        return 1.0;
    }
    let slope = (to - from) as f64 / (x[to] - x[from]);
    (from..=to)
        .map(|at| distance((at - from) as f64, (x[at] - x[from]) * slope))
        .fold(1.0, f64::max)
}

#[cfg(test)]
mod tests;
