//! Watches: what the API server tells of one kind of object, from the first listing on. A watch that
//! breaks goes on where it was; where that is too long ago everything is listed again.
//!
//! `kube`'s own watcher does the same, but does not tell when a broken watch works again: it says
//! nothing until something happens. Whoever must not act on what is old has to know.

mod calls;
mod follow;
mod sources;
mod teller;

use std::sync::Arc;
use std::time::Duration;

use kube::Client;
use tokio::sync::{Semaphore, mpsc};
use tokio::time::sleep;

use self::calls::{Trouble, find, list};
use self::teller::{Deaf, LONGEST_PAUSE, Teller};
use super::inventory::{Change, Named, SourceId, Tells};
use super::read::{KindOf, Reader};

pub(super) use sources::{NOT_ENDED, sources};
pub(super) use teller::News;

/// What is watched.
#[derive(Clone, Debug)]
pub(super) struct Watched {
    pub(super) kind: KindOf,
    /// The only namespace; `None` is all of them.
    pub(super) namespace: Option<Arc<str>>,
    /// A selector by fields.
    pub(super) fields: Option<String>,
    /// A selector by labels.
    pub(super) labels: Option<&'static str>,
    pub(super) read: Reader,
    pub(super) tells: Tells,
    pub(super) need: Need,
}

/// What becomes of the gateway without it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Need {
    /// Nothing can be told without it.
    Needed,
    /// It may not be there, or not be allowed.
    Optional,
    /// The same, and another watch of that kind says so.
    Beside,
    /// The same, but a person has asked for it; what the API calls it is not known.
    Named,
}

/// How soon a kind of object is looked for again that was not there.
const ABSENT: Duration = Duration::from_secs(15);
/// How soon it is asked again for what is not allowed and can be done without.
const FORBIDDEN: Duration = Duration::from_secs(60);
/// How often something must be so before it is believed: of a kind that was there and is gone, or of
/// an answer that makes no sense.
const CONVINCING: u32 = 3;

/// So often it must be refused before it is believed, about a second between, of what was allowed: an
/// API server that has just been started refuses everybody until it knows its roles.
const PERSISTENT: u32 = 20;
/// So often where nothing is known yet: for a few seconds.
const HASTY: u32 = 8;

/// One watch.
pub(super) struct Watch {
    client: Client,
    watched: Watched,
    /// Few list at a time: a listing is the largest thing in memory.
    turns: Arc<Semaphore>,
    teller: Teller,
    /// Something was listed once.
    listed: bool,
    /// In a row.
    failures: u32,
    /// In a row, those that say something of what was asked. How long nobody answered makes what is
    /// answered then no more convincing.
    refusals: u32,
}

impl Watch {
    pub(super) fn new(
        client: Client,
        watched: Watched,
        turns: Arc<Semaphore>,
        id: SourceId,
        news: mpsc::Sender<(SourceId, News)>,
    ) -> Self {
        Self {
            client,
            watched,
            turns,
            teller: Teller::new(id, news),
            listed: false,
            failures: 0,
            refusals: 0,
        }
    }

    /// Tells what happens until nobody listens.
    pub(super) async fn run(mut self) {
        while self.turn().await.is_ok() {}
    }

    /// Lists everything and follows it for as long as possible.
    async fn turn(&mut self) -> Result<(), Deaf> {
        match self.list().await {
            Ok((all, version)) => {
                (self.failures, self.refusals) = (0, 0);
                self.listed = true;
                self.teller.is_content();
                self.teller.tell(Change::Listed(all)).await?;
                self.teller.hears().await?;
                self.teller.settle().await?;
                self.follow(version).await
            }
            Err(trouble) => {
                self.failures = self.failures.saturating_add(1);
                self.refusals = if trouble.passes() {
                    0
                } else {
                    self.refusals.saturating_add(1)
                };
                let wait = self.bear(trouble).await?;
                sleep(wait).await;
                Ok(())
            }
        }
    }

    async fn list(&mut self) -> Result<(Vec<Named>, String), Trouble> {
        if self.watched.need == Need::Named {
            self.watched.kind = find(&self.client, &self.watched.kind).await?;
        }
        let _turn = self.turns.acquire().await;
        list(&self.client, &self.watched).await
    }

    /// Says what is wrong, once; how long to wait before it is tried again.
    async fn bear(&mut self, trouble: Trouble) -> Result<Duration, Deaf> {
        let optional = self.watched.need != Need::Needed;
        match trouble {
            Trouble::Absent if optional => {
                self.bear_absence().await?;
                Ok(ABSENT)
            }
            Trouble::Forbidden(message) => self.bear_refusal(&message).await,
            trouble => {
                // Nobody has to be told that it is away by every one of them.
                let told = match trouble {
                    Trouble::Unreachable(_) | Trouble::Expired => false,
                    Trouble::Busy(_) => self.failures > CONVINCING,
                    _ => true,
                };
                if told {
                    self.complain(&trouble.to_string());
                }
                self.teller.misses().await?;
                if optional && self.refusals >= CONVINCING {
                    self.teller.settle().await?;
                }
                let away = matches!(trouble, Trouble::Unreachable(_));
                Ok(self.teller.pause(away))
            }
        }
    }

    async fn bear_refusal(&mut self, message: &str) -> Result<Duration, Deaf> {
        let optional = self.watched.need != Need::Needed;
        self.teller.misses().await?;
        let believed = if self.listed { PERSISTENT } else { HASTY };
        if self.refusals > believed {
            self.complain(message);
            if optional {
                self.teller.settle().await?;
            }
        }
        Ok(match optional {
            _ if self.refusals <= PERSISTENT => self.teller.pause(true),
            true => FORBIDDEN,
            false => LONGEST_PAUSE,
        })
    }

    /// Without the kind there are no objects of it. Where there were some, one answer is not believed:
    /// an API server that has just been started may not know all kinds yet.
    async fn bear_absence(&mut self) -> Result<(), Deaf> {
        if self.watched.need == Need::Named {
            self.complain("the cluster has no such kind with a scale subresource yet");
        }
        if self.listed && self.refusals < CONVINCING {
            return self.teller.misses().await;
        }
        self.teller.tell(Change::Listed(Vec::new())).await?;
        self.teller.hears().await?;
        self.teller.settle().await
    }

    fn complain(&mut self, message: &str) {
        if self.watched.need == Need::Beside || !self.teller.may_complain() {
            return;
        }
        let kind = &*self.watched.kind.kind;
        let api = &*self.watched.kind.api_version;
        let namespace = self
            .watched
            .namespace
            .as_deref()
            .unwrap_or("every namespace");
        if self.watched.need == Need::Needed {
            tracing::error!(kind, api, namespace, message, "cannot watch what is needed");
        } else {
            tracing::warn!(
                kind,
                api,
                namespace,
                message,
                "cannot watch, and go on without"
            );
        }
    }
}
