//! A model server in memory. What it does with a request stands in the request's query:
//! `ms` to work before the head, `chunks` and `gap` for an event stream, `plain` for a stream that
//! is none, `stubborn` to go on when the client has left, and with what it has of a broken upload, `echo` to answer with what is sent,
//! `reset` to break off instead of answering, `break` to break off at the end of a stream, `silent` to say nothing after
//! the first chunk, `old` to stream in HTTP/1.0, `early` to answer before reading what is sent, `events` to call an
//! echo an event stream, `lingers` to begin an answer and end it so long after what is sent has ended, `json` to answer in JSON, `status` to answer with another one. Asked to
//! change to another protocol it does: it says back what it hears, `greets` before it has heard anything,
//! `hangs` to break off at the first word, `deaf` to go on for ever when the other side has ended; unless
//! it is to `decline`.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Duration;

use bytes::Bytes;
use holdgate::revision::ReplicaId;
use http::header::{CONNECTION, CONTENT_TYPE, HeaderMap, HeaderValue, UPGRADE};
use http::{Request, Response, StatusCode, Version};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::upgrade::Upgraded;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use parking_lot::Mutex;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep};

use super::body::{Teller, Told, telling};
use super::machine::Process;
use super::ms;

/// One request as a model server saw it.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    /// Its `x-request-id`.
    pub(crate) id: String,
    pub(crate) replica: ReplicaId,
    /// When its head came.
    pub(crate) at: Instant,
    pub(crate) target: String,
    pub(crate) version: Version,
    pub(crate) headers: HeaderMap,
}

/// Counts what is at work.
#[derive(Clone, Debug, Default)]
pub(crate) struct Gauge(Arc<(AtomicU32, AtomicU32)>);

/// One request at work, until dropped.
struct Working(Gauge);

impl Gauge {
    pub(crate) fn now(&self) -> u32 {
        self.0.0.load(Relaxed)
    }

    pub(crate) fn most(&self) -> u32 {
        self.0.1.load(Relaxed)
    }

    fn begin(&self) -> Working {
        let now = self.0.0.fetch_add(1, Relaxed) + 1;
        self.0.1.fetch_max(now, Relaxed);
        Working(self.clone())
    }
}

impl Drop for Working {
    fn drop(&mut self) {
        self.0.0.0.fetch_sub(1, Relaxed);
    }
}

/// What a request asks for.
struct Wish(Vec<(String, u64)>);

impl Wish {
    fn of(query: Option<&str>) -> Self {
        let words = query.unwrap_or_default().split('&');
        let words = words.map(|word| {
            let (name, value) = word.split_once('=').unwrap_or((word, "1"));
            (name.to_owned(), value.parse().expect("a number"))
        });
        Self(words.collect())
    }

    fn get(&self, name: &str) -> u64 {
        let found = self.0.iter().find(|(word, _)| word == name);
        found.map_or(0, |(_, value)| *value)
    }

    fn has(&self, name: &str) -> bool {
        self.get(name) > 0
    }

    fn time(&self, name: &str) -> Duration {
        ms(self.get(name))
    }
}

/// What an answer says that is labelled.
pub(crate) const LABELS: [(&str, &str); 8] = [
    ("cache-control", "no-store"),
    ("content-type", "application/json"),
    ("etag", "\"7\""),
    ("server", "a model server"),
    ("server-timing", "infer;dur=3"),
    ("set-cookie", "a=1"),
    ("set-cookie", "b=2"),
    ("x-request-id", "7"),
];

type Body = BoxBody<Bytes, io::Error>;

/// Serves one connection until it ends or the process does.
pub(super) async fn serve(io: DuplexStream, process: Arc<Process>, seen: Arc<Mutex<Vec<Seen>>>) {
    let ended = process.ended.clone();
    let service = service_fn(move |request| {
        note(&request, &process, &seen);
        answer(request, Arc::clone(&process))
    });
    let builder = auto::Builder::new(TokioExecutor::new());
    let connection = builder.serve_connection_with_upgrades(TokioIo::new(io), service);
    // Whatever it ends with, the other side sees.
    let _ = ended.run_until_cancelled(connection).await;
}

fn note(request: &Request<Incoming>, process: &Process, seen: &Mutex<Vec<Seen>>) {
    let id = request.headers().get("x-request-id");
    let id = id.and_then(|id| id.to_str().ok()).unwrap_or_default();
    seen.lock().push(Seen {
        id: id.to_owned(),
        replica: process.replica,
        at: Instant::now(),
        target: request.uri().to_string(),
        version: request.version(),
        headers: request.headers().clone(),
    });
}

