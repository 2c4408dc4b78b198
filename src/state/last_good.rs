//! The settings that revisions of a cluster had when they could be read last, kept for those whose
//! settings cannot be read now: the gateway after this one has never seen others. What settings mean
//! is decided elsewhere.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Notebook;
use crate::backend::Component;
use crate::backend::kubernetes::Settings;
use crate::revision::RevisionId;

/// All that are kept, by the names of their revisions.
pub(super) type AllLastGood = BTreeMap<String, LastGood>;

/// The last good settings of one revision.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LastGood {
    /// The UID of its owner: one that was deleted and made anew inherits nothing.
    owner: String,
    /// Which component of an `InferenceService` it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    component: Option<String>,
    /// Where they stood.
    object: Value,
}

impl LastGood {
    /// These, of the owner with this UID.
    #[must_use]
    pub fn new(owner: &str, settings: &Settings) -> Self {
        let (component, object) = match settings {
            Settings::InferenceService(object, component) => (Some(component), object),
            Settings::Workload(object) => (None, object),
        };
        Self {
            owner: owner.to_owned(),
            component: component.map(|component| component.as_str().to_owned()),
            object: Value::clone(object),
        }
    }

    /// `None` where nobody knows such a component.
    fn settings(&self) -> Option<Settings> {
        let object = Arc::new(self.object.clone());
        let Some(written) = &self.component else {
            return Some(Settings::Workload(object));
        };
        let mut all = Component::ALL.into_iter();
        let component = all.find(|component| component.as_str() == written)?;
        Some(Settings::InferenceService(object, component))
    }
}

impl Notebook {
    /// The settings that a revision of the owner with this UID had when they could be read last, where
    /// those are kept.
    #[must_use]
    pub fn last_good(&self, id: &RevisionId, owner: &str) -> Option<Settings> {
        let book = self.0.book.lock();
        let kept = book.last_good.get(id.as_str())?;
        (kept.owner == owner).then(|| kept.settings()).flatten()
    }

    /// Keeps these. What was kept of others is dropped, but where it `stays`.
    pub fn keep(
        &self,
        now: impl IntoIterator<Item = (RevisionId, LastGood)>,
        stays: impl Fn(&RevisionId) -> bool,
    ) {
        let now = now.into_iter();
        let now: AllLastGood = now.map(|(id, kept)| (id.to_string(), kept)).collect();
        let mut book = self.0.book.lock();
        let before = book.last_good.clone();
        book.last_good
            .retain(|name, _| stays(&RevisionId::new(name.as_str())));
        book.last_good.extend(now);
        if book.last_good != before {
            self.0.urgent.notify_one();
        }
    }
}

/// All of them as one text of no more than so many bytes; the largest are left out first.
pub(super) fn text(all: &AllLastGood, most: usize) -> serde_json::Result<String> {
    let mut sizes = Vec::new();
    for (name, kept) in all {
        // With two quotes, a colon and a comma.
        let size = serde_json::to_string(kept)?.len() + name.len() + 4;
        sizes.push((size, name));
    }
    sizes.sort();
    let mut room = most.saturating_sub(2);
    let fit = sizes.into_iter().map_while(|(size, name)| {
        room = room.checked_sub(size)?;
        all.get_key_value(name)
    });
    let fit: BTreeMap<_, _> = fit.collect();
    if fit.len() < all.len() {
        let left_out = all.len() - fit.len();
        tracing::debug!(
            left_out,
            "not all last good settings fit into the ConfigMap"
        );
    }
    serde_json::to_string(&fit)
}

/// Those in a text. What cannot be understood of it is passed over.
pub(super) fn understood(text: &str) -> AllLastGood {
    let all: BTreeMap<String, Value> = serde_json::from_str(text).unwrap_or_default();
    let understood = |(name, kept)| Some((name, serde_json::from_value(kept).ok()?));
    all.into_iter().filter_map(understood).collect()
}
