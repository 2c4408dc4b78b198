//! The sentence: what there is, what asks for it, what had the last word, and what comes next.

use super::ahead::floor;
use super::words::{coming, lasting, replicas, unmade, visit};
use super::{Situation, Wall};
use crate::autoscale::{Bound, Decision, MetricReading, Short};
use crate::guests::Stage;
use crate::ports::{ReplicaState, ReplicaView};

pub(super) fn sentence(of: &Situation, wall: &Wall) -> String {
    let parts = if of.is_at_zero() && of.around.idle_since.is_some() {
        let idle = of.around.idle_since;
        idle.map(|since| format!("no request since {}", wall.time(since)))
            .into_iter()
            .chain(trouble(of))
            .collect()
    } else {
        reasons(of, wall)
    };
    format!("{}: {}", head(of, wall), parts.join("; "))
}

/// How many replicas there are and should be.
fn head(of: &Situation, wall: &Wall) -> String {
    let (wanted, present) = (of.wanted(), of.present());
    let starting = of.around.starting;
    if of.is_at_zero() {
        let since = of.desired.map(|(_, since)| wall.time(since));
        return since.map_or_else(|| "at zero".to_owned(), |at| format!("at zero since {at}"));
    }
    let count = if present < wanted {
        format!("{present} of {}", replicas(wanted))
    } else {
        replicas(wanted)
    };
    match (starting, of.around.ready) {
        (0, _) => count,
        (_, 0) => format!("{count}, still starting"),
        (starting, _) => format!("{count}, {starting} still starting"),
    }
}

fn reasons(of: &Situation, wall: &Wall) -> Vec<String> {
    let Some(decision) = of.entry.as_ref().map(|entry| &entry.decision) else {
        return vec!["nothing has been decided yet".to_owned()];
    };
    let kept = kept_from_zero(of, decision).or_else(|| kept_by_floor(of, decision, wall));
    let measured = Some(decision.measured().to_string());
    let parts = [
        measured,
        // What keeps a replica busy says more than that it is.
        held(of, decision, wall).filter(|_| kept.is_none() || decision.bound_by() != Bound::Busy),
        kept,
        trouble(of),
        pending(of),
        of.unmade.as_ref().map(unmade),
        next(of, decision, wall),
    ];
    parts.into_iter().flatten().collect()
}

/// What had the last word.
fn held(of: &Situation, decision: &Decision, wall: &Wall) -> Option<String> {
    if let Some(shortage) = decision.held {
        return Some(format!("waiting: {}", shortage.told()));
    }
    let clamp = decision.clamps.last()?;
    let until = of.until(clamp).map(|until| wall.time(until));
    let cause = clamp.by.cause();
    let said = match (clamp.by, clamp.to) {
        (Bound::InFlight, _) => return None,
        (Bound::StopAfterIdle, Some(0)) => format!("stopped by {cause}"),
        (Bound::ActivationScale | Bound::InitialScale, Some(n)) => {
            format!("raised to {n} by {cause}")
        }
        (Bound::NoData, _) => format!("held by {cause}: {}", missing(of, decision)),
        _ => format!("held by {cause}"),
    };
    Some(match until {
        Some(until) => format!("{said}{}", end(clamp.by, &until)),
        None => said,
    })
}

/// How what is held by time alone ends.
pub(super) fn end(by: Bound, until: &str) -> String {
    match by {
        Bound::Activating => format!(", given up at {until}"),
        _ => format!(" until {until}"),
    }
}

/// Which metrics are.
fn missing(of: &Situation, decision: &Decision) -> String {
    if !of.unread.is_empty() {
        let unread: Vec<String> = of.unread.iter().map(unread).collect();
        return unread.join("; ");
    }
    let names = |missing: fn(&MetricReading) -> bool| {
        let readings = decision.seen.readings.iter();
        let names = readings.filter(|reading| missing(reading));
        let names: Vec<&str> = names.map(|reading| reading.metric.as_str()).collect();
        names.join(", ")
    };
    let (gone, late) = (names(|r| r.averages.is_none()), names(|r| r.late));
    if gone.is_empty() {
        return format!("{late} cannot be read at the moment");
    }
    let window = Short(decision.stable_window.as_secs_f64());
    format!("nothing of {gone} in the last {window} s")
}

/// What keeps the last replica, down to the request.
fn kept_from_zero(of: &Situation, decision: &Decision) -> Option<String> {
    let least = of.spec.bounds(of.around.scheduled).min;
    let last_one = of.wanted() <= 1 || decision.bound_by() == Bound::InFlight;
    let first = of.visits.first().filter(|_| last_one && least == 0)?;
    let more = match of.here.saturating_sub(1) {
        0 => String::new(),
        more => format!(" (and {more} more)"),
    };
    let by = match first.stage {
        Stage::Abandoned { .. } => ":",
        Stage::Waiting | Stage::Answering { .. } => " by",
    };
    Some(format!("kept from zero{by} {}{more}", visit(first, of.now)))
}

/// What keeps it from zero whatever is asked for, where that was not said yet.
fn kept_by_floor(of: &Situation, decision: &Decision, wall: &Wall) -> Option<String> {
    let said = [Bound::MinReplicas, Bound::Schedule, Bound::Path].contains(&decision.bound_by());
    let at_floor = of.wanted() <= of.spec.bounds(of.around.scheduled).min;
    floor(of, wall).filter(|_| at_floor && !said)
}

/// Why what is wanted does not come, or nothing is known of it.
fn trouble(of: &Situation) -> Option<String> {
    let outage = of.outage.as_ref();
    let outage = outage.map(|why| format!("no replica can come: {why}"));
    let last = of.entry.as_ref().and_then(|e| e.decision.clamps.last());
    let said = last.is_some_and(|clamp| clamp.by == Bound::NoData);
    outage.or_else(|| of.unread.first().filter(|_| !said).map(unread))
}

/// What the first waits for that has no machine yet.
fn pending(of: &Situation) -> Option<String> {
    let pending = |view: &&ReplicaView| view.state == ReplicaState::Pending;
    let mut waiting = of.on_their_way.iter().filter(pending);
    let first = waiting.find(|view| view.detail.is_some())?;
    Some(coming(first, of.now))
}

/// Why a metric has no value.
pub(super) fn unread((metric, why): &(String, String)) -> String {
    format!("{metric} cannot be read ({why})")
}

fn next(of: &Situation, decision: &Decision, wall: &Wall) -> Option<String> {
    let ahead = of.ahead.filter(|_| decision.held.is_none())?;
    let next = ahead.next.filter(|next| next.replicas != of.wanted())?;
    let at = wall.time(next.at);
    Some(match next.replicas {
        0 if of.present() == 0 => format!("given up at {at} if no request comes"),
        0 => format!("goes to zero at {at} if no request comes"),
        n => format!("next: {n} at {at}"),
    })
}

/// When nobody is here any more it takes so long to zero.
pub(super) fn to_zero(of: &Situation, wall: &Wall) -> Option<String> {
    let takes = of.ahead?.to_zero?;
    let at = wall.time(of.now + takes);
    Some(match (of.around.idle_since, of.around.busy) {
        (None, _) => {
            let takes = lasting(takes);
            format!("goes to zero {takes} after the last request has ended")
        }
        (Some(_), 0) if of.present() == 0 => format!("given up at {at} if no request comes"),
        (Some(_), 0) => format!("goes to zero at {at} if no request comes"),
        (Some(_), _) => {
            format!("goes to zero at {at} if no request comes and none is worked on any more")
        }
    })
}
