//! Who comes, and the life of one revision of a manifest under it.

use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use holdgate::config::{Overrides, RevisionConfig, load_text};
use holdgate::simulate::{
    Arrival, Keep, Load, Machine, RevisionLoad, RevisionOutcome, Start, Turns, Workers, simulate,
};
use holdgate::trace::Standing;

/// How long a start takes where it is not warm: as long as in the guides.
const START: Duration = Duration::from_millis(9_500);
/// How long after the load is looked at.
const AFTERWARDS: Duration = Duration::from_secs(600);

/// Who comes.
#[derive(Clone, Copy)]
pub(super) struct Clients {
    /// So many at once, one after the other, from and until which second.
    workers: [(u32, u64, u64); 2],
    /// So many a second, evenly, until which second.
    rate: (u64, u64),
    service_ms: u64,
    /// Replicas are ready at once, and the minimum is as it was written; otherwise, as in the
    /// guides' listings, nothing runs before the first request.
    warm: bool,
}

impl Clients {
    /// Nobody, for as long as is looked at.
    pub(super) const NOBODY: Self = Self {
        warm: true,
        ..Self::rate(0, 0, 0)
    };

    /// Each sends again as soon as it is answered.
    pub(super) const fn workers(count: u32, seconds: u64, service_ms: u64) -> Self {
        Self::step((count, seconds), (0, seconds), service_ms)
    }

    /// So many until one second, so many more until another.
    pub(super) const fn step(first: (u32, u64), then: (u32, u64), service_ms: u64) -> Self {
        let workers = [(first.0, 0, first.1), (then.0, first.1, then.1)];
        let rate = (0, 0);
        let warm = false;
        Self {
            workers,
            rate,
            service_ms,
            warm,
        }
    }

    /// So many a second, whatever becomes of the others.
    pub(super) const fn rate(per_second: u64, seconds: u64, service_ms: u64) -> Self {
        Self {
            rate: (per_second, seconds),
            ..Self::workers(0, seconds, service_ms)
        }
    }

    /// With replicas that are there from the beginning.
    pub(super) const fn warm(self) -> Self {
        Self { warm: true, ..self }
    }

    fn seconds(&self) -> u64 {
        let [(_, _, first), (_, _, then)] = self.workers;
        first.max(then)
    }

    fn load(self, config: &RevisionConfig) -> RevisionLoad {
        let service = Duration::from_millis(self.service_ms);
        let (per_second, seconds) = self.rate;
        // Shifted, so that none falls on a measurement.
        let arrival = move |n: u64| Arrival {
            at: Duration::from_millis(3)
                + Duration::from_secs(n) / u32::try_from(per_second).expect("few"),
            bytes: 0,
            service,
            patience: None,
            stream: false,
            standing: Standing::default(),
            turns: Turns::UNKNOWN,
        };
        let worker = |(count, from, until)| Workers {
            from: Duration::from_secs(from) + Duration::from_millis(3),
            until: Duration::from_secs(until),
            count,
        };
        let start = if self.warm { Duration::ZERO } else { START };
        RevisionLoad {
            arrivals: Box::new((0..per_second * seconds).map(arrival)),
            workers: self.workers.map(worker).to_vec(),
            service: Box::new(move || service),
            starts: Box::new(move || Start::ReadyAfter(start)),
            ..RevisionLoad::nobody(config.spec.id.clone())
        }
    }
}

/// One manifest of the guides, by its number in the file.
pub(super) fn manifest(number: usize) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/manifests/guides.yaml");
    let text = std::fs::read_to_string(path).expect("it can be read");
    let found = text.split("\n---\n").nth(number);
    found.expect("it has that many").to_owned()
}

/// One part of a manifest under its load and ten minutes longer; and when the load ended.
pub(super) fn lived(manifest: &str, part: &str, clients: Clients) -> (RevisionOutcome, Instant) {
    let config = load_text(Path::new("isvc.yaml"), manifest, &Overrides::default())
        .unwrap_or_else(|complaints| panic!("{complaints}"));
    let named = |config: &&RevisionConfig| config.spec.id.as_str().ends_with(part);
    let mut config = config
        .revisions
        .iter()
        .find(named)
        .expect("it has that part")
        .clone();
    if !clients.warm {
        config.spec.scaling.min_replicas = 0;
    }
    let end = Duration::from_secs(clients.seconds());
    let load = Load {
        length: end + AFTERWARDS,
        began: SystemTime::UNIX_EPOCH,
        revisions: vec![clients.load(&config)],
    };
    let machine = Machine {
        max_processes: 1000,
        gpus: None,
    };
    let keep = Keep {
        point_every: Duration::ZERO,
        decisions: true,
    };
    let epoch = tokio::time::Instant::now().into_std();
    let outcome = simulate(&[config], machine, load, keep, epoch, &mut |_| {});
    let [revision] = outcome.revisions.try_into().expect("it is one revision");
    (revision, epoch + end)
}
