//! The moments of a record in the order in which things happened. Clocks are read before the lock
//! that orders them, so a later turn may bear an earlier time: it counts as the time of the turn
//! before, as it did for whoever measured.

use std::time::Duration;

use crate::trace::{Moment, Request, RevisionTrace};

/// No clock is read so long before its turn: what seems to be was told again later.
const MOST: Duration = Duration::from_millis(100);

/// The times of one revision's turns.
pub(super) struct Order(Vec<(u32, Duration)>);

impl Order {
    pub(super) fn of(trace: &RevisionTrace) -> Self {
        let of_request = |r: &Request| [Some(r.arrived), r.seated, r.over, r.vacated];
        let requests = trace.requests.iter().flat_map(of_request);
        let replicas = trace.replicas.iter();
        let replicas = replicas.flat_map(|r| [Some(r.launched), r.ready, r.listed, r.gone]);
        let ticks = trace.ticks.iter().map(|tick| Some(tick.sampled));
        let all = requests.chain(replicas).chain(ticks).flatten();
        let mut turns: Vec<(u32, Duration)> = all.map(|m| (m.turn.get(), m.at())).collect();
        turns.sort_unstable();
        turns.dedup_by_key(|(turn, _)| *turn);
        let mut latest = Duration::ZERO;
        for (_, at) in &mut turns {
            if latest.saturating_sub(*at) < MOST {
                latest = latest.max(*at);
                *at = latest;
            }
        }
        Self(turns)
    }

    /// When it happened.
    pub(super) fn at(&self, moment: Moment) -> Duration {
        let turn = moment.turn.get();
        let found = self.0.binary_search_by_key(&turn, |(turn, _)| *turn);
        found.map_or(moment.at(), |at| self.0[at].1)
    }

    /// How long one thing came after another.
    pub(super) fn between(&self, first: Moment, then: Moment) -> Duration {
        self.at(then).saturating_sub(self.at(first))
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;
    use crate::trace::{Cause, Tick};

    fn moment(turn: u32, ms: u64) -> Moment {
        let turn = NonZeroU32::new(turn).expect("turns begin with 1");
        Moment::new(Duration::from_millis(ms), turn)
    }

    fn ticking(sampled: &[Moment]) -> RevisionTrace {
        let tick = |&sampled| Tick {
            sampled,
            now: Duration::ZERO,
            cause: Cause::Poked,
            in_flight: 0,
            idle_since: None,
            decided: None,
        };
        RevisionTrace {
            ticks: sampled.iter().map(tick).collect(),
            ..RevisionTrace::default()
        }
    }

    #[test]
    fn a_later_turn_is_never_earlier_unless_it_was_told_again() {
        let told = moment(1, 60_000);
        let (before, after) = (moment(2, 70_002), moment(3, 70_000));
        let again = moment(4, 100);
        let order = Order::of(&ticking(&[again, after, before, told]));
        let times = [told, before, after, again].map(|m| order.at(m).as_millis());
        assert_eq!(times, [60_000, 70_002, 70_002, 100]);
        assert_eq!(order.between(told, after), Duration::from_millis(10_002));
    }
}
