//! TLS to replicas over real sockets: who is believed, what is spoken behind the handshake, and what
//! becomes of requests where there is none.

mod replica;
mod scene;

use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;

use bytes::Bytes;
use holdgate::revision::{ContainerConcurrency, Protocol};
use holdgate::tls::ReplicaTls;
use http::{Request, Version};
use http_body_util::Full;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::support::{Authority, PATIENCE, Workers, until};
use replica::{Manner, Replica};
use scene::{NAME, Scene, hurried};

#[tokio::test]
async fn a_replica_is_asked_behind_a_handshake_and_its_connection_is_kept() {
    let authority = Authority::new();
    let replica = Replica::new(&Manner::of(&authority, NAME));
    let scene = Scene::new(&[&replica], |_| {});
    scene.reach_by(Some(scene.believes(&authority, Some(NAME))));
    for _ in 0..5 {
        let answer = scene.ask().await;
        assert_eq!((answer.status.as_u16(), &*answer.text()), (200, "answered"));
    }
    let seen = replica.seen();
    assert_eq!(seen.len(), 5);
    for seen in &seen {
        assert_eq!(seen.version, Version::HTTP_11);
        assert_eq!(seen.name.as_deref(), Some(NAME));
        assert_eq!(seen.headers["x-forwarded-proto"], "http");
        assert_eq!((&*seen.body, seen.shown), (&b"what is it?"[..], false));
    }
    assert_eq!(replica.handshakes(), 1, "one connection for all of them");

    // By its address, where no name is written.
    let by_address = Replica::new(&Manner::of(&authority, "127.0.0.1"));
    let scene = Scene::new(&[&by_address], |_| {});
    scene.reach_by(Some(scene.believes(&authority, None)));
    assert_eq!(scene.ask().await.status, 200);
}

#[tokio::test]
async fn who_is_not_believed_hears_of_no_request_and_the_client_why() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let wrong_name = "not valid for name";
    //   signed by  its name         believed by this name  what the client is told
    let table = [
        (&stranger, NAME, Some(NAME), "invalid peer certificate"),
        (&authority, "other.example", Some(NAME), wrong_name),
        (&authority, NAME, None, wrong_name),
    ];
    for (signed_by, name, by, why) in table {
        let replica = Replica::new(&Manner::of(signed_by, name));
        let scene = Scene::new(&[&replica], hurried);
        scene.reach_by(Some(scene.believes(&authority, by)));
        let answer = scene.ask().await;
        assert_eq!(
            (answer.status.as_u16(), answer.reason()),
            (502, "connect_failed")
        );
        let told = answer.text();
        assert!(
            told.contains("could not connect to a replica: the TLS handshake failed: ")
                && told.contains(why),
            "{why}: {told}"
        );
        assert_eq!(replica.seen().len(), 0, "{why}");

        // The same one for whoever wants to know nothing of it: it comes back as it is reached now.
        let any = ReplicaTls::read(None, Some(NAME), None).expect("sound");
        scene.reach_by(Some(any));
        scene.until_answered().await;
    }
}

#[tokio::test]
async fn a_replica_that_is_not_believed_is_left_alone_and_another_answers() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let wrong = Replica::new(&Manner::of(&stranger, NAME));
    let right = Replica::new(&Manner::of(&authority, NAME));
    let scene = Scene::new(&[&wrong, &right], |spec| {
        spec.container_concurrency = ContainerConcurrency::new(1);
    });
    scene.reach_by(Some(scene.believes(&authority, Some(NAME))));
    for _ in 0..20 {
        assert_eq!(scene.ask().await.status, 200);
    }
    assert_eq!((wrong.seen().len(), right.seen().len()), (0, 20));
    assert!(scene.retries() >= 1);

    // It is looked at by the same handshake, and comes back when that is good.
    *wrong.shows.lock() = Manner::of(&authority, NAME).acceptor();
    until("it is back", async || {
        let (one, other) = tokio::join!(scene.ask(), scene.ask());
        assert_eq!((one.status.as_u16(), other.status.as_u16()), (200, 200));
        !wrong.seen().is_empty()
    })
    .await;
}

#[tokio::test]
async fn who_waits_meanwhile_is_served_by_what_is_believed_then() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let replica = Replica::new(&Manner::of(&authority, NAME));
    let scene = Scene::new(&[&replica], |_| {});
    scene.reach_by(Some(scene.believes(&stranger, Some(NAME))));
    let waits = async {
        let answer = scene.ask().await;
        assert_eq!(answer.status, 200, "{}", answer.text());
    };
    let mended = async {
        until("it is tried once", async || scene.retries() > 0).await;
        scene.reach_by(Some(scene.believes(&authority, Some(NAME))));
    };
    tokio::join!(waits, mended);
    assert_eq!(replica.seen().len(), 1);
}

