//! Replicas as pods. Sees what a cluster holds (watched, never polled), finds out which workloads are
//! ours to scale, and does for the pods of each what a supervisor does for processes: looks whether
//! they are ready, lets those go that nobody needs, idle ones first, and asks for more.
//!
//! The way of what is seen: watches → `catalog` → one [`Claim`] a revision, and for each its
//! [`Present`] → the pods' own actor → [`World`](crate::ports::World).

pub mod catalog;
pub mod claim;
pub mod client;
mod dispute;
pub mod door;
pub mod doors;
mod inventory;
pub mod look;
pub mod objects;
pub mod own;
pub mod pods;
mod read;
pub mod reason;
mod retry;
pub mod scope;
pub mod seams;
mod watch;

// The API server behind the seams.
pub mod api;
mod call;
pub mod config_map;
pub mod events;
pub mod metrics;
pub mod tenure;

// What is left when nobody scales any more.
pub mod release;

#[cfg(test)]
pub(crate) mod tests_server;

pub use api::KubeApi;
pub use catalog::Catalog;
pub use claim::{Claim, Claims, Entrance, Obstacle, Remark, ServiceDoor, Settings};
pub use doors::{Doorkeeper, Exit, GatewayAt, Gateways, Passage, Passages, Server, Spoken};
pub use events::Events;
pub use look::{Look, NetLook};
pub use metrics::PodGauges;
pub use objects::{ObjectRef, PodView, Present, Workload};
pub use pods::{PodSettings, Pods};
pub use reason::Reason;
pub use scope::{Kind, Scope};
pub use seams::{Announcer, Api, ApiError, Gravity, Notice, Tenure};
pub use tenure::{PodIdentity, Reign};
