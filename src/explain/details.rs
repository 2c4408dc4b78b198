//! Everything behind the sentence, line by line.

use std::time::Duration;

use super::sentence::{end, unread};
use super::words::{coming, lasting, replicas, unmade, visit};
use super::{Detail, Situation, Wall, ahead};
use crate::autoscale::{Amount, Bound, Decision, Measure, MetricReading, Mode, Short};

/// How many replicas on their way are told one by one.
const MOST_TOLD: usize = 5;

pub(super) fn details(of: &Situation, wall: &Wall) -> Vec<Detail> {
    let mut details = Vec::new();
    let mut say = |about, lines: Vec<String>| {
        details.extend(lines.into_iter().map(|text| Detail { about, text }));
    };
    say("remarks", of.remarks.clone());
    let decision = of.entry.as_ref().map(|entry| &entry.decision);
    if let Some(decision) = decision {
        say("measured", measured(decision));
    }
    say(
        "replicas",
        std::iter::once(there(of)).chain(on_their_way(of)).collect(),
    );
    if let Some(decision) = decision {
        say("mode", vec![mode(decision, wall)]);
        say("decided", decided(of, decision, wall));
    }
    say("here", here(of));
    say("trouble", trouble(of));
    if let Some(decision) = decision {
        say("ahead", ahead::ahead(of, decision, wall));
    }
    details
}

fn measured(decision: &Decision) -> Vec<String> {
    let one = |reading: &MetricReading| {
        let (metric, target) = (&reading.metric, Amount(&reading.metric, reading.target));
        let name = metric.as_str();
        let long = Short(decision.stable_window.as_secs_f64());
        let short = Short(decision.panic_window.as_secs_f64());
        let Some(averages) = reading.averages else {
            return format!("{name}: nothing in the last {long} s, target {target}");
        };
        let stable = Measure(metric, averages.stable);
        let panic = Amount(metric, averages.panic);
        let asks = (averages.stable / reading.target).ceil();
        let at_once = (averages.panic / reading.target).ceil();
        format!(
            "{name}: {stable} on average over {long} s asks for {asks}, \
             {panic} over {short} s for {at_once}, at target {target}"
        )
    };
    decision.seen.readings.iter().map(one).collect()
}

fn there(of: &Situation) -> String {
    let around = &of.around;
    let start = match around.typical_start {
        Some(start) => format!("; a start takes {}{}", lasting(start), phases(of)),
        None => String::new(),
    };
    let next = match of.expected {
        Some(at) => format!(
            ", the next is likely in {}",
            lasting(at.saturating_duration_since(of.now))
        ),
        None => String::new(),
    };
    let starting = around.starting.saturating_sub(of.pending());
    let pending = match of.pending() {
        0 => String::new(),
        n => format!("{n} pending, "),
    };
    let (ready, busy) = (around.ready, around.busy);
    format!("{ready} ready, {starting} starting, {pending}{busy} busy{start}{next}")
}

/// Where the time of a start goes, as far as it is worth a word.
fn phases(of: &Situation) -> String {
    let long = |(_, took): &(&str, Duration)| *took >= Duration::from_secs(1);
    let phases = of.typical_phases.known().filter(long);
    let phases: Vec<String> = phases
        .map(|(word, took)| format!("{word} {}", lasting(took)))
        .collect();
    if phases.is_empty() {
        return String::new();
    }
    format!(" ({})", phases.join(", "))
}

/// What those wait for that are not there yet, as far as there is something to say.
fn on_their_way(of: &Situation) -> Vec<String> {
    let told = of.on_their_way.iter().filter(|view| view.detail.is_some());
    let mut lines: Vec<String> = told.map(|view| coming(view, of.now)).collect();
    let more = lines.len().saturating_sub(MOST_TOLD);
    lines.truncate(MOST_TOLD);
    lines.extend((more > 0).then(|| format!("and {more} more")));
    lines.extend(of.unmade.as_ref().map(unmade));
    lines
}

fn mode(decision: &Decision, wall: &Wall) -> String {
    let condition = decision.condition.as_str();
    match decision.mode {
        Mode::Stable => format!("stable, {condition}"),
        Mode::Panic { since, peak } => format!(
            "panic, {condition}; until {} unless a burst comes; up to {} wanted so far",
            wall.time(since + decision.stable_window),
            replicas(peak),
        ),
    }
}

/// The number, and what was made of it step by step.
fn decided(of: &Situation, decision: &Decision, wall: &Wall) -> Vec<String> {
    let (wish, window) = if decision.from_panic {
        (decision.panic_wish, decision.panic_window)
    } else {
        (decision.stable_wish, decision.stable_window)
    };
    let wish = decision.averages.map(|_| wish);
    let number = |n: Option<u32>| n.map_or_else(|| "no change".to_owned(), |n| n.to_string());
    let mut from = wish;
    let mut lines = vec![match wish {
        Some(n) => {
            let window = Short(window.as_secs_f64());
            format!(
                "{n} asked for by {} over {window} s",
                decision.metric.as_str()
            )
        }
        None => "no change: nothing asks for a number".to_owned(),
    }];
    // Where nothing is, nothing stays.
    let clamps = decision.clamps.iter().filter(|_| !of.is_at_zero());
    for clamp in clamps {
        let until = of
            .until(clamp)
            .map(|until| end(clamp.by, &wall.time(until)));
        let until = until.unwrap_or_default();
        let step = format!("{} → {}", number(from), number(clamp.to));
        lines.push(format!("{step}: {clamp}{until}"));
        from = clamp.to;
    }
    if let Some(shortage) = decision.held {
        let by = Bound::Shortage(shortage).cause();
        lines.push(format!("{} of {} for now: {by}", of.present(), of.wanted()));
    }
    lines
}

fn here(of: &Situation) -> Vec<String> {
    let told = of.visits.iter().map(|one| visit(one, of.now));
    let mut lines: Vec<String> = told.collect();
    let more = of.here.saturating_sub(of.visits.len());
    if more > 0 {
        lines.push(format!("and {more} more"));
    }
    lines
}

fn trouble(of: &Situation) -> Vec<String> {
    let said = [&of.outage, &of.diagnosis];
    let said = said.into_iter().flatten().cloned();
    said.chain(of.unread.iter().map(unread)).collect()
}
