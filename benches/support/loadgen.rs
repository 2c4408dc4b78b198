//! A load generator on one thread: closed loop (each worker sends when it has its answer) or open
//! loop (a fixed rate, whatever the answers do; latency counts from when the request was due, so
//! that a slow server cannot slow its own measurement down).

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use hdrhistogram::Histogram;
use parking_lot::Mutex;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use super::pacer::Pacer;
use super::wire::Wire;

/// How long the last answers may take once the load has ended.
const PATIENCE: Duration = Duration::from_secs(60);

/// Longer latencies count as this one: ten minutes.
const LONGEST_NS: u64 = 600_000_000_000;

/// A request that can be asked again and again.
pub(crate) trait Question: Clone + Send + 'static {
    /// What a worker keeps between two exchanges.
    type Line: Send;

    /// Asks once, over a line that is opened where there is none; the status of the whole answer.
    fn ask(
        &self,
        to: SocketAddr,
        line: &mut Option<Self::Line>,
    ) -> impl Future<Output = io::Result<u16>> + Send;
}

/// HTTP/1.1: head and body, ready to be sent.
impl Question for Arc<[u8]> {
    type Line = Wire;

    async fn ask(&self, to: SocketAddr, line: &mut Option<Wire>) -> io::Result<u16> {
        let wire = match line {
            Some(wire) => wire,
            none => none.insert(Wire::new(TcpStream::connect(to).await?)?),
        };
        wire.send(self).await?;
        let answer = wire.receive().await?;
        answer.ok_or(io::ErrorKind::UnexpectedEof)?.status()
    }
}

/// What to send, where, over how many kept connections, for how long.
#[derive(Clone, Debug)]
pub(crate) struct Load<Q = Arc<[u8]>> {
    /// Where it goes.
    pub(crate) to: SocketAddr,
    /// One worker each.
    pub(crate) connections: usize,
    /// What each worker asks.
    pub(crate) request: Q,
    /// Nothing is sent later; what was sent is waited for.
    pub(crate) duration: Duration,
}

/// What came back.
#[derive(Clone, Debug)]
pub(crate) struct Report {
    /// In nanoseconds, of the answers with 200.
    latency: Histogram<u64>,
    /// Answers with 200, by worker.
    pub(crate) by_worker: Vec<u64>,
    /// Answers with another status.
    pub(crate) other_statuses: u64,
    /// Requests without a whole answer, connections that could not be opened included.
    pub(crate) errors: u64,
    /// From the first request to the last answer.
    pub(crate) took: Duration,
}

/// A POST of a body this long, as a client of a model server would send it.
pub(crate) fn post(path: &str, host: &str, body_bytes: usize) -> Arc<[u8]> {
    post_with(path, host, "", body_bytes)
}

/// The same with more header lines, each with its end.
pub(crate) fn post_with(path: &str, host: &str, headers: &str, body_bytes: usize) -> Arc<[u8]> {
    let body = format!(
        r#"{{"instances":["{}"]}}"#,
        "x".repeat(body_bytes.saturating_sub(18))
    );
    let length = body.len();
    let request = format!(
        "POST {path} HTTP/1.1\r\nhost: {host}\r\nuser-agent: holdgate-bench\r\naccept: */*\r\n\
         content-type: application/json\r\n{headers}content-length: {length}\r\n\r\n{body}"
    );
    Arc::from(request.into_bytes())
}

impl<Q: Question> Load<Q> {
    /// Each worker sends as soon as it has its answer.
    pub(crate) async fn closed_loop(&self) -> Result<Report> {
        self.closed_loop_of(u64::MAX).await
    }

    /// The same, but for so many requests at most.
    pub(crate) async fn closed_loop_of(&self, requests: u64) -> Result<Report> {
        let begun = Instant::now();
        let end = begun + self.duration;
        let tally = Arc::new(Mutex::new(Tally::new()?));
        let sent = Arc::new(AtomicU64::new(0));
        let mut workers = JoinSet::new();
        for _ in 0..self.connections {
            let mut worker = Worker::new(self, &tally);
            let sent = Arc::clone(&sent);
            workers.spawn(async move {
                let mut due = Instant::now();
                while due < end && sent.fetch_add(1, Ordering::Relaxed) < requests {
                    worker.exchange(due).await;
                    due = Instant::now();
                }
                worker.answered
            });
        }
        finish(workers, begun, self.duration, tally).await
    }

