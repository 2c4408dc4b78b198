//! Clients that ask one after the other while something is changed before their eyes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};

use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::{PATIENCE, ms};

/// So many clients, each in a task of its own.
pub(crate) struct Workers {
    over: Arc<AtomicBool>,
    served: Arc<AtomicUsize>,
    tasks: JoinSet<()>,
}

impl Workers {
    /// They ask in this way, which panics where a question fails.
    pub(crate) fn start<F>(many: usize, ask: impl Fn() -> F + Clone + Send + 'static) -> Self
    where
        F: Future<Output = ()> + Send,
    {
        let over = Arc::new(AtomicBool::new(false));
        let served = Arc::new(AtomicUsize::new(0));
        let mut tasks = JoinSet::new();
        for _ in 0..many {
            let (over, served, ask) = (Arc::clone(&over), Arc::clone(&served), ask.clone());
            tasks.spawn(async move {
                while !over.load(SeqCst) {
                    ask().await;
                    served.fetch_add(1, SeqCst);
                }
            });
        }
        Self {
            over,
            served,
            tasks,
        }
    }

    /// Twenty more questions are answered, and none has failed.
    pub(crate) async fn are_served(&mut self) {
        let Self { served, tasks, .. } = self;
        let before = served.load(SeqCst);
        let more = async {
            while served.load(SeqCst) < before + 20 {
                sleep(ms(1)).await;
            }
        };
        tokio::select! {
            served = timeout(PATIENCE, more) => served.expect("they are served"),
            Some(ended) = tasks.join_next() => panic!("a question failed: {ended:?}"),
        }
    }

    /// They ask no more, and none of their questions has failed.
    pub(crate) async fn end(mut self) {
        self.over.store(true, SeqCst);
        while let Some(ended) = self.tasks.join_next().await {
            ended.expect("no question failed");
        }
    }
}
