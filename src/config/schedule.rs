//! The entries of a schedule as a person writes them.

use std::time::Duration;

use jiff::tz::TimeZone;

use super::complaint::Complaints;
use super::key::{About, Key, Shape, Table, keys};
use super::layers::{Layer, Layers};
use super::tree::{Node, Value};
use super::value::{LONGEST, MOST, duration, list, text, wanted, whole};
use crate::schedule::{A_MINUTE, Entry, NoSchedule, Schedule, system_zone};

/// No expression of five fields that a person writes is longer.
const LONGEST_CRON: usize = 200;

keys! {
    /// The keys of an entry.
    ENTRY {
    CRON: String = "cron", --"" "" NoFlag, "", cron,
        "Minute, hour, day of month, month and day of week, as in a crontab";
    TIME_ZONE: TimeZone = "timeZone", --"" "" NoFlag, "", time_zone,
        "Where these hours are told; when not written, the zone of this machine";
    FOR: Duration = "for", --"" "" NoFlag, "", |n, c| duration(n, c, A_MINUTE..=LONGEST),
        "How long each match lasts; when not written, a minute";
    MIN_REPLICAS: u32 = "minReplicas", --"" "" NoFlag, "", |n, c| whole(n, c, 1..=MOST),
        "Never fewer replicas for that time";
    }
}

/// A list of entries.
pub(super) fn schedule(node: &Node, complaints: &mut Complaints) -> Option<Schedule> {
    list(node, complaints, "a list of entries", entry).map(Schedule)
}

fn entry(node: &Node, complaints: &mut Complaints) -> Option<Entry> {
    if !matches!(node.value, Value::Map(_)) {
        let what = r#"an entry such as { cron: "0 8 * * MON-FRI", for: 10h, minReplicas: 2 }"#;
        return wanted(node, what, complaints);
    }
    let layer = Layer::read(node, ENTRY, complaints);
    let layers = Layers::new(vec![&layer]);
    let cron = needed(&CRON, node, &layers, complaints);
    let least = needed(&MIN_REPLICAS, node, &layers, complaints);
    let (cron, least) = (cron?, least?);
    let zone = match layers.node(&TIME_ZONE) {
        Some(_) => layers.written(&TIME_ZONE)?,
        None => system_zone(),
    };
    let lasts = match layers.node(&FOR) {
        Some(_) => Some(layers.written(&FOR)?),
        None => None,
    };
    let read = Entry::new(&cron, zone, lasts, least);
    let refuse = |why: NoSchedule| {
        let written = layers.node(&CRON).unwrap_or(node);
        complaints.push(written.wanted(&why.to_string()));
    };
    read.map_err(refuse).ok()
}

fn needed<T>(
    key: &Key<T>,
    entry: &Node,
    layers: &Layers,
    complaints: &mut Complaints,
) -> Option<T> {
    if layers.node(key).is_none() {
        complaints.push(entry.missing(key.about.path, "cron and minReplicas in every entry"));
    }
    layers.written(key)
}

fn cron(node: &Node, complaints: &mut Complaints) -> Option<String> {
    let cron = text(node, complaints)?;
    if cron.len() <= LONGEST_CRON && cron.is_ascii() {
        return Some(cron);
    }
    wanted(node, "a cron expression", complaints)
}

fn time_zone(node: &Node, complaints: &mut Complaints) -> Option<TimeZone> {
    let name = text(node, complaints)?;
    match TimeZone::get(&name) {
        Ok(zone) => Some(zone),
        Err(_) => wanted(node, "a time zone such as Europe/Berlin or UTC", complaints),
    }
}

/// The number of each entry and where it is written, for what is wrong with it beside other keys.
pub(super) fn numbers(node: &Node) -> impl Iterator<Item = (&Node, u32)> {
    node.items().iter().filter_map(|entry| {
        let written = &entry.entry(MIN_REPLICAS.about.path)?.node;
        let number = (MIN_REPLICAS.read)(written, &mut Complaints::default())?;
        Some((written, number))
    })
}
