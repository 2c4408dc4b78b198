//! Words that several parts of an explanation use.

use std::time::{Duration, Instant};

use crate::guests::{Stage, Visit};
use crate::ports::{ReplicaView, Unmade};

/// A number of replicas: "1 replica", "3 replicas".
pub(super) fn replicas(n: u32) -> String {
    match n {
        1 => "1 replica".to_owned(),
        n => format!("{n} replicas"),
    }
}

/// "1st", "2nd", "23rd".
pub(super) fn ordinal(n: u32) -> String {
    let ending = match (n % 10, n % 100) {
        (1, rest) if rest != 11 => "st",
        (2, rest) if rest != 12 => "nd",
        (3, rest) if rest != 13 => "rd",
        _ => "th",
    };
    format!("{n}{ending}")
}

/// "an 8th", "a 3rd".
pub(super) fn article(n: u32) -> &'static str {
    let spoken = n.to_string();
    if spoken.starts_with('8') || matches!(n, 11 | 18 | 11_000..12_000 | 18_000..19_000) {
        "an"
    } else {
        "a"
    }
}

/// A length of time, no more exact than a person reads: "34 s", "5 min 20 s", "2 h 5 min".
pub(super) fn lasting(length: Duration) -> String {
    let seconds = length.as_secs();
    let pair = |large: u64, unit: &str, small: u64, of: &str| match small {
        0 => format!("{large} {unit}"),
        small => format!("{large} {unit} {small} {of}"),
    };
    match seconds {
        0 => "less than 1 s".to_owned(),
        1..120 => format!("{seconds} s"),
        120..7200 => pair(seconds / 60, "min", seconds % 60, "s"),
        _ => pair(seconds / 3600, "h", seconds / 60 % 60, "min"),
    }
}

/// A request and what becomes of it: "POST /v1/completions, answering for 34 s on replica 2".
pub(super) fn visit(visit: &Visit, now: Instant) -> String {
    let ago = |since: Instant| lasting(now.saturating_duration_since(since));
    let name = &visit.name;
    match visit.stage {
        Stage::Waiting => format!("{name}, waiting for {}", ago(visit.arrived)),
        Stage::Answering { replica, since } => {
            format!("{name}, answering for {} on replica {replica}", ago(since))
        }
        Stage::Abandoned { replica, since } => {
            let ago = ago(since);
            format!("replica {replica} still works for a client that left {ago} ago ({name})")
        }
    }
}

/// A replica that is not ready yet, and what it waits for: "flowers-7d9f4-x2x pending for 34 s: no
/// node has a free GPU".
pub(super) fn coming(view: &ReplicaView, now: Instant) -> String {
    let name = match &view.name {
        Some(name) => name.to_string(),
        None => format!("replica {}", view.id),
    };
    let length = lasting(now.saturating_duration_since(view.since));
    let detail = view.detail.as_deref().map(|detail| format!(": {detail}"));
    let detail = detail.unwrap_or_default();
    format!("{name} {} for {length}{detail}", view.state.as_str())
}

/// Replicas that cannot be made: "2 replicas cannot be made: exceeded quota: gpus".
pub(super) fn unmade(unmade: &Unmade) -> String {
    format!(
        "{} cannot be made: {}",
        replicas(unmade.count),
        unmade.detail
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_of_time_is_told_in_two_units_at_most() {
        let check = |seconds, want| assert_eq!(lasting(Duration::from_secs(seconds)), want);
        check(0, "less than 1 s");
        check(1, "1 s");
        check(92, "92 s");
        check(120, "2 min");
        check(320, "5 min 20 s");
        check(7500, "2 h 5 min");
        check(7200, "2 h");
    }

    #[test]
    fn numbers_in_a_row_end_as_they_are_spoken() {
        let told: Vec<_> = [1, 2, 3, 4, 11, 12, 13, 21, 22, 103, 111]
            .map(ordinal)
            .into();
        let want = [
            "1st", "2nd", "3rd", "4th", "11th", "12th", "13th", "21st", "22nd", "103rd", "111th",
        ];
        assert_eq!(told, want);
        let told: Vec<_> = [2, 8, 11, 18, 80, 110, 1800].map(article).into();
        assert_eq!(told, ["a", "an", "an", "an", "an", "a", "a"]);
    }
}
