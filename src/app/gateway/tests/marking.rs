//! What a gateway shows to the sidecars behind it.

use std::net::Ipv4Addr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};
use tokio::net::TcpListener;

use super::super::front::Front;
use super::*;
use crate::config::{Overrides, load_gateway};
use crate::loads::mark;
use crate::ports::{ReplicaState, ReplicaView, World};
use crate::proxy::{Client, Throttler};
use crate::revision::{Endpoint, ReplicaId};
use crate::sync::now;

/// What the only replica of a gateway with these settings is asked.
async fn asked(settings: &str) -> String {
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("gateway.yaml");
    let token = dir.path().join("token");
    std::fs::write(&token, "secret\n").expect("written");
    let settings = settings.replace("TOKEN", &token.display().to_string());
    std::fs::write(
        &file,
        format!("listen: 127.0.0.1:0\nadmin: off\n{settings}"),
    )
    .expect("written");
    let config = load_gateway(&[file], &Overrides::default()).expect("sound");
    let (front, _listeners) =
        Front::open(&config, &Overrides::default().program()).expect("a free port");

    let replica = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let spec = spec(0);
    let throttler = Throttler::new(spec.container_concurrency, spec.queue);
    throttler.follow(&World {
        replicas: vec![ReplicaView {
            phase: None,
            kept_by: None,
            uid: None,
            id: ReplicaId(1),
            name: None,
            endpoint: Some(Endpoint(replica.local_addr().expect("it is bound"))),
            detail: None,
            state: ReplicaState::Ready,
            since: now(),
        }],
        ..World::default()
    });
    front.registry.insert(Revision {
        spec,
        throttler,
        stats: Arc::default(),
        tls: None,
    });
    let (mut ours, theirs) = duplex(64 * 1024);
    let client = Client::new(Ipv4Addr::LOCALHOST.into(), None);
    tokio::spawn(front.server.clone().serve(theirs, client));
    let request =
        b"GET / HTTP/1.1\r\nhost: gate\r\nx-holdgate-revision: flowers.ns\r\nx-holdgate-load: mine\r\n\r\n";
    ours.write_all(request).await.expect("it is heard");
    let (mut replica, _) = replica.accept().await.expect("it is asked");
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        let byte = replica.read_u8().await.expect("the whole head comes");
        head.push(byte.into());
    }
    head
}

#[tokio::test]
async fn a_gateway_with_a_token_for_reports_marks_what_it_sends() {
    let head = asked("reportTokenFile: TOKEN\n").await;
    let want = format!("\r\nx-holdgate-load: {}\r\n", mark("secret"));
    assert!(head.contains(&want), "{head}");
    assert!(!head.contains("mine"), "{head}");
    let head = asked("").await;
    assert!(!head.contains("x-holdgate-load"), "{head}");
}
