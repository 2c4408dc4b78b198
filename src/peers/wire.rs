//! What gateways say to each other: lines of JSON, one thing a line.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::news::Holds;
use crate::revision::RevisionId;
use crate::shares::{Holdings, MemberId, Order, Word};

/// Which language this is. Who speaks another one is refused.
pub(super) const VERSION: u32 = 1;

/// Most things about revisions in one line.
const BATCH: usize = 1024;

/// What a leader says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum FromLeader {
    /// First of all.
    Hello(Hello),
    /// What it wants, by revision.
    Orders(Vec<(Arc<str>, Order)>),
    /// It is there.
    Beat,
}

/// Who leads.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Hello {
    pub(super) version: u32,
    pub(super) reign: u64,
    pub(super) token: Arc<str>,
    pub(super) leader: Arc<str>,
}

/// What a member says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum FromMember {
    /// First of all, when it obeys.
    Welcome(Welcome),
    /// First of all, when it does not. Nothing follows.
    Refused(Refusal),
    /// What became of what it holds, and what is asked of it.
    Words(Vec<(Arc<str>, Word)>),
    /// On which ports of doors it listens.
    Doors(BTreeSet<u16>),
    /// It is there.
    Beat,
    /// It has nothing any more, and goes. Nothing follows.
    Bye,
}

/// Who a member is, and what it has.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Welcome {
    pub(super) member: MemberId,
    /// When it was started, since 1970 by the clock of its node.
    pub(super) started: Duration,
    /// How long ago that was.
    pub(super) age: Duration,
    /// It has nothing any more, and goes.
    pub(super) leaves: bool,
    pub(super) holds: Vec<(Arc<str>, Holdings)>,
    pub(super) doors: BTreeSet<u16>,
}

/// Why a member does not obey.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Refusal {
    /// That is not the token of this installation.
    Token,
    /// It speaks this version.
    Version(u32),
    /// It obeys this reign.
    Reign(u64),
}

/// Things about revisions, in lines that are not too long.
pub(super) fn batches<T: Clone>(
    all: &[(RevisionId, T)],
) -> impl Iterator<Item = Vec<(Arc<str>, T)>> {
    all.chunks(BATCH).map(written)
}

fn written<T: Clone>(all: &[(RevisionId, T)]) -> Vec<(Arc<str>, T)> {
    let of = |(id, what): &(RevisionId, T)| (Arc::from(id.as_str()), what.clone());
    all.iter().map(of).collect()
}

/// Things about revisions, as they were meant.
pub(super) fn read<T>(all: Vec<(Arc<str>, T)>) -> Vec<(RevisionId, T)> {
    let of = |(id, what): (Arc<str>, T)| (RevisionId::new(id), what);
    all.into_iter().map(of).collect()
}

/// What is held, as it is written.
pub(super) fn holds(holds: &Holds) -> Vec<(Arc<str>, Holdings)> {
    written(holds)
}
