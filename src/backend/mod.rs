//! The world: where replicas come from and go to. Each kind publishes what exists as a
//! [`World`](crate::ports::World) and takes the wanted number through
//! [`Scaler`](crate::ports::Scaler); which request goes where is none of its business.

pub mod quantity;
pub mod spec;

// Local processes: a supervisor and what it decides, over seams that tests simulate …
pub mod beside;
mod fleet;
mod life;
pub mod places;
pub(crate) mod recovery;
pub mod seams;
pub mod supervisor;

// … and this machine behind the seams.
pub mod gauges;
pub mod gpus;
mod group;
pub mod helper;
pub mod keeper;
mod lines;
mod listening;
#[cfg(target_os = "linux")]
mod members;
pub mod probe;
pub mod process;

// Pods of a cluster.
#[cfg(feature = "kubernetes")]
pub mod kubernetes;

pub use gauges::ProcessGauges;
pub use process::Host;
pub use spec::{Component, Model, PodSpec, ProcessSpec, Protocol, Readiness, Resources};
pub use supervisor::{Settings, Supervisor};

#[cfg(test)]
mod tests;
