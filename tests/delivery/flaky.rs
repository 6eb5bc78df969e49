//! A server that fails now and then, in every way that passes, and is slow.

use crate::server::{Reply, Server};

/// Numbers in no order, the same every time.
pub(crate) struct Chance(u64);

impl Chance {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A number below `end`.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }
}

pub(crate) fn server(seed: u64) -> Server {
    let chance = std::sync::Mutex::new(Chance::new(seed));
    Server::new(move |_, _| {
        let mut chance = chance.lock().unwrap();
        match chance.below(40) {
            0..=1 => Reply::status(500),
            2..=3 => Reply::Reset,
            4 => Reply::Partial,
            5 => {
                let seconds = chance.below(2).to_string();
                Reply::Answer(429, vec![("retry-after", seconds)], "")
            }
            6..=15 => Reply::Late(1 + chance.below(60)),
            _ => Reply::ok(),
        }
    })
}
