//! How several gateways share the replicas of a revision: each may use some of the slots of each
//! replica, its share, and no two the same. One of them, the leader, keeps the book of who has what;
//! the others are its members, and so is it. What is written here is what they say to each other.
//!
//! Shares move as credits over an ordered connection: the leader grants slots, a member returns them,
//! and between the two nobody uses them. Whatever a member returns, for whatever reason, pays what
//! was recalled from it. A member says what it holds when it is reached for the first
//! time, or again.

mod book;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use book::{Book, Orders};

/// All the slots of a replica that has no hard limit: whoever is granted them may send to it.
pub const UNLIMITED: u32 = u32::MAX;

/// A replica, as every gateway knows it: a pod's UID.
pub type Pod = Arc<str>;

/// One life of one gateway: another after each start of its process.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct MemberId {
    /// Its pod's UID.
    pub pod: Arc<str>,
    /// Drawn anew when its process starts.
    pub life: u64,
}

impl fmt::Display for MemberId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{:x}", self.pod, self.life)
    }
}

/// Slots of one replica.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slots {
    /// Whose.
    pub pod: Pod,
    /// How many.
    pub slots: u32,
}

/// What a member says when it is reached, of one revision.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Holdings {
    /// What it holds.
    pub slots: Vec<Slots>,
    /// The longest that an answer took there, as far as it is remembered: who leads since a moment ago
    /// knows then how long what somebody sent may run on.
    pub longest_service: Option<Duration>,
}

/// What the leader says to a member, of one revision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Order {
    /// It may use so many slots of a replica more.
    Grant(Slots),
    /// It shall return so many slots, of whichever replicas: idle ones first, others as they end.
    Recall(u32),
    /// It shall return up to so many idle slots, of whichever replicas, now or not at all.
    Spare(u32),
    /// It keeps at most so many slots of a replica: what it has above is returned, as it ends.
    Keep(Slots),
    /// Exactly these replicas get no new request: what is held of them is returned, as it ends.
    Retire(Vec<Pod>),
    /// Exactly these replicas get a request only where no other can, so that they fall idle.
    Rest(Vec<Pod>),
}

/// What a member says to its leader, of one revision.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Word {
    /// It uses so many slots of a replica no longer.
    Returned(Slots),
    /// What is asked of it, each second in which anything is, and at once when somebody waits in vain.
    Report(Report),
}

/// What is asked of a member, of one revision.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Report {
    /// What was measured over the last second; `None` in a report that comes in between.
    pub measured: Option<Measured>,
    /// It is about to end: it wants nothing but what its requests need.
    pub drains: bool,
    /// Requests there now, waiting or running for a client.
    pub in_flight: u32,
    /// Those of them that wait.
    pub waiting: u32,
    /// Replicas that hold something, and how much.
    pub busy: Vec<Slots>,
    /// Replicas that did not answer within any budget.
    pub stuck: Vec<Pod>,
    /// The longest that an answer took, as far as it is remembered.
    pub longest_service: Option<Duration>,
}

/// What was measured over a second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Measured {
    /// Requests there at once, averaged.
    pub average_concurrency: f64,
    /// Requests that came.
    pub requests: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_reads_the_same_on_the_other_side() {
        let (pod, slots): (Pod, u32) = ("a-uid".into(), UNLIMITED);
        let orders = [
            Order::Grant(Slots {
                pod: pod.clone(),
                slots,
            }),
            Order::Recall(3),
            Order::Spare(2),
            Order::Keep(Slots {
                pod: pod.clone(),
                slots: 4,
            }),
            Order::Retire(vec![pod.clone()]),
            Order::Rest(vec![pod.clone()]),
        ];
        let text = serde_json::to_string(&orders).expect("plain data");
        let read: Vec<Order> = serde_json::from_str(&text).expect("what was written");
        assert_eq!(read, orders);
        let words = [
            Word::Returned(Slots { pod, slots: 1 }),
            Word::Report(Report {
                measured: Some(Measured {
                    average_concurrency: 0.25,
                    requests: 7,
                }),
                in_flight: 2,
                longest_service: Some(Duration::from_millis(1500)),
                ..Report::default()
            }),
        ];
        let text = serde_json::to_string(&words).expect("plain data");
        let read: Vec<Word> = serde_json::from_str(&text).expect("what was written");
        assert_eq!(read, words);
    }
}
