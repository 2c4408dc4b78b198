//! Settings that are one of a few words.

use std::time::Duration;

use super::complaint::Complaints;
use super::tree::Node;
use super::value::choice;
use crate::revision::{Aggregation, CallerPath, Hold, OnDisconnect, OverloadStatus, Protocol};

pub(super) fn aggregation(node: &Node, complaints: &mut Complaints) -> Option<Aggregation> {
    let words = [
        ("linear", Aggregation::Linear),
        ("weighted-exponential", Aggregation::WeightedExponential),
        ("weightedExponential", Aggregation::WeightedExponential),
    ];
    choice(node, complaints, &words)
}

/// A duration, or `auto`.
pub(super) fn hold(
    node: &Node,
    complaints: &mut Complaints,
    read: fn(&Node, &mut Complaints) -> Option<Duration>,
) -> Option<Hold> {
    match node.found().as_str() {
        "auto" => Some(Hold::Auto),
        _ => read(node, complaints).map(Hold::Fixed),
    }
}

/// In which order who waits is served, before the numbers that belong to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    Fifo,
    Fair,
}

pub(super) fn order(node: &Node, complaints: &mut Complaints) -> Option<Order> {
    choice(
        node,
        complaints,
        &[("fifo", Order::Fifo), ("fair", Order::Fair)],
    )
}

pub(super) fn overload_status(node: &Node, complaints: &mut Complaints) -> Option<OverloadStatus> {
    let words = [
        ("429", OverloadStatus::TooManyRequests),
        ("503", OverloadStatus::ServiceUnavailable),
    ];
    choice(node, complaints, &words)
}

pub(super) fn caller_path(node: &Node, complaints: &mut Complaints) -> Option<CallerPath> {
    let words = [
        ("host", CallerPath::Host),
        ("takeover", CallerPath::Takeover),
        ("always", CallerPath::Always),
    ];
    choice(node, complaints, &words)
}

pub(super) fn protocol(node: &Node, complaints: &mut Complaints) -> Option<Protocol> {
    let words = [
        ("auto", Protocol::Auto),
        ("http1", Protocol::Http1),
        ("h2c", Protocol::H2c),
    ];
    choice(node, complaints, &words)
}

pub(super) fn on_disconnect(node: &Node, complaints: &mut Complaints) -> Option<OnDisconnect> {
    let words = [
        ("auto", OnDisconnect::Auto),
        ("release", OnDisconnect::Release),
        ("finish", OnDisconnect::Finish),
    ];
    choice(node, complaints, &words)
}
