//! Laws that hold at every moment of any load, seen from inside.

use std::path::Path;
use std::time::SystemTime;

use proptest::collection::vec;
use proptest::prelude::*;

use super::requests::Stage;
use super::site::Site;
use super::*;
use crate::config::{Config, Overrides, load_text};
use crate::ports::ReplicaState;
use crate::revision::{ContainerConcurrency, RevisionId};
use crate::trace::Standing;

#[expect(
    clippy::disallowed_methods,
    reason = "a test needs one real instant to count from"
)]
fn epoch() -> Instant {
    Instant::now()
}

/// A load of a few minutes, and the settings it meets.
#[derive(Clone, Debug)]
struct Case {
    limit: u32,
    most: u32,
    places: u32,
    on_disconnect: &'static str,
    /// When, how long the answer takes, when the client leaves (0: never), whether it streams.
    requests: Vec<(u64, u64, u64, bool)>,
    workers: u32,
    /// How long starts take; those that are a multiple of seven fail.
    starts: Vec<u64>,
}

fn cases() -> impl Strategy<Value = Case> {
    let request = (0..240_000_u64, 0..20_000_u64, 0..20_000_u64, any::<bool>());
    let policies = prop_oneof![Just("auto"), Just("release"), Just("finish")];
    let rest = (0..4_u32, vec(0..30_000_u64, 1..6));
    (
        0..4_u32,
        0..6_u32,
        1..8_u32,
        policies,
        vec(request, 0..150),
        rest,
    )
        .prop_map(
            |(limit, most, places, on_disconnect, mut requests, (workers, starts))| {
                requests.sort_unstable();
                Case {
                    limit,
                    most,
                    places,
                    on_disconnect,
                    requests,
                    workers,
                    starts,
                }
            },
        )
}

/// Two revisions alike, so that they compete for places.
fn config(case: &Case) -> Config {
    let Case {
        limit,
        most,
        on_disconnect,
        ..
    } = case;
    let text = format!(
        "
defaults:
  maxReplicas: {most}
  containerConcurrency: {limit}
  scaleTarget: 1
  onDisconnect: {on_disconnect}
  timeout: 15s
  streamTimeout: 10s
  queue: {{ maxRequests: 20, timeout: 5s, coldTimeout: 25s }}
  process: {{ command: [model] }}
revisions:
- {{ name: a, models: [a] }}
- {{ name: b, models: [b] }}
"
    );
    load_text(Path::new("test.yaml"), &text, &Overrides::default()).expect("sound")
}

fn load(case: &Case, name: &str) -> RevisionLoad {
    let ms = Duration::from_millis;
    let arrival = move |(at, service, patience, stream)| Arrival {
        at: ms(at),
        bytes: 100,
        service: ms(service),
        patience: Some(ms(patience)).filter(|patience| !patience.is_zero()),
        stream,
        standing: Standing::default(),
        turns: Turns::UNKNOWN,
    };
    let mut starts = case.starts.clone().into_iter().cycle();
    let mut start = move || starts.next().unwrap_or(0);
    RevisionLoad {
        arrivals: Box::new(case.requests.clone().into_iter().map(arrival)),
        workers: vec![Workers {
            from: ms(60_000),
            until: ms(120_000),
            count: case.workers,
        }],
        service: Box::new(move || ms(700)),
        starts: Box::new(move || match start() {
            took if took % 7 == 0 => Start::FailsAfter(ms(took)),
            took => Start::ReadyAfter(ms(took)),
        }),
        ..RevisionLoad::nobody(RevisionId::new(name))
    }
}

fn run(case: &Case, epoch: Instant) -> Run {
    let loads = ["a", "b"].map(|name| load(case, name));
    let load = Load {
        length: Duration::from_secs(300),
        began: SystemTime::UNIX_EPOCH,
        revisions: loads.into(),
    };
    let keep = Keep {
        point_every: Duration::from_secs(1),
        decisions: true,
    };
    let machine = Machine {
        max_processes: case.places,
        gpus: None,
    };
    Run::new(&config(case).revisions, machine, load, keep, epoch)
}

