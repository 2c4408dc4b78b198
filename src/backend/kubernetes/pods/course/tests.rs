//! Starts as tables: what is seen of a pod, and when.

use super::*;
use crate::backend::kubernetes::objects::{NodeWord, Obstruction, samples};
use crate::sync::wall;

/// What is seen of a pod.
#[derive(Clone, Copy)]
enum Seen {
    New,
    Lacking,
    Coming,
    Waiting,
    First,
    Running,
}
use Seen::{Coming, First, Lacking, New, Running, Waiting};

fn pod(seen: Seen) -> PodView {
    let said = Obstruction {
        reason: "Unschedulable".into(),
        message: String::new(),
    };
    let word = NodeWord {
        coming: true,
        said: said.clone(),
        at: wall(),
    };
    PodView {
        stage: match seen {
            New => Stage::Unscheduled(None),
            Lacking | Coming => Stage::Unscheduled(Some(said)),
            Waiting | First => Stage::Waiting(None),
            Running => Stage::Running,
        },
        initializing: matches!(seen, First),
        node_word: matches!(seen, Coming).then_some(word),
        ..samples::pod("u", "flowers-x", wall())
    }
}

fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// What is seen at which second, the first at 0.
fn course(seen: &[(u64, Seen)]) -> (Course, Instant) {
    let made = Instant::now();
    let (_, first) = seen[0];
    let mut course = Course::begin(made, &pod(first), made);
    for (at, seen) in &seen[1..] {
        course.see(&pod(*seen), made + seconds(*at));
    }
    (course, made)
}

const TYPICAL: TypicalPhases = TypicalPhases {
    schedule: Some(Duration::from_secs(2)),
    node: Some(Duration::from_secs(100)),
    pull: Some(Duration::from_secs(30)),
    init: Some(Duration::from_secs(20)),
    load: Some(Duration::from_secs(50)),
};

#[test]
fn every_phase_takes_from_when_it_is_seen_until_the_next_is() {
    let check = |seen: &[(u64, Seen)], heard, ready, want: [Option<u64>; 4]| {
        let (course, made) = course(seen);
        let over = course.end(made + seconds(heard), made + seconds(ready));
        assert_eq!(over.phase(), StartPhase::FirstAnswer);
        let phases = StartPhase::ALL.into_iter().zip(want);
        let want = phases.filter_map(|(phase, took)| Some((phase, seconds(took?))));
        assert_eq!(over.took().collect::<Vec<_>>(), want.collect::<Vec<_>>());
    };
    let all = [
        (0, New),
        (2, Waiting),
        (12, First),
        (20, Waiting),
        (23, Running),
    ];
    //                  listens, ready   schedule pull     init     load
    check(&all, 30, 40, [Some(2), Some(13), Some(8), Some(17)]);
    check(
        &[(0, New), (2, Waiting), (12, Running)],
        30,
        40,
        [Some(2), Some(10), None, Some(28)],
    );
    // Kubelet tells late, or several steps at once.
    check(
        &[(0, New), (2, Waiting)],
        10,
        12,
        [Some(2), Some(8), None, Some(2)],
    );
    check(
        &[(0, New), (2, Running)],
        1,
        12,
        [Some(2), None, None, Some(10)],
    );
    check(&[(0, Running)], 5, 5, [Some(0), None, None, Some(5)]);
}

#[test]
fn what_is_left_of_a_phase_and_those_to_come_is_expected() {
    let check = |seen: &[(u64, Seen)], now, want: Option<u64>| {
        let (course, made) = course(seen);
        let now = made + seconds(now);
        let left = course.expected(&TYPICAL, now).map(|at| at - now);
        assert_eq!(left, want.map(seconds));
    };
    //                                                     now  left
    check(&[(0, New)], 0, Some(2 + 30 + 20 + 50));
    check(&[(0, New)], 1, Some(1 + 30 + 20 + 50));
    check(&[(0, New), (1, Lacking)], 1, None);
    check(
        &[(0, New), (1, Lacking), (3, Coming)],
        10,
        Some(90 + 30 + 20 + 50),
    );
    check(&[(0, New), (1, Coming), (3, Lacking)], 10, None);
    check(&[(0, New), (2, Waiting)], 12, Some(20 + 20 + 50));
    check(
        &[(0, New), (2, Waiting), (22, First)],
        27,
        Some(15 + 10 + 50),
    );
    check(
        &[(0, New), (2, Waiting), (22, First), (30, Waiting)],
        35,
        Some(5 + 50),
    );
    check(&[(0, New), (2, Running)], 12, Some(40));
    // It takes longer: a tenth more.
    check(&[(0, New), (2, Running)], 52, Some(5));
    check(&[(0, New), (2, Waiting)], 33, Some(2 + 20 + 50));
}

#[test]
fn nothing_is_expected_before_a_load_was_measured() {
    let (course, made) = course(&[(0, Running)]);
    assert_eq!(course.expected(&TypicalPhases::default(), made), None);
}

#[test]
fn the_wait_for_a_node_is_learned_apart_and_only_where_somebody_brought_one() {
    let check = |seen: &[(u64, Seen)], schedule, node| {
        let (course, made) = course(seen);
        let now = made + seconds(40);
        let learned = course.end(now, now).learned(TYPICAL);
        let want = [schedule, node].map(|it| Some(Duration::from_millis(it)));
        assert_eq!([learned.schedule, learned.node], want);
    };
    //                                              schedule  node
    check(&[(0, New), (12, Running)], 5_000, 100_000);
    check(&[(0, Lacking), (12, Running)], 2_000, 100_000);
    check(&[(0, Lacking), (2, Coming), (20, Running)], 2_000, 76_000);
    check(&[(0, Coming), (2, Lacking), (20, Running)], 2_000, 76_000);
}
