//! Upper ends of one-sided 95 % confidence intervals, so that a zero says how
//! little it was looked for.

/// The 95 % quantile of the standard normal distribution.
const Z: f64 = 1.644_854;

/// The upper bound of a rate of which `events` were counted, in the same unit:
/// exact for Poisson counts up to the approximation of Wilson and Hilferty
/// (1931), 3.00 for none.
#[must_use]
pub fn upper_rate(events: u64) -> f64 {
    if events == 0 {
        // −ln 0.05; the approximation is 1 % off here.
        return 2.995_732;
    }
    let n = events as f64 + 1.0;
    let root = 1.0 - 1.0 / (9.0 * n) + Z / (3.0 * n.sqrt());
    n * root * root * root
}

/// The upper bound of a share of which `hits` of `of` were counted (Wilson's
/// score interval, 1927); 1 of nothing.
#[must_use]
pub fn upper_share(hits: u64, of: u64) -> f64 {
    if of == 0 {
        return 1.0;
    }
    let n = of as f64;
    let share = hits as f64 / n;
    let z2 = Z * Z;
    let middle = share + z2 / (2.0 * n);
    let spread = Z * (share * (1.0 - share) / n + z2 / (4.0 * n * n)).sqrt();
    ((middle + spread) / (1.0 + z2 / n)).min(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_of_counts() {
        // The exact values are half the 95 % quantiles of χ² with 2(n+1) degrees.
        for (events, exact) in [(0, 2.9957), (1, 4.7439), (2, 6.2958), (10, 16.962)] {
            assert!((upper_rate(events) - exact).abs() < 0.02, "{events}");
        }
    }

    #[test]
    fn bounds_of_shares() {
        assert!((upper_share(0, 30) - 0.0827).abs() < 0.001);
        assert!((upper_share(15, 30) - 0.6438).abs() < 0.001);
        assert!((upper_share(0, 0) - 1.0).abs() < f64::EPSILON);
    }
}
