//! One growing count from epochs and steps that begin again with each of them.

/// Where a training stands that counts within epochs.
#[derive(Debug, Default)]
pub(crate) struct Epochs {
    epoch: i64,
    /// Steps before this epoch, as far as they were seen.
    before: i64,
    last: i64,
}

impl Epochs {
    /// The step at `count` of an epoch of `total` steps. Without a total, an
    /// epoch is as long as the last count that it printed.
    pub(crate) fn step(&mut self, epoch: i64, count: i64, total: Option<i64>) -> i64 {
        match total {
            Some(total) => epoch.saturating_mul(total).saturating_add(count),
            None => self.add(epoch, count, true),
        }
    }

    /// The step when it is not known whether `count` begins again with every
    /// epoch: it does when it is smaller than in the epoch before.
    pub(crate) fn through(&mut self, epoch: i64, count: i64) -> i64 {
        self.add(epoch, count, count < self.last)
    }

    fn add(&mut self, epoch: i64, count: i64, begins: bool) -> i64 {
        if epoch < self.epoch {
            self.before = 0;
        } else if epoch > self.epoch && begins {
            self.before = self.before.saturating_add(self.last);
        }
        self.epoch = epoch;
        self.last = count;
        self.before.saturating_add(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_within_epochs() {
        let mut epochs = Epochs::default();
        let mut steps = Vec::new();
        for (epoch, count) in [(1, 100), (2, 20), (2, 120), (3, 40), (1, 5)] {
            steps.push(epochs.step(epoch, count, None));
        }
        assert_eq!(steps, [100, 120, 220, 260, 5]);
        assert_eq!(epochs.step(3, 4, Some(10)), 34);
    }

    #[test]
    fn counts_that_may_go_through() {
        let mut epochs = Epochs::default();
        assert_eq!(epochs.through(1, 100), 100);
        assert_eq!(epochs.through(2, 200), 200);
        let mut epochs = Epochs::default();
        assert_eq!(epochs.through(1, 100), 100);
        assert_eq!(epochs.through(2, 50), 150);
    }
}
