//! What the objects of an installation are called: those who make them and those who remove them mean
//! the same.

/// The gateway: its Deployment, its Service and its lease.
pub const GATEWAY: &str = "holdgate-gateway";
/// The Secret by which gateways know each other.
pub const PEERS: &str = "holdgate-peers";
/// The `ConfigMap` where gateways keep what they have learned.
pub const STATE: &str = "holdgate-state";
/// What the pods of a gateway are labelled with, as they are shipped.
pub const PODS: &str = "app.kubernetes.io/name=holdgate,app.kubernetes.io/component=gateway";
