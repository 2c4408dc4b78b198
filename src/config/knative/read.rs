//! Values as Knative reads them, where that is narrower or wider than ours. What is left to the
//! readers of our keys passes as it is.

use super::Class;
use crate::config::complaint::Complaints;
use crate::config::key::AnyKey;
use crate::config::keys as k;
use crate::config::metrics::is_known;
use crate::config::tree::Node;
use crate::config::value::{MOST, number_from, wanted, whole};

#[expect(clippy::unnecessary_wraps, reason = "one of several readers")]
pub(super) fn as_it_is(node: &Node, _complaints: &mut Complaints) -> Option<Node> {
    Some(node.clone())
}

pub(super) fn two_or_more(node: &Node, complaints: &mut Complaints) -> Option<Node> {
    whole::<u32>(node, complaints, 2..=MOST).map(|_| node.clone())
}

/// A duration as Go writes it: every number has a unit, the longest is the hour.
pub(super) fn duration(node: &Node, complaints: &mut Complaints) -> Option<Node> {
    const UNITS: [&str; 6] = ["ns", "us", "ms", "s", "m", "h"];
    let is_go = node.text().is_some_and(|text| {
        let mut units = text
            .split(|c: char| c.is_ascii_digit() || c == '.')
            .filter(|unit| !unit.is_empty());
        let unitless = text.ends_with(|c: char| c.is_ascii_digit() || c == '.');
        text == "0" || (!unitless && units.all(|unit| UNITS.contains(&unit)))
    });
    if is_go {
        return Some(node.clone());
    }
    wanted(
        node,
        "a duration with units, such as 90s, 5m or 1h30m",
        complaints,
    )
}

/// Truth in every spelling that Go reads.
#[expect(clippy::unnecessary_wraps, reason = "one of several readers")]
pub(super) fn truth(node: &Node, _: &mut Complaints) -> Option<Node> {
    Some(match node.text() {
        Some("1" | "t" | "T" | "true" | "TRUE" | "True") => node.saying("true"),
        Some("0" | "f" | "F" | "false" | "FALSE" | "False") => node.saying("false"),
        _ => node.clone(),
    })
}

pub(super) fn from_one(node: &Node, complaints: &mut Complaints) -> Option<Node> {
    number_from(node, complaints, 1.0).map(|_| node.clone())
}

pub(super) fn burst_capacity(node: &Node, complaints: &mut Complaints) -> Option<Node> {
    let is_all = node.text().and_then(|text| text.parse::<f64>().ok()) == Some(-1.0);
    if is_all || number_from(node, &mut Complaints::default(), 0.0).is_some() {
        return Some(node.clone());
    }
    wanted(node, "a number, 0 or more, or -1", complaints)
}

pub(super) fn class(node: &Node, complaints: &mut Complaints) -> Option<Node> {
    match node.text() {
        Some(Class::KPA | Class::HPA) => {}
        Some(other) if !other.ends_with("knative.dev") => {
            let message = "this class is not known here, Holdgate scales the revision itself";
            complaints.warn(node.complaint(message));
        }
        _ => {
            return wanted(
                node,
                &format!("{} or {}", Class::KPA, Class::HPA),
                complaints,
            );
        }
    }
    Some(node.clone())
}

pub(super) fn metric_of_kpa(node: &Node, complaints: &mut Complaints) -> Option<Node> {
    match node.text() {
        Some("concurrency" | "rps") => Some(node.clone()),
        Some("cpu" | "memory") => {
            let what = format!("concurrency or rps (others need the class {})", Class::HPA);
            wanted(node, &what, complaints)
        }
        _ => wanted(node, "concurrency or rps", complaints),
    }
}

pub(super) fn metric_of_hpa(node: &Node, complaints: &mut Complaints) -> Option<Node> {
    if node.text().is_none_or(str::is_empty) {
        return wanted(node, "the name of a metric", complaints);
    }
    metric_of_others(node, complaints)
}

pub(super) fn metric_of_others(node: &Node, complaints: &mut Complaints) -> Option<Node> {
    if node.text().is_some_and(is_known) {
        return Some(node.clone());
    }
    let message = "this metric is not known here and not read";
    complaints.warn(node.complaint(message));
    None
}

pub(super) fn aggregation(node: &Node, _: &mut Complaints) -> Option<Node> {
    (node.text() != Some("")).then(|| node.clone())
}

pub(super) fn aggregation_of_others(node: &Node, complaints: &mut Complaints) -> Option<Node> {
    let mut unknown = Complaints::default();
    k::AGGREGATION.check(node, &mut unknown);
    if unknown.is_empty() || node.text() == Some("") {
        return aggregation(node, complaints);
    }
    complaints.warn(node.complaint("this algorithm is not known here and not read"));
    None
}