#[tokio::test]
async fn a_replica_that_wants_to_know_who_asks_is_shown_a_certificate() {
    let (authority, clients) = (Authority::new(), Authority::new());
    let manner = Manner {
        clients: Some(&clients),
        ..Manner::of(&authority, NAME)
    };
    let replica = Replica::new(&manner);
    let scene = Scene::new(&[&replica], hurried);
    scene.reach_by(Some(scene.shows(&authority, &clients)));
    assert_eq!(scene.ask().await.status, 200);
    assert!(replica.seen()[0].shown);

    // With none, or that of somebody else, it is refused: the replica saw no request.
    for tls in [
        scene.believes(&authority, Some(NAME)),
        scene.shows(&authority, &authority),
    ] {
        scene.reach_by(Some(tls));
        let answer = scene.ask().await;
        assert_eq!(answer.status, 502, "{}", answer.text());
        assert_eq!(replica.seen().len(), 1);
    }
    scene.reach_by(Some(scene.shows(&authority, &clients)));
    assert_eq!(scene.ask().await.status, 200);
}

#[tokio::test]
async fn many_requests_share_one_connection_of_http2_behind_one_handshake() {
    let authority = Authority::new();
    let replica = Replica::new(&Manner::of(&authority, NAME));
    let scene = Scene::new(&[&replica], |spec| spec.protocol = Protocol::H2c);
    let scene = Arc::new(scene);
    scene.reach_by(Some(scene.believes(&authority, Some(NAME))));
    let asking: Vec<_> = (0..20)
        .map(|_| {
            let scene = Arc::clone(&scene);
            tokio::spawn(async move { scene.ask().await })
        })
        .collect();
    for asked in asking {
        assert_eq!(asked.await.expect("asked").status, 200);
    }
    let seen = replica.seen();
    assert_eq!((seen.len(), replica.handshakes()), (20, 1));
    for seen in seen {
        assert_eq!(seen.version, Version::HTTP_2);
        assert_eq!(seen.uri.to_string(), "https://m.example/predict");
    }

    // Who agrees on nothing, or on HTTP/1.1 alone, is not spoken to in HTTP/2.
    for (protocols, why) in [
        (&[][..], "speaks no HTTP/2 over TLS"),
        (&[&b"http/1.1"[..]][..], "the TLS handshake failed"),
    ] {
        let manner = Manner {
            protocols,
            ..Manner::of(&authority, NAME)
        };
        let replica = Replica::new(&manner);
        let scene = Scene::new(&[&replica], |spec| {
            hurried(spec);
            spec.protocol = Protocol::H2c;
        });
        scene.reach_by(Some(scene.believes(&authority, Some(NAME))));
        let answer = scene.ask().await;
        assert_eq!(answer.reason(), "connect_failed");
        assert!(answer.text().contains(why), "{}", answer.text());
        assert_eq!(replica.seen().len(), 0);
    }
}

#[tokio::test]
async fn calls_of_grpc_go_by_http2_and_the_rest_does_not() {
    let authority = Authority::new();
    let replica = Replica::new(&Manner::of(&authority, NAME));
    let scene = Scene::new(&[&replica], |_| {});
    scene.reach_by(Some(scene.believes(&authority, Some(NAME))));
    assert_eq!(scene.ask().await.status, 200);
    let stream = TcpStream::connect(scene.at).await.expect("it listens");
    let builder = hyper::client::conn::http2::Builder::new(hyper_util::rt::TokioExecutor::new());
    let opened = builder.handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = opened.expect("a conversation");
    tokio::spawn(connection);
    let call = Request::post("http://m.example/pkg.Service/Call")
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(Full::<Bytes>::from("call"))
        .expect("a request");
    let answered = timeout(PATIENCE, sender.send_request(call)).await;
    assert_eq!(
        answered.expect("it comes").expect("an answer").status(),
        200
    );
    let versions: Vec<_> = replica.seen().iter().map(|seen| seen.version).collect();
    assert_eq!(versions, [Version::HTTP_11, Version::HTTP_2]);
}

