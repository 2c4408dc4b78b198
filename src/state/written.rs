//! Pages as text, and back: what is not ours to understand is told apart from what is.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::page::Page;

/// Pages by the names of their revisions.
pub(super) type Pages = BTreeMap<String, Page>;

/// What the text says it is.
const KIND: &str = "holdgate-state";

/// Grows when what is written means something else.
const VERSION: u32 = 1;

#[derive(Deserialize)]
struct Head {
    kind: String,
    version: u32,
}

#[derive(Serialize)]
struct Telling<'a> {
    kind: &'static str,
    version: u32,
    revisions: &'a Pages,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Told {
    #[expect(dead_code, reason = "it was looked at before")]
    kind: String,
    #[expect(dead_code, reason = "it was looked at before")]
    version: u32,
    revisions: Pages,
}

/// All pages as one text.
pub(super) fn text(revisions: &Pages) -> serde_json::Result<String> {
    serde_json::to_string(&Telling {
        kind: KIND,
        version: VERSION,
        revisions,
    })
}

/// The pages of a text.
///
/// # Errors
/// It is none of ours, or damaged.
pub(super) fn understood(text: &[u8]) -> Result<Pages, String> {
    let head: Head = serde_json::from_slice(text).map_err(|error| error.to_string())?;
    if head.kind != KIND || head.version != VERSION {
        return Err(format!("it is {} {}", head.kind, head.version));
    }
    let told: Told = serde_json::from_slice(text).map_err(|error| error.to_string())?;
    let is_sound = told.revisions.values().all(Page::is_sound);
    is_sound
        .then_some(told.revisions)
        .ok_or_else(|| "it holds what cannot have been measured".to_owned())
}
