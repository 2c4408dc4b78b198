//! A gate in memory before replicas that write down what they are sent, and a second opinion on where
//! a request begins and ends: none of it is the gate's own code.

#![allow(dead_code, reason = "each target uses some of it")]

pub(crate) mod framing;
pub(crate) mod http2;

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use holdgate::config::{Config, Overrides, load_text};
use holdgate::ports::{ReplicaState, ReplicaView, World};
use holdgate::proxy::connect::Dial;
use holdgate::proxy::{Client, Proxy, Registry, Revision, Throttler};
use holdgate::revision::{Endpoint, ReplicaId};
use holdgate::server::Server;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::time::{sleep, timeout};

/// Where a client is.
pub(crate) const CLIENT: [u8; 4] = [10, 0, 0, 9];

/// The hosts that lead somewhere, each to the revision of its place.
pub(crate) const HOSTS: [&str; 3] = ["a.example", "b.example", "c.d.example"];

const GATE: &str = "
defaults: { process: { command: [none] }, queue: { timeout: 2s, coldTimeout: 2s }, timeout: 5s }
revisions:
  - { name: a, hosts: [a.example], models: [a, 'llama3:8b'], containerConcurrency: 1 }
  - { name: b, hosts: [b.example], models: [b], containerConcurrency: 2 }
  - { name: c.d, hosts: [c.d.example], models: [llama3] }
";

static CONFIG: LazyLock<Config> = LazyLock::new(|| {
    load_text(Path::new("gate.yaml"), GATE, &Overrides::default()).expect("the gate is sound")
});

/// Longer takes nothing, in the gate's own time.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// What one connection to a replica brought it.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    /// Which revision's replica it was, by place.
    pub(crate) revision: usize,
    /// All of it.
    pub(crate) bytes: Vec<u8>,
}

/// What the replicas say, and when they do not.
#[derive(Clone, Debug)]
pub(crate) struct Manner {
    /// To every request.
    pub(crate) answer: Arc<[u8]>,
    /// Of these requests, counted over all replicas, one is left without an answer: the connection
    /// ends instead. 0 is never.
    pub(crate) dies_at: u32,
}

impl Default for Manner {
    fn default() -> Self {
        let answer: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
        Self {
            answer: answer.into(),
            dies_at: 0,
        }
    }
}

/// How a client behaves.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Visit {
    /// So many bytes at once.
    pub(crate) piece: usize,
    /// How long it stays once all is said.
    pub(crate) stays: Duration,
}

impl Visit {
    /// Says all at once, and waits for every answer.
    pub(crate) const PATIENT: Self = Self {
        piece: 1024 * 1024,
        stays: Duration::from_secs(3600),
    };
}

/// What came of a visit.
pub(crate) struct Outcome {
    /// What the client was told.
    pub(crate) answers: Vec<u8>,
    /// What replicas were sent, connection by connection.
    pub(crate) sent: Vec<Sent>,
}

impl Outcome {
    /// Every request that a replica was sent; each is framed in one way only.
    pub(crate) fn requests(&self) -> Vec<(usize, framing::Framed)> {
        let mut all = Vec::new();
        for sent in &self.sent {
            let framed = framing::strictly(&sent.bytes).unwrap_or_else(|fault| {
                panic!(
                    "{fault} in what a replica was sent: {}",
                    sent.bytes.escape_ascii()
                )
            });
            all.extend(framed.into_iter().map(|request| (sent.revision, request)));
        }
        all
    }
}

/// Runs a visit in a runtime of its own, whose time passes at once.
pub(crate) fn visit(manner: &Manner, bytes: &[u8], visit: Visit) -> Outcome {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime without a driver can be built");
    runtime.block_on(come_and_go(manner, bytes, visit))
}

