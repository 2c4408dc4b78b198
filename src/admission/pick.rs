//! Which replica takes the next request.

use super::slots::Slots;
use crate::revision::ContainerConcurrency;

/// The replica for one more request, or none if every slot is occupied.
///
/// With a limit of 1 to 3 the first free one, so that the last replicas fall idle and can go.
/// Otherwise the least loaded; equals take turns, beginning at `turn`. Those that rest come last.
#[must_use]
pub fn pick<R>(replicas: &[Slots<R>], limit: ContainerConcurrency, turn: usize) -> Option<usize> {
    match limit.written() {
        1..=3 => first_free(replicas, limit),
        _ => least_loaded(replicas, limit, turn),
    }
}

fn first_free<R>(replicas: &[Slots<R>], limit: ContainerConcurrency) -> Option<usize> {
    let free = |slots: &Slots<R>| slots.is_free(limit);
    let awake = replicas.iter().position(|s| free(s) && !s.resting);
    awake.or_else(|| replicas.iter().position(free))
}

fn least_loaded<R>(
    replicas: &[Slots<R>],
    limit: ContainerConcurrency,
    turn: usize,
) -> Option<usize> {
    let (before, from) = replicas.split_at(if turn < replicas.len() { turn } else { 0 });
    let mut best: Option<((bool, u32), usize)> = None;
    let turns = (before.len()..).zip(from).chain((0..).zip(before));
    for (index, slots) in turns {
        let load = (slots.resting, slots.in_flight);
        if slots.is_free(limit) && best.is_none_or(|(least, _)| load < least) {
            best = Some((load, index));
            if load == (false, 0) {
                break;
            }
        }
    }
    best.map(|(_, index)| index)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admission::slots::WHOLE;
    use crate::revision::ReplicaId;

    fn replicas(loads: &[u32]) -> Vec<Slots<()>> {
        let slots = |(i, &load)| {
            let mut slots = Slots::new(ReplicaId(i), WHOLE, ());
            slots.in_flight = load;
            slots
        };
        (0..).zip(loads).map(slots).collect()
    }

    #[test]
    fn the_policy_follows_the_limit() {
        let check = |loads: &[u32], limit, turn, want| {
            let got = pick(&replicas(loads), ContainerConcurrency::new(limit), turn);
            assert_eq!(got, want, "{loads:?} at limit {limit}, turn {turn}");
        };
        //     loads      limit turn => index
        check(&[0, 0, 0], 1, 2, Some(0)); // packed, whoever's turn it is
        check(&[1, 0, 0], 1, 0, Some(1));
        check(&[2, 1, 0], 3, 0, Some(0));
        check(&[1, 1, 1], 1, 0, None);
        check(&[3, 1, 2], 4, 0, Some(1)); // least loaded
        check(&[1, 1, 1], 4, 1, Some(1)); // equals take turns
        check(&[1, 1, 0], 4, 0, Some(2));
        check(&[4, 4, 4], 4, 0, None);
        check(&[9, 8, 9], 0, 0, Some(1)); // no limit
        check(&[], 0, 0, None);
        check(&[0, 0], 0, 7, Some(0)); // a turn past the end begins again
    }

    #[test]
    fn who_rests_takes_what_no_other_can() {
        let check = |loads: &[u32], limit, want| {
            let mut replicas = replicas(loads);
            replicas[0].resting = true;
            let got = pick(&replicas, ContainerConcurrency::new(limit), 0);
            assert_eq!(got, want, "{loads:?} at limit {limit}");
        };
        //     loads   limit => index, the first of them rests
        check(&[0, 5, 7], 0, Some(1));
        check(&[0, 3, 3], 4, Some(1));
        check(&[0, 4, 4], 4, Some(0));
        check(&[0, 0, 1], 1, Some(1));
        check(&[0, 1, 1], 1, Some(0));
        check(&[1, 1, 1], 1, None);
    }
}
