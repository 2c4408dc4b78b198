//! What outlives a restart: keeps what every revision's steering remembers in one small file per
//! gate, or in a `ConfigMap` where the gates of a cluster follow each other, and gives it back at the
//! next start. There, it keeps settings as well that cannot be had from anywhere else. Decides when it
//! is written: at once when a number changes or panic begins, else rarely. What is remembered is
//! decided in [`autoscale`](crate::autoscale).

#[cfg(feature = "kubernetes")]
mod config_map;
mod file;
#[cfg(feature = "kubernetes")]
mod last_good;
mod notebook;
mod page;
mod shelf;
mod written;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use parking_lot::Mutex;
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use self::file::File;
#[cfg(feature = "kubernetes")]
pub use self::last_good::LastGood;
use self::page::Page;
use self::shelf::{Book, Shelf};
use self::written::Pages;
use crate::autoscale::{Memory, TypicalPhases};
#[cfg(feature = "kubernetes")]
use crate::backend::kubernetes::Tenure;
use crate::ports::World;
use crate::revision::RevisionId;
use crate::sync::wall;

/// What is not in the configuration any more is kept so long, should it come back.
const STRANGERS: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// Where it is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Place {
    /// Where programs of this user keep such things; nowhere for a gate on a port that it does not
    /// know beforehand, which nobody starts a second time.
    #[default]
    Usual,
    /// In this directory.
    Dir(PathBuf),
    /// Nowhere.
    Off,
}

impl Place {
    /// The file of the gate that listens on this address; `None` when nothing is to be kept. Two
    /// gates of one machine never listen on one address.
    fn file(&self, listen: SocketAddr) -> Option<File> {
        let dir = match self {
            Self::Dir(dir) => dir.clone(),
            Self::Usual if listen.port() != 0 => {
                use etcetera::BaseStrategy;
                let usual = etcetera::choose_base_strategy().ok()?;
                usual.state_dir()?.join("holdgate")
            }
            Self::Usual | Self::Off => return None,
        };
        let host = listen.ip().to_string().replace(':', "_");
        Some(File::new(
            dir.join(format!("{host}-{}.json", listen.port())),
        ))
    }
}

/// What one revision finds of its earlier life.
#[derive(Clone, Debug, PartialEq)]
pub struct Recalled {
    /// What its steering remembered.
    pub memory: Memory,
    /// How long ago that was.
    pub away: Duration,
    /// How long a start usually took; `None` before the first.
    pub typical_start: Option<Duration>,
    /// The same of its phases.
    pub typical_phases: TypicalPhases,
    /// The longest that an answer took, over minutes; `None` before the first.
    pub longest_service: Option<Duration>,
}

/// Everything that is remembered, and the task that writes it down.
#[derive(Debug)]
pub struct Keeper {
    notebook: Notebook,
    end: CancellationToken,
    task: JoinHandle<()>,
}

impl Keeper {
    /// Reads what an earlier life of this gate left and writes down from now on; `None` where
    /// nothing is to be kept. A file that cannot be understood is set aside. Blocks for as long as
    /// reading takes; must be called inside a tokio runtime.
    #[must_use]
    pub fn open(place: &Place, listen: SocketAddr) -> Option<Self> {
        let file = place.file(listen)?;
        tracing::debug!(file = %file.path().display(), "remembers what it has learned");
        let pages = file.read(wall());
        Some(Self::begin(pages.into(), file))
    }

    /// Reads what the gateway before this one left in the `ConfigMap` `holdgate-state` of a namespace, and
    /// writes down from now on while this one steers; a gateway that comes to steer reads again. Waits
    /// for the API server no longer than one call may take: where it is away, there is nothing to read
    /// yet. Returns besides what the gateway may do: to steer only once it has read, as it tells
    /// (`caught_up`).
    #[cfg(feature = "kubernetes")]
    pub async fn in_cluster(
        client: kube::Client,
        namespace: &str,
        tenure: watch::Receiver<Tenure>,
        caught_up: watch::Sender<bool>,
    ) -> (Self, watch::Receiver<Tenure>) {
        let mut map = config_map::Map::new(client, namespace, tenure.clone(), caught_up);
        let book = map.open().await.unwrap_or_else(|error| {
            tracing::warn!(%error, "what was remembered cannot be read");
            Book::default()
        });
        let caught_up = map.caught_up();
        let (tell, held) = watch::channel(Tenure::default());
        // Ends with what it is told.
        tokio::spawn(config_map::hold_back(tenure, caught_up, tell));
        (Self::begin(book, map), held)
    }

