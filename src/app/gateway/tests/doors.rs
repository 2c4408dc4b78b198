//! When a gateway listens where callers of Services come in.

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
use super::super::front::Front;
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
        let (taken, tried, opened) = (Arc::clone(&in_use), Arc::clone(&tries), ports.clone());
        let opener = move |wanted: SocketAddr| {
            *tried.lock() += 1;
            if taken.lock().contains(&wanted.port()) {
                return Err(io::ErrorKind::AddrInUse.into());
            }
            let listener = listen(([127, 0, 0, 1], 0).into())?;
            let address = listener.local_addr()?;
            opened.0.lock().insert(wanted.port(), address);
            Ok(listener)
        };
        let house = House {
            data: ([0, 0, 0, 0], DATA).into(),
            opener: Box::new(opener),
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
        // Never idle, so that the clock stands still.
        while self.waiting(name) == before {
            tokio::task::yield_now().await;
        }
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

#[tokio::test(start_paused = true)]
async fn each_door_of_each_claim_is_open_and_leads_to_its_own_revision() {
    let mut way = Doorway::new();
    way.claim("m.a", &[door(20_001), door(20_002)]).await;
    way.claim("m.b", &[door(20_003), headless(9_000)]).await;
    way.claim("other.b", &[headless(9_000)]).await;
    assert_eq!(way.open(), [9_000, 20_001, 20_002, 20_003]);
    let mut clients = Vec::new();
    for (number, name) in [(20_001, "m.a"), (20_002, "m.a"), (20_003, "m.b")] {
        clients.push(way.waits_at(number, name).await);
    }
    assert_eq!([way.waiting("m.a"), way.waiting("m.b")], [2, 1]);
    let mut by_host = connect(way.ports.at(9_000)).await.expect("it is open");
    ask(&mut by_host, "other.b").await;
    while way.waiting("other.b") == 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_comes_in_by_a_door_is_served_like_anything_else_and_drains_with_it() {
    let mut way = Doorway::new();
    way.claim("m.a", &[door(20_001)]).await;
    let mut client = way.waits_at(20_001, "m.a").await;
    assert!(way.server.busy() > 1, "who accepts, and who was accepted");
    let drained = tokio::spawn({
        let server = way.server.clone();
        async move { server.drained().await }
    });
    settle().await;
    connect(way.ports.at(20_001))
        .await
        .expect_err("nobody is let in");
    assert!(!drained.is_finished(), "somebody waits");
    way.scene.gateway.dismiss();
    assert_eq!(status(&mut client).await, "503");
    drained.await.expect("it drains");
}

#[tokio::test(start_paused = true)]
async fn a_door_that_goes_leads_on_for_a_while_and_closes_then() {
    let mut way = Doorway::new();
    way.claim("m.a", &[door(20_001)]).await;
    way.claim("m.b", &[door(20_002)]).await;
    let address = way.ports.at(20_001);
    let mut inside = way.waits_at(20_001, "m.a").await;
    let mut unused = connect(address).await.expect("it is open");

    way.claim("m.a", &[]).await;
    tokio::time::sleep(secs(4)).await;
    assert_eq!(way.open(), [20_001, 20_002]);
    let _late = way.waits_at(20_001, "m.a").await;

    tokio::time::sleep(secs(2)).await;
    assert_eq!(way.open(), [20_002]);
    connect(address).await.expect_err("it is closed");
    let read = unused.read(&mut [0; 1]).await.expect("a clean end");
    assert_eq!(read, 0, "what was kept is not kept any more");
    assert_eq!(way.waiting("m.a"), 2, "who is inside stays");
    way.scene.gateway.dismiss();
    assert_eq!(status(&mut inside).await, "503", "and is answered");
}

#[tokio::test(start_paused = true)]
async fn a_request_on_its_way_when_a_door_closes_still_goes_where_it_led() {
    let mut way = Doorway::new();
    way.claim("m.a", &[door(20_001)]).await;
    let mut kept = connect(way.ports.at(20_001)).await.expect("it is open");
    settle().await;
    way.claim("m.a", &[]).await;
    tokio::time::sleep(secs(5) + Duration::from_millis(100)).await;
    assert_eq!(way.open(), [0; 0]);
    ask(&mut kept, "m").await;
    while way.waiting("m.a") == 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_door_that_comes_back_in_time_never_closes() {
    let mut way = Doorway::new();
    way.claim("m.a", &[door(20_001)]).await;
    for _ in 0..3 {
        way.claim("m.a", &[]).await;
        tokio::time::sleep(secs(4)).await;
        way.claim("m.a", &[door(20_001)]).await;
        tokio::time::sleep(secs(4)).await;
    }
    assert_eq!((way.open(), *way.tries.lock()), (vec![20_001], 1));
}

#[tokio::test(start_paused = true)]
async fn a_door_whose_revision_is_gone_leads_nowhere() {
    let mut way = Doorway::new();
    way.claim("m.a", &[door(20_001)]).await;
    way.claim("m.b", &[]).await;
    way.scene.gone("m.a").await;
    let mut client = connect(way.ports.at(20_001)).await.expect("not closed yet");
    ask(&mut client, "m.b").await;
    assert_eq!(status(&mut client).await, "404");
}

#[tokio::test(start_paused = true)]
async fn a_port_that_cannot_be_opened_is_told_once_and_tried_until_it_is() {
    let mut way = Doorway::new();
    way.in_use.lock().insert(20_001);
    way.claim("m.a", &[door(20_001), door(20_002)]).await;
    assert_eq!(way.open(), [20_002]);
    let said = way.scene.cluster.said();
    let said: Vec<_> = said
        .iter()
        .filter(|it| it.reason.as_str() == "DoorClosed")
        .collect();
    let [notice] = said.as_slice() else {
        panic!("told once: {said:?}");
    };
    assert_eq!(&*notice.about.name, "m");
    for word in ["Service m ", "port 20001", "in use"] {
        assert!(notice.message.contains(word), "{word}: {}", notice.message);
    }
    tokio::time::sleep(secs(60)).await;
    way.claim("m.b", &[]).await;
    let again = way.scene.cluster.told();
    assert!(
        !again.iter().any(|told| told.contains("DoorClosed")),
        "{again:?}"
    );

    way.in_use.lock().clear();
    tokio::time::sleep(secs(6)).await;
    assert_eq!(way.open(), [20_001, 20_002]);
    let tries = *way.tries.lock();
    tokio::time::sleep(secs(60)).await;
    assert_eq!(*way.tries.lock(), tries, "it is open");
}

#[tokio::test(start_paused = true)]
async fn the_data_port_is_a_door_where_hosts_decide_and_no_other() {
    let mut way = Doorway::new();
    way.in_use.lock().insert(DATA);
    way.claim("m.a", &[headless(DATA)]).await;
    assert_eq!((way.open(), *way.tries.lock()), (vec![DATA], 0));
    assert_eq!(way.scene.cluster.told(), ["m Managed"; 0]);

    let mut way = Doorway::new();
    way.in_use.lock().insert(DATA);
    way.claim("m.a", &[door(DATA)]).await;
    assert_eq!(way.open(), [0; 0]);
}

/// Whether a gateway says that it takes requests.
async fn is_ready(board: Arc<Board>) -> bool {
    use tower::ServiceExt as _;
    let asked = http::Request::get("/readyz").body(axum::body::Body::empty());
    let answer = router(board).oneshot(asked.expect("a request")).await;
    answer.expect("an answer").status().is_success()
}

#[tokio::test(start_paused = true)]
async fn a_gateway_is_ready_when_the_doors_of_all_that_is_claimed_were_opened() {
    let config = "listen: 127.0.0.1:0\nadmin: off\n";
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("gateway.yaml");
    std::fs::write(&file, config).expect("written");
    let config = crate::config::load_gateway(&[file], &Default::default()).expect("sound");
    let (front, listener) = Front::open(&config).expect("a free port");
    let mut scene = Scene::new();
    scene
        .claim(of("m.a", 0, &[door(20_001), door(20_002)]))
        .await;
    scene.claim(of("m.b", 0, &[door(20_003)])).await;
    let opened: Arc<Mutex<Vec<(u16, bool)>>> = Arc::default();
    let (seen, board) = (Arc::clone(&opened), Arc::clone(&front.board));
    let opener = move |wanted: SocketAddr| {
        let ready = futures_util::FutureExt::now_or_never(is_ready(Arc::clone(&board)));
        seen.lock()
            .push((wanted.port(), ready.expect("told at once")));
        if wanted.port() == 20_002 {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        listen(([127, 0, 0, 1], 0).into())
    };
    let house = House {
        data: ([127, 0, 0, 1], DATA).into(),
        opener: Box::new(opener),
        open: front.open.clone(),
        leaving: CancellationToken::new(),
    };
    let cluster = Arc::clone(&scene.cluster);
    let doors = Doors::new(
        front.server.clone(),
        Arc::clone(&front.registry),
        cluster,
        house,
    );
    assert!(!is_ready(Arc::clone(&front.board)).await);

    front.welcome(listener, (doors, scene.gateway.doors()), 2);

    assert!(
        is_ready(Arc::clone(&front.board)).await,
        "one that cannot be opened keeps nobody waiting"
    );
    let opened: Vec<_> = opened.lock().clone();
    assert_eq!(opened, [(20_001, false), (20_002, false), (20_003, false)]);
    assert_eq!(*front.open.borrow(), BTreeSet::from([20_001, 20_003]));
}

#[tokio::test(start_paused = true)]
async fn of_two_that_want_a_number_the_older_has_it() {
    let mut way = Doorway::new();
    way.scene.claim(of("a.ns", 1, &[door(20_001)])).await;
    way.scene.claim(of("b.ns", 2, &[door(20_001)])).await;
    let _first = way.waits_at(20_001, "b.ns").await;
    way.scene.gone("b.ns").await;
    let _second = way.waits_at(20_001, "a.ns").await;
}

#[tokio::test(start_paused = true)]
async fn who_leaves_is_sent_nobody_but_serves_who_comes() {
    let mut way = Doorway::new();
    way.claim("m.a", &[door(20_001)]).await;
    way.leaving.cancel();
    settle().await;
    assert_eq!(way.open(), [0; 0]);
    let _client = way.waits_at(20_001, "m.a").await;
    way.claim("m.b", &[door(20_002)]).await;
    assert_eq!(way.open(), [0; 0]);
    let _client = way.waits_at(20_002, "m.b").await;
}
