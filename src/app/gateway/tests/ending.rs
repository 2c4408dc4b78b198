use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::Instant;

use super::super::ending::{Budgets, Ending, end};
use super::following::{nothing_written, only, tellers};
use super::*;
use crate::app::drain::Signals;
use crate::backend::kubernetes::Obstacle;
use crate::proxy::{Proxy, TcpDial};
use crate::server::{Server, listen};

#[tokio::test(start_paused = true)]
async fn a_gateway_that_ends_steers_nothing_and_serves_until_nobody_is_sent_there() {
    let mut scene = Scene::new();
    scene.cluster.deploy("m.ns", 1);
    scene.claim(claim("m.ns", 0, json!({ "limit": 1 }))).await;
    let inside = scene.ask("m.ns").admitted();
    let waits = scene.ask("m.ns").waits();
    let proxy = Arc::new(Proxy::new(Arc::clone(&scene.registry), TcpDial));
    let server = Server::new(proxy, 10);
    let mut signals = Signals::listen().expect("signals");
    let (mut tellers, written) = (tellers(), nothing_written());
    let (begun, resigned) = (Instant::now(), AtomicBool::new(false));
    let pods = scene.cluster.pods_of("m.ns").expect("it is ours");
    let asked = scene.cluster.asked("m.ns");
    let budgets = Budgets {
        spread: secs(5),
        drain: secs(30),
    };
    let resign = async {
        assert!(!pods.tenure.borrow().steers, "before another may");
        resigned.store(true, Ordering::Relaxed);
    };
    let (registry, cluster) = (Arc::clone(&scene.registry), Arc::clone(&scene.cluster));
    let story = async {
        tokio::time::sleep(secs(1)).await;
        assert!(resigned.load(Ordering::Relaxed), "at once");
        drop(inside);
        let permit = waits.await.expect("served on");
        tokio::time::sleep(secs(3)).await;
        let revision = registry.by_host("m.ns").expect("it is there");
        drop(permit);
        assert!(matches!(revision.throttler.arrive(0), Arrival::Admitted(_)));
    };
    let ending = Ending {
        gateway: scene.gateway,
        sources: &mut tellers.sources,
        written: &written,
    };
    let ended = end(ending, &server, &mut signals, budgets, resign);
    let (ended, ()) = tokio::join!(ended, story);
    ended.expect("nothing was cut");
    assert_eq!(begun.elapsed(), secs(5));
    assert_eq!(cluster.asked("m.ns"), asked, "pods are left as they are");
}

/// A request over a connection, once it waits in line.
async fn ask_over_tcp(server: &Server<TcpDial>, at: &Revision, host: &str) -> TcpStream {
    let listener = listen(([127, 0, 0, 1], 0).into()).expect("a port");
    let address = listener.local_addr().expect("an address");
    let accepting = server.clone();
    tokio::spawn(async move { accepting.accept(listener).await });
    let mut client = TcpStream::connect(address).await.expect("connected");
    let request = format!("GET / HTTP/1.1\r\nhost: {host}\r\n\r\n");
    client.write_all(request.as_bytes()).await.expect("written");
    // Never idle, so that the clock stands still.
    while at.throttler.read().waiting == 0 {
        tokio::task::yield_now().await;
    }
    client
}

#[tokio::test(start_paused = true)]
async fn a_gateway_that_ends_hears_of_others_and_of_claims_until_it_has_ended() {
    let mut scene = Scene::with(WAITS);
    scene.cluster.deploy("m.ns", 0);
    let whole = claim("m.ns", 0, json!({}));
    scene.claim(whole.clone()).await;
    let proxy = Arc::new(Proxy::new(Arc::clone(&scene.registry), TcpDial));
    let server = Server::new(proxy, 10);
    let revision = scene.at("m.ns").expect("it is there");
    let mut client = ask_over_tcp(&server, &revision, "m.ns").await;
    let (mut tellers, written) = (tellers(), nothing_written());
    let mut signals = Signals::listen().expect("signals");
    let pods = scene.cluster.pods_of("m.ns").expect("it is ours");
    let budgets = Budgets {
        spread: secs(5),
        drain: secs(30),
    };
    let cluster = Arc::clone(&scene.cluster);
    cluster.told();
    let (claims, tenure) = (tellers.claims.clone(), tellers.tenure.clone());
    let story = async {
        // Twice while it is still sent requests, and twice while it drains.
        for (at, heard) in [(1, true), (2, false), (10, false), (20, true)] {
            tokio::time::sleep(secs(at)).await;
            let told = Tenure {
                steers: true,
                heard,
            };
            tenure.send_replace(told);
            settle().await;
            let nothing_steered = Tenure {
                steers: false,
                ..told
            };
            assert_eq!(*pods.tenure.borrow(), nothing_steered);
        }
        let stopped = Claim {
            obstacle: Some(Obstacle::Stopped),
            ..whole
        };
        claims.send_replace(Some(only(stopped)));
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.expect("an answer");
        assert!(answer.contains("x-holdgate-reason: stopped"), "{answer}");
    };
    let begun = Instant::now();
    let ending = Ending {
        gateway: scene.gateway,
        sources: &mut tellers.sources,
        written: &written,
    };
    let ended = end(ending, &server, &mut signals, budgets, async {});
    let (ended, ()) = tokio::join!(ended, story);
    ended.expect("nothing was cut");
    assert_eq!(begun.elapsed(), secs(33));
    assert_eq!(cluster.told(), [""; 0], "the next one tells");
}
