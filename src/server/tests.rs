//! A server without revisions: who is let in, and how it ends.

use std::io::{Read, Write};
use std::net::TcpStream;

use super::*;
use crate::proxy::{Registry, TcpDial};

/// A server without revisions that accepts.
fn listening() -> (Server<TcpDial>, SocketAddr) {
    let server = of_places(16);
    let address = accepting(&server);
    (server, address)
}

fn of_places(places: usize) -> Server<TcpDial> {
    let registry = Arc::new(Registry::default());
    Server::new(Arc::new(Proxy::new(registry, TcpDial)), places)
}

/// One more listener of a server, or that of a door.
fn accepting(server: &Server<TcpDial>) -> SocketAddr {
    let listener = listen(([127, 0, 0, 1], 0).into()).expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    let server = server.clone();
    tokio::spawn(async move { server.accept(listener).await });
    address
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

fn connect(address: SocketAddr) -> TcpStream {
    TcpStream::connect(address).expect("the kernel takes it")
}

#[tokio::test(flavor = "multi_thread")]
async fn listeners_that_nobody_comes_to_keep_no_place_from_the_others() {
    let server = of_places(1);
    let addresses: Vec<_> = (0..4).map(|n| accepting(&server.door(n))).collect();
    tokio::task::spawn_blocking(move || {
        for address in addresses {
            let answer = ask(&mut connect(address));
            assert!(answer.starts_with("HTTP/1.1 404 "), "{answer}");
        }
    })
    .await
    .expect("no panic");
}

#[tokio::test(flavor = "multi_thread")]
async fn all_listeners_together_serve_only_so_many() {
    let server = of_places(2);
    // Who does nothing would make place.
    server.seats.unattended();
    let addresses: Vec<_> = (0..4).map(|n| accepting(&server.door(n))).collect();
    let seated = Arc::clone(&server.connections);
    tokio::task::spawn_blocking(move || {
        let mut kept: Vec<_> = addresses[..2].iter().map(|at| connect(*at)).collect();
        for client in &mut kept {
            ask(client);
        }
        assert_eq!(seated.available_permits(), 0);
        let mut waits: Vec<_> = addresses[2..].iter().map(|at| connect(*at)).collect();
        for client in &mut waits {
            let request = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n";
            client.write_all(request).expect("sent");
            // Time enough for whoever would serve it.
            for client in &mut kept {
                ask(client);
            }
            client.set_nonblocking(true).expect("it is a socket");
            let none = client.read(&mut [0; 1]).expect_err("nobody serves it");
            assert_eq!(none.kind(), io::ErrorKind::WouldBlock);
            client.set_nonblocking(false).expect("it is a socket");
        }
        drop(kept);
        for mut client in waits {
            assert_eq!(client.read(&mut [0; 1]).expect("served by now"), 1);
        }
    })
    .await
    .expect("no panic");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_does_nothing_makes_place() {
    let server = of_places(2);
    let address = accepting(&server);
    tokio::task::spawn_blocking(move || {
        let mut idle: Vec<_> = (0..2).map(|_| connect(address)).collect();
        ask(&mut idle[0]);
        // Served, once one of them was seen to do nothing.
        for _ in 0..3 {
            ask(&mut connect(address));
        }
        assert_eq!(idle[1].read(&mut [0; 1]).expect("a clean end"), 0);
    })
    .await
    .expect("no panic");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_that_does_not_come_to_its_end_is_told_so() {
    let registry = Arc::new(Registry::default());
    let proxy = Proxy::new(Arc::clone(&registry), TcpDial);
    let patience = Patience {
        head: Duration::from_secs(1),
        idle: None,
    };
    let server = Server::new(Arc::new(proxy), 16).within(Bounds { patience, ..BOUNDS });
    let address = accepting(&server);
    let read_out = |mut client: TcpStream| {
        let mut answer = String::new();
        client.read_to_string(&mut answer).expect("a clean end");
        answer
    };
    tokio::task::spawn_blocking(move || {
        let (mut slow, silent) = (connect(address), connect(address));
        slow.write_all(b"GET / HTTP/1.1\r\nhost: m\r\nx-")
            .expect("sent");
        let answer = read_out(slow);
        assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
        assert!(
            answer.contains("x-holdgate-reason: head_timeout\r\n"),
            "{answer}"
        );
        assert_eq!(
            read_out(silent),
            "",
            "who has asked for nothing is told nothing"
        );
    })
    .await
    .expect("no panic");
    let counted = registry.unrouted.rejections.read();
    assert_eq!(counted, [("head_timeout", 1)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_door_that_closes_ends_what_came_by_it_and_nothing_else() {
    let (server, data) = listening();
    let door = server.door(20_000);
    let at_the_door = accepting(&door);
    tokio::task::spawn_blocking(move || {
        let (mut by_door, mut by_data) = (connect(at_the_door), connect(data));
        ask(&mut by_door);
        ask(&mut by_data);

        door.close();

        let read = by_door.read(&mut [0; 1]).expect("a clean end");
        assert_eq!(read, 0, "it is not kept");
        TcpStream::connect(at_the_door).expect_err("nobody is let in there any more");
        let answer = ask(&mut by_data);
        assert!(!answer.contains("connection: close"), "{answer}");
        ask(&mut connect(data));
    })
    .await
    .expect("no panic");
    let drained = tokio::time::timeout(Duration::from_secs(30), server.drained());
    drained.await.expect("all of it drains at once");
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
