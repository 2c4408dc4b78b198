//! How far the number of a workload can be lowered so that its controller takes nobody but those who
//! may go. Knows the orders in which controllers take pods away, and assumes the worst where two pods
//! are alike.

use crate::backend::kubernetes::objects::{LeavingOrder, PodView, Stage};
pub(super) use crate::counting::count;

/// One pod as its controller sees it when it is asked for fewer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Candidate {
    /// How far it has come.
    pub(super) rank: Rank,
    /// Its deletion cost, the worse one where a change is under way.
    pub(super) cost: i32,
    /// Its number among the pods of its workload, from 0; `None` where they are not numbered.
    pub(super) place: Option<u32>,
    /// It takes no request any more, and holds none.
    pub(super) may_go: bool,
}

/// What a `ReplicaSet` looks at before it looks at costs: the lowest goes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rank {
    Unscheduled,
    Waiting,
    /// It has run, and kubelet does not call it ready: it is looked at, or crashes.
    NotReady,
    Ready,
}

impl Rank {
    pub(super) const fn of(pod: &PodView) -> Self {
        match (&pod.stage, pod.started, pod.ready) {
            (Stage::Unscheduled(_), _, _) => Self::Unscheduled,
            (_, false, _) => Self::Waiting,
            (_, true, false) => Self::NotReady,
            (_, true, true) => Self::Ready,
        }
    }
}

/// The lowest number that costs nobody who must stay; `None`: none is safe.
pub(super) fn lowest(pods: &[Candidate], order: LeavingOrder, rolling: bool) -> Option<u32> {
    if pods.iter().all(|pod| pod.may_go) {
        return Some(0);
    }
    let present = count(pods.len());
    match order {
        // Pods of which template go is decided by the rollout.
        _ if rolling => None,
        LeavingOrder::DeletionCost => {
            let mut pods = pods.to_vec();
            pods.sort_by_key(|pod| (pod.rank, pod.cost, pod.may_go));
            let leading = pods.iter().take_while(|pod| pod.may_go).count();
            Some(present - count(leading))
        }
        LeavingOrder::Ordinal => {
            let stay = pods.iter().filter(|pod| !pod.may_go);
            let highest = stay.map(|pod| pod.place).collect::<Option<Vec<_>>>()?;
            highest.into_iter().max()?.checked_add(1)
        }
        // Anyone may be taken as soon as one is.
        LeavingOrder::Unknown => Some(present),
    }
}

/// The number at the end of a pod's name.
pub(super) fn ordinal(name: &str) -> Option<u32> {
    name.rsplit_once('-')?.1.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAYS: Candidate = Candidate {
        rank: Rank::Ready,
        cost: 0,
        place: None,
        may_go: false,
    };
    const GOES: Candidate = Candidate {
        cost: -5,
        may_go: true,
        ..STAYS
    };

    fn by_cost(pods: &[Candidate]) -> Option<u32> {
        lowest(pods, LeavingOrder::DeletionCost, false)
    }

    #[test]
    fn those_with_the_lowest_cost_go() {
        assert_eq!(by_cost(&[STAYS, GOES, GOES]), Some(1));
        assert_eq!(by_cost(&[STAYS, STAYS]), Some(2));
        assert_eq!(by_cost(&[GOES, GOES]), Some(0));
        assert_eq!(by_cost(&[]), Some(0));
    }

    #[test]
    fn without_a_lower_cost_anyone_may_be_taken() {
        let unmarked = Candidate { cost: 0, ..GOES };
        assert_eq!(by_cost(&[STAYS, unmarked]), Some(2));
        assert_eq!(by_cost(&[STAYS, unmarked, GOES]), Some(2));
    }

    #[test]
    fn who_is_not_ready_for_kubelet_would_be_taken_before_any_cost_counts() {
        let rank = Rank::NotReady;
        assert_eq!(by_cost(&[Candidate { rank, ..STAYS }, GOES]), Some(2));
        let unscheduled = Candidate {
            rank: Rank::Unscheduled,
            cost: 0,
            ..GOES
        };
        assert_eq!(
            by_cost(&[Candidate { rank, ..STAYS }, unscheduled]),
            Some(1)
        );
    }

    #[test]
    fn the_highest_ordinals_go() {
        let at = |place, pod: Candidate| Candidate { place, ..pod };
        let lowest = |pods: &[Candidate]| lowest(pods, LeavingOrder::Ordinal, false);
        assert_eq!(lowest(&[at(Some(0), STAYS), at(Some(1), GOES)]), Some(1));
        assert_eq!(lowest(&[at(Some(0), GOES), at(Some(1), STAYS)]), Some(2));
        // While the first is being replaced, the second is still the second.
        assert_eq!(lowest(&[at(Some(1), STAYS), at(Some(2), GOES)]), Some(2));
        assert_eq!(lowest(&[at(None, STAYS), at(Some(2), GOES)]), None);
    }

    #[test]
    fn a_rollout_or_an_unknown_order_ends_at_zero_or_not_at_all() {
        let unknown = LeavingOrder::Unknown;
        assert_eq!(lowest(&[STAYS, GOES], unknown, false), Some(2));
        assert_eq!(lowest(&[GOES, GOES], unknown, false), Some(0));
        assert_eq!(
            lowest(&[STAYS, GOES], LeavingOrder::DeletionCost, true),
            None
        );
        assert_eq!(lowest(&[GOES], LeavingOrder::DeletionCost, true), Some(0));
    }

    #[test]
    fn the_ordinal_stands_at_the_end_of_the_name() {
        assert_eq!(ordinal("flowers-12"), Some(12));
        assert_eq!(ordinal("flowers-7d4b9-x2x"), None);
    }
}
