use super::*;
use crate::autoscale::support::{seconds, spec, start};
use crate::autoscale::{Averages, Decider, Seen, Shortage};

/// A decision for `average` replicas where `ready` are ready.
fn decided(spec: &Spec, average: f64, ready: u32, now: Instant) -> Decision {
    let averages = Some(Averages {
        stable: average,
        panic: average,
    });
    // An average of 0 means that nobody was here for a window.
    let idle_since = now.checked_sub(spec.scaling.stable_window);
    decided_since(idle_since, averages, spec, ready, now)
}

/// The same, where the last request was gone at some moment, or one is here.
fn decided_since(
    idle_since: Option<Instant>,
    averages: Option<Averages>,
    spec: &Spec,
    ready: u32,
    now: Instant,
) -> Decision {
    let seen = Seen {
        idle_since,
        ..Seen::of(spec, ready, 0, averages)
    };
    Decider::new(spec, 0, now).decide(spec, seen, now)
}

fn settled(spec: &Spec, condition: Condition, lasted: u64, average: f64) -> Decision {
    let t = start();
    let now = t + seconds(10_000);
    let mut activation = Activation::new(spec, 1, now);
    activation.condition = condition;
    activation.since = t + seconds(10_000 - lasted);
    let decision = decided(spec, average, 1, now);
    activation.settle(decision, spec, now)
}

#[test]
fn the_last_replica_goes_step_by_step() {
    use Condition::{Activating, Active, Inactive};
    let spec = spec(1.0);
    let check = |condition, lasted, want| {
        let decision = settled(&spec, condition, lasted, 0.0);
        assert_eq!((decision.replicas, decision.bound_by()), want);
    };
    //    condition   for   replicas  by
    check(Active, 59, (Some(1), Bound::StableWindow));
    check(Active, 60, (None, Bound::ScaleToZeroGrace));
    check(Inactive, 29, (None, Bound::ScaleToZeroGrace));
    check(Inactive, 30, (Some(0), Bound::None));
    check(Activating, 630, (None, Bound::Activating));
    check(Activating, 631, (Some(0), Bound::None));
}

#[test]
fn what_gave_its_place_away_wants_one_back_only_while_somebody_is_here() {
    let spec = spec(1.0);
    let check = |shortage, idle: bool, ready, want| {
        let now = start() + seconds(100);
        let mut activation = Activation::new(&spec, 1, now);
        activation.condition = Condition::Activating;
        let idle_since = idle.then_some(now);
        let nothing = Averages {
            stable: 0.0,
            panic: 0.0,
        };
        let mut decision = decided_since(idle_since, Some(nothing), &spec, ready, now);
        decision.seen.shortage = shortage;
        assert_eq!(decision.replicas, Some(0));
        let decision = activation.settle(decision, &spec, now);
        assert_eq!(decision.replicas, want, "{shortage:?} {idle} {ready}");
    };
    let short = Some(Shortage::NoFreeGpu);
    check(short, true, 0, Some(0));
    check(short, false, 0, None);
    check(short, true, 1, None);
    check(None, true, 0, None);
}

#[test]
fn what_finds_no_place_stays_for_a_window_and_the_grace_after_the_last_who_asked() {
    use Condition::{Activating, Inactive};
    let spec = spec(1.0);
    let check = |(condition, lasted): (_, u64), shortage, asked: u64, starting, want| {
        let t = start();
        let now = t + seconds(10_000);
        let mut activation = Activation::new(&spec, 1, now);
        activation.condition = condition;
        activation.since = t + seconds(10_000 - lasted);
        let nothing = Averages {
            stable: 0.0,
            panic: 0.0,
        };
        let idle_since = now.checked_sub(seconds(asked));
        let mut decision = decided_since(idle_since, Some(nothing), &spec, 0, now);
        (decision.seen.shortage, decision.seen.starting) = (Some(shortage), starting);
        let decision = activation.settle(decision, &spec, now);
        let told = (decision.replicas, activation.condition);
        assert_eq!(told, want, "{shortage:?} {asked}");
    };
    for (shortage, there) in [
        (Shortage::NoNode, 1),
        (Shortage::Quota, 0),
        (Shortage::Refused, 0),
    ] {
        check(
            (Activating, 100),
            shortage,
            59,
            there,
            (Some(1), Activating),
        );
        check(
            (Activating, 9000),
            shortage,
            59,
            there,
            (Some(1), Activating),
        );
        check((Activating, 100), shortage, 60, there, (None, Inactive));
        check((Inactive, 29), shortage, 89, there, (None, Inactive));
        check((Inactive, 30), shortage, 90, there, (Some(0), Inactive));
        // Somebody asks again before it is gone.
        check((Inactive, 29), shortage, 1, there, (Some(1), Activating));
    }
}

