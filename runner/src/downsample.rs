//! Fewer values that show the same picture.
//!
//! Of each stretch of values the lowest and the highest are kept, and the first
//! that is not finite: what a chart of all of them would show, this shows, down
//! to a single spike. (Min-max decimation, as in Jugel et al., "M4", VLDB 2014.)

/// The places of the values to keep, in order: about `wanted` of them, and all
/// if there are no more. The first and the last are always among them.
#[must_use]
pub fn extremes(values: &[f64], wanted: usize) -> Vec<usize> {
    if values.len() <= wanted.max(4) {
        return (0..values.len()).collect();
    }
    // Two of each stretch, most of which hold nothing that is not finite.
    let stretches = (wanted / 2).max(1);
    let mut kept = Vec::with_capacity(wanted + 2);
    kept.push(0);
    for stretch in 0..stretches {
        let at = |number: usize| number * values.len() / stretches;
        of_stretch(values, at(stretch)..at(stretch + 1), &mut kept);
    }
    kept.push(values.len() - 1);
    kept.dedup();
    kept
}

/// Adds the places of a stretch that must be kept, in order and behind what is
/// there.
pub(crate) fn of_stretch(values: &[f64], stretch: std::ops::Range<usize>, kept: &mut Vec<usize>) {
    let (mut low, mut high) = (None::<(usize, f64)>, None::<(usize, f64)>);
    let mut strange = None;
    for at in stretch {
        let Some(&value) = values.get(at) else { break };
        if !value.is_finite() {
            strange = strange.or(Some(at));
            continue;
        }
        if low.is_none_or(|(_, least)| value < least) {
            low = Some((at, value));
        }
        if high.is_none_or(|(_, most)| value > most) {
            high = Some((at, value));
        }
    }
    let mut places = [low.map(|it| it.0), high.map(|it| it.0), strange];
    places.sort_unstable();
    for place in places.into_iter().flatten() {
        if kept.last() != Some(&place) {
            kept.push(place);
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_single_spike_among_a_million_is_kept() {
        let mut values = vec![1.0; 1_000_000];
        values[777_777] = 50.0;
        values[3] = -2.0;
        values[500_000] = f64::NAN;
        let kept = extremes(&values, 1000);
        for at in [0, 3, 500_000, 777_777, 999_999] {
            assert!(kept.contains(&at), "{at}");
        }
        assert!(kept.len() <= 1010, "{}", kept.len());
    }

    proptest! {
        #[test]
        fn extremes_are_kept_in_order(
            values in prop::collection::vec(prop_oneof![-1e6..1e6, Just(f64::NAN)], 0..400),
            wanted in 0_usize..100,
        ) {
            let kept = extremes(&values, wanted);
            prop_assert!(kept.windows(2).all(|two| two[0] < two[1]));
            let most = |of: &mut dyn Iterator<Item = f64>| of.fold(f64::NEG_INFINITY, f64::max);
            prop_assert_eq!(
                most(&mut kept.iter().map(|&at| values[at])),
                most(&mut values.iter().copied())
            );
            prop_assert_eq!(
                kept.iter().any(|&at| !values[at].is_finite()),
                values.iter().any(|value| !value.is_finite())
            );
            prop_assert!(kept.len() <= values.len().min(3 * wanted.max(4) + 2));
            if values.len() <= wanted {
                prop_assert_eq!(kept.len(), values.len());
            }
        }
    }
}
