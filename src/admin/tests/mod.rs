//! What the admin port tells about a revision with one request served and one waiting.

mod explained;
mod metrics;
mod paths;
mod pods;
mod reports;
mod revision;
mod several;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use http::header::CONTENT_TYPE;
use http::{Request, StatusCode};
use http_body_util::BodyExt;
use serde_json::Value;
use tokio::sync::watch;
use tower::ServiceExt;

use super::{Board, Watched, router};
use crate::autoscale::Spec;
use crate::autoscaler::{Beat, Gauged, Lasting, PodAutoscaler};
use crate::decisions::Decisions;
use crate::guests::Guest;
use crate::ports::{ReplicaState, ReplicaView, ScaleError, Scaler, World};
use crate::proxy::{Connections, Registry, Revision, Throttler};
use crate::revision::{
    ContainerConcurrency, Endpoint, OnDisconnect, OverloadStatus, QueueLimits, ReplicaId,
    RevisionId, RevisionSpec, Scaling, Timeouts, samples,
};
use crate::schedule::Schedule;
use crate::stats::Stats;
use crate::sync::now;
use crate::throttler::Arrival;

const SECOND: Duration = Duration::from_secs(1);

fn spec() -> RevisionSpec {
    let scaling = Scaling {
        max_replicas: Some(4),
        target: Some(1.0),
        ..samples::scaling()
    };
    RevisionSpec {
        id: RevisionId::new("flowers"),
        hosts: vec!["flowers.example".into()],
        models: vec!["flowers".into()],
        container_concurrency: ContainerConcurrency::new(1),
        scaling,
        queue: QueueLimits {
            max_requests: 10,
            max_bytes: 1000,
            timeout: 60 * SECOND,
            cold_timeout: 600 * SECOND,
            read_ahead: 1000,
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
            connect: 5 * SECOND,
            first_byte: None,
        },
        max_body_bytes: None,
        overload_status: OverloadStatus::TooManyRequests,
        on_disconnect: OnDisconnect::Auto,
        protocol: crate::revision::Protocol::Auto,
        path: crate::revision::CallerPath::Host,
        at_zero: crate::revision::AtZero {
            probes: true,
            canned: std::sync::Arc::default(),
        },
        waiting: crate::revision::Waiting::default(),
    }
}

fn replica(id: u64, state: ReplicaState) -> ReplicaView {
    ReplicaView {
        phase: None,
        kept_by: None,
        uid: None,
        id: ReplicaId(id),
        name: None,
        endpoint: Some(Endpoint(([127, 0, 0, 1], 8000).into())),
        detail: None,
        state,
        since: now(),
    }
}

/// Takes every wish and does nothing: the world is the test's own.
struct Agrees;

impl Scaler for Agrees {
    async fn scale_to(&self, _replicas: u32, _why: &str) -> Result<(), ScaleError> {
        Ok(())
    }
}

struct Scene {
    board: Arc<Board>,
    router: Router,
    world: watch::Sender<World>,
    remarks: watch::Sender<Vec<String>>,
    /// One that is served, one that waits.
    requests: Vec<Arrival<Connections>>,
    /// The one that is served.
    _guest: Guest,
}

impl Scene {
    /// One replica is ready and full, one is starting; two requests have been here for four
    /// seconds, in which the autoscaler has decided.
    async fn new() -> Self {
        Self::steered_by(spec()).await
    }

    /// The same by other settings.
    async fn steered_by(spec: RevisionSpec) -> Self {
        let registry = Arc::new(Registry::default());
        let id = spec.id.clone();
        let world = World {
            replicas: vec![
                replica(1, ReplicaState::Ready),
                replica(2, ReplicaState::Starting),
            ],
            typical_start: Some(9 * SECOND),
            ..World::default()
        };
        let throttler = Throttler::new(spec.container_concurrency, spec.queue);
        throttler.follow(&world);
        let requests = [throttler.arrive(7), throttler.arrive(7)];
        let path = "/v1/models/flowers:predict";
        let guest = throttler.guests().arrive("POST", path, now());
        guest.sent(ReplicaId(1), now());
        let (world, stats) = (watch::Sender::new(world), Arc::new(Stats::new()));
        let gauged = watch::Sender::new(Gauged::default());
        let remarks = watch::Sender::default();
        let scaling = Spec::new(spec.scaling.clone(), spec.container_concurrency);
        let watched = Watched {
            world: world.subscribe(),
            decisions: Arc::new(Decisions::default()),
            spec: watch::Sender::new(scaling).subscribe(),
            gauged: gauged.subscribe(),
            schedule: watch::channel(Schedule::default()).1,
            remarks: remarks.subscribe(),
        };
        let autoscaler = PodAutoscaler {
            beat: Beat::begin(),
            lasting: Lasting::nothing(),
            id: id.clone(),
            demand: throttler.clone(),
            scaler: Agrees,
            world: watched.world.clone(),
            gauged: watched.gauged.clone(),
            scheduled: watch::channel(None).1,
            spec: watched.spec.clone(),
            decisions: watched.decisions.clone(),
            stats: stats.clone(),
        };
        tokio::spawn(autoscaler.run());
        registry.insert(Revision {
            spec,
            throttler,
            stats,
            tls: None,
        });
        let board = Arc::new(Board::new(registry));
        board.insert(id, watched);
        tokio::spawn(several::publish(gauged));
        tokio::time::sleep(4 * SECOND + SECOND / 2).await;
        Self {
            router: router(board.clone()),
            board,
            world,
            remarks,
            requests: requests.into(),
            _guest: guest,
        }
    }

    fn stats(&self) -> Arc<Stats> {
        self.board.all()[0].revision.stats.clone()
    }

    async fn get(&self, path: &str) -> (StatusCode, String, String) {
        let request = Request::get(path).body(Body::empty()).unwrap();
        let response = self.router.clone().oneshot(request).await.unwrap();
        let content_type = response.headers()[CONTENT_TYPE].to_str().unwrap().into();
        let status = response.status();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        let body = String::from_utf8(body.to_vec()).unwrap();
        (status, content_type, body)
    }

    async fn json(&self, path: &str) -> Value {
        let (status, content_type, body) = self.get(path).await;
        assert_eq!(
            (status, &*content_type),
            (StatusCode::OK, "application/json")
        );
        serde_json::from_str(&body).unwrap()
    }

    async fn metrics(&self) -> String {
        let (status, content_type, text) = self.get("/metrics").await;
        assert_eq!(status, StatusCode::OK);
        assert_eq!(
            content_type,
            "application/openmetrics-text; version=1.0.0; charset=utf-8"
        );
        text
    }
}
