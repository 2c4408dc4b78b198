//! A sidecar before one model server: who is let through its door, and how it ends.

use std::sync::Arc;

use holdgate::loads::mark;
use holdgate::proxy::connect::Dial;
use holdgate::proxy::{Client as Peer, Proxy, Registry, Revision, Throttler};
use holdgate::revision::{Endpoint, Protocol};
use holdgate::server::Server;
use holdgate::stats::Stats;
use http::Version;
use http_body_util::BodyExt as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
use tokio::time::sleep;

use crate::support::{
    Client, Http2, Machine, Seen, Sidecar, get, ms, revision, saying, secs, settle,
};

#[tokio::test(start_paused = true)]
async fn a_request_that_comes_before_the_model_server_is_ready_waits_for_it() {
    let sidecar = Sidecar::cold(revision(1, 0..=1), false).await;
    let early = sidecar.asking(get("/?ms=10"));
    sleep(secs(90)).await;
    sidecar.set_ready(true);
    let answer = early.await.expect("no panic");
    assert_eq!(answer.code(), 200);
    assert_eq!(answer.header("x-holdgate-cold-start"), Some("true"));
}

#[tokio::test(start_paused = true)]
async fn a_model_server_that_is_not_ready_any_more_gets_nothing_new_and_ends_what_it_has() {
    let sidecar = Sidecar::warm(revision(2, 0..=1), false).await;
    let running = sidecar.asking(get("/?ms=1000"));
    settle().await;
    sidecar.set_ready(false);
    let later = sidecar.asking(get("/?ms=10"));
    assert_eq!(running.await.expect("no panic").code(), 200);
    assert_eq!(sidecar.machine.seen().len(), 1);
    sidecar.set_ready(true);
    assert_eq!(later.await.expect("no panic").code(), 200);
}

