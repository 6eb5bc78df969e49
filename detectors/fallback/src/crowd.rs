//! Sessions that have the same fallback at the same time: when a provider is
//! down, that is one trouble and not thousands.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The sessions that have a fallback, by what they have. There are never more
/// entries than sessions.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Crowds {
    by_value: BTreeMap<String, Crowd>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Crowd {
    /// Sessions that were told one by one.
    single: u32,
    /// Sessions that are told together.
    together: u32,
    /// At how many it is told again.
    next: u32,
}

/// What a session meets.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Joined {
    /// It is not told by itself.
    pub(crate) crowded: bool,
    /// There are so many now, which is news.
    pub(crate) news: Option<u32>,
}

impl Crowds {
    /// One more session has this; `alone` are told by themselves.
    pub(crate) fn join(&mut self, value: &str, alone: u32) -> Joined {
        let crowd = self.by_value.entry(value.to_owned()).or_default();
        if crowd.single < alone && crowd.together == 0 {
            crowd.single += 1;
            return Joined {
                crowded: false,
                news: None,
            };
        }
        crowd.together = crowd.together.saturating_add(1);
        let sessions = crowd.single.saturating_add(crowd.together);
        let is_news = crowd.together == 1 || sessions >= crowd.next;
        if is_news {
            crowd.next = sessions.saturating_mul(10);
        }
        Joined {
            crowded: true,
            news: is_news.then_some(sessions),
        }
    }

    /// A session has this no more; true: it was the last of those that are told
    /// together.
    pub(crate) fn leave(&mut self, value: &str, crowded: bool) -> bool {
        let Some(crowd) = self.by_value.get_mut(value) else {
            return false;
        };
        let count = match crowded {
            true => &mut crowd.together,
            false => &mut crowd.single,
        };
        *count = count.saturating_sub(1);
        let is_last = crowded && crowd.together == 0;
        if crowd.single == 0 && crowd.together == 0 {
            self.by_value.remove(value);
        }
        is_last
    }
}
