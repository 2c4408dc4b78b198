//! A machine in memory: it launches model servers that are tasks, lets the gate look at them and
//! dial them, and kills them.

use std::collections::VecDeque;
use std::io;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use holdgate::backend::seams::{Child, Exit, LaunchError, Launcher, Order, Probe, Sight};
use holdgate::proxy::connect::Dial;
use holdgate::revision::{Endpoint, ReplicaId};
use parking_lot::Mutex;
use tokio::io::{DuplexStream, duplex};
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;

use super::model::{self, Gauge, Seen};
use super::settings::load_time;

/// What a process that is launched will do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Start {
    /// Listens once it has loaded.
    After(Duration),
    /// Ends so long after its launch, with a line on stderr.
    CrashAfter(Duration),
}

/// One model server.
#[derive(Debug)]
pub(crate) struct Process {
    pub(crate) replica: ReplicaId,
    pub(crate) endpoint: Endpoint,
    /// The first word of its command.
    pub(crate) program: String,
    pub(crate) devices: Vec<String>,
    pub(crate) launched: Instant,
    /// From when on it listens.
    pub(crate) listens: Option<Instant>,
    pub(crate) work: Gauge,
    pub(super) ended: CancellationToken,
}

/// The model server behind a connection.
pub(crate) type Behind = Box<dyn FnOnce(DuplexStream) + Send>;

type Meddler = Box<dyn FnOnce(DuplexStream, Behind) + Send>;

/// Who takes the next connections.
#[derive(Default)]
struct Meddlers(VecDeque<Meddler>);

impl std::fmt::Debug for Meddlers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Meddlers").field(&self.0.len()).finish()
    }
}

#[derive(Debug, Default)]
struct Inside {
    processes: Vec<Arc<Process>>,
    starts: VecDeque<Start>,
    refusing: bool,
    slamming: bool,
    meddlers: Meddlers,
    dialled: u32,
    terminated: Vec<ReplicaId>,
    endpoints: u32,
    most_running: usize,
    shared: Vec<String>,
}

/// The machine; clones are the same one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Machine {
    inside: Arc<Mutex<Inside>>,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Machine {
    /// What the next processes will do; further ones load as their spec says.
    pub(crate) fn next(&self, starts: impl IntoIterator<Item = Start>) {
        self.inside.lock().starts.extend(starts);
    }

    /// From now on, nobody can connect to what listens (or can again).
    pub(crate) fn refuse(&self, refusing: bool) {
        self.inside.lock().refusing = refusing;
    }

    /// From now on, what listens accepts connections and closes them at once (or no longer does).
    pub(crate) fn slam(&self, slamming: bool) {
        self.inside.lock().slamming = slamming;
    }

    /// The next connection to a model server is taken by this instead, which may have it served.
    pub(crate) fn meddle(&self, meddler: impl FnOnce(DuplexStream, Behind) + Send + 'static) {
        let mut inside = self.inside.lock();
        inside.meddlers.0.push_back(Box::new(meddler));
    }

    /// Nobody meddles with the connections that come.
    pub(crate) fn unmeddle(&self) {
        self.inside.lock().meddlers.0.clear();
    }

    /// How often somebody tried to connect.
    pub(crate) fn dialled(&self) -> u32 {
        self.inside.lock().dialled
    }

    /// Every process that was ever launched.
    pub(crate) fn launched(&self) -> Vec<Arc<Process>> {
        self.inside.lock().processes.clone()
    }

    pub(crate) fn running(&self) -> Vec<Arc<Process>> {
        let mut processes = self.launched();
        processes.retain(|process| process.is_running());
        processes
    }

    /// Who was asked to finish, in order.
    pub(crate) fn terminated(&self) -> Vec<ReplicaId> {
        self.inside.lock().terminated.clone()
    }

    /// Every request that reached a model server, in order.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().clone()
    }

    /// The identities of the requests that reached a model server, in order.
    pub(crate) fn order(&self) -> Vec<String> {
        self.seen.lock().iter().map(|s| s.id.clone()).collect()
    }

    /// The most processes that ever ran at once.
    pub(crate) fn most_running(&self) -> usize {
        self.inside.lock().most_running
    }

    /// Devices that were given to a process while another one had them.
    pub(crate) fn shared(&self) -> Vec<String> {
        self.inside.lock().shared.clone()
    }

    /// The most requests that were ever at work inside one model server.
    pub(crate) fn most_inside(&self) -> u32 {
        let most = self.launched().into_iter().map(|p| p.work.most());
        most.max().unwrap_or(0)
    }

    /// Requests at work now, inside all of them.
    pub(crate) fn at_work(&self) -> u32 {
        self.running().iter().map(|p| p.work.now()).sum()
    }

    fn at(&self, endpoint: Endpoint) -> Option<Arc<Process>> {
        let inside = self.inside.lock();
        let mut processes = inside.processes.iter();
        let listens = |p: &&Arc<Process>| p.endpoint == endpoint && p.is_listening();
        processes.find(listens).cloned()
    }

    fn launch_now(&self, order: &Order) -> Arc<Process> {
        let mut inside = self.inside.lock();
        let start = inside.starts.pop_front();
        let start = start.unwrap_or_else(|| Start::After(load_time(&order.spec)));
        let launched = Instant::now();
        let process = Arc::new(Process {
            replica: order.replica,
            endpoint: order.endpoint,
            program: order.spec.command.first().cloned().unwrap_or_default(),
            devices: order.devices.clone(),
            launched,
            listens: match start {
                Start::After(load) => Some(launched + load),
                Start::CrashAfter(_) => None,
            },
            work: Gauge::default(),
            ended: CancellationToken::new(),
        });
        inside.admit(&process);
        if let Start::CrashAfter(after) = start {
            let ended = process.ended.clone();
            tokio::spawn(async move {
                sleep_until(launched + after).await;
                ended.cancel();
            });
        }
        process
    }
}

