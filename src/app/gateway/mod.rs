//! The gateway: what a gate is in a cluster, where its revisions are claimed by objects and their
//! replicas are pods.

mod claimed;
mod claims;
mod hosts;
mod seams;
mod steering;
mod telling;
#[cfg(test)]
mod tests;
mod words;
