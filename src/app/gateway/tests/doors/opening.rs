//! Which doors are open, and who hears of it.

use super::super::super::front::Front;
use super::*;

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
    let config =
        crate::config::load_gateway(&[file], &crate::config::Overrides::default()).expect("sound");
    let (front, listener) =
        Front::open(&config, &crate::config::Overrides::default().program()).expect("a free port");
    let mut scene = Scene::new();
    scene
        .claim(of("m.a", 0, &[door(20_001), door(20_002)]))
        .await;
    scene.claim(of("m.b", 0, &[door(20_003)])).await;
    let opened: Arc<Mutex<Vec<(u16, bool)>>> = Arc::default();
    let (seen, board) = (Arc::clone(&opened), Arc::clone(&front.board));
    let open_port = move |wanted: SocketAddr| {
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
        opener: Box::new(open_port),
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
