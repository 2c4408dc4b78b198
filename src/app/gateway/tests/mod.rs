//! A gateway over a cluster that is a few channels: claims come as the test says, and a workload has
//! the pods it is asked for at once.

mod cluster;
mod doors;
mod ending;
mod following;
mod hosts;
mod last_good;
mod marking;
mod obstacles;
mod passages;
mod past;
mod replicas;
mod settings;
mod several;

use std::sync::Arc;
use std::time::Duration;

use cluster::{Cluster, claim};

use super::claims::Gateway;
use super::sharing::Sharing;
use crate::admin::{Board, router};
use crate::backend::PodSpec;
use crate::backend::kubernetes::{Claim, Claims, Settings, Tenure};
use crate::config::{Complaint, Complaints, Origin, ReadClaim};
use crate::ports::Outage;
use crate::proxy::{Registry, Revision};
use crate::revision::{
    CallerPath, ContainerConcurrency, OnDisconnect, OverloadStatus, QueueLimits, RevisionId,
    RevisionSpec, Scaling, Timeouts, samples,
};
use crate::schedule::Schedule;
use crate::state::Notebook;
use crate::throttler::{Arrival, Denied};
use crate::trace::Recorder;

type Connections = crate::proxy::connect::Connections;
type Permit = crate::throttler::Permit<Connections>;
type Place = crate::throttler::Place<Connections>;

/// It holds the lease, and every other gateway is heard.
const HOLDS: Tenure = Tenure {
    steers: true,
    heard: true,
};

/// Somebody else holds it.
const WAITS: Tenure = Tenure {
    steers: false,
    heard: false,
};

const fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// Lets everybody do what they can do now, while the clock stands still.
async fn settle() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}

/// A gateway and the cluster it is in.
struct Scene {
    cluster: Arc<Cluster>,
    registry: Arc<Registry>,
    board: Arc<Board>,
    gateway: Gateway<Cluster>,
    claims: Claims,
}

impl Scene {
    /// One that steers.
    fn new() -> Self {
        Self::with(HOLDS)
    }

    fn with(tenure: Tenure) -> Self {
        Self::knowing(tenure, None)
    }

    /// One that keeps for the next what this notebook takes.
    fn knowing(tenure: Tenure, notebook: Option<Notebook>) -> Self {
        let cluster = Arc::new(Cluster::default());
        let registry = Arc::new(Registry::default());
        let board = Arc::new(Board::new(Arc::clone(&registry)));
        let known = (Arc::clone(&registry), Arc::clone(&board));
        let recorder = Recorder::default();
        let sharing = Sharing::never();
        let mut gateway = Gateway::new(Arc::clone(&cluster), known, recorder, notebook, sharing);
        gateway.reign(tenure);
        Self {
            cluster,
            registry,
            board,
            gateway,
            claims: Claims::new(),
        }
    }

    /// This is claimed now, in the place of what had its name.
    async fn claim(&mut self, claim: Claim) {
        self.claims.insert(claim.revision.clone(), Arc::new(claim));
        self.apply().await;
    }

    async fn apply(&mut self) {
        self.gateway.apply(&self.claims, &read, false);
        settle().await;
    }

    /// This is not claimed any more.
    async fn gone(&mut self, name: &str) {
        self.claims.remove(&RevisionId::new(name));
        self.apply().await;
    }

    fn at(&self, host: &str) -> Option<Arc<Revision>> {
        self.registry.by_host(host)
    }

    /// Somebody asks for a host.
    fn ask(&self, host: &str) -> Asked {
        let Some(revision) = self.at(host) else {
            return Asked::NoRoute;
        };
        match revision.throttler.arrive(0) {
            Arrival::Admitted(permit) => Asked::Admitted(permit),
            Arrival::Waiting(place) => Asked::Waits(place),
            Arrival::QueueFull(_) | Arrival::Late(_) => panic!("the line is long enough"),
            Arrival::Outage(outage) => Asked::Refused(outage.reason.as_str(), said(&outage)),
        }
    }

    /// What is told of a revision at the admin port.
    async fn report(&self, name: &str) -> serde_json::Value {
        use http_body_util::BodyExt as _;
        use tower::ServiceExt as _;
        let asked = http::Request::get("/revisions").body(axum::body::Body::empty());
        let asked = asked.expect("a request");
        let router = router(Arc::clone(&self.board));
        let answer = router.oneshot(asked).await.expect("an answer");
        let body = answer.into_body().collect().await.expect("a body");
        let all: Vec<serde_json::Value> =
            serde_json::from_slice(&body.to_bytes()).expect("a list of revisions");
        let mut of_name = all.into_iter().filter(|one| one["name"] == name);
        of_name.next().unwrap_or_default()
    }
}