async fn answer(request: Request<Incoming>, process: Arc<Process>) -> io::Result<Response<Body>> {
    let wish = Wish::of(request.uri().query());
    let working = process.work.begin();
    if request.headers().contains_key(UPGRADE) && !wish.has("decline") {
        return Ok(switch(request, wish, working, &process));
    }
    if wish.has("reset") {
        return Err(io::ErrorKind::ConnectionReset.into());
    }
    if wish.has("echo") {
        let body = request.into_body().map_frame(move |frame| {
            let _ = &working;
            frame
        });
        let mut response = Response::new(body.map_err(io::Error::other).boxed());
        let trailer = HeaderValue::from_static("x-sum");
        response.headers_mut().insert("trailer", trailer);
        if wish.has("events") {
            let kind = HeaderValue::from_static("text/event-stream");
            response.headers_mut().insert(CONTENT_TYPE, kind);
        }
        return Ok(response);
    }
    if wish.has("lingers") {
        let (teller, told) = telling();
        let mut sent = request.into_body();
        tokio::spawn(async move {
            teller.say("it begins").await;
            while let Some(Ok(_)) = sent.frame().await {}
            sleep(wish.time("lingers")).await;
            drop((working, teller));
        });
        return Ok(Response::new(told.map_err(|e| match e {}).boxed()));
    }
    if wish.has("early") {
        // Goes on reading, so that the connection stays open.
        tokio::spawn(request.into_body().collect());
        let body = Full::new(Bytes::from("early"));
        return Ok(Response::new(body.map_err(|e| match e {}).boxed()));
    }
    let sent = match request.into_body().collect().await {
        Ok(sent) => sent,
        Err(error) => {
            if wish.has("stubborn") {
                sleep(wish.time("ms")).await;
            }
            return Err(io::Error::other(error));
        }
    };
    let (head, answered) = oneshot::channel();
    let ended = process.ended.clone();
    let length = sent.to_bytes().len();
    tokio::spawn(async move {
        ended.run_until_cancelled(work(wish, head, length)).await;
        drop(working);
    });
    answered.await.map_err(io::Error::other)
}

/// Changes to a protocol in which everything is said back.
fn switch(
    mut request: Request<Incoming>,
    wish: Wish,
    working: Working,
    process: &Process,
) -> Response<Body> {
    let upgrade = hyper::upgrade::on(&mut request);
    let protocol = request.headers()[UPGRADE].clone();
    let ended = process.ended.clone();
    tokio::spawn(async move {
        let _working = working;
        let talk = async {
            let mut io = TokioIo::new(upgrade.await.expect("it is upgraded"));
            talk(&mut io, &wish).await
        };
        // Whatever it ends with, the other side sees.
        let _ = ended.run_until_cancelled(talk).await;
    });
    let mut response = Response::new(Full::default().map_err(|e| match e {}).boxed());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(UPGRADE, protocol);
    response
}

async fn talk(io: &mut TokioIo<Upgraded>, wish: &Wish) -> io::Result<()> {
    if wish.has("greets") {
        io.write_all(b"welcome").await?;
    }
    let mut heard = [0; 1024];
    loop {
        let bytes = io.read(&mut heard).await?;
        if wish.has("hangs") {
            return Ok(());
        }
        if bytes == 0 {
            break;
        }
        io.write_all(&heard[..bytes]).await?;
        io.flush().await?;
    }
    if wish.has("deaf") {
        std::future::pending::<()>().await;
    }
    io.write_all(b"the end").await?;
    io.shutdown().await
}

async fn work(wish: Wish, mut head: oneshot::Sender<Response<Body>>, length: usize) {
    let stubborn = wish.has("stubborn");
    tokio::select! {
        () = sleep(wish.time("ms")) => {}
        () = head.closed(), if !stubborn => return,
    }
    if !wish.has("chunks") {
        let body = Full::new(Bytes::from(format!("{length} bytes")));
        let mut response = Response::new(body.map_err(|e| match e {}).boxed());
        if wish.has("json") {
            let kind = HeaderValue::from_static("application/json");
            response.headers_mut().insert(CONTENT_TYPE, kind);
            let body = Full::new(Bytes::from(format!("{{\"bytes\":{length}}}")));
            *response.body_mut() = body.map_err(|e| match e {}).boxed();
        }
        if wish.has("status") {
            let status = u16::try_from(wish.get("status")).expect("a status");
            *response.status_mut() = status.try_into().expect("a status");
        }
        if wish.has("labelled") {
            label(response.headers_mut());
        }
        let _ = head.send(response);
        return;
    }
    let (teller, told) = telling();
    let mut response = streaming(told, &wish);
    if wish.has("old") {
        *response.version_mut() = Version::HTTP_10;
    }
    let _ = head.send(response);
    for n in 0..wish.get("chunks") {
        if n > 0 && !pause(&wish, &teller, stubborn).await {
            return;
        }
        if !teller.say(format!("data: {n}\n\n")).await && !stubborn {
            return;
        }
    }
}

/// Says this and that about an answer, some of it twice.
fn label(headers: &mut HeaderMap) {
    for (name, value) in LABELS {
        headers.append(name, HeaderValue::from_static(value));
    }
}

/// Between two chunks. False: the client has left and nobody goes on.
async fn pause(wish: &Wish, teller: &Teller, stubborn: bool) -> bool {
    let gap = if wish.has("silent") {
        Duration::from_secs(100_000)
    } else {
        wish.time("gap")
    };
    tokio::select! {
        () = sleep(gap) => true,
        () = teller.closed(), if !stubborn => false,
    }
}

fn streaming(told: Told, wish: &Wish) -> Response<Body> {
    let broken = wish.has("break");
    let end = async move { broken.then(|| Err(io::ErrorKind::ConnectionReset.into())) };
    let body = told.map_err(|e| match e {}).with_trailers(end);
    let mut response = Response::new(body.boxed());
    let kind = if wish.has("plain") {
        "text/plain"
    } else {
        "text/event-stream; charset=utf-8"
    };
    let kind = HeaderValue::from_static(kind);
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}
