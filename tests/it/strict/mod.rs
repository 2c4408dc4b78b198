//! What is no sound request, on a raw socket through the whole gate: a table of what a client sends,
//! what it is told, and what the model server behind the gate makes of it. Each row ends with a sound
//! request, so that it is seen whether the connection is still good.

mod bodies;
mod heads;
mod hops;
mod http2;
mod replica;

use std::net::SocketAddr;
use std::sync::Arc;

use holdgate::ports::{ReplicaState, ReplicaView, World};
use holdgate::proxy::{Proxy, Registry, Revision, TcpDial, Throttler};
use holdgate::revision::{Endpoint, ReplicaId};
use holdgate::server::{self, Server};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};
use tokio_util::task::AbortOnDropHandle;

use crate::support::{PATIENCE, defaults};
use replica::Replica;

/// What a client never asked for: seen by a replica, it was smuggled.
const SMUGGLED: &str = "GET /smuggled HTTP/1.1\r\nHost: m\r\n\r\n";
/// What it asks at the end of each row.
const LAST: &str = "GET /last HTTP/1.1\r\nHost: m\r\nConnection: close\r\n\r\n";

/// What becomes of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Want {
    /// It is refused with this status and the connection closed; the replica makes nothing of it.
    Refused(u16),
    /// It is refused, and what follows it is served.
    RefusedAlone(u16),
    /// It is one request, and so is what follows it.
    Served,
    /// It is one request, and the connection is closed behind it.
    ServedLast,
}

/// A gate of one revision in front of one raw model server.
struct Front {
    address: SocketAddr,
    replica: Replica,
    _accepting: AbortOnDropHandle<()>,
}

impl Front {
    async fn new() -> Self {
        let replica = Replica::listen().await;
        let registry = Arc::new(Registry::default());
        let spec = defaults("m");
        let throttler = Throttler::new(spec.container_concurrency, spec.queue);
        throttler.follow(&World {
            replicas: vec![ReplicaView {
                phase: None,
                kept_by: None,
                uid: None,
                id: ReplicaId(1),
                name: None,
                endpoint: Some(Endpoint(replica.address)),
                detail: None,
                state: ReplicaState::Ready,
                since: Instant::now().into_std(),
            }],
            ..World::default()
        });
        registry.insert(Revision {
            spec,
            throttler,
            stats: Arc::default(),
            tls: None,
        });
        let listener = server::listen(([127, 0, 0, 1], 0).into()).expect("a port");
        let address = listener.local_addr().expect("it is bound");
        let server = Server::new(Arc::new(Proxy::new(registry, TcpDial)), 1000);
        let accepting = tokio::spawn(async move { server.accept(listener).await });
        Self {
            address,
            replica,
            _accepting: AbortOnDropHandle::new(accepting),
        }
    }

    /// Everything the gate says to these bytes until it closes the connection.
    async fn told(&self, bytes: &[u8]) -> String {
        let mut client = TcpStream::connect(self.address).await.expect("it listens");
        let (mut read, mut write) = client.split();
        let mut told = Vec::new();
        let talk = async {
            // What is hung up on is not written to its end, and may reset what it says.
            let (_, _) = tokio::join!(write.write_all(bytes), read.read_to_end(&mut told));
        };
        let ended = timeout(PATIENCE, talk).await;
        let told = String::from_utf8_lossy(&told).into_owned();
        let sent = bytes.escape_ascii();
        ended.unwrap_or_else(|_| panic!("it neither answers nor hangs up: {told} to {sent}"));
        told
    }

    /// What became of one row: the statuses of the answers, and the targets the replica saw.
    async fn outcome(&self, bytes: &[u8]) -> (Vec<u16>, Vec<String>) {
        self.replica.forget();
        let told = self.told(bytes).await;
        let statuses = told.split("HTTP/1.").skip(1).map(|rest| {
            let status = rest.get(2..5).and_then(|code| code.parse().ok());
            status.unwrap_or_else(|| panic!("no answer: {told}"))
        });
        (statuses.collect(), self.replica.targets())
    }
}

/// One row: what it is called, what the client sends, and what becomes of it.
type Row<'a> = (&'a str, Vec<u8>, Want);

/// Plays a table, and tells every row that ends otherwise.
async fn play(rows: &[Row<'_>]) {
    let front = Front::new().await;
    let mut wrong = Vec::new();
    for (name, bytes, want) in rows {
        let sent = [bytes, LAST.as_bytes()].concat();
        let (statuses, targets) = front.outcome(&sent).await;
        let (told, made): (&[u16], &[&str]) = match want {
            Want::Refused(status) => (&[*status], &[]),
            Want::RefusedAlone(status) => (&[*status, 200], &["/last"]),
            Want::Served => (&[200, 200], &["/a", "/last"]),
            Want::ServedLast => (&[200], &["/a"]),
        };
        if statuses != told || targets != made {
            wrong.push(format!(
                "{name}: wanted {want:?}, was told {statuses:?}, the replica saw {targets:?}"
            ));
        }
    }
    let broken = front.replica.broken();
    assert!(
        wrong.is_empty() && broken.is_empty(),
        "{wrong:#?} {broken:#?}"
    );
}
