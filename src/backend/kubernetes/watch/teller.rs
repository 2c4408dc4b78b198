//! The mouth of a watch: what it has told, and how patient it is.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use crate::backend::kubernetes::inventory::{Change, SourceId};

/// What a watch tells.
#[derive(Debug)]
pub(in super::super) enum News {
    Change(Change),
    /// Everything was told once, or there is nothing to be told.
    Settled,
}

/// Nobody listens any more.
pub(super) struct Deaf;

const SHORTEST_PAUSE: Duration = Duration::from_millis(100);
/// Between attempts that are refused.
pub(super) const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// Between attempts while nobody answers: to ask then costs nobody much, and once somebody does all
/// that waits here waits for it.
const LONGEST_ABSENCE: Duration = Duration::from_secs(1);
/// How long the API server lets a watch last, at least.
const LASTING: Duration = Duration::from_secs(240);

/// Tells what one watch sees, each state once.
pub(super) struct Teller {
    id: SourceId,
    news: mpsc::Sender<(SourceId, News)>,
    heard: bool,
    settled: bool,
    complained: bool,
    pause: Duration,
}

impl Teller {
    pub(super) fn new(id: SourceId, news: mpsc::Sender<(SourceId, News)>) -> Self {
        Self {
            id,
            news,
            heard: false,
            settled: false,
            complained: false,
            pause: SHORTEST_PAUSE,
        }
    }

    pub(super) async fn tell(&self, change: Change) -> Result<(), Deaf> {
        self.send(News::Change(change)).await
    }

    pub(super) async fn gone(&self, namespace: String, name: String) -> Result<(), Deaf> {
        self.tell(Change::Gone(Arc::from(namespace), Arc::from(name)))
            .await
    }

    /// Everything that changes is told.
    pub(super) async fn hears(&mut self) -> Result<(), Deaf> {
        self.set_heard(true).await
    }

    /// Things may change that are not told.
    pub(super) async fn misses(&mut self) -> Result<(), Deaf> {
        self.set_heard(false).await
    }

    pub(super) fn is_hearing(&self) -> bool {
        self.heard
    }

    async fn set_heard(&mut self, heard: bool) -> Result<(), Deaf> {
        if self.heard == heard {
            return Ok(());
        }
        self.heard = heard;
        self.tell(Change::Heard(heard)).await
    }

    /// There is nothing more to wait for.
    pub(super) async fn settle(&mut self) -> Result<(), Deaf> {
        if self.settled {
            return Ok(());
        }
        self.settled = true;
        self.send(News::Settled).await
    }

    async fn send(&self, news: News) -> Result<(), Deaf> {
        self.news.send((self.id, news)).await.map_err(|_| Deaf)
    }

    /// Whether this is the first complaint since things were well.
    pub(super) fn may_complain(&mut self) -> bool {
        !std::mem::replace(&mut self.complained, true)
    }

    /// What was complained of is over.
    pub(super) fn is_content(&mut self) {
        self.complained = false;
    }

    /// How long to wait before the next attempt: longer each time, and not at once with the others.
    /// `away`: nobody answered.
    pub(super) fn pause(&mut self, away: bool) -> Duration {
        let longest = if away { LONGEST_ABSENCE } else { LONGEST_PAUSE };
        let pause = self.pause.min(longest);
        self.pause = longest.min(pause * 2);
        pause + pause * self.spread() / 32
    }

    /// Things have gone well for a while.
    pub(super) fn is_calm(&mut self) {
        self.pause = SHORTEST_PAUSE;
    }

    /// Watches that began together do not end together.
    pub(super) fn lasting(&self) -> Duration {
        LASTING + Duration::from_secs(3) * self.spread()
    }

    fn spread(&self) -> u32 {
        u32::try_from(self.id.0 % 16).expect("it is less than 16")
    }
}
