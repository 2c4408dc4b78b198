//! Where pages lie between two lives.

use std::time::Duration;

use super::written::Pages;

/// A place for pages: a file of this machine, or a `ConfigMap` of a cluster.
pub(super) trait Shelf: Send + 'static {
    /// The least time between two writings, however new the news.
    const PACE: Duration;

    /// How often what is no news is written.
    const RARELY: Duration;

    /// What a person finds it by.
    fn name(&self) -> String;

    /// What somebody else left there, whenever it is for us to go on with; `None` where that is what is
    /// known already. Losing no news when it is dropped half-way.
    fn found(&mut self) -> impl Future<Output = Option<Pages>> + Send;

    /// What was found is in the notebook.
    fn taken(&mut self) {}

    /// Puts pages there in place of those that are. Not while that is for somebody else to do.
    fn write(&mut self, pages: Pages) -> impl Future<Output = Result<(), String>> + Send;
}