#[tokio::test(start_paused = true)]
async fn probes_are_answered_at_the_door_whatever_path_they_ask_for() {
    let queue = |path| {
        let request = saying("k-network-probe", "queue", get(path));
        saying("user-agent", "Knative-Activator-Probe", request)
    };
    for in_knative in [true, false] {
        let sidecar = Sidecar::cold(revision(1, 0..=1), in_knative).await;
        let ours = || saying("x-holdgate-probe", "1", get("/some/where"));
        let cold = sidecar.ask(queue("/a")).await;
        assert_eq!((cold.code(), cold.text()), (503, ""));
        let cold = sidecar.ask(ours()).await;
        assert_eq!(cold.code(), 503);
        assert_eq!(cold.header("x-holdgate-reason"), Some("not_ready"));
        sidecar.set_ready(true);
        let warm = sidecar.ask(queue("/a")).await;
        assert_eq!((warm.code(), warm.text()), (200, "queue"));
        assert_eq!(sidecar.ask(ours()).await.code(), 200);
        let another = saying("k-network-probe", "activator", queue("/"));
        assert_eq!(sidecar.ask(another).await.code(), 400);
        sidecar.door.set_draining(true);
        let draining = sidecar.ask(queue("/a")).await;
        assert_eq!((draining.code(), draining.text()), (503, "shutting down\n"));
        let draining = sidecar.ask(ours()).await;
        assert_eq!(draining.header("x-holdgate-reason"), Some("draining"));
        sidecar.door.set_draining(false);
        assert_eq!(sidecar.ask(ours()).await.code(), 200);
        assert_eq!(
            sidecar.machine.seen().len(),
            0,
            "nobody but us has seen any of them"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn an_ingress_that_asks_whether_anybody_is_there_gets_its_word_back() {
    let sidecar = Sidecar::cold(revision(1, 0..=1), true).await;
    let probe = || saying("k-network-probe", "probe", get("/"));
    let answer = sidecar.ask(saying("k-network-hash", "h", probe())).await;
    assert_eq!(
        (answer.code(), answer.header("k-network-hash")),
        (200, Some("h"))
    );
    assert_eq!(sidecar.ask(probe()).await.code(), 400);
}

#[tokio::test(start_paused = true)]
async fn kubelets_probes_of_the_model_server_pass_a_full_line_and_whoever_plays_kubelet_does_not() {
    let sidecar = Sidecar::warm(revision(1, 0..=1), false).await;
    let _running = sidecar.asking(get("/?ms=100000"));
    settle().await;
    let waiting = sidecar.asking(get("/"));
    let kubelet = |target| saying("user-agent", "kube-probe/1.33", get(target));
    let answer = sidecar.ask(kubelet("/ready?ms=5")).await;
    assert_eq!((answer.code(), answer.took), (200, ms(5)));
    assert!(!waiting.is_finished());
    let many: Vec<_> = (0..50)
        .map(|_| sidecar.asking(kubelet("/?ms=1000")))
        .collect();
    settle().await;
    assert_eq!(sidecar.machine.at_work(), 3, "two at once and no more");
    let body = crate::support::post("/", 10);
    let posted = sidecar.asking(saying("user-agent", "kube-probe/1.33", body));
    sleep(secs(10)).await;
    assert!(!posted.is_finished(), "a probe sends nothing");
    assert_eq!(many.iter().filter(|asked| asked.is_finished()).count(), 2);
}

#[tokio::test(start_paused = true)]
async fn kubelets_probes_speak_what_the_model_server_does_and_find_nobody_unready() {
    let kubelet = || saying("user-agent", "kube-probe/1.33", get("/ready?ms=5"));
    for (protocol, version) in [
        (Protocol::H2c, Version::HTTP_2),
        (Protocol::Auto, Version::HTTP_11),
    ] {
        let mut spec = revision(1, 0..=1);
        spec.protocol = protocol;
        let sidecar = Sidecar::cold(spec, false).await;
        assert_eq!(sidecar.ask(kubelet()).await.code(), 200);
        let seen = sidecar.machine.seen();
        assert_eq!((seen.len(), seen[0].version), (1, version));
        sidecar.machine.refuse(true);
        assert_eq!(sidecar.ask(kubelet()).await.code(), 503);
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_asks_is_told_how_busy_the_door_is_and_nobody_else() {
    let sidecar = Sidecar::warm(revision(1, 0..=1), false).await;
    let first = sidecar.asking(saying("x-holdgate-load", "1", get("/?ms=1000")));
    settle().await;
    let second = sidecar.asking(saying("x-holdgate-load", "1", get("/?ms=1000")));
    let third = sidecar.asking(get("/?ms=1000"));
    settle().await;
    let first = first.await.expect("no panic");
    assert_eq!(
        first.header("x-holdgate-load"),
        Some("in_flight=1, queued=2")
    );
    let second = second.await.expect("no panic");
    assert_eq!(
        second.header("x-holdgate-load"),
        Some("in_flight=1, queued=1")
    );
    assert_eq!(
        third.await.expect("no panic").header("x-holdgate-load"),
        None
    );
    let seen = sidecar.machine.seen();
    assert!(
        seen.iter()
            .all(|seen| !seen.headers.contains_key("x-holdgate-load"))
    );
}

/// The way from a gateway to the one sidecar there is.
#[derive(Clone, Debug)]
struct Way(Server<Machine>);

impl Dial for Way {
    type Io = DuplexStream;

    async fn dial(&self, _to: Endpoint) -> std::io::Result<DuplexStream> {
        let (ours, theirs) = duplex(64 * 1024);
        let peer = Peer::new([10, 0, 0, 9].into(), None);
        tokio::spawn(self.0.clone().serve(theirs, peer));
        Ok(ours)
    }
}

/// A gateway before a sidecar, with a token for reports or none.
fn gateway(sidecar: &Sidecar, token: Option<&str>) -> Server<Way> {
    let spec = revision(0, 0..=1);
    let throttler = Throttler::new(spec.container_concurrency, spec.queue);
    throttler.follow(&sidecar.world());
    let registry = Arc::new(Registry::default());
    registry.insert(Revision {
        spec,
        throttler,
        tls: None,
        stats: Arc::new(Stats::new()),
    });
    let proxy = Proxy::new(registry, Way(sidecar.server.clone()));
    let proxy = match token {
        Some(token) => proxy.marking(&mark(token)),
        None => proxy,
    };
    Server::new(Arc::new(proxy), 1000)
}

#[tokio::test(start_paused = true)]
async fn a_request_is_a_gateways_if_it_knows_the_token_and_a_direct_one_whatever_else_it_says() {
    let sidecar = Sidecar::warm(revision(0, 0..=1), false).await;
    sidecar.door.know(&mark("secret"));
    let mut known = Client::new(gateway(&sidecar, Some("secret"))).await;
    let mut stranger = Client::new(gateway(&sidecar, Some("other"))).await;
    let mut silent = Client::new(gateway(&sidecar, None)).await;
    let forged = || saying("x-holdgate-load", &mark("other"), get("/?ms=1000"));
    // What a client says of itself ends at the gateway, even the right word.
    let stolen = || saying("x-holdgate-load", &mark("secret"), get("/?ms=1000"));
    let asked = [
        tokio::spawn(async move { known.ask(forged()).await }),
        tokio::spawn(async move { stranger.ask(stolen()).await }),
        tokio::spawn(async move { silent.ask(stolen()).await }),
    ];
    let direct = [
        sidecar.asking(forged()),
        sidecar.asking(saying("k-proxy-request", "activator", get("/?ms=1000"))),
        sidecar.asking(get("/?ms=1000")),
    ];
    settle().await;
    assert_eq!(sidecar.throttler.glance().in_flight, 6);
    assert_eq!(sidecar.door.proxied_now(), 1, "one knows the token");
    for answer in asked {
        let answer = answer.await.expect("no panic");
        let told = answer.header("x-holdgate-load");
        assert_eq!((answer.code(), told), (200, None), "nothing of it goes on");
    }
    for answer in direct {
        assert_eq!(answer.await.expect("no panic").code(), 200);
    }
    let seen = sidecar.machine.seen();
    let none = |seen: &Seen| !seen.headers.contains_key("x-holdgate-load");
    assert!(seen.iter().all(none), "the model server learns no mark");
    let proxied = sidecar.door.proxied();
    assert_eq!((proxied.requests, sidecar.door.proxied_now()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn in_knatives_place_its_activator_counts_what_it_sends() {
    let sidecar = Sidecar::warm(revision(0, 0..=1), true).await;
    let asked = sidecar.asking(saying("k-proxy-request", "activator", get("/?ms=1000")));
    settle().await;
    assert_eq!(sidecar.door.proxied_now(), 1);
    assert_eq!(asked.await.expect("no panic").code(), 200);
}

#[tokio::test(start_paused = true)]
async fn in_knatives_place_alone_its_headers_end_at_the_door() {
    for in_knative in [true, false] {
        let sidecar = Sidecar::warm(revision(0, 0..=1), in_knative).await;
        let request = saying("k-original-host", "a.example", get("/"));
        let request = saying("knative-serving-revision", "m-00001", request);
        let request = saying("knative-serving-namespace", "ns", request);
        assert_eq!(sidecar.ask(request).await.code(), 200);
        let seen = sidecar.machine.seen().remove(0);
        for name in [
            "k-original-host",
            "knative-serving-revision",
            "knative-serving-namespace",
        ] {
            assert_eq!(seen.headers.contains_key(name), !in_knative, "{name}");
        }
        assert_eq!(seen.headers["host"] == "a.example", in_knative);
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_gateway_sends_counts_as_its_own_until_it_is_over_in_whatever_form_it_is_answered() {
    let asking = || saying("x-holdgate-load", &mark("t"), get("/?chunks=3&gap=1000"));
    let sidecar = Sidecar::warm(revision(9, 0..=1), false).await;
    sidecar.door.know(&mark("t"));
    let (client, _connection) = Http2::new(sidecar.server.clone(), 40_000).await;
    let answer = client.send(asking()).await;
    settle().await;
    assert_eq!(sidecar.door.proxied_now(), 1, "a stream of HTTP/2");
    answer.into_body().collect().await.expect("whole");
    assert_eq!(sidecar.door.proxied_now(), 0);

    let (mut ours, theirs) = duplex(64 * 1024);
    let peer = Peer::new([10, 0, 0, 9].into(), None);
    tokio::spawn(sidecar.server.clone().serve(theirs, peer));
    let mark = mark("t");
    let head = format!(
        "GET / HTTP/1.1\r\nhost: m\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
         x-holdgate-load: {mark}\r\n\r\n"
    );
    ours.write_all(head.as_bytes()).await.expect("it listens");
    let mut begins = [0; 13];
    ours.read_exact(&mut begins).await.expect("it answers");
    assert_eq!(&begins, b"HTTP/1.1 101 ");
    sleep(secs(10)).await;
    assert_eq!(sidecar.throttler.glance().in_flight, 1);
    assert_eq!(sidecar.door.proxied_now(), 1, "a tunnel");
    drop(ours);
    sleep(secs(1)).await;
    assert_eq!(sidecar.throttler.glance().in_flight, 0);
    assert_eq!(sidecar.door.proxied_now(), 0);
}

#[tokio::test(start_paused = true)]
async fn six_long_requests_and_then_the_end_and_all_are_answered() {
    for limit in [0, 1] {
        let mut spec = revision(limit, 0..=1);
        spec.queue.timeout = secs(100);
        let sidecar = Sidecar::warm(spec, true).await;
        let mut asked = Vec::new();
        for _ in 0..6 {
            asked.push(sidecar.asking(get("/?ms=12001")));
            sleep(secs(1)).await;
        }
        sidecar.door.set_draining(true);
        sidecar.server.wind_down();
        sidecar.server.close();
        for answer in asked {
            let answer = answer.await.expect("no panic");
            assert_eq!((answer.code(), answer.text()), (200, "0 bytes"));
        }
        assert_eq!(
            sidecar.machine.most_inside(),
            if limit == 0 { 6 } else { 1 }
        );
    }
}