/// What becomes of who asks.
#[derive(Debug)]
enum Asked {
    Admitted(Permit),
    Waits(Place),
    /// Why, and what is said about it.
    Refused(&'static str, String),
    NoRoute,
}

impl Asked {
    fn admitted(self) -> Permit {
        match self {
            Self::Admitted(permit) => permit,
            other => panic!("wanted a slot: {other:?}"),
        }
    }

    fn waits(self) -> Place {
        match self {
            Self::Waits(place) => place,
            other => panic!("wanted a place in line: {other:?}"),
        }
    }

    fn refused(self) -> &'static str {
        match self {
            Self::Refused(reason, _) => reason,
            other => panic!("wanted a refusal: {other:?}"),
        }
    }
}

/// Why somebody who waits is sent away.
async fn sent_away(place: Place) -> &'static str {
    let over = tokio::time::timeout(Duration::ZERO, place).await;
    match over.expect("told at once").expect_err("nobody serves") {
        Denied::Outage(outage) => outage.reason.as_str(),
        Denied::GaveWay => panic!("nobody gives way where who came first is served first"),
    }
}

fn said(outage: &Outage) -> String {
    outage.detail.clone()
}

/// Reads settings as the claims of these tests have them: `limit`, `min`, `hosts`, `models` and `cold`; `bad` is
/// what nobody understands.
/// A revision whose replicas have a hard limit.
pub(super) fn spec(limit: u32) -> RevisionSpec {
    let settings = serde_json::json!({ "limit": limit });
    let read = read(&claim("flowers.ns", 0, settings));
    read.expect("it can be read").spec
}

fn read(claim: &Claim) -> Result<ReadClaim, Complaints> {
    let Settings::Workload(settings) = &claim.settings else {
        panic!("a workload's settings");
    };
    if let Some(bad) = settings["bad"].as_str() {
        let mut complaints = Complaints::default();
        complaints.push(Complaint {
            origin: Origin::CommandLine,
            path: "containerConcurrency".to_owned(),
            message: format!("wanted a whole number, not {bad}"),
        });
        return Err(complaints);
    }
    let number = |key: &str| u32::try_from(settings[key].as_u64().unwrap_or(0)).unwrap_or(0);
    let hosts = settings["hosts"].as_str().unwrap_or_default();
    let models = settings["models"].as_str().unwrap_or_default();
    let cold = settings["cold"].as_u64().unwrap_or(600);
    Ok(ReadClaim {
        spec: RevisionSpec {
            id: claim.revision.clone(),
            hosts: hosts.split_whitespace().map(str::to_owned).collect(),
            models: models.split_whitespace().map(str::to_owned).collect(),
            container_concurrency: ContainerConcurrency::new(number("limit")),
            scaling: Scaling {
                min_replicas: number("min"),
                target: Some(f64::from(number("target").max(1))),
                ..samples::scaling()
            },
            queue: QueueLimits {
                max_requests: 1000,
                max_bytes: 1 << 20,
                timeout: secs(60),
                cold_timeout: secs(cold),
                read_ahead: 1 << 20,
                order: crate::revision::QueueOrder::Fifo,
            },
            wishes: crate::revision::Wishes {
                deadlines: true,
                ..Default::default()
            },
            timeouts: Timeouts {
                total: None,
                stream: None,
                idle: None,
                connect: secs(5),
                first_byte: None,
            },
            max_body_bytes: None,
            overload_status: OverloadStatus::TooManyRequests,
            on_disconnect: OnDisconnect::Auto,
            protocol: crate::revision::Protocol::Auto,
            path: match settings["path"].as_str() {
                Some("takeover") => CallerPath::Takeover,
                Some("always") => CallerPath::Always,
                _ => CallerPath::Host,
            },
            at_zero: crate::revision::AtZero {
                probes: true,
                canned: Arc::default(),
            },
            waiting: crate::revision::Waiting::default(),
        },
        schedule: Schedule::default(),
        pod: PodSpec::default(),
        warnings: Vec::new(),
    })
}
