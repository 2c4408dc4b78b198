//! A server without revisions: who is let in, and how it ends.

use std::io::{Read, Write};
use std::net::TcpStream;

use super::*;
use crate::proxy::{Registry, TcpDial};

/// A server without revisions that accepts.
fn listening() -> (Server<TcpDial>, SocketAddr) {
    let listener = listen(([127, 0, 0, 1], 0).into()).expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    let registry = Arc::new(Registry::default());
    let server = Server::new(Arc::new(Proxy::new(registry, TcpDial)), 16);
    let accepting = server.clone();
    tokio::spawn(async move { accepting.accept(listener).await });
    (server, address)
}

#[tokio::test]
async fn who_has_connected_before_the_drain_is_answered() {
    let (server, address) = listening();
    tokio::task::yield_now().await;
    // Without giving the server a chance to see them.
    let clients: Vec<_> = (0..4)
        .map(|_| {
            let mut client = TcpStream::connect(address).expect("the kernel takes it");
            let request = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n";
            client.write_all(request).expect("sent");
            client
        })
        .collect();

    server.drained().await;

    for mut client in clients {
        let mut answer = String::new();
        client.read_to_string(&mut answer).expect("a whole answer");
        assert!(answer.starts_with("HTTP/1.1 404 "), "{answer}");
    }
    TcpStream::connect(address).expect_err("nobody is let in any more");
}

/// Asks on a connection, and reads as far as the head of the answer goes.
fn ask(client: &mut TcpStream) -> String {
    let request = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n";
    client.write_all(request).expect("sent");
    let mut answer = Vec::new();
    while !answer.ends_with(b"}\n") {
        let mut piece = [0; 1024];
        let read = client.read(&mut piece).expect("an answer");
        assert!(read > 0, "it broke off");
        answer.extend_from_slice(&piece[..read]);
    }
    String::from_utf8(answer).expect("text")
}

#[tokio::test(flavor = "multi_thread")]
async fn while_it_winds_down_it_serves_as_before_but_keeps_no_connection() {
    let (server, address) = listening();
    tokio::task::spawn_blocking(move || {
        let connect = || TcpStream::connect(address).expect("it is let in");
        let mut kept = connect();
        for _ in 0..3 {
            assert!(!ask(&mut kept).contains("connection: close"), "it is kept");
        }

        server.wind_down();

        for mut client in [kept, connect(), connect()] {
            let answer = ask(&mut client);
            assert!(answer.starts_with("HTTP/1.1 404 "), "{answer}");
            assert!(answer.contains("connection: close\r\n"), "{answer}");
            let read = client.read(&mut [0; 1]).expect("a clean end");
            assert_eq!(read, 0, "the gate closes it");
        }
    })
    .await
    .expect("no panic");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_send_the_rest_is_waited_for_only_so_long() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let (server, address) = listening();
    let client = tokio::net::TcpStream::connect(address).await;
    let mut client = client.expect("it listens");
    let request = b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 100000\r\n\r\nsome";
    client.write_all(request).await.expect("sent");
    let mut answer = String::new();
    client
        .read_to_string(&mut answer)
        .await
        .expect("a whole answer");
    assert!(answer.starts_with("HTTP/1.1 404 "), "{answer}");

    let drained = tokio::time::timeout(Duration::from_secs(3), server.drained());
    drained.await.expect("it is let go");
}
