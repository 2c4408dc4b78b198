//! A book in a `ConfigMap` of the gateway's own namespace. Written by the gateway that steers alone, which
//! first reads what the one before it has left.

mod hold;

use std::collections::BTreeMap;
use std::time::Duration;

use kube::Client;
use tokio::sync::watch;
use tokio::time::sleep;

use super::last_good;
use super::shelf::{Book, Shelf};
use super::written::{self, Pages, understood};
use crate::backend::kubernetes::config_map::Document;
use crate::backend::kubernetes::own::STATE;
use crate::backend::kubernetes::{ApiError, Tenure};

pub(in crate::state) use hold::hold_back;

const KEY: &str = "pages.json";
const LAST_GOOD: &str = "last-good-settings.json";

/// Most bytes of all pages, and of all settings: the API server takes 1 MiB, the rest is for what
/// stands around them.
const MOST_BYTES: usize = 900 << 10;
const MOST_BYTES_OF_SETTINGS: usize = 100 << 10;

/// How soon it is read again when that failed.
const AGAIN: Duration = Duration::from_secs(2);

#[derive(Debug)]
pub(super) struct Map {
    document: Document,
    tenure: watch::Receiver<Tenure>,
    /// Somebody else may have written since it was read.
    stale: bool,
    /// Which version of it the notebook has heard of.
    known: Option<String>,
    /// What was left there is in the notebook.
    caught_up: watch::Sender<bool>,
}

impl Map {
    pub(super) fn new(
        client: Client,
        namespace: &str,
        tenure: watch::Receiver<Tenure>,
        caught_up: watch::Sender<bool>,
    ) -> Self {
        Self {
            document: Document::new(client, namespace, STATE),
            tenure,
            stale: true,
            known: None,
            caught_up,
        }
    }

    /// Whether what was left there is in the notebook.
    pub(super) fn caught_up(&self) -> watch::Receiver<bool> {
        self.caught_up.subscribe()
    }

    /// What was left there, at the beginning.
    pub(super) async fn open(&mut self) -> Result<Book, ApiError> {
        let stale = !self.steers();
        let book = self.read().await?;
        self.stale = stale;
        self.known = self.version();
        self.caught_up.send_replace(!stale);
        Ok(book)
    }

    fn version(&self) -> Option<String> {
        self.document.version().map(str::to_owned)
    }

    /// What it says; nothing if it is not there, or cannot be understood. Nobody's own words are in it,
    /// and what it knew is measured again within a window: it is written over, not set aside.
    async fn read(&mut self) -> Result<Book, ApiError> {
        let data = self.document.read().await?;
        let text = |key: &str| data.get(key).map(String::as_str).unwrap_or_default();
        Ok(Book {
            pages: pages(text(KEY)),
            last_good: last_good::understood(text(LAST_GOOD)),
        })
    }

    fn steers(&mut self) -> bool {
        self.tenure.borrow_and_update().steers
    }
}

impl Shelf for Map {
    const PACE: Duration = Duration::from_secs(1);
    // The whole map is sent each time, and kept by etcd: with hundreds of revisions that is the
    // largest part of what an idle gateway does. Half a usual window is soon enough.
    const RARELY: Duration = Duration::from_secs(30);

    fn name(&self) -> String {
        format!("ConfigMap {STATE}")
    }

    async fn found(&mut self) -> Option<Book> {
        loop {
            let steers = self.steers();
            self.stale |= !steers;
            if !steers {
                self.caught_up.send_replace(false);
            }
            if !steers || !self.stale {
                if self.tenure.changed().await.is_err() {
                    std::future::pending::<()>().await;
                }
                continue;
            }
            match self.read().await {
                Ok(book) => {
                    self.stale = false;
                    let version = self.version();
                    let is_news = std::mem::replace(&mut self.known, version) != self.version();
                    // Otherwise nobody has been here but us.
                    return is_news.then_some(book);
                }
                Err(error) => {
                    tracing::debug!(%error, "what is remembered cannot be read");
                    sleep(AGAIN).await;
                }
            }
        }
    }

    fn taken(&mut self) {
        self.caught_up.send_replace(true);
    }

    async fn write(&mut self, book: Book) -> Result<(), String> {
        let steers = self.steers();
        self.stale |= !steers;
        if !steers {
            return Ok(());
        }
        match self.put(&book).await {
            // Somebody has written or deleted it: once more, with what is there now.
            Err(ApiError::Conflict | ApiError::Gone) => {
                self.stale = true;
                self.put(&book).await
            }
            written => written,
        }
        .map_err(|error| error.to_string())
    }
}

impl Map {
    /// Writes a book over what is known. What is not stays beside it; settings only until they have
    /// been looked through, as those that were dropped here would come back.
    async fn put(&mut self, book: &Book) -> Result<(), ApiError> {
        let mut all = Book::default();
        if self.stale {
            all = self.read().await?;
        }
        if *self.caught_up.borrow() {
            all.last_good.clear();
        }
        let rounded = book.pages.iter();
        let rounded = rounded.map(|(name, page)| (name.clone(), page.rounded()));
        all.pages.extend(rounded);
        all.last_good.extend(book.last_good.clone());
        let data = data(all).map_err(|e| ApiError::Refused(e.to_string()))?;
        self.document.write(data).await?;
        if !self.stale {
            self.known = self.version();
        }
        Ok(())
    }
}

/// The pages of a text, none where it cannot be understood.
fn pages(text: &str) -> Pages {
    if text.is_empty() {
        return Pages::new();
    }
    understood(text.as_bytes()).unwrap_or_else(|why| {
        tracing::warn!(
            config_map = STATE,
            why,
            "what was remembered cannot be understood, it is begun anew"
        );
        Pages::new()
    })
}

/// As much of a book as fits, by its keys.
fn data(book: Book) -> serde_json::Result<BTreeMap<String, String>> {
    let mut data = BTreeMap::from([(KEY.to_owned(), fitting(book.pages, MOST_BYTES)?)]);
    if !book.last_good.is_empty() {
        let text = last_good::text(&book.last_good, MOST_BYTES_OF_SETTINGS)?;
        data.insert(LAST_GOOD.to_owned(), text);
    }
    Ok(data)
}

/// The text of as many pages as fit. Those that nobody has noted for the longest time go first, of
/// revisions at rest before others: they would find little.
fn fitting(mut pages: Pages, most: usize) -> serde_json::Result<String> {
    let text = written::text(&pages)?;
    let Some(mut over) = text.len().checked_sub(most + 1) else {
        return Ok(text);
    };
    let mut order: Vec<_> = pages
        .iter()
        .map(|(name, page)| (page.worth(), name.clone()))
        .collect();
    order.sort();
    for (_, name) in order {
        if let Some(page) = pages.remove(&name) {
            let gone = serde_json::to_string(&page)?.len() + name.len() + 4;
            let Some(still) = over.checked_sub(gone) else {
                break;
            };
            over = still;
        }
    }
    let fitting = pages.len();
    tracing::debug!(
        fitting,
        "not all of what is remembered fits into its ConfigMap"
    );
    written::text(&pages)
}

#[cfg(test)]
mod tests;