#[tokio::test]
async fn a_tunnel_goes_through_the_handshake_and_its_ends_look_like_what_they_are() {
    let authority = Authority::new();
    let replica = Replica::new(&Manner::of(&authority, NAME));
    let scene = Scene::new(&[&replica], |spec| {
        spec.container_concurrency = ContainerConcurrency::new(1);
    });
    scene.reach_by(Some(scene.believes(&authority, Some(NAME))));
    let open = async || {
        let mut client = TcpStream::connect(scene.at).await.expect("it listens");
        let ask =
            "GET /chat HTTP/1.1\r\nhost: m.example\r\nconnection: upgrade\r\nupgrade: chat\r\n\r\n";
        client.write_all(ask.as_bytes()).await.expect("sent");
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let byte = timeout(PATIENCE, client.read_u8()).await;
            head.push(byte.expect("it comes").expect("a head"));
        }
        let head = String::from_utf8(head).expect("text");
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        client
    };
    let until_free = async || {
        until("the slot is free", async || {
            scene.throttler.read().running == 0
        })
        .await;
    };

    let mut client = open().await;
    for _ in 0..3 {
        client.write_all(b"hello").await.expect("sent");
        let mut heard = [0; 5];
        let read = timeout(PATIENCE, client.read_exact(&mut heard)).await;
        read.expect("it comes").expect("it is there");
        assert_eq!(&heard, b"hello");
    }
    assert_eq!(
        scene.throttler.read().running,
        1,
        "it has its slot to the end"
    );
    client.shutdown().await.expect("it is open");
    let mut rest = String::new();
    let read = timeout(PATIENCE, client.read_to_string(&mut rest)).await;
    read.expect("it ends").expect("a clean end");
    assert_eq!(rest, "bye");
    until_free().await;

    // It hangs up without TLS's word for an end: nobody can tell whether that was all.
    let mut client = open().await;
    client.write_all(b"x").await.expect("sent");
    let read = timeout(PATIENCE, client.read(&mut [0; 8])).await;
    read.expect("it ends").expect_err("no clean end");
    until_free().await;
}

#[tokio::test]
async fn the_limit_is_counted_at_the_replica() {
    let authority = Authority::new();
    for protocol in [Protocol::Http1, Protocol::H2c] {
        let replica = Replica::new(&Manner::of(&authority, NAME));
        let scene = Scene::new(&[&replica], |spec| {
            spec.container_concurrency = ContainerConcurrency::new(3);
            spec.protocol = protocol;
        });
        scene.reach_by(Some(scene.believes(&authority, Some(NAME))));
        let scene = Arc::new(scene);
        let asking: Vec<_> = (0..30)
            .map(|_| {
                let scene = Arc::clone(&scene);
                tokio::spawn(async move { scene.ask().await.status })
            })
            .collect();
        for asked in asking {
            assert_eq!(asked.await.expect("asked"), 200);
        }
        assert_eq!(replica.notes.most.load(SeqCst), 3, "{protocol:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn authorities_change_under_load_and_no_request_is_lost() {
    let (old, new) = (Authority::new(), Authority::new());
    let replica = Replica::new(&Manner::of(&old, NAME));
    let scene = Scene::new(&[&replica], hurried);
    let scene = Arc::new(scene);
    scene.reach_by(Some(scene.believes(&old, Some(NAME))));
    let asked = Arc::clone(&scene);
    let mut workers = Workers::start(4, move || {
        let scene = Arc::clone(&asked);
        async move {
            let answer = scene.ask().await;
            assert_eq!(answer.status, 200, "{}", answer.text());
        }
    });
    workers.are_served().await;
    let both = scene.file("both.crt", &(old.pem() + &new.pem()));
    let both = ReplicaTls::read(Some(&both), Some(NAME), None).expect("sound");
    scene.reach_by(Some(both));
    workers.are_served().await;
    *replica.shows.lock() = Manner::of(&new, NAME).acceptor();
    workers.are_served().await;
    let before = replica.handshakes();
    scene.reach_by(Some(scene.believes(&new, Some(NAME))));
    workers.are_served().await;
    assert!(
        replica.handshakes() > before,
        "what was believed before is used no more"
    );
    workers.end().await;

    // Connections that are kept are those of who was believed: now nobody is.
    scene.reach_by(Some(scene.believes(&old, Some(NAME))));
    let seen = replica.seen().len();
    let answer = scene.ask().await;
    assert_eq!(answer.reason(), "connect_failed");
    scene.reach_by(None);
    assert_ne!(
        scene.ask().await.status,
        200,
        "without TLS it is not understood"
    );
    assert_eq!(replica.seen().len(), seen);
}
