//! What the `KServe` guides promise of their manifests: how many replicas under which load. Lived
//! through in virtual time by the code that decides in a running gate.

mod load;

use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::time::Duration;

use holdgate::autoscale::{Bound, Decision, Mode};
use holdgate::simulate::RevisionOutcome;

use load::{Clients, lived, manifest};

/// The guides' manifests by what they say about scaling, as their numbers in the file: the same is
/// said in either group, and in the old and the new schema.
const TARGET_1: &[usize] = &[0, 4, 5];
const GPU_NO_TARGET: &[usize] = &[1];
const GPU_TARGET_1: &[usize] = &[6, 7];
const LIMIT_10: &[usize] = &[2, 8, 12, 15];
const TO_ZERO: &[usize] = &[3, 9, 13];
const TRANSFORMER: &[usize] = &[10, 11];
const TARGET_5: &[usize] = &[14];
const AT_LEAST_3: &[usize] = &[16];
const FROM_1_TO_8: &[usize] = &[17];
const NO_MINIMUM: &[usize] = &[0, 2, 4, 8, 14];

/// What is to be seen of one revision.
enum Want {
    /// The highest number ever decided on.
    Most(RangeInclusive<u32>),
    /// The number decided on from so many seconds before the end of the load until it ends.
    Settles(u64, u32),
    /// Never fewer, from the second decision on.
    Never(u32),
    /// So many requests waited longer than so many seconds, and nobody else longer than one.
    Slow(u64, u64),
    /// What had the last word at the end of the load.
    BoundBy(Bound),
    /// The number decided on last.
    Ends(u32),
    /// The first decision for zero came so many seconds after the load.
    ZeroAfter(RangeInclusive<u64>),
}
use Want::{BoundBy, Ends, Most, Never, Settles, Slow, ZeroAfter};

/// One promise: a manifest, the part of it, who comes, and what is to be seen.
struct Promise {
    /// The scenario's number in the guides.
    number: &'static str,
    manifests: &'static [usize],
    part: &'static str,
    clients: Clients,
    want: &'static [Want],
}

const fn promise(
    number: &'static str,
    manifests: &'static [usize],
    clients: Clients,
    want: &'static [Want],
) -> Promise {
    let part = "predictor";
    Promise {
        number,
        manifests,
        part,
        clients,
        want,
    }
}

/// Five at once, as `hey -c 5 -z 30s`, and fifty, as `hey` by itself.
const FIVE: Clients = Clients::workers(5, 30, 20);
const FIFTY: Clients = Clients::workers(50, 30, 20);

static PROMISES: &[Promise] = &[
    // All of the first five are slow, nobody else, and it is five replicas, not eight.
    promise("1", TARGET_1, FIVE, &[Most(5..=5), Slow(5, 9)]),
    promise("3a", TARGET_1, FIFTY, &[Most(2..=50), Slow(50, 9)]),
    // Fifty a second of 200 ms each are ten in flight.
    promise(
        "3b",
        TARGET_1,
        Clients::rate(50, 300, 200),
        &[Settles(100, 10)],
    ),
    // Without a target, a hundred in flight are aimed for; with one, every request has a GPU.
    promise("6", GPU_NO_TARGET, FIVE, &[Most(1..=1), Slow(5, 9)]),
    promise("6", GPU_TARGET_1, FIVE, &[Most(5..=5), Slow(5, 9)]),
    promise("8", LIMIT_10, FIFTY, &[Most(5..=5), Slow(50, 9)]),
    promise(
        "11",
        TARGET_5,
        Clients::workers(50, 120, 20),
        &[Most(10..=10), Settles(20, 10)],
    ),
    promise("12", TO_ZERO, FIVE, &[Ends(0), ZeroAfter(90..=94)]),
    // No minimum is written: it is one.
    promise("13", NO_MINIMUM, Clients::NOBODY, &[Never(1), Most(1..=1)]),
    promise("13", NO_MINIMUM, FIVE.warm(), &[Never(1), Ends(1)]),
    promise("14", AT_LEAST_3, Clients::NOBODY, &[Never(3), Most(3..=3)]),
    promise(
        "15",
        FROM_1_TO_8,
        Clients::workers(5, 10, 83).warm(),
        &[Most(4..=6), Slow(0, 1), Ends(1)],
    ),
    promise(
        "16",
        FROM_1_TO_8,
        Clients::workers(50, 60, 500).warm(),
        &[Most(8..=8), Settles(10, 8)],
    ),
    promise(
        "17",
        FROM_1_TO_8,
        Clients::workers(50, 60, 500).warm(),
        &[BoundBy(Bound::MaxReplicas)],
    ),
    // Forty a second at eight each are five transformers; the predictor goes by its own metric.
    Promise {
        part: "transformer",
        ..promise(
            "18",
            TRANSFORMER,
            Clients::rate(40, 300, 20),
            &[Settles(100, 5)],
        )
    },
    promise(
        "18",
        TRANSFORMER,
        Clients::rate(40, 300, 200),
        &[Settles(100, 4)],
    ),
    // No metric is written: it is concurrency.
    promise(
        "19",
        TARGET_1,
        Clients::rate(10, 200, 300),
        &[Settles(60, 3)],
    ),
];

