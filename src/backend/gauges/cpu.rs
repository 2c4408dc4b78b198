//! From processor time since the beginning to percent: what was used between two readings, by what
//! each replica may use.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::revision::ReplicaId;

/// Remembers the last reading of each replica.
#[derive(Debug, Default)]
pub(super) struct CpuMeter(HashMap<ReplicaId, (Instant, Duration)>);

/// One replica's processor time.
#[derive(Clone, Copy, Debug)]
pub(super) struct CpuTime {
    pub(super) replica: ReplicaId,
    /// Since it began.
    pub(super) used: Duration,
    /// How many cores it may use.
    pub(super) cores: f64,
}

impl CpuMeter {
    /// The percentages of all replicas together since the last reading; `None` while one of them
    /// has been read only once, or has lost a process whose time nobody has taken over.
    pub(super) fn read(&mut self, all: &[CpuTime], now: Instant) -> Option<f64> {
        let before = std::mem::take(&mut self.0);
        self.0 = all.iter().map(|r| (r.replica, (now, r.used))).collect();
        let percent = |time: &CpuTime| {
            let (then, used) = before.get(&time.replica)?;
            let used = time.used.checked_sub(*used)?;
            let passed = now.checked_duration_since(*then).filter(|d| !d.is_zero())?;
            Some(used.as_secs_f64() / passed.as_secs_f64() / time.cores * 100.0)
        };
        all.iter().map(percent).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sync::now;

    fn time(replica: u64, used_ms: u64, cores: f64) -> CpuTime {
        CpuTime {
            replica: ReplicaId(replica),
            used: Duration::from_millis(used_ms),
            cores,
        }
    }

    #[test]
    fn percent_of_what_each_may_use_are_added_up() {
        let (mut meter, start) = (CpuMeter::default(), now());
        meter.read(&[time(1, 1000, 1.0), time(2, 9000, 4.0)], start);
        let read = meter.read(
            &[time(1, 1500, 1.0), time(2, 11_000, 4.0)],
            start + Duration::from_secs(2),
        );
        // Half a second of two is 25 %; two of two on four cores are 25 % as well.
        assert_eq!(read, Some(50.0));
    }

    #[test]
    fn a_replica_seen_for_the_first_time_leaves_the_sum_unknown() {
        let (mut meter, start) = (CpuMeter::default(), now());
        let second = |n| start + Duration::from_secs(n);
        assert_eq!(meter.read(&[time(1, 0, 1.0)], second(0)), None);
        assert_eq!(
            meter.read(&[time(1, 100, 1.0), time(2, 9000, 1.0)], second(1)),
            None
        );
        let both = [time(1, 200, 1.0), time(2, 9100, 1.0)];
        assert_eq!(meter.read(&both, second(2)), Some(20.0));
        // Who has gone takes nothing with it.
        assert_eq!(meter.read(&[time(2, 9200, 1.0)], second(3)), Some(10.0));
    }

    #[test]
    fn time_that_was_lost_is_not_known_rather_than_nothing() {
        let (mut meter, start) = (CpuMeter::default(), now());
        let second = |n| start + Duration::from_secs(n);
        meter.read(&[time(1, 5000, 1.0)], second(0));
        assert_eq!(meter.read(&[time(1, 4000, 1.0)], second(1)), None);
        assert_eq!(meter.read(&[time(1, 4500, 1.0)], second(2)), Some(50.0));
    }
}
