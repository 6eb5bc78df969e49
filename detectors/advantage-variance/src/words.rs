//! What people read.

use runwatch_detector::prelude::*;
use runwatch_detector::show::{count, number, percent, place, times};
use runwatch_detector::state::Ended;

use super::{COLLAPSE, FLAT, Flat, Kind, Leap, NORMALISE, SPREAD};

pub(crate) fn leapt(point: &Point, leap: &Leap) -> Finding {
    let ratio = times(leap.ratio);
    let (title, what) = if leap.slow {
        (
            format!("Advantages have grown to {ratio} their start"),
            "the median of the last 128 values is",
        )
    } else {
        (format!("Advantages spread {ratio} their median"), "that is")
    };
    let of = if leap.slow {
        "the median of the first"
    } else {
        "the median before"
    };
    Finding::warning(SPREAD, point.row)
        .title(title)
        .message(format!(
            "`advantage_std` is {} at {}; {what} {ratio} {of}, {}.",
            number(point.value),
            place(point),
            number(leap.before),
        ))
        .recommendation(NORMALISE)
        .value("advantage_std", point.value)
        .value("before", leap.before)
        .value("ratio", leap.ratio)
}

pub(crate) fn calm(point: &Point, leap: &Leap, how: Option<Ended>, hold: usize) -> Finding {
    let (title, why) = match how {
        Some(Ended::Recovered) => (
            "Advantages are back",
            format!(
                "{} in a row were near the {} from before",
                count(hold, "value"),
                number(leap.before)
            ),
        ),
        Some(Ended::Settled) => (
            "Advantages settled above where they were",
            format!(
                "they stay above the {} from before, and are watched at this level",
                number(leap.before)
            ),
        ),
        None => (
            "Run resumed",
            "the run resumed, and is watched anew".to_owned(),
        ),
    };
    Finding::resolved(SPREAD, point.row)
        .title(title)
        .message(format!(
            "`advantage_std` is {} at {}: {why}.",
            number(point.value),
            place(point)
        ))
        .value("advantage_std", point.value)
}

pub(crate) fn vanished(point: &Point, share: f64, rows: usize) -> Finding {
    Finding::warning(COLLAPSE, point.row)
        .title("Advantages have vanished")
        .message(format!(
            "`advantage_std` is {} at {}, {} of what it was at the start, and as little for {}.",
            number(point.value),
            place(point),
            percent(share),
            count(rows, "value"),
        ))
        .recommendation(
            "Nothing is left to learn from. Check that rewards still differ within a batch (see \
             `reward-flatline`), that the value function does not predict them perfectly for a wrong reason, \
             and that nothing masks or scales the advantages away. If the task is solved, stop here or make \
             it harder.",
        )
        .value("advantage_std", point.value)
        .value("share", share)
}

pub(crate) fn back(point: &Point) -> Finding {
    Finding::resolved(COLLAPSE, point.row)
        .title("Advantages are back")
        .message(format!(
            "`advantage_std` is {} at {}.",
            number(point.value),
            place(point)
        ))
        .value("advantage_std", point.value)
}

pub(crate) fn flat(point: &Point, flat: &Flat, rows: usize) -> Finding {
    let (title, what, name) = match flat.kind {
        Kind::Std => (
            "All rewards are the same",
            "the standard deviation of the rewards has been 0".to_owned(),
            "reward_std",
        ),
        Kind::ZeroShare => (
            "Rewards no longer differ within groups",
            format!(
                "{} of the groups have equal rewards, and as many had",
                percent(point.value)
            ),
            "frac_reward_zero_std",
        ),
        Kind::Mean => (
            "The mean reward no longer changes",
            format!("`reward_mean` has been exactly {}", number(point.value)),
            "reward_mean",
        ),
    };
    let since = if flat.always {
        ", from the first on"
    } else {
        "; it was not so before"
    };
    Finding::firing(FLAT, flat.severity, point.row)
        .title(title)
        .message(format!(
            "At {}, {what} for {}{since}.",
            place(point),
            count(rows, "value"),
        ))
        .recommendation(
            "Equal rewards teach nothing: advantages and gradients are zero. Read some responses or watch \
             some episodes. If all succeed, take harder tasks; if all fail, easier ones, a reward for parts \
             of the way, or more exploration; and check that the reward function is called and does not \
             return its default. If the policy was better before, go back to a checkpoint.",
        )
        .value(name, point.value)
}

pub(crate) fn differs(point: &Point) -> Finding {
    Finding::resolved(FLAT, point.row)
        .title("Rewards differ again")
        .message(format!("At {} rewards differ again.", place(point)))
}