    /// So many requests a second in all, in turn over the connections. A connection whose answer
    /// is still out holds its next request back, and that wait counts.
    pub(crate) async fn open_loop(&self, per_second: u32) -> Result<Report> {
        ensure!(per_second > 0, "a rate of zero sends nothing");
        let tally = Arc::new(Mutex::new(Tally::new()?));
        let mut workers = JoinSet::new();
        let mut hands = Vec::new();
        for _ in 0..self.connections {
            let mut worker = Worker::new(self, &tally);
            let (hand, mut due_times) = mpsc::unbounded_channel();
            hands.push(hand);
            workers.spawn(async move {
                while let Some(due) = due_times.recv().await {
                    worker.exchange(due).await;
                }
                worker.answered
            });
        }
        let period = Duration::from_secs(1) / per_second;
        let begun = Instant::now();
        let mut pacer = Pacer::new(period)?;
        let (mut due, mut next) = (begun, hands.iter().cycle());
        while due < begun + self.duration {
            for _ in 0..pacer.beats().await? {
                due += period;
                let hand = next.next().context("a load wants a connection")?;
                hand.send(due).context("a worker has died")?;
            }
        }
        drop(hands);
        finish(workers, begun, self.duration, tally).await
    }
}

async fn finish(
    mut workers: JoinSet<u64>,
    begun: Instant,
    duration: Duration,
    tally: Arc<Mutex<Tally>>,
) -> Result<Report> {
    let all = async {
        let mut by_worker = Vec::new();
        while let Some(answered) = workers.join_next().await {
            by_worker.push(answered?);
        }
        anyhow::Ok(by_worker)
    };
    let by_worker = timeout(duration + PATIENCE, all)
        .await
        .context("some answers never came")??;
    let took = begun.elapsed();
    let tally = Arc::into_inner(tally)
        .context("a worker outlived its load")?
        .into_inner();
    Ok(Report {
        latency: tally.latency,
        by_worker,
        other_statuses: tally.other_statuses,
        errors: tally.errors,
        took,
    })
}

/// What all workers count together.
#[derive(Debug)]
struct Tally {
    latency: Histogram<u64>,
    other_statuses: u64,
    errors: u64,
}

impl Tally {
    fn new() -> Result<Self> {
        Ok(Self {
            latency: Histogram::new_with_bounds(1, LONGEST_NS, 3)?,
            other_statuses: 0,
            errors: 0,
        })
    }
}

/// One client with one line.
struct Worker<Q: Question> {
    to: SocketAddr,
    request: Q,
    line: Option<Q::Line>,
    answered: u64,
    tally: Arc<Mutex<Tally>>,
}

impl<Q: Question> Worker<Q> {
    fn new(load: &Load<Q>, tally: &Arc<Mutex<Tally>>) -> Self {
        Self {
            to: load.to,
            request: load.request.clone(),
            line: None,
            answered: 0,
            tally: Arc::clone(tally),
        }
    }

    /// Sends one request and counts what becomes of it. After an error the next one takes a new
    /// line.
    async fn exchange(&mut self, due: Instant) {
        match self.request.ask(self.to, &mut self.line).await {
            Ok(200) => {
                self.answered += 1;
                let ns = u64::try_from(due.elapsed().as_nanos()).unwrap_or(u64::MAX);
                self.tally.lock().latency.saturating_record(ns);
            }
            Ok(_) => self.tally.lock().other_statuses += 1,
            Err(_) => {
                self.line = None;
                self.tally.lock().errors += 1;
                // A server that is not there would be asked for ever without a breath.
                sleep(Duration::from_millis(10)).await;
            }
        }
    }
}

impl Report {
    /// Answers with 200.
    pub(crate) fn answered(&self) -> u64 {
        self.by_worker.iter().sum()
    }

    /// Answers with 200 a second.
    pub(crate) fn per_second(&self) -> f64 {
        float(self.answered()) / self.took.as_secs_f64()
    }

    /// A percentile of the latency, 0 to 100, in microseconds.
    pub(crate) fn percentile_us(&self, percentile: f64) -> f64 {
        float(self.latency.value_at_percentile(percentile)) / 1e3
    }

    /// The fewest answers a worker got over the most: 1 is fair.
    pub(crate) fn fairness(&self) -> f64 {
        let fewest = self.by_worker.iter().min().copied().unwrap_or(0);
        let most = self.by_worker.iter().max().copied().unwrap_or(0);
        float(fewest) / float(most.max(1))
    }
}

/// Counts here stay far below 2⁵³.
#[allow(clippy::cast_precision_loss, reason = "see above")]
pub(crate) fn float(count: u64) -> f64 {
    count as f64
}