#[test]
fn the_longer_of_grace_and_retention_counts() {
    let mut spec = spec(1.0);
    spec.scaling.scale_to_zero_pod_retention_period = seconds(100).into();
    let at = |lasted| settled(&spec, Condition::Inactive, lasted, 0.0);
    assert_eq!((at(99).replicas, at(100).replicas), (None, Some(0)));
    assert_eq!(at(99).bound_by(), Bound::Retention);
}

#[test]
fn the_lower_bound_beats_a_smaller_upper_one() {
    let mut spec = spec(1.0);
    spec.scaling.max_replicas = Some(4);
    let decision = settled(&spec, Condition::Active, 100, 9.0);
    assert_eq!(decision.replicas, Some(4));
    assert_eq!(decision.bound_by(), Bound::MaxReplicas);
    spec.scaling.min_replicas = 6;
    let decision = settled(&spec, Condition::Active, 100, 5.0);
    assert_eq!(decision.replicas, Some(6));
    assert_eq!(decision.bound_by(), Bound::MinReplicas);
}

#[test]
fn a_new_revision_gets_its_first_replicas_before_anything_is_measured() {
    let (t, mut spec) = (start(), spec(1.0));
    spec.scaling.initial_scale = Some(2);
    let mut activation = Activation::new(&spec, 0, t);
    let mut tick = |at, ready, averages| {
        let now = t + seconds(at);
        let decision = decided_since(Some(t), averages, &spec, ready, now);
        let decision = activation.settle(decision, &spec, now);
        (decision.replicas, decision.bound_by(), activation.condition)
    };
    let zero = Some(Averages {
        stable: 0.0,
        panic: 0.0,
    });
    let (initial, hold) = (Bound::InitialScale, Bound::StableWindow);
    assert_eq!(tick(0, 0, None), (Some(2), initial, Condition::Activating));
    assert_eq!(tick(2, 1, zero), (Some(2), initial, Condition::Activating));
    assert_eq!(tick(4, 2, zero), (Some(2), initial, Condition::Active));
    assert_eq!(tick(6, 1, zero), (Some(1), hold, Condition::Active));
    assert_eq!(tick(8, 1, None), (None, Bound::NoData, Condition::Active));
}

#[test]
fn stop_after_idle_counts_from_the_last_request_alone() {
    let (t, mut spec) = (start(), spec(1.0));
    spec.scaling.stop_after_idle = Some(seconds(10));
    let mut activation = Activation::new(&spec, 1, t);
    let mut tick = |average, at, idle_since| {
        let now = t + seconds(at);
        let (stable, panic) = (average, average);
        let averages = Some(Averages { stable, panic });
        let decision = decided_since(idle_since, averages, &spec, 1, now);
        let decision = activation.settle(decision, &spec, now);
        (decision.replicas, decision.bound_by())
    };
    let stop = Bound::StopAfterIdle;
    assert_eq!(tick(3.0, 100, None), (Some(3), Bound::None));
    assert_eq!(tick(0.0, 100, None), (Some(1), Bound::InFlight));
    assert_eq!(tick(0.0, 102, Some(t + seconds(101))), (Some(1), stop));
    assert_eq!(tick(2.0, 111, Some(t + seconds(101))), (Some(0), stop));
    spec.scaling.min_replicas = 1;
    let decision = settled(&spec, Condition::Active, 100, 0.0);
    assert_eq!(decision.replicas, Some(1));
}

#[test]
fn a_replica_that_was_never_there_is_not_started_to_wait_for_idleness() {
    let (t, mut spec) = (start(), spec(1.0));
    spec.scaling.stop_after_idle = Some(seconds(600));
    let mut activation = Activation::new(&spec, 0, t);
    let decision = activation.settle(decided(&spec, 0.0, 0, t), &spec, t);
    assert_eq!(decision.replicas, None);
}

#[test]
fn a_request_wakes_what_is_at_zero_or_unknown() {
    assert!(wakes(Some(0), 1));
    assert!(wakes(None, 1));
    assert!(!wakes(Some(0), 0));
    assert!(!wakes(Some(1), 1));
}
