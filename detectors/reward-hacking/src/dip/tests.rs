use runwatch_detector::testing::Noise;

use super::table::{COUNTS, SCALED, TAILS};
use super::{p_value, statistic};

fn dip_of(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    statistic(&values)
}

fn dip_of_uniform(noise: &mut Noise, count: usize) -> f64 {
    dip_of((0..count).map(|_| noise.uniform()).collect())
}

#[test]
fn dips_that_are_known() {
    // Evenly spaced and equal values have the least dip there is.
    assert_eq!(dip_of((0..50).map(f64::from).collect()), 0.01);
    assert_eq!(dip_of(vec![3.0; 50]), 0.01);
    // Two values, half of the samples each, have the largest: a quarter.
    let two = (0..100).map(|at| f64::from(at % 2)).collect();
    assert_eq!(dip_of(two), 0.25);
    // Two values of unequal weight: half the weight of the lesser.
    let two = (0..100)
        .map(|at| f64::from(u8::from(at % 5 == 0)))
        .collect();
    assert!((dip_of(two) - 0.1).abs() < 1e-12);
    assert_eq!(dip_of(vec![]), 0.0);
    assert_eq!(dip_of(vec![1.0, f64::NAN, 2.0]), 0.0);
}

/// The definition, slowly: for a mode between two samples, the closest unimodal
/// distribution is off by half of the largest distance from the convex hull on
/// its left and the concave hull on its right.
fn dip_by_definition(x: &[f64]) -> f64 {
    let n = x.len() as f64;
    let upper = |at: usize| (at + 1) as f64 / n;
    let lower = |at: usize| at as f64 / n;
    // Whether a distribution fits within `d` on both sides, its mode at `mode`:
    // convex through the upper limits before it, concave after it.
    let fits = |d: f64, mode: usize| {
        // A convex function below every upper limit lower(at) + d and above every
        // lower limit upper(at) - d exists if the lower convex hull of the upper
        // limits is above the lower limits.
        let convex: Vec<(f64, f64, f64)> = (0..=mode)
            .map(|at| (x[at], upper(at) - d, lower(at) + d))
            .collect();
        let concave: Vec<(f64, f64, f64)> = (mode..x.len())
            .rev()
            .map(|at| (-x[at], 1.0 - lower(at) - d, 1.0 - upper(at) + d))
            .collect();
        // The distribution may jump up at the mode, but not down.
        has_convex(&convex)
            && has_convex(&concave)
            && least_end(&convex) <= 1.0 - least_end(&concave)
    };
    let (mut low, mut high) = (0.0, 0.5);
    for _ in 0..40 {
        let middle = (low + high) / 2.0;
        if (0..x.len()).any(|mode| fits(middle, mode)) {
            high = middle;
        } else {
            low = middle;
        }
    }
    high
}

/// Whether a convex function passes above the first and below the second height
/// at each place. At the mode itself the distribution may jump.
fn has_convex(places: &[(f64, f64, f64)]) -> bool {
    let free = places.len() - 1;
    places[..free].iter().all(|&(x, least, most)| {
        least <= most
            && places[..free]
                .iter()
                .enumerate()
                .all(|(i, &(a, _, top_a))| {
                    places[i + 1..].iter().all(|&(b, _, top_b)| {
                        // The chord between two tops is the highest a convex
                        // function can be between them.
                        !(a < x && x < b) || least <= top_a + (top_b - top_a) * (x - a) / (b - a)
                    })
                })
    })
}

/// The least such a function can be at the mode: by the slope it must have.
fn least_end(places: &[(f64, f64, f64)]) -> f64 {
    let Some((&(mode, ..), places)) = places.split_last() else {
        return 0.0;
    };
    let mut least: f64 = 0.0;
    for (at, &(b, least_b, _)) in places.iter().enumerate() {
        least = least.max(least_b);
        for &(a, _, top_a) in &places[..at] {
            least = least.max(least_b + (least_b - top_a) * (mode - b) / (b - a));
        }
    }
    least
}

#[test]
fn the_fast_way_finds_what_the_definition_says() {
    let mut noise = Noise::new(11);
    for count in [4, 7, 12, 20] {
        for _ in 0..30 {
            let mut x: Vec<f64> = (0..count).map(|_| noise.normal()).collect();
            x.sort_unstable_by(f64::total_cmp);
            let (fast, slow) = (statistic(&x), dip_by_definition(&x));
            assert!((fast - slow).abs() < 1e-9, "{fast} {slow} {x:?}");
        }
    }
}

#[test]
fn p_values_hold_what_they_promise() {
    let mut noise = Noise::new(2);
    for count in [50, 80, 200] {
        let hits = |p: f64, dips: &[f64]| {
            let below = dips.iter().filter(|dip| p_value(count, **dip) < p).count();
            below as f64 / dips.len() as f64
        };
        let dips: Vec<f64> = (0..4000)
            .map(|_| dip_of_uniform(&mut noise, count))
            .collect();
        for p in [0.5, 0.2, 0.05] {
            let share = hits(p, &dips);
            let sd = (p * (1.0 - p) / 4000.0_f64).sqrt();
            assert!((share - p).abs() < 4.0 * sd, "{count} {p} {share}");
        }
    }
    assert_eq!(p_value(200, 0.25), 0.0);
    assert!(p_value(200, 0.0025) > 0.99);
}

#[test]
fn the_table_rises() {
    assert!(COUNTS.is_sorted() && TAILS.iter().rev().is_sorted());
    assert!(SCALED.iter().all(|row| row.is_sorted()));
}

/// Prints `table.rs`: `cargo test --release -p reward-hacking -- --ignored --nocapture table`.
#[test]
#[ignore = "makes the table, in some minutes"]
fn makes_the_table() {
    const DRAWS: usize = 1_000_000;
    let mut noise = Noise::new(1985);
    for count in COUNTS {
        let mut dips: Vec<f64> = (0..DRAWS)
            .map(|_| dip_of_uniform(&mut noise, count) * (count as f64).sqrt())
            .collect();
        dips.sort_unstable_by(f64::total_cmp);
        let row = TAILS.map(|tail| dips[((1.0 - tail) * DRAWS as f64) as usize]);
        println!("    {row:.4?},");
    }
}
