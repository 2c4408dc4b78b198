//! A model server that reads bytes itself, as strictly as can be: what it could read in two ways it
//! calls broken, and what follows a request on its connection is another.

use std::net::SocketAddr;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::task::AbortOnDropHandle;

/// What it has read.
#[derive(Debug, Default)]
struct Seen {
    targets: Vec<String>,
    heads: Vec<String>,
    broken: Vec<String>,
}

pub(super) struct Replica {
    pub(super) address: SocketAddr,
    seen: Arc<Mutex<Seen>>,
    _listening: AbortOnDropHandle<()>,
}

impl Replica {
    pub(super) async fn listen() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("it is bound");
        let seen = Arc::<Mutex<Seen>>::default();
        let listening = tokio::spawn({
            let seen = Arc::clone(&seen);
            async move {
                while let Ok((stream, _)) = listener.accept().await {
                    tokio::spawn(serve(stream, Arc::clone(&seen)));
                }
            }
        });
        Self {
            address,
            seen,
            _listening: AbortOnDropHandle::new(listening),
        }
    }

    /// What was asked for from now on.
    pub(super) fn forget(&self) {
        let mut seen = self.seen.lock();
        seen.targets.clear();
        seen.heads.clear();
    }

    /// What was asked for by whole requests, in order.
    pub(super) fn targets(&self) -> Vec<String> {
        self.seen.lock().targets.clone()
    }

    /// The heads of those.
    pub(super) fn heads(&self) -> Vec<String> {
        self.seen.lock().heads.clone()
    }

    /// What it could have read in two ways.
    pub(super) fn broken(&self) -> Vec<String> {
        self.seen.lock().broken.clone()
    }
}

async fn serve(stream: TcpStream, seen: Arc<Mutex<Seen>>) {
    let mut stream = BufReader::new(stream);
    while let Some(head) = head(&mut stream).await {
        let length = match length(&head) {
            Ok(length) => length,
            Err(why) => {
                seen.lock().broken.push(format!("{why}: {head:?}"));
                return;
            }
        };
        let whole = match length {
            Length::Of(bytes) => skip(&mut stream, bytes).await,
            Length::Chunks => chunks(&mut stream).await,
        };
        if whole.is_none() {
            // The gate has broken off: it is no request.
            return;
        }
        let target = head.split(' ').nth(1).unwrap_or_default().to_owned();
        {
            let mut seen = seen.lock();
            seen.targets.push(target);
            seen.heads.push(head);
        }
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
        if stream.write_all(answer).await.is_err() {
            return;
        }
    }
}

enum Length {
    Of(u64),
    Chunks,
}

async fn head(stream: &mut BufReader<TcpStream>) -> Option<String> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        let read = stream.read_line(&mut head).await.ok()?;
        if read == 0 {
            return None;
        }
    }
    Some(head)
}

/// How long the body is, by the one header that says so.
fn length(head: &str) -> Result<Length, &'static str> {
    let mut lines = head.split("\r\n");
    let line = lines.next().unwrap_or_default();
    if line.split(' ').count() != 3 || !line.ends_with(" HTTP/1.1") {
        return Err("no request line");
    }
    if head.replace("\r\n", "").contains(['\r', '\n', '\0']) {
        return Err("a control character");
    }
    let fields: Vec<_> = lines
        .filter(|line| !line.is_empty())
        .map(|line| line.split_once(':').unwrap_or((line, "")))
        .collect();
    let values = |wanted: &str| {
        let named = fields.iter();
        let named = named.filter(|(name, _)| name.trim().eq_ignore_ascii_case(wanted));
        named.map(|(_, value)| value.trim()).collect::<Vec<_>>()
    };
    if values("host").len() != 1 {
        return Err("not one Host");
    }
    match (
        &values("content-length")[..],
        &values("transfer-encoding")[..],
    ) {
        ([], []) => Ok(Length::Of(0)),
        ([length], []) => length.parse().map(Length::Of).map_err(|_| "no length"),
        ([], ["chunked"]) => Ok(Length::Chunks),
        _ => Err("more than one length"),
    }
}

async fn skip(stream: &mut BufReader<TcpStream>, bytes: u64) -> Option<()> {
    let mut rest = stream.take(bytes);
    let read = tokio::io::copy(&mut rest, &mut tokio::io::sink()).await;
    (read.ok()? == bytes).then_some(())
}

async fn chunks(stream: &mut BufReader<TcpStream>) -> Option<()> {
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await.ok()?;
        let size = u64::from_str_radix(line.strip_suffix("\r\n")?, 16).ok()?;
        if size == 0 {
            break;
        }
        skip(stream, size + 2).await?;
    }
    loop {
        let mut line = String::new();
        match stream.read_line(&mut line).await.ok()? {
            0 => return None,
            _ if line == "\r\n" => return Some(()),
            _ => {}
        }
    }
}
