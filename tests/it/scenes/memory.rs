//! What a client can have the gate keep in memory before anybody reads it.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::task::{Context, Poll};

use holdgate::proxy::Client as Peer;
use http::Request;
use tokio::io::{
    AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, DuplexStream, ReadBuf, duplex,
};
use tokio::time::{sleep, timeout};

use crate::support::{Gate, Http2, get, ms, post, revision, secs};

/// What was read and written, at most at once and in all.
#[derive(Default)]
struct Seen {
    most_read: AtomicUsize,
    most_written: AtomicUsize,
    read: AtomicUsize,
}

/// A stream that notes what is read and written.
struct Measured {
    io: DuplexStream,
    seen: Arc<Seen>,
}

/// Serves a client on a stream with so much room.
fn serve(gate: &Gate, room: usize) -> (DuplexStream, Arc<Seen>) {
    let (ours, io) = duplex(room);
    let seen = Arc::<Seen>::default();
    let measured = Measured {
        io,
        seen: Arc::clone(&seen),
    };
    let peer = Peer::new([10, 0, 0, 9].into(), None);
    tokio::spawn(gate.server.clone().serve(measured, peer));
    (ours, seen)
}

impl AsyncRead for Measured {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let (room, before) = (buf.remaining(), buf.filled().len());
        self.seen.most_read.fetch_max(room, Relaxed);
        let read = Pin::new(&mut self.io).poll_read(cx, buf);
        let bytes = buf.filled().len() - before;
        self.seen.read.fetch_add(bytes, Relaxed);
        read
    }
}

impl AsyncWrite for Measured {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.seen.most_written.fetch_max(buf.len(), Relaxed);
        Pin::new(&mut self.io).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

#[tokio::test(start_paused = true)]
async fn the_buffers_of_a_connection_of_http1_stay_small_however_much_is_sent() {
    let gate = Gate::warm(revision(1, 1..=1)).await;
    let (ours, seen) = serve(&gate, 16 << 20);
    let (mut answer, mut asked) = tokio::io::split(ours);
    let sent = 8 << 20;
    tokio::spawn(async move {
        let head = format!(
            "POST /?echo HTTP/1.1\r\nhost: m.example\r\nconnection: close\r\ncontent-length: {sent}\r\n\r\n"
        );
        asked.write_all(head.as_bytes()).await.expect("it listens");
        asked.write_all(&vec![7; sent]).await.expect("it listens");
        asked
    });
    let mut heard = Vec::new();
    answer.read_to_end(&mut heard).await.expect("a pipe");
    assert!(heard.starts_with(b"HTTP/1.1 200 ") && heard.len() > sent);
    let read = seen.most_read.load(Relaxed);
    // What there is of a buffer may be twice what is asked for.
    assert!((32 * 1024..=128 * 1024).contains(&read), "{read}");
    let written = seen.most_written.load(Relaxed);
    assert!(written <= 128 * 1024, "{written}");
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_nobody_reads_holds_64_kib() {
    let mut spec = revision(1, 1..=1);
    spec.queue.read_ahead = 1000;
    let gate = Gate::warm(spec).await;
    let _running = gate.asking(get("/?ms=100000"));
    sleep(ms(10)).await;
    let (ours, seen) = serve(&gate, 1 << 20);
    let (mut client, connection) = h2::client::handshake(ours).await.expect("a pipe");
    tokio::spawn(connection);
    let mut bodies = Vec::new();
    for _ in 0..100 {
        client = client.ready().await.expect("a pipe");
        let asked = Request::post("http://m.example/").body(()).expect("valid");
        let (_, mut body) = client.send_request(asked, false).expect("a pipe");
        body.send_data(vec![7; 4 << 20].into(), true)
            .expect("a pipe");
        bodies.push(body);
    }
    sleep(secs(1)).await;
    assert_eq!(gate.reading().waiting, 100);
    // Beside it, its head and what was read ahead of it, in whole frames.
    let held = seen.read.load(Relaxed) / bodies.len();
    assert!((64 * 1024..=(64 + 33) * 1024).contains(&held), "{held}");
}

#[tokio::test(start_paused = true)]
async fn a_refused_stream_holds_nothing() {
    let mut spec = revision(1, 1..=1);
    spec.queue.max_requests = 0;
    let gate = Gate::warm(spec).await;
    let client = Http2::to(&gate).await;
    let running = client.asking(get("/?ms=100000"));
    sleep(ms(10)).await;
    // Together three times what a connection holds.
    for _ in 0..3 {
        let asked: Vec<_> = (0..127)
            .map(|_| client.asking(post("/", 64 * 1024)))
            .collect();
        for answer in asked {
            let answer = timeout(secs(1), answer).await.expect("there is room");
            assert_eq!(answer.expect("no panic").code(), 429);
        }
    }
    assert!(!running.is_finished());
}