    fn begin(mut book: Book, shelf: impl Shelf) -> Self {
        forget_strangers(&mut book.pages);
        let notebook = Notebook(Arc::new(Shared {
            book: Mutex::new(book),
            changed: Notify::new(),
            urgent: Notify::new(),
        }));
        let end = CancellationToken::new();
        let task = tokio::spawn(write_on(notebook.clone(), shelf, end.clone()));
        Self {
            notebook,
            end,
            task,
        }
    }

    /// Where revisions note what they remember.
    #[must_use]
    pub const fn notebook(&self) -> &Notebook {
        &self.notebook
    }

    /// Writes down the last of it.
    pub async fn close(self) {
        self.end.cancel();
        if let Err(error) = self.task.await {
            tracing::error!(%error, "the last of what was remembered is not written");
        }
    }
}

/// Where revisions note what they remember, and look up what they did.
#[derive(Clone, Debug)]
pub struct Notebook(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    book: Mutex<Book>,
    /// Something is to be written when there is time.
    changed: Notify,
    /// Something is to be written now.
    urgent: Notify,
}

impl Notebook {
    /// What is known of a revision as of `now`; `None` for a new one.
    #[must_use]
    pub fn recall(&self, id: &RevisionId, now: SystemTime) -> Option<Recalled> {
        let book = self.0.book.lock();
        let page = book.pages.get(id.as_str())?;
        Some(Recalled {
            memory: page.memory(),
            away: page.age(now),
            typical_start: page.typical_start(),
            typical_phases: page.typical_phases(),
            longest_service: page.longest_service(),
        })
    }

    /// Notes what a revision remembers at `now`, to be written at once if it is news.
    pub fn note(
        &self,
        id: &RevisionId,
        memory: &Memory,
        typical_start: Option<Duration>,
        typical_phases: TypicalPhases,
        now: SystemTime,
    ) {
        let mut page = Page::new(memory, typical_start, typical_phases, now);
        let name = id.as_str().to_owned();
        let before = {
            let pages = &mut self.0.book.lock().pages;
            if let Some(before) = pages.get(&name) {
                page.keep_measured(before);
            }
            pages.insert(name, page)
        };
        let before = before.map(|page| page.memory());
        if before.as_ref().is_none_or(|b| memory.is_news_after(b)) {
            self.0.urgent.notify_one();
        } else if memory.is_alive() || before.as_ref() != Some(memory) {
            self.0.changed.notify_one();
        }
    }

    /// Notes what one revision remembers, whenever that changes.
    pub async fn follow(
        self,
        id: RevisionId,
        mut kept: watch::Receiver<Option<Memory>>,
        world: watch::Receiver<World>,
    ) {
        while kept.changed().await.is_ok() {
            let memory = kept.borrow_and_update().clone();
            let (start, phases) = {
                let world = world.borrow();
                (world.typical_start, world.typical_phases)
            };
            if let Some(memory) = memory {
                self.note(&id, &memory, start, phases, wall());
            }
        }
    }
}

/// What runs is noted again all the time.
fn forget_strangers(pages: &mut Pages) {
    let now = wall();
    pages.retain(|_, page| page.age(now) < STRANGERS);
}

/// What is to be written now.
fn present(notebook: &Notebook) -> Book {
    let mut book = notebook.0.book.lock();
    forget_strangers(&mut book.pages);
    book.clone()
}

async fn write_on<S: Shelf>(notebook: Notebook, mut shelf: S, end: CancellationToken) {
    let mut failing = false;
    let mut next = Instant::now() + S::RARELY;
    let mut soonest = Instant::now();
    loop {
        let rarely = async {
            notebook.0.changed.notified().await;
            sleep_until(next).await;
        };
        let soon = async {
            notebook.0.urgent.notified().await;
            sleep_until(soonest).await;
        };
        let ends = tokio::select! {
            () = end.cancelled() => true,
            () = soon => false,
            () = rarely => false,
            found = shelf.found() => {
                notebook.learn(found);
                shelf.taken();
                continue;
            }
        };
        let written = shelf.write(present(&notebook)).await;
        if let Err(error) = &written
            && !failing
        {
            // Said once, until it could be again.
            let place = shelf.name();
            tracing::warn!(%place, %error, "what is remembered cannot be written, a restart will forget it");
        }
        failing = written.is_err();
        next = Instant::now() + S::RARELY;
        soonest = Instant::now() + S::PACE;
        if ends {
            return;
        }
    }
}

#[cfg(test)]
mod tests;
