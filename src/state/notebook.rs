//! What a notebook takes beside what steering remembers.

use std::time::Duration;

use super::Notebook;
use super::shelf::Book;
use crate::revision::RevisionId;

impl Notebook {
    /// Notes the longest that an answer of a revision took, over minutes: what grew by half is written at
    /// once. Returns whether there was where to note it: something else of it is remembered.
    #[must_use]
    pub fn note_service(&self, id: &RevisionId, longest: Duration) -> bool {
        let mut book = self.0.book.lock();
        let Some(page) = book.pages.get_mut(id.as_str()) else {
            return false;
        };
        let before = page.longest_service();
        page.set_longest_service(Some(longest));
        drop(book);
        if before.is_none_or(|before| longest > before + before / 2) {
            self.0.urgent.notify_one();
        } else {
            self.0.changed.notify_one();
        }
        true
    }

    /// Takes over what somebody else has left.
    pub(super) fn learn(&self, found: Option<Book>) {
        if self.0.book.lock().learn(found) {
            self.0.urgent.notify_one();
        }
    }
}
