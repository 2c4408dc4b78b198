//! A request that is here.

use std::time::Instant;

use serde::Serialize;

use super::seconds;
use crate::guests::{self, Stage};

/// One request that is here.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Visit {
    /// Its method and its path without the query, cut where it is long.
    pub request: String,
    /// `waiting`, `answering`, or `abandoned` by a client that has left while the replica works.
    pub state: &'static str,
    /// How long it has been so.
    pub since_seconds: f64,
    /// How long ago it arrived.
    pub arrived_seconds_ago: f64,
    /// How many stand in line up to it, itself included; left out where it does not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queue_position: Option<usize>,
    /// The replica that works on it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replica: Option<u64>,
}

pub(super) fn visit(visit: &guests::Visit, position: Option<usize>, now: Instant) -> Visit {
    let (since, replica) = match visit.stage {
        Stage::Waiting => (visit.arrived, None),
        Stage::Answering { replica, since } | Stage::Abandoned { replica, since } => {
            (since, Some(replica.0))
        }
    };
    let ago = |at: Instant| seconds(now.saturating_duration_since(at));
    Visit {
        request: visit.name.clone(),
        state: visit.stage.as_str(),
        since_seconds: ago(since),
        arrived_seconds_ago: ago(visit.arrived),
        queue_position: position,
        replica,
    }
}
