//! What people read.

use runwatch_detector::prelude::*;
use runwatch_detector::show::{count, number, place, times};
use runwatch_detector::state::Ended;

use super::groups::Split;
use super::proxy::{Change, Evidence};
use super::variance::Leap;
use super::{GROUPS, PROXY, VARIANCE};

/// What to do whatever the sign.
pub(crate) const READ: &str = "Read 20 of the responses with the highest reward and 20 with the lowest: tricks such as repetition, \
     flattery, odd formatting or length are plain to see. If there are some, fix the reward (cap it, \
     penalise the trick, add a second judge), go back to a checkpoint from before, and raise the KL \
     penalty. If there are none, look at what changed in the data or in the reward model.";

pub(crate) fn leapt(point: &Point, leap: &Leap, std: f64) -> Finding {
    Finding::warning(VARIANCE, point.row)
        .title(format!("Reward variance {} its median", times(leap.ratio)))
        .message(format!(
            "The rewards at {} have a standard deviation of {}; the median before is {}, so that the \
             variance is {} as large.",
            place(point),
            number(std),
            number(leap.before),
            times(leap.ratio),
        ))
        .recommendation(READ)
        .value("reward_std", std)
        .value("before", leap.before)
        .value("variance_ratio", leap.ratio)
}

pub(crate) fn calm(point: &Point, leap: &Leap, how: Ended, std: f64, hold: usize) -> Finding {
    let what = match how {
        Ended::Recovered => format!("after {} back near", count(hold, "value")),
        Ended::Settled => {
            "and stays there; it is now watched at this level, and no longer at".into()
        }
    };
    Finding::resolved(VARIANCE, point.row)
        .title("Reward variance no longer leaps")
        .message(format!(
            "The rewards at {} have a standard deviation of {}, {what} the {} from before.",
            place(point),
            number(std),
            number(leap.before),
        ))
        .value("reward_std", std)
}

pub(crate) fn split(point: &Point, split: &Split) -> Finding {
    let since = if split.always {
        "It has been so from the first rewards on: a reward that is passed or failed, with something added, \
         looks like this and is fine."
    } else {
        "Before, they did not: some responses have found something that others have not."
    };
    let first = if split.always {
        "If that is how your reward is made, set `significance` to 0 for `reward-hacking`. If not: "
    } else {
        ""
    };
    let p = if split.p > 0.0 {
        format!("p = {}", number(split.p))
    } else {
        "p < 0.0001".to_owned()
    };
    Finding::warning(GROUPS, point.row)
        .title("Rewards form two groups")
        .message(format!(
            "The last {} single rewards up to {} form two groups (dip test: {p}), and so did those before \
             them. {since}",
            split.tested,
            place(point),
        ))
        .recommendation(format!("{first}{READ}"))
        .value("dip", split.dip)
        .value("p", split.p)
        .value("rewards", split.tested as f64)
}

pub(crate) fn joined(point: &Point) -> Finding {
    Finding::resolved(GROUPS, point.row)
        .title("Rewards form one group")
        .message(format!(
            "The last single rewards up to {} form one group.",
            place(point)
        ))
}

pub(crate) fn hacked(point: &Point, evidence: &Evidence) -> Finding {
    let signs = [
        ("the evaluation fell", "evaluation", evidence.evaluation),
        ("the distance from the reference grew", "kl", evidence.kl),
        (
            "the length of the responses went",
            "response_length",
            evidence.length,
        ),
    ];
    let from_to = |(from, to): Change| format!("from {} to {}", number(from), number(to));
    let said: Vec<String> = signs
        .iter()
        .filter_map(|(what, _, change)| Some(format!("{what} {}", from_to((*change)?))))
        .collect();
    let (title, first) = if evidence.evaluation.is_some() {
        ("Reward rises while the evaluation falls", "")
    } else {
        (
            "Reward rises, and something else with it",
            "This may be learning: judge by the responses. ",
        )
    };
    let finding = Finding::firing(PROXY, evidence.severity(), point.row)
        .title(title)
        .message(format!(
            "The mean reward rose {} up to {}; meanwhile {}.",
            from_to(evidence.reward),
            place(point),
            said.join(", and "),
        ))
        .recommendation(format!("{first}{READ}"))
        .value("reward_before", evidence.reward.0)
        .value("reward", evidence.reward.1);
    signs
        .iter()
        .fold(finding, |finding, (_, name, change)| match change {
            Some((from, to)) => finding
                .value(&format!("{name}_before"), *from)
                .value(name, *to),
            None => finding,
        })
}

pub(crate) fn honest(point: &Point) -> Finding {
    Finding::resolved(PROXY, point.row)
        .title("Nothing speaks against the reward any more")
        .message(format!(
            "Up to {} the reward no longer rises while something else gets worse.",
            place(point)
        ))
}

pub(crate) fn resumed(key: &str, point: &Point) -> Finding {
    Finding::resolved(key, point.row)
        .title("Run resumed")
        .message(format!(
            "The run went on from {}; what was known of its rewards holds no longer.",
            place(point)
        ))
}
