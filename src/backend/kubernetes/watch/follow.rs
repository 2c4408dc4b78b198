//! What happens after a listing, for as long as it can be followed.

use std::pin::pin;
use std::time::Duration;

use futures_util::{Stream, StreamExt};
use kube::api::WatchEvent;
use serde_json::value::RawValue;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::calls::{Trouble, follow, kept};
use super::teller::{Deaf, LONGEST_PAUSE};
use super::{CONVINCING, Watch};
use crate::backend::kubernetes::inventory::Change;
use crate::backend::kubernetes::read::head;

/// After how long without a word a connection counts as dead. Bookmarks come every minute.
const SILENCE: Duration = Duration::from_secs(100);
/// Once a watch goes on, what has happened meanwhile is told at once; nobody says when that was all.
const CATCHING_UP: Duration = Duration::from_millis(300);

impl Watch {
    /// Goes on from a version, until everything must be listed again.
    pub(super) async fn follow(&mut self, mut version: String) -> Result<(), Deaf> {
        let mut refused = 0;
        loop {
            let begun = Instant::now();
            let lasting = self.teller.lasting();
            let trouble = match follow(&self.client, &self.watched, &version, lasting).await {
                Ok(events) => self.tell_all(pin!(events), &mut version).await?,
                Err(trouble) => Some(trouble),
            };
            if begun.elapsed() > LONGEST_PAUSE {
                self.teller.is_calm();
                refused = 0;
            }
            let kind = &*self.watched.kind.kind;
            let away = matches!(trouble, Some(Trouble::Unreachable(_)));
            let again = match &trouble {
                None | Some(Trouble::Unreachable(_) | Trouble::Busy(_)) => true,
                Some(Trouble::Refused(_)) => {
                    refused += 1;
                    refused < CONVINCING
                }
                Some(Trouble::Expired | Trouble::Absent | Trouble::Forbidden(_)) => false,
            };
            match trouble {
                // It has ended as it should.
                None if begun.elapsed() > LONGEST_PAUSE => continue,
                None => {}
                Some(trouble) => {
                    tracing::debug!(kind, %trouble, "a watch has broken");
                    self.teller.misses().await?;
                }
            }
            sleep(self.teller.pause(away)).await;
            if !again {
                return Ok(());
            }
        }
    }

    /// Tells every event of a stream; what ended it, unless it just ended.
    async fn tell_all(
        &mut self,
        mut events: impl Stream<Item = kube::Result<WatchEvent<Box<RawValue>>>> + Unpin,
        version: &mut String,
    ) -> Result<Option<Trouble>, Deaf> {
        let caught_up = Instant::now() + CATCHING_UP;
        loop {
            let event = tokio::select! {
                event = timeout(SILENCE, events.next()) => event,
                () = sleep_until(caught_up), if !self.teller.is_hearing() => {
                    self.teller.is_calm();
                    self.teller.hears().await?;
                    continue;
                }
            };
            let (object, is_there) = match event {
                // Whether it is dead is found out by asking again.
                Err(_) | Ok(None) => return Ok(None),
                Ok(Some(Err(error))) => return Ok(Some(error.into())),
                Ok(Some(Ok(WatchEvent::Error(status)))) => {
                    return Ok(Some(Trouble::of_status(status.code, &status.message)));
                }
                Ok(Some(Ok(WatchEvent::Bookmark(bookmark)))) => {
                    *version = bookmark.metadata.resource_version;
                    continue;
                }
                Ok(Some(Ok(WatchEvent::Added(object) | WatchEvent::Modified(object)))) => {
                    (object, true)
                }
                Ok(Some(Ok(WatchEvent::Deleted(object)))) => (object, false),
            };
            let Ok(head) = head(object.get()) else {
                return Ok(Some(Trouble::Refused("an object has no name".to_owned())));
            };
            version.clone_from(&head.resource_version);
            match is_there
                .then(|| kept(&self.watched, object.get()))
                .flatten()
            {
                Some(named) => self.teller.tell(Change::Put(Box::new(named))).await?,
                None => self.teller.gone(head.namespace, head.name).await?,
            }
        }
    }
}
