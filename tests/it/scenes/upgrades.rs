//! Connections that become something else than HTTP: a WebSocket, or what else client and replica
//! agree on.

use holdgate::proxy::Client as Peer;
use holdgate::revision::Protocol;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
use tokio::time::{Instant, timeout};

use crate::support::{Dice, Gate, get, ms, revision, secs, settle};

/// A client that asks for a WebSocket.
struct Socket(DuplexStream);

impl Socket {
    /// Connects and asks.
    async fn ask(gate: &Gate, target: &str) -> Self {
        Self::ask_for(
            gate,
            target,
            "connection: keep-alive, Upgrade\r\nupgrade: websocket\r\n",
        )
        .await
    }

    async fn ask_for(gate: &Gate, target: &str, headers: &str) -> Self {
        let (ours, theirs) = duplex(64 * 1024);
        let peer = Peer::new([10, 0, 0, 9].into(), None);
        tokio::spawn(gate.server.clone().serve(theirs, peer));
        let mut socket = Self(ours);
        let head = format!("GET {target} HTTP/1.1\r\nhost: m.example\r\n{headers}\r\n");
        socket.say(head.as_bytes()).await;
        socket
    }

    /// Asks, and is there.
    async fn open(gate: &Gate, target: &str) -> Self {
        let mut socket = Self::ask(gate, target).await;
        let head = socket.head().await;
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        socket
    }

    /// The head of an answer, and not a byte more.
    async fn head(&mut self) -> String {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(self.0.read_u8().await.expect("an answer"));
        }
        String::from_utf8(head).expect("text")
    }

    async fn say(&mut self, words: &[u8]) {
        self.0.write_all(words).await.expect("somebody listens");
    }

    async fn hear(&mut self, bytes: usize) -> Vec<u8> {
        let mut heard = vec![0; bytes];
        self.0.read_exact(&mut heard).await.expect("somebody talks");
        heard
    }

    /// Something goes back and forth.
    async fn works(&mut self) {
        self.say(b"hello").await;
        assert_eq!(self.hear(5).await, b"hello");
    }

    /// What is said until the end.
    async fn rest(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        let read = self.0.read_to_end(&mut rest);
        read.await.expect("a pipe");
        rest
    }
}