#[test]
fn the_guides_manifests_have_the_replicas_the_guides_promise() {
    for promise in PROMISES {
        for manifest in promise.manifests.iter().map(|n| manifest(*n)) {
            hold(promise, &manifest);
        }
    }
}

fn hold(promise: &Promise, manifest: &str) {
    let Promise { number, part, .. } = promise;
    let (outcome, end) = lived(manifest, part, promise.clients);
    assert_eq!(outcome.answered, outcome.requests, "scenario {number}");
    for want in promise.want {
        let decisions = &outcome.decisions;
        check(want, &outcome, decisions, end)
            .unwrap_or_else(|seen| panic!("scenario {number}, {part}: {seen}\n{manifest}"));
    }
}

fn check(
    want: &Want,
    outcome: &RevisionOutcome,
    decisions: &[Decision],
    end: std::time::Instant,
) -> Result<(), String> {
    let numbers = || decisions.iter().filter_map(|d| Some((d.at, d.replicas?)));
    let seen = |so: bool, what: String| if so { Ok(()) } else { Err(what) };
    match want {
        Most(range) => {
            let most = numbers().map(|(_, n)| n).max().unwrap_or(0);
            seen(
                range.contains(&most),
                format!("{most} at most, not {range:?}"),
            )
        }
        Settles(last, wanted) => {
            let settled = Duration::from_secs(*last);
            let late = numbers().filter(|(at, _)| *at < end && *at + settled >= end);
            let late: BTreeSet<u32> = late.map(|(_, n)| n).collect();
            let only = late.len() == 1 && late.contains(wanted);
            seen(only, format!("{late:?} and not {wanted} alone"))
        }
        Never(least) => {
            let fewer = numbers().map(|(_, n)| n).find(|n| n < least);
            seen(fewer.is_none(), format!("{fewer:?}, fewer than {least}"))
        }
        Slow(count, seconds) => {
            let longer = |s: u64| outcome.waits.count_between(s * 1_000_000, u64::MAX);
            let (slow, over_one) = (longer(*seconds), longer(1));
            seen(
                (slow, over_one) == (*count, *count),
                format!("{slow} slow ones, {over_one} over 1 s"),
            )
        }
        BoundBy(bound) => {
            let last = decisions
                .iter()
                .rfind(|d| d.at < end)
                .map(Decision::bound_by);
            seen(last == Some(*bound), format!("bound by {last:?}"))
        }
        Ends(wanted) => {
            let last = numbers().next_back().map(|(_, n)| n);
            seen(last == Some(*wanted), format!("it ends with {last:?}"))
        }
        ZeroAfter(range) => {
            let zero = numbers()
                .find(|(at, n)| *at > end && *n == 0)
                .map(|(at, _)| at - end);
            let so = zero.is_some_and(|z| {
                *range.start() <= z.as_secs() && z <= Duration::from_secs(*range.end())
            });
            seen(so, format!("zero {zero:?} after the load"))
        }
    }
}

/// Scenarios 4 and 5: what the guides say of panic.
#[test]
fn a_tenfold_step_panics_grows_within_eight_seconds_and_calms_down_after_sixty() {
    let clients = Clients::step((1, 120), (10, 240), 5_000).warm();
    let (outcome, _) = lived(&manifest(TARGET_1[0]), "predictor", clients);
    let step = outcome.decisions[0].at + Duration::from_secs(120);
    let after: Vec<_> = outcome.decisions.iter().filter(|d| d.at >= step).collect();
    let begins = after
        .iter()
        .position(|d| d.mode != Mode::Stable)
        .expect("it panics");
    let ten = after
        .iter()
        .find(|d| d.replicas == Some(10))
        .expect("ten are wanted");
    assert!(
        ten.at - step <= Duration::from_secs(8),
        "{:?}",
        ten.at - step
    );
    let length = after[begins..]
        .iter()
        .position(|d| d.mode == Mode::Stable)
        .expect("it ends");
    let (panic, calm) = after[begins..].split_at(length);
    assert!(
        panic.is_sorted_by_key(|d| d.replicas),
        "nothing shrinks in panic"
    );
    let over = |d: &&&Decision| d.panic_wish >= 2 * d.seen.present().max(1);
    let last = panic.iter().rfind(over).expect("it was over the threshold");
    let calm_after = calm[0].at - last.at;
    assert!((60..=64).contains(&calm_after.as_secs()), "{calm_after:?}");
}