async fn come_and_go(manner: &Manner, bytes: &[u8], visit: Visit) -> Outcome {
    let dial = Replicas::new(manner);
    let registry = Arc::new(registry());
    let proxy = Arc::new(Proxy::new(Arc::clone(&registry), dial.clone()));
    let (mut to_gate, up) = tokio::io::duplex(visit.piece);
    let (mut from_gate, down) = tokio::io::duplex(1024 * 1024);
    let client = Client::new(CLIENT.into(), None);
    let served = tokio::spawn(Server::new(proxy, 1).serve(tokio::io::join(up, down), client));
    let mut answers = Vec::new();
    let talk = async {
        let say = async {
            // The gate may hang up on what it will not hear.
            let _ = to_gate.write_all(bytes).await;
            sleep(visit.stays).await;
            drop(to_gate);
        };
        tokio::select! {
            ((), read) = async { tokio::join!(say, from_gate.read_to_end(&mut answers)) } => {
                read.expect("a pipe can be read");
            }
            // A client that stays for a while does not wait for ever.
            () = sleep(visit.stays + Duration::from_secs(60)) => {}
        }
        drop(from_gate);
        served.await.expect("the gate does not panic");
        until_quiet(&registry).await;
    };
    let ended = timeout(LONGEST, talk).await;
    assert!(
        ended.is_ok(),
        "the gate neither answers nor hangs up, or a slot is left behind"
    );
    let sent = dial.sent.lock().expect("no replica panics").clone();
    Outcome {
        answers,
        sent: sent
            .into_iter()
            .filter(|sent| !sent.bytes.is_empty())
            .collect(),
    }
}

/// Nobody is in line and no slot is taken; the last may be given back a while after its client left.
async fn until_quiet(registry: &Registry) {
    let busy = |revision: &Arc<Revision>| {
        let reading = revision.throttler.read();
        (reading.waiting, reading.running) != (0, 0) || revision.throttler.peek().in_flight != 0
    };
    while registry.all().iter().any(busy) {
        sleep(Duration::from_secs(1)).await;
    }
}

fn registry() -> Registry {
    let registry = Registry::default();
    for (place, revision) in CONFIG.revisions.iter().enumerate() {
        let spec = revision.spec.clone();
        let throttler = Throttler::new(spec.container_concurrency, spec.queue);
        throttler.follow(&World {
            replicas: vec![ready(place)],
            ..World::default()
        });
        registry.insert(Revision {
            throttler,
            spec,
            stats: Arc::default(),
            tls: None,
        });
    }
    registry
}

fn ready(place: usize) -> ReplicaView {
    let port = 1000 + u16::try_from(place).expect("a few places");
    ReplicaView {
        id: ReplicaId(1),
        name: None,
        uid: None,
        endpoint: Some(Endpoint(SocketAddr::from(([127, 0, 0, 1], port)))),
        state: ReplicaState::Ready,
        since: tokio::time::Instant::now().into_std(),
        phase: None,
        detail: None,
        kept_by: None,
    }
}

/// Dials replicas that write down what they are sent.
#[derive(Clone)]
struct Replicas {
    manner: Manner,
    sent: Arc<Mutex<Vec<Sent>>>,
    answered: Arc<AtomicU32>,
}

impl Replicas {
    fn new(manner: &Manner) -> Self {
        Self {
            manner: manner.clone(),
            sent: Arc::default(),
            answered: Arc::default(),
        }
    }

    async fn serve(self, mut io: DuplexStream, revision: usize) {
        let connection = {
            let mut sent = self.sent.lock().expect("no replica panics");
            sent.push(Sent {
                revision,
                bytes: Vec::new(),
            });
            sent.len() - 1
        };
        let (mut piece, mut answered) = ([0; 16 * 1024], 0);
        while let Ok(read @ 1..) = io.read(&mut piece).await {
            let whole = {
                let mut sent = self.sent.lock().expect("no replica panics");
                let bytes = &mut sent[connection].bytes;
                bytes.extend_from_slice(&piece[..read]);
                // A fault is found by who looks at it at the end.
                let framed = framing::strictly(bytes).unwrap_or_default();
                framed.iter().filter(|request| request.is_whole).count()
            };
            while answered < whole {
                answered += 1;
                if self.answered.fetch_add(1, Relaxed) + 1 == self.manner.dies_at {
                    return;
                }
                if io.write_all(&self.manner.answer).await.is_err() {
                    return;
                }
            }
        }
    }
}

impl Dial for Replicas {
    type Io = DuplexStream;

    async fn dial(&self, endpoint: Endpoint) -> io::Result<DuplexStream> {
        let (ours, theirs) = tokio::io::duplex(64 * 1024);
        let revision = usize::from(endpoint.0.port() - 1000);
        tokio::spawn(self.clone().serve(theirs, revision));
        Ok(ours)
    }
}
