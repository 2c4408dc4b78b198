//! When a gateway listens where callers of Services come in.

mod leading;
mod opening;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::SocketAddr;

use parking_lot::Mutex;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::super::doors::{Doors, House};
use super::*;
use crate::backend::kubernetes::ServiceDoor;
use crate::proxy::{Proxy, TcpDial};
use crate::server::{Server, listen};

/// The data port of these gateways.
const DATA: u16 = 8080;

/// Where ports are really open, by the number they were to have.
#[derive(Clone, Default)]
struct Ports(Arc<Mutex<BTreeMap<u16, SocketAddr>>>);

impl Ports {
    fn at(&self, number: u16) -> SocketAddr {
        let address = self.0.lock().get(&number).copied();
        address.expect("it was opened")
    }
}

/// A gateway that follows its claims, with the ports of its doors.
struct Doorway {
    scene: Scene,
    ports: Ports,
    /// Numbers that somebody else has.
    in_use: Arc<Mutex<BTreeSet<u16>>>,
    tries: Arc<Mutex<u32>>,
    open: watch::Receiver<BTreeSet<u16>>,
    leaving: CancellationToken,
    server: Server<TcpDial>,
    _doors: AbortOnDropHandle<()>,
}

impl Doorway {
    fn new() -> Self {
        let scene = Scene::new();
        let proxy = Arc::new(Proxy::new(Arc::clone(&scene.registry), TcpDial));
        let server = Server::new(proxy, 10);
        let (open, leaving) = (watch::Sender::default(), CancellationToken::new());
        let ports = Ports::default();
        let in_use: Arc<Mutex<BTreeSet<u16>>> = Arc::default();
        let tries: Arc<Mutex<u32>> = Arc::default();
        let (taken, count, really) = (Arc::clone(&in_use), Arc::clone(&tries), ports.clone());
        let open_port = move |wanted: SocketAddr| {
            *count.lock() += 1;
            if taken.lock().contains(&wanted.port()) {
                return Err(io::ErrorKind::AddrInUse.into());
            }
            let listener = listen(([127, 0, 0, 1], 0).into())?;
            let address = listener.local_addr()?;
            really.0.lock().insert(wanted.port(), address);
            Ok(listener)
        };
        let house = House {
            data: ([0, 0, 0, 0], DATA).into(),
            opener: Box::new(open_port),
            open: open.clone(),
            leaving: leaving.clone(),
        };
        let (registry, cluster) = (Arc::clone(&scene.registry), Arc::clone(&scene.cluster));
        let doors = Doors::new(server.clone(), registry, cluster, house);
        let doors = tokio::spawn(doors.run(scene.gateway.doors()));
        Self {
            scene,
            ports,
            in_use,
            tries,
            open: open.subscribe(),
            leaving,
            server,
            _doors: AbortOnDropHandle::new(doors),
        }
    }

    /// A workload that has no replica, and these doors.
    async fn claim(&mut self, name: &str, doors: &[ServiceDoor]) {
        self.scene.claim(of(name, 0, doors)).await;
    }

    fn open(&self) -> Vec<u16> {
        self.open.borrow().iter().copied().collect()
    }

    /// How many wait there.
    fn waiting(&self, name: &str) -> usize {
        let id = RevisionId::new(name);
        let revision = self.scene.registry.by_name(&id).expect("it is there");
        revision.throttler.read().waiting
    }

    /// Somebody who comes in by a door, and waits in the line of a revision.
    async fn waits_at(&self, number: u16, name: &str) -> TcpStream {
        let before = self.waiting(name);
        let mut client = connect(self.ports.at(number)).await.expect("it is open");
        ask(&mut client, "m").await;
        until(|| self.waiting(name) > before).await;
        client
    }
}

fn of(name: &str, age: u64, doors: &[ServiceDoor]) -> Claim {
    Claim {
        doors: doors.to_vec(),
        ..claim(name, age, json!({ "limit": 1 }))
    }
}

/// The door of a Service called `m`.
fn door(number: u16) -> ServiceDoor {
    ServiceDoor {
        service: "m".into(),
        port_name: None,
        number,
        by_host: false,
    }
}

fn headless(number: u16) -> ServiceDoor {
    ServiceDoor {
        by_host: true,
        ..door(number)
    }
}

/// Waits until something is so. Never idle, so that the clock stands still.
async fn until(so: impl Fn() -> bool) {
    for _ in 0..100_000 {
        if so() {
            return;
        }
        tokio::task::yield_now().await;
    }
    panic!("it never came to it");
}

async fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    TcpStream::connect(address).await
}

async fn ask(client: &mut TcpStream, host: &str) {
    let request = format!("GET / HTTP/1.1\r\nhost: {host}\r\n\r\n");
    client.write_all(request.as_bytes()).await.expect("sent");
}

/// The status line of a short answer.
async fn status(client: &mut TcpStream) -> String {
    let mut head = [0; 12];
    client.read_exact(&mut head).await.expect("an answer");
    String::from_utf8_lossy(&head[9..]).into_owned()
}