impl Inside {
    fn admit(&mut self, process: &Arc<Process>) {
        let running = self.processes.iter().filter(|other| other.is_running());
        let taken = running.clone().flat_map(|other| &other.devices);
        let taken = taken.filter(|device| process.devices.contains(device));
        self.shared.extend(taken.cloned());
        self.most_running = self.most_running.max(running.count() + 1);
        self.processes.push(Arc::clone(process));
    }
}

impl Process {
    pub(crate) fn is_running(&self) -> bool {
        !self.ended.is_cancelled()
    }

    fn is_listening(&self) -> bool {
        self.is_running() && self.listens.is_some_and(|at| at <= Instant::now())
    }

    /// As `kill -9` from outside: its connections break.
    pub(crate) fn kill(&self) {
        self.ended.cancel();
    }
}

/// What the supervisor holds of a process.
pub(crate) struct Held {
    machine: Machine,
    process: Arc<Process>,
}

impl Launcher for Machine {
    type Child = Held;

    fn endpoint(&self) -> io::Result<Endpoint> {
        let mut inside = self.inside.lock();
        inside.endpoints += 1;
        // An address of its own for each, so that none is ever mistaken for another.
        let address = Ipv4Addr::from(0x0A00_0000 + inside.endpoints);
        Ok(Endpoint((address, 8080).into()))
    }

    async fn launch(&self, order: &Order) -> Result<Held, LaunchError> {
        sleep(Duration::from_millis(2)).await;
        Ok(Held {
            machine: self.clone(),
            process: self.launch_now(order),
        })
    }
}

impl Child for Held {
    async fn down(&self) {
        self.process.ended.cancelled().await;
    }

    async fn gone(&self) -> Exit {
        self.down().await;
        Exit {
            status: "exit status: 1".into(),
            stderr: vec!["loading".into(), "ValueError: no such model".into()],
        }
    }

    fn terminate(&self) {
        let mut inside = self.machine.inside.lock();
        inside.terminated.push(self.process.replica);
        drop(inside);
        self.process.kill();
    }

    fn kill(&self) {
        self.process.kill();
    }

    async fn listening(&self) -> Vec<u16> {
        Vec::new()
    }
}

impl Probe for Machine {
    async fn look(&self, endpoint: Endpoint, _path: Option<&str>) -> Sight {
        self.at(endpoint).map_or(Sight::Nobody, |_| Sight::Ready)
    }
}

impl Dial for Machine {
    type Io = DuplexStream;

    async fn dial(&self, endpoint: Endpoint) -> io::Result<DuplexStream> {
        let (refusing, slamming) = {
            let mut inside = self.inside.lock();
            inside.dialled += 1;
            (inside.refusing, inside.slamming)
        };
        let process = self.at(endpoint).filter(|_| !refusing);
        let process = process.ok_or(io::ErrorKind::ConnectionRefused)?;
        let (ours, theirs) = duplex(64 * 1024);
        let seen = Arc::clone(&self.seen);
        let serve: Behind = Box::new(move |io| drop(tokio::spawn(model::serve(io, process, seen))));
        let meddler = self.inside.lock().meddlers.0.pop_front();
        match meddler {
            Some(meddler) => meddler(theirs, serve),
            None if slamming => {}
            None => serve(theirs),
        }
        Ok(ours)
    }
}
