//! An explanation with the numbers behind it.

use jiff::Zoned;
use serde::Serialize;

use super::decision::{Decision, decision};
use super::{Present, Visit, visit};
use crate::admin::find::LeftAlone;
use crate::explain::{Detail, Explanation, Wall, explain};

/// Why a revision has the replicas it has.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Explained {
    /// Its name.
    pub revision: String,
    /// In words.
    #[serde(flatten)]
    pub explanation: Explanation,
    /// The number decided on; `null` before the first.
    pub desired: Option<u32>,
    /// How long it takes to zero without a request, from now or from the end of the last one;
    /// `null` if it never goes there, or nobody can tell.
    pub to_zero_seconds: Option<f64>,
    /// The last decision; `null` before the first.
    pub decision: Option<Decision>,
    /// The requests that came first of those that are here.
    pub oldest_requests: Vec<Visit>,
}

/// Explains a revision, at a moment at which the clock on the wall shows so much; `None` if nothing
/// steers it.
pub(in super::super) fn explained(present: Present, shows: Zoned) -> Option<Explained> {
    let (revision, now) = (present.revision.spec.id.to_string(), present.now);
    let situation = present.situation()?;
    let to_zero = situation.ahead.and_then(|ahead| ahead.to_zero);
    Some(Explained {
        revision,
        explanation: explain(&situation, &Wall::new(now, shows)),
        desired: situation.desired.map(|(desired, _)| desired),
        to_zero_seconds: to_zero.map(super::seconds),
        decision: situation.entry.map(|entry| decision(&entry, now)),
        oldest_requests: situation
            .visits
            .iter()
            .map(|one| visit(one, None, now))
            .collect(),
    })
}

/// Why a revision is not scaled here.
pub(in super::super) fn explained_left_alone(left: &LeftAlone) -> Explained {
    let owner = Detail {
        about: "owner",
        text: left.owner.clone(),
    };
    Explained {
        revision: left.name.to_string(),
        explanation: Explanation {
            sentence: format!("left alone: {}", left.why),
            details: vec![owner],
        },
        desired: None,
        to_zero_seconds: None,
        decision: None,
        oldest_requests: Vec::new(),
    }
}
