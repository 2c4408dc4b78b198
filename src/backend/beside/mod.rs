//! One model server beside us that somebody else starts and stops: here it is only looked at, whether it
//! is ready, and told of as a world with one replica. Looks are those of Knative's queue-proxy, so that
//! a probe that was moved to a sidecar means there what it meant before.

mod follow;
mod grpc;
mod look;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderName, HeaderValue};
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout, timeout_at};

pub use follow::{Beside, REPLICA};
pub use look::{Looker, NetLooker};

/// Between two looks at a model server that is not ready.
pub(super) const POLL: Duration = Duration::from_millis(50);

/// How long one question may go on looking, where looks come one upon another.
const LONGEST: Duration = Duration::from_secs(10);

/// One thing that has to be so for a model server to be ready.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// How it is looked at.
    pub how: How,
    /// Where.
    pub at: SocketAddr,
    /// Zero looks again and again until it is so; else each question is one look.
    pub period: Duration,
    /// Of one look.
    pub timeout: Duration,
    /// Looks in a row that have to pass, with a period of zero.
    pub successes: u32,
    /// Looks in a row that have to fail before a ready one is so no more.
    pub failures: u32,
}

/// How a model server is looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum How {
    /// It takes connections.
    Tcp,
    /// It answers 200 to 399.
    Http {
        /// The path that is asked for, with its query.
        path: String,
        /// Besides the usual ones.
        headers: Vec<(HeaderName, HeaderValue)>,
    },
    /// The standard health service says that it serves.
    Grpc {
        /// Which service; empty is the server as a whole.
        service: String,
    },
}

/// Whether it is ready; if not, why, for a person.
pub type Verdict = Result<(), Arc<str>>;

/// Asks whether a model server is ready; who asks while somebody else does shares the answer.
#[derive(Debug)]
pub struct Questions<L> {
    looker: L,
    checks: Arc<[Check]>,
    running: Mutex<Option<watch::Receiver<Option<Verdict>>>>,
}

impl<L: Looker> Questions<L> {
    /// All of these have to pass.
    pub fn new(looker: L, checks: Vec<Check>) -> Arc<Self> {
        Arc::new(Self {
            looker,
            checks: checks.into(),
            running: Mutex::new(None),
        })
    }

    /// Whether it is ready: looks as long as its checks say.
    pub async fn ask(self: &Arc<Self>) -> Verdict {
        let mut asked = self.join();
        let answered = asked.wait_for(Option::is_some).await;
        let verdict = answered.ok().and_then(|verdict| verdict.clone());
        verdict.unwrap_or_else(|| Err("nobody looks any more".into()))
    }

    /// One look for each check, and no more.
    pub(super) async fn glance(&self) -> Verdict {
        self.all(|looker, check| async move { once(&looker, &check).await })
            .await
    }

    fn join(self: &Arc<Self>) -> watch::Receiver<Option<Verdict>> {
        let mut running = self.running.lock();
        if let Some(asked) = &*running {
            return asked.clone();
        }
        let (tell, asked) = watch::channel(None);
        *running = Some(asked.clone());
        drop(running);
        let questions = Arc::clone(self);
        tokio::spawn(async move {
            let verdict = questions
                .all(|looker, check| async move { round(&looker, &check).await })
                .await;
            // Who asks from here on wants to know anew.
            *questions.running.lock() = None;
            tell.send_replace(Some(verdict));
        });
        asked
    }

    /// All at once; the first that fails says why.
    async fn all<F>(&self, look: impl Fn(L, Check) -> F) -> Verdict
    where
        F: Future<Output = Verdict> + Send + 'static,
    {
        let mut looks = JoinSet::new();
        for check in self.checks.iter() {
            looks.spawn(look(self.looker.clone(), check.clone()));
        }
        let verdicts = looks.join_all().await;
        verdicts.into_iter().collect()
    }

    /// Between two looks at a ready one.
    pub(super) fn period(&self) -> Duration {
        let periods = self.checks.iter().map(|check| check.period);
        let period = periods.filter(|period| !period.is_zero()).min();
        period.unwrap_or(Duration::from_secs(1))
    }

    /// Looks in a row that have to fail before a ready one is so no more.
    pub(super) fn failures(&self) -> u32 {
        let failures = self.checks.iter().map(|check| check.failures);
        failures.min().unwrap_or(1)
    }
}

/// One question: a single look, or with a period of zero as many as it takes.
async fn round<L: Looker>(looker: &L, check: &Check) -> Verdict {
    if !check.period.is_zero() {
        return once(looker, check).await;
    }
    let until = Instant::now() + LONGEST;
    let mut last: Verdict = Err("it was not looked at".into());
    let _ = timeout_at(until, async {
        let mut passed = 0;
        loop {
            last = once(looker, check).await;
            passed = if last.is_ok() { passed + 1 } else { 0 };
            if passed >= check.successes {
                return;
            }
            if last.is_ok() {
                last = Err("it has not been so for long enough".into());
            }
            sleep(POLL).await;
        }
    })
    .await;
    last
}

async fn once<L: Looker>(looker: &L, check: &Check) -> Verdict {
    let seen = timeout(check.timeout, looker.look(check)).await;
    seen.unwrap_or_else(|_| Err("it does not answer in time".into()))
}