/// Waits until nothing of a revision is in flight, which must not take long.
async fn until_free(gate: &Gate) {
    let began = Instant::now();
    gate.until(|gate| gate.reading().running == 0 && gate.machine.at_work() == 0)
        .await;
    assert!(began.elapsed() <= ms(100), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_limit_counts_connections_that_became_something_else() {
    let gate = Gate::warm(revision(2, 1..=1)).await;
    let mut first = Socket::open(&gate, "/").await;
    let mut second = Socket::open(&gate, "/").await;
    let mut third = Socket::ask(&gate, "/").await;
    let early = timeout(secs(30), third.head()).await;
    early.expect_err("it waits");
    assert_eq!((gate.reading().running, gate.reading().waiting), (2, 1));
    assert_eq!(gate.machine.most_inside(), 2);
    first.works().await;
    second.works().await;

    drop(first);

    let head = timeout(ms(100), third.head()).await.expect("its turn");
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    third.works().await;
    assert_eq!(gate.machine.most_inside(), 2, "never more");
    drop((second, third));
    until_free(&gate).await;
    assert_eq!(gate.codes().get(&101), Some(&3), "{:?}", gate.codes());
    assert_eq!(gate.ask(get("/")).await.code(), 200);
}

#[tokio::test(start_paused = true)]
async fn the_place_is_free_at_once_however_it_ends() {
    let gate = Gate::warm(revision(1, 1..=1)).await;
    // The client ends, and hears what there is still to be said.
    let mut socket = Socket::open(&gate, "/").await;
    socket.works().await;
    socket.0.shutdown().await.expect("a pipe");
    assert_eq!(socket.rest().await, b"the end");
    until_free(&gate).await;

    // The client leaves.
    let mut socket = Socket::open(&gate, "/").await;
    socket.works().await;
    drop(socket);
    until_free(&gate).await;

    // The model server ends.
    let mut socket = Socket::open(&gate, "/?hangs").await;
    socket.say(b"hello").await;
    assert_eq!(socket.rest().await, b"");
    drop(socket);
    until_free(&gate).await;

    // The model server dies.
    let mut socket = Socket::open(&gate, "/").await;
    socket.works().await;
    gate.machine.running()[0].kill();
    assert_eq!(socket.rest().await, b"");
    drop(socket);
    settle().await;
    assert_eq!((gate.reading().running, gate.machine.at_work()), (0, 0));
    assert_eq!(gate.codes().get(&101), Some(&4), "{:?}", gate.codes());
}

#[tokio::test(start_paused = true)]
async fn what_is_asked_for_and_said_right_behind_the_head_arrives() {
    let gate = Gate::warm(revision(1, 1..=1)).await;
    let asked = "connection: upgrade, x-mine\r\nx-mine: 1\r\nupgrade: h2c, chat/2\r\n\
                 sec-websocket-key: abc\r\n";
    let mut socket = Socket::ask_for(&gate, "/?greets", asked).await;
    socket.say(b"early").await;
    let head = socket.head().await.to_ascii_lowercase();
    assert!(head.contains("\r\nconnection: upgrade\r\n"), "{head}");
    assert!(head.contains("\r\nupgrade: chat/2\r\n"), "{head}");
    assert!(head.contains("\r\nserver-timing: queue;"), "{head}");
    assert_eq!(socket.hear(12).await, b"welcomeearly");
    let seen = gate.machine.seen().pop().expect("it came there");
    let headers = &seen.headers;
    assert_eq!(
        (&headers["connection"], &headers["upgrade"]),
        (&"upgrade".parse().unwrap(), &"chat/2".parse().unwrap())
    );
    assert_eq!(headers["sec-websocket-key"], "abc");
    assert!(!headers.contains_key("x-mine"));
}

#[tokio::test(start_paused = true)]
async fn nobody_is_upgraded_who_does_not_say_so_or_wants_http2() {
    let gate = Gate::warm(revision(1, 1..=1)).await;
    for headers in [
        "upgrade: websocket\r\n",
        "connection: upgrade\r\n",
        "connection: upgrade, http2-settings\r\nupgrade: h2c\r\nhttp2-settings: AAAA\r\n",
        "connection: upgrade\r\nupgrade: H2C , \r\n",
    ] {
        let mut socket = Socket::ask_for(&gate, "/", headers).await;
        let head = socket.head().await;
        assert!(head.starts_with("HTTP/1.1 200 "), "{headers}: {head}");
        let seen = gate.machine.seen().pop().expect("it came there");
        for name in ["connection", "upgrade", "http2-settings"] {
            assert!(!seen.headers.contains_key(name), "{headers}: {name}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn nobody_is_upgraded_where_replicas_are_spoken_to_in_http2_alone_nor_is_one_woken() {
    let mut gate = Gate::new(revision(1, 0..=1), secs(1));
    gate.rewrite(|spec| spec.protocol = Protocol::H2c);
    let mut socket = Socket::ask(&gate, "/").await;
    let head = socket.head().await;
    assert!(head.starts_with("HTTP/1.1 501 "), "{head}");
    assert!(
        head.contains("x-holdgate-reason: upgrade_unsupported\r\n"),
        "{head}"
    );
    tokio::time::sleep(secs(10)).await;
    assert_eq!((gate.reading().waiting, gate.machine.seen().len()), (0, 0));
    assert_eq!(gate.machine.launched().len(), 0);
    // What names HTTP/2 alone is a request like any other.
    gate.rewrite(|spec| spec.protocol = Protocol::Http1);
    let mut socket = Socket::ask(&gate, "/").await;
    let head = socket.head().await;
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
}

#[tokio::test(start_paused = true)]
async fn a_model_server_that_declines_answers_as_ever_and_the_connection_is_kept() {
    let gate = Gate::warm(revision(1, 1..=1)).await;
    let upgrade = "connection: upgrade\r\nupgrade: websocket\r\n";
    let mut socket = Socket::ask_for(&gate, "/?decline", upgrade).await;
    let head = socket.head().await;
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    assert_eq!(socket.hear(7).await, b"0 bytes");
    let again = format!("GET / HTTP/1.1\r\nhost: m.example\r\n{upgrade}\r\n");
    socket.say(again.as_bytes()).await;
    let head = socket.head().await;
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    socket.works().await;
}

#[tokio::test(start_paused = true)]
async fn it_is_asked_on_a_new_connection_which_is_never_kept() {
    let gate = Gate::warm(revision(0, 1..=1)).await;
    assert_eq!(gate.ask(get("/")).await.code(), 200);
    assert_eq!(gate.machine.dialled(), 1);
    let mut socket = Socket::open(&gate, "/").await;
    socket.works().await;
    assert_eq!(gate.machine.dialled(), 2, "not the kept one");
    assert_eq!(gate.ask(get("/")).await.code(), 200);
    assert_eq!(gate.machine.dialled(), 2, "the kept one");
}

#[tokio::test(start_paused = true)]
async fn idleness_in_both_directions_ends_it_and_nothing_else_does() {
    let mut spec = revision(1, 1..=1);
    spec.timeouts.total = Some(secs(5));
    spec.timeouts.idle = Some(secs(60));
    let gate = Gate::warm(spec).await;
    let mut socket = Socket::open(&gate, "/").await;
    for _ in 0..100 {
        tokio::time::sleep(secs(59)).await;
        socket.works().await;
    }
    let quiet = Instant::now();
    assert_eq!(socket.rest().await, b"");
    assert_eq!(quiet.elapsed(), secs(60));
    until_free(&gate).await;

    // One direction is enough: this one never says anything.
    let mut socket = Socket::open(&gate, "/?deaf").await;
    socket.works().await;
    socket.0.shutdown().await.expect("a pipe");
    let quiet = Instant::now();
    assert_eq!(socket.rest().await, b"");
    assert_eq!(quiet.elapsed(), secs(60));
    settle().await;
    assert_eq!(gate.reading().running, 0);
}

#[tokio::test(start_paused = true)]
async fn it_has_the_budget_of_streams_where_one_is_set() {
    let mut spec = revision(1, 1..=1);
    spec.timeouts.stream = Some(secs(90));
    let gate = Gate::warm(spec).await;
    let began = Instant::now();
    let mut socket = Socket::open(&gate, "/").await;
    tokio::time::sleep(secs(80)).await;
    socket.works().await;
    assert_eq!(socket.rest().await, b"");
    assert_eq!(began.elapsed(), secs(90));
    until_free(&gate).await;
}

#[tokio::test(start_paused = true)]
async fn a_thousand_messages_both_ways_arrive_whole() {
    let gate = Gate::warm(revision(1, 1..=1)).await;
    let socket = Socket::open(&gate, "/").await;
    let mut dice = Dice::new(7);
    let messages: Vec<Vec<u8>> = (0..1000_u32)
        .map(|n| {
            let length = 1 + usize::try_from(dice.below(300)).expect("it is small");
            let mut message = vec![u8::try_from(n % 251).expect("it is small"); length];
            message.extend_from_slice(&n.to_be_bytes());
            message
        })
        .collect();
    let want = messages.concat();
    let (mut hears, mut says) = tokio::io::split(socket.0);
    let saying = tokio::spawn(async move {
        for message in messages {
            says.write_all(&message).await.expect("somebody listens");
            tokio::task::yield_now().await;
        }
    });
    let mut echo = vec![0; want.len()];
    hears.read_exact(&mut echo).await.expect("somebody talks");
    assert!(echo == want, "nothing is lost, doubled or changed");
    saying.await.expect("all of it was said");
}

#[tokio::test(start_paused = true)]
async fn it_is_waited_for_from_zero_and_by_the_drain() {
    let gate = Gate::new(revision(1, 0..=1), secs(90));
    let began = Instant::now();
    let mut socket = Socket::ask(&gate, "/").await;
    let head = socket.head().await;
    assert!(began.elapsed() >= secs(90));
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    assert!(head.contains("x-holdgate-cold-start: true"), "{head}");

    let server = gate.server.clone();
    let drained = tokio::spawn(async move { server.drained().await });
    tokio::time::sleep(secs(100)).await;
    socket.works().await;
    drop(socket);
    timeout(secs(1), drained)
        .await
        .expect("it waits no longer")
        .expect("no panic");
}

#[tokio::test(start_paused = true)]
async fn a_drain_does_not_spoil_an_upgrade_that_was_on_its_way() {
    let gate = Gate::new(revision(1, 0..=1), secs(90));
    let upgrade = "connection: upgrade\r\nupgrade: websocket\r\n";
    let mut socket = Socket::ask(&gate, "/").await;
    let mut declined = Socket::ask_for(&gate, "/?decline", upgrade).await;
    settle().await;
    gate.server.close();
    gate.server.wind_down();
    let head = socket.head().await.to_ascii_lowercase();
    assert!(head.contains("\r\nconnection: upgrade\r\n"), "{head}");
    socket.works().await;
    drop(socket);
    let head = declined.head().await.to_ascii_lowercase();
    assert!(head.contains("\r\nconnection: close\r\n"), "{head}");
    assert_eq!(declined.rest().await, b"0 bytes");
}
