//! Event streams, one event at a time: the model server writes the next only once the client has
//! confirmed the last, over a line of its own that passes no proxy. What a hold-up anywhere costs is
//! in the time of every event.

use std::collections::HashMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use parking_lot::Mutex;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};

/// A stream without an event for so long is stuck.
const PATIENCE: Duration = Duration::from_secs(10);

/// The last line is a word to nginx, which would keep events back otherwise.
const HEAD: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\
    x-accel-buffering: no\r\n\r\n";

/// Who waits for a confirmation, by the name of the stream.
type Waiting = Arc<Mutex<HashMap<String, mpsc::UnboundedSender<()>>>>;

/// Serves streams on one port and hears confirmations on the other, until it is killed.
pub(crate) async fn serve(port: u16, confirmations: u16) -> Result<()> {
    let streams = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
    let confirmed = TcpListener::bind((Ipv4Addr::LOCALHOST, confirmations)).await?;
    let waiting = Waiting::default();
    loop {
        tokio::select! {
            client = streams.accept() => {
                tokio::spawn(stream(client?.0, Arc::clone(&waiting)));
            }
            client = confirmed.accept() => {
                tokio::spawn(hear(client?.0, Arc::clone(&waiting)));
            }
        }
    }
}

/// Answers `GET /STREAM/EVENTS` with so many events.
async fn stream(socket: TcpStream, waiting: Waiting) -> io::Result<()> {
    socket.set_nodelay(true)?;
    let mut socket = BufReader::new(socket);
    while let Some(target) = target(&mut socket).await? {
        let (name, events) = target.rsplit_once('/').unwrap_or((&target, "0"));
        let (confirm, mut confirmed) = mpsc::unbounded_channel();
        waiting.lock().insert(name.to_owned(), confirm);
        socket.write_all(HEAD.as_bytes()).await?;
        for n in 0..events.parse().unwrap_or(0_u64) {
            let event = format!("data: {n}\n\n");
            let chunk = format!("{:x}\r\n{event}\r\n", event.len());
            socket.write_all(chunk.as_bytes()).await?;
            confirmed.recv().await.ok_or(io::ErrorKind::BrokenPipe)?;
        }
        socket.write_all(b"0\r\n\r\n").await?;
    }
    Ok(())
}

/// What the next request asks for; `None` at the end of the connection.
async fn target(socket: &mut BufReader<TcpStream>) -> io::Result<Option<String>> {
    let (mut first, mut line) = (String::new(), String::new());
    if socket.read_line(&mut first).await? == 0 {
        return Ok(None);
    }
    while line != "\r\n" {
        line.clear();
        if socket.read_line(&mut line).await? == 0 {
            return Ok(None);
        }
    }
    Ok(first.split(' ').nth(1).map(str::to_owned))
}

/// The name of a stream in a line, then a byte for every event of it.
async fn hear(socket: TcpStream, waiting: Waiting) -> io::Result<()> {
    let (mut socket, mut name) = (BufReader::new(socket), String::new());
    socket.read_line(&mut name).await?;
    while let Ok(_one) = socket.read_u8().await {
        let confirm = waiting.lock().get(name.trim_end()).cloned();
        confirm.map(|confirm| confirm.send(()));
    }
    Ok(())
}

/// Reads so many events of one stream through `by`, each confirmed at `to`; how long that took from
/// the first to the last.
pub(crate) async fn follow(
    by: SocketAddr,
    to: SocketAddr,
    name: &str,
    events: u64,
) -> Result<Duration> {
    let mut confirming = TcpStream::connect(to).await?;
    confirming.set_nodelay(true)?;
    confirming
        .write_all(format!("/{name}\n").as_bytes())
        .await?;
    let mut socket = TcpStream::connect(by).await?;
    socket.set_nodelay(true)?;
    let request = format!("GET /{name}/{events} HTTP/1.1\r\nhost: bench\r\n\r\n");
    socket.write_all(request.as_bytes()).await?;
    let (mut begun, mut lines) = (Instant::now(), BufReader::new(socket).lines());
    let mut seen = 0;
    while seen < events {
        let line = timeout(PATIENCE, lines.next_line()).await;
        let line = line.context("an event does not come")??;
        let line = line.context("the stream ended early")?;
        let Some(n) = line.strip_prefix("data: ") else {
            continue;
        };
        ensure!(n == seen.to_string(), "event {n} in the place of {seen}");
        if seen == 0 {
            begun = Instant::now();
        }
        seen += 1;
        confirming.write_all(b".").await?;
    }
    Ok(begun.elapsed())
}
