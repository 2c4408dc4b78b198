//! Where pages lie between two lives.

use std::time::Duration;

#[cfg(feature = "kubernetes")]
use super::last_good::AllLastGood;
use super::written::Pages;

/// Everything that lies there.
#[derive(Clone, Debug, Default)]
pub(super) struct Book {
    pub(super) pages: Pages,
    /// Of revisions in a cluster whose present settings cannot be read.
    #[cfg(feature = "kubernetes")]
    pub(super) last_good: AllLastGood,
}

impl From<Pages> for Book {
    fn from(pages: Pages) -> Self {
        Self {
            pages,
            #[cfg(feature = "kubernetes")]
            last_good: AllLastGood::new(),
        }
    }
}

impl Book {
    /// Takes over what somebody else has left. What runs here goes on from what it knows, and notes it
    /// again within seconds; settings are not noted again while they stay as they are. Returns whether
    /// there may be something to write.
    pub(super) fn learn(&mut self, found: Option<Self>) -> bool {
        let is_news = found.is_some();
        #[cfg(feature = "kubernetes")]
        let is_news = is_news || !self.last_good.is_empty();
        let found = found.unwrap_or_default();
        self.pages.extend(found.pages);
        #[cfg(feature = "kubernetes")]
        for (name, kept) in found.last_good {
            self.last_good.entry(name).or_insert(kept);
        }
        is_news
    }
}

/// A place for a book: a file of this machine, or a `ConfigMap` of a cluster.
pub(super) trait Shelf: Send + 'static {
    /// The least time between two writings, however new the news.
    const PACE: Duration;

    /// How often what is no news is written.
    const RARELY: Duration;

    /// What a person finds it by.
    fn name(&self) -> String;

    /// What somebody else left there, whenever it is for us to go on with; `None` where that is what is
    /// known already. Losing no news when it is dropped half-way.
    fn found(&mut self) -> impl Future<Output = Option<Book>> + Send;

    /// What was found is in the notebook.
    fn taken(&mut self) {}

    /// Puts a book there in place of the one that is. Not while that is for somebody else to do.
    fn write(&mut self, book: Book) -> impl Future<Output = Result<(), String>> + Send;
}
