//! A model server that takes its time over every POST and remembers what its limit must not let
//! happen: how many it had at work at once, and how long a slot it had freed stayed empty.

use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use parking_lot::Mutex;
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{Instant, sleep};

use super::gate;
use super::place::Cores;
use super::process::Server;
use super::upstream::ANSWER_BYTES;
use super::wire::{Wire, get};

/// How long it may take until every replica has been asked.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long the work on one request takes: in turn every whole millisecond from the shortest to
/// the longest, so that slots need not fall free together.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ServiceTime {
    /// Milliseconds.
    pub(crate) shortest: u64,
    /// Milliseconds.
    pub(crate) longest: u64,
}

impl ServiceTime {
    /// The words after `timed PORT`.
    pub(crate) fn words(self) -> [String; 2] {
        [self.shortest.to_string(), self.longest.to_string()]
    }

    fn of(self, nth: u64) -> Duration {
        // 7919 is a prime: neighbours get times far apart.
        let spread = nth * 7919 % (self.longest - self.shortest + 1);
        Duration::from_millis(self.shortest + spread)
    }
}

/// What a model server has seen since it was last asked.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Seen {
    /// Which one.
    pub(crate) pid: u32,
    /// The most requests at work at once.
    pub(crate) most_at_work: u64,
    /// Microseconds from the last byte of an answer to the first byte of the request that took
    /// its slot.
    pub(crate) gaps_us: Vec<f64>,
}

impl Seen {
    /// Asks the model server at an address, or the one behind a proxy there.
    pub(crate) async fn ask(address: SocketAddr) -> Result<Self> {
        let body = get(address, "/seen").await?;
        let mut words = body.split_whitespace();
        let mut next = || words.next().context("a word is missing in what was seen");
        let (pid, most_at_work) = (next()?.parse()?, next()?.parse()?);
        let gaps_us: Result<Vec<f64>, _> = words.map(str::parse).collect();
        let gaps_us = gaps_us?;
        Ok(Self {
            pid,
            most_at_work,
            gaps_us,
        })
    }
}

/// The most requests at work at once in any of these since they were last asked.
pub(crate) async fn most_at_work(models: &[Server]) -> Result<u64> {
    let mut most = 0;
    for model in models {
        most = most.max(Seen::ask(model.address).await?.most_at_work);
    }
    Ok(most)
}

/// The same of the so many replicas of a gate, which take turns in answering it.
pub(crate) async fn most_at_work_behind(gate: SocketAddr, replicas: usize) -> Result<u64> {
    let begun = Instant::now();
    let mut seen = BTreeMap::<u32, u64>::new();
    while seen.len() < replicas {
        ensure!(
            begun.elapsed() < PATIENCE,
            "only {} of {replicas} replicas could be asked",
            seen.len()
        );
        let one = Seen::ask(gate).await?;
        let most = seen.entry(one.pid).or_default();
        *most = one.most_at_work.max(*most);
    }
    Ok(seen.into_values().max().unwrap_or(0))
}

/// Starts a gate before so many replicas of this kind, at most `limit` requests each, and waits
/// until all of them answer.
pub(crate) async fn start_gate(
    cores: Cores,
    service_time: ServiceTime,
    replicas: usize,
    limit: u32,
) -> Result<Server> {
    let [shortest, longest] = service_time.words();
    let model = ["timed", "{port}", &shortest, &longest];
    let model = cores.for_load().words_of_part(&model)?;
    let (count, limit) = (replicas.to_string(), limit.to_string());
    let flags = [
        "--min-replicas",
        &count,
        "--max-replicas",
        &count,
        "--container-concurrency",
        &limit,
        "--readiness-path",
        "/",
    ];
    let (command, address) = gate::command(&cores.for_proxy(), &flags, model)?;
    let server = Server::start(command, address).await?;
    most_at_work_behind(address, replicas).await?;
    Ok(server)
}

#[derive(Debug)]
struct Model {
    service_time: ServiceTime,
    answered: u64,
    at_work: u64,
    most_at_work: u64,
    /// When each slot that nobody has taken since was freed.
    freed: VecDeque<Instant>,
    gaps: Vec<Duration>,
}

/// Serves until it is killed.
pub(crate) async fn serve(port: u16, service_time: ServiceTime) -> Result<()> {
    let model = Arc::new(Mutex::new(Model {
        service_time,
        answered: 0,
        at_work: 0,
        most_at_work: 0,
        freed: VecDeque::new(),
        gaps: Vec::new(),
    }));
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))?;
    let listener = socket.listen(4096)?;
    loop {
        let (client, _) = listener.accept().await?;
        tokio::spawn(answer_all(client, Arc::clone(&model)));
    }
}

async fn answer_all(client: TcpStream, model: Arc<Mutex<Model>>) {
    let answer = answer(&"x".repeat(ANSWER_BYTES));
    let Ok(mut wire) = Wire::new(client) else {
        return;
    };
    while let Ok(Some(message)) = wire.receive().await {
        let sent = if message.head.starts_with(b"GET /seen") {
            let seen = model.lock().seen();
            let _ = wire.send(seen.as_bytes()).await;
            // Its end is the end of what was asked for.
            return;
        } else if message.head.starts_with(b"GET") {
            wire.send(answer.as_bytes()).await
        } else {
            let begun = message.begun;
            let time = model.lock().begin(begun);
            sleep(time).await;
            // Before the write: whatever the kernel does in it belongs to the gap.
            model.lock().end();
            wire.send(answer.as_bytes()).await
        };
        if sent.is_err() {
            return;
        }
    }
}

impl Model {
    fn begin(&mut self, begun: Instant) -> Duration {
        self.at_work += 1;
        self.most_at_work = self.most_at_work.max(self.at_work);
        if let Some(freed) = self.freed.pop_front() {
            self.gaps.push(begun.saturating_duration_since(freed));
        }
        self.service_time.of(self.answered + self.at_work)
    }

    fn end(&mut self) {
        self.at_work -= 1;
        self.answered += 1;
        self.freed.push_back(Instant::now());
    }

    /// What [`Seen::ask`] reads; begins anew.
    fn seen(&mut self) -> String {
        let mut text = format!("{} {}", std::process::id(), self.most_at_work);
        for gap in self.gaps.drain(..) {
            let us = gap.as_secs_f64() * 1e6;
            write!(text, " {us:.1}").expect("a string takes what is written");
        }
        self.most_at_work = self.at_work;
        self.freed.clear();
        answer(&text).replacen("\r\n", "\r\nconnection: close\r\n", 1)
    }
}

fn answer(body: &str) -> String {
    format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}