/// What admission believes and who is here are the same, and within bounds.
fn hold_the_laws(site: &Site, case: &Case) {
    let reading = site.admission.read();
    let seated = |stage| matches!(stage, Stage::Running(..) | Stage::Abandoned(_));
    let running = site.requests.iter();
    let running = running.filter(|request| seated(request.stage));
    assert_eq!(u32::try_from(running.count()), Ok(reading.running));
    let waiting = site.requests.iter();
    let waiting = waiting.filter(|request| matches!(request.stage, Stage::Waiting(_)));
    assert_eq!(waiting.count(), reading.waiting);
    assert!(reading.waiting <= 20);
    let (in_flight, _) = site.admission.demand();
    assert_eq!(u64::from(in_flight), site.requests.unfinished());
    for replica in &reading.replicas {
        assert!(case.limit == 0 || replica.in_flight <= case.limit);
    }
    let limit = ContainerConcurrency::new(case.limit);
    let none_is_free = reading.replicas.iter().all(|slots| !slots.is_free(limit));
    assert!(
        reading.waiting == 0 || none_is_free,
        "nobody waits while a slot is free"
    );
    let tally = &site.tally;
    let over = tally.answered + tally.refused.total() + tally.left;
    assert_eq!(tally.requests, over + site.requests.unfinished());
}

fn replicas(site: &Site) -> u32 {
    use ReplicaState::{Draining, Ready, Starting};
    let states = [Starting, Ready, Draining];
    states.map(|state| site.fleet.count(state)).iter().sum()
}

/// Whoever is being answered came before whoever still waits.
fn nobody_was_overtaken(site: &Site) {
    let arrived = |wanted: fn(&Stage) -> bool| {
        let here = site.requests.iter();
        here.filter(move |request| wanted(&request.stage))
            .map(|request| request.arrived)
    };
    let last_served = arrived(|stage| matches!(stage, Stage::Running(..))).max();
    let first_waiting = arrived(|stage| matches!(stage, Stage::Waiting(_))).min();
    if let (Some(served), Some(waiting)) = (last_served, first_waiting) {
        assert!(served <= waiting);
    }
}

/// Until it is so many seconds in.
fn go_on(run: &mut Run, seconds: u64) {
    while run.scene.agenda.passed() < Duration::from_secs(seconds) {
        assert!(run.step(), "it is not over yet");
    }
}

#[test]
fn a_replica_that_drains_comes_back_before_another_is_started() {
    let at_once = (100, 20_000, 0, true);
    let case = Case {
        limit: 1,
        most: 2,
        places: 8,
        on_disconnect: "auto",
        requests: vec![at_once; 2],
        workers: 0,
        starts: vec![1],
    };
    let mut run = run(&case, epoch());
    go_on(&mut run, 5);
    let count = |run: &Run| {
        use ReplicaState::{Draining, Ready};
        [Ready, Draining].map(|state| run.sites[0].fleet.count(state))
    };
    for (wanted, expected) in [(2, [2, 0]), (1, [1, 1]), (2, [2, 0])] {
        run.sites[0].fleet.wanted = wanted;
        run.sites[0].reconcile(&mut run.scene);
        assert_eq!(count(&run), expected);
    }
    assert!(
        run.finish().revisions[0].starts == 2,
        "none was started anew"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn the_laws_hold_at_every_moment(case in cases()) {
        let mut run = run(&case, epoch());
        while run.step() {
            for site in &run.sites {
                hold_the_laws(site, &case);
                nobody_was_overtaken(site);
            }
            let processes: u32 = run.sites.iter().map(replicas).sum();
            prop_assert!(processes <= case.places);
        }
        for revision in run.finish().revisions {
            prop_assert!(revision.peak_replicas <= case.places);
        }
    }

    #[test]
    fn the_same_load_has_the_same_outcome(case in cases()) {
        let epoch = epoch();
        let outcome = || {
            let mut run = run(&case, epoch);
            while run.step() {}
            run.finish()
        };
        prop_assert_eq!(outcome(), outcome());
    }
}
