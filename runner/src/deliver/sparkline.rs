//! A series of numbers as one line of text.

const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
/// What stands for NaN: the place is seen, and it has no height.
const NOT_A_NUMBER: char = '×';

/// One block for each value, from the lowest to the highest of the finite ones.
/// NaN is `×`, an infinity `↑` or `↓`; where all values are the same, they are
/// in the middle.
#[must_use]
pub fn sparkline(values: &[f64]) -> String {
    let finite = || values.iter().copied().filter(|value| value.is_finite());
    let low = finite().fold(f64::INFINITY, f64::min);
    let high = finite().fold(f64::NEG_INFINITY, f64::max);
    values.iter().map(|value| sign(*value, low, high)).collect()
}

fn sign(value: f64, low: f64, high: f64) -> char {
    if value.is_nan() {
        return NOT_A_NUMBER;
    }
    if value.is_infinite() {
        return if value > 0.0 { '↑' } else { '↓' };
    }
    if low == high {
        return BLOCKS[3];
    }
    // Halved first: the distance between the largest numbers is none.
    let height = (value / 2.0 - low / 2.0) / (high / 2.0 - low / 2.0);
    let step = (height * 8.0) as usize;
    BLOCKS.get(step).copied().unwrap_or(BLOCKS[7])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn from_the_lowest_to_the_highest() {
        let values: Vec<f64> = (0..8).map(f64::from).collect();
        assert_eq!(sparkline(&values), "▁▂▃▄▅▆▇█");
        assert_eq!(sparkline(&[-1.0, 1.0, 0.0]), "▁█▅");
        assert_eq!(sparkline(&[]), "");
    }

    #[test]
    fn what_has_no_height_has_a_sign_of_its_own() {
        let values = [2.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1.0];
        assert_eq!(sparkline(&values), "█×↑↓▁");
        assert_eq!(sparkline(&[f64::NAN, f64::INFINITY]), "×↑");
    }

    #[test]
    fn a_level_series_is_in_the_middle_and_the_largest_numbers_have_a_height() {
        assert_eq!(sparkline(&[3.0, 3.0]), "▄▄");
        assert_eq!(sparkline(&[f64::MIN, 0.0, f64::MAX]), "▁▅█");
        assert_eq!(sparkline(&[0.0, f64::from_bits(1)]).chars().count(), 2);
    }
}
