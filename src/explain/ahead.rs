//! What would change the number: time, more load, or none.

use super::sentence::to_zero;
use super::words::{ordinal, replicas};
use super::{Situation, Wall};
use crate::autoscale::{Bound, Decision, Measure, Mode, Short};

pub(super) fn ahead(of: &Situation, decision: &Decision, wall: &Wall) -> Vec<String> {
    if of.is_at_zero() {
        return vec![first(of)];
    }
    let fewer = to_zero(of, wall).or_else(|| floor(of));
    let more = match most(of) {
        Some(max) => [Some(format!("never more than {max} (maxReplicas)")), None],
        None => [Some(one_more(of, decision)), panic(of, decision)],
    };
    let lines = std::iter::once(next(of, wall)).chain(more).chain([fewer]);
    lines.flatten().collect()
}

/// What a request finds at zero.
fn first(of: &Situation) -> String {
    let at_once = of.spec.scaling.activation_scale.max(1);
    format!("the next request starts {} at once", replicas(at_once))
}

fn next(of: &Situation, wall: &Wall) -> Option<String> {
    let next = of.ahead?.next.filter(|next| next.replicas > 0)?;
    let (n, at) = (replicas(next.replicas), wall.time(next.at));
    let unless = match of.around.idle_since {
        Some(_) => "if no request comes",
        None => "if the demand stays as it is",
    };
    Some(format!("{n} at {at} {unless}"))
}

/// From which load on there is one more.
fn one_more(of: &Situation, decision: &Decision) -> String {
    let window = match decision.mode {
        Mode::Stable => decision.stable_window,
        Mode::Panic { .. } => decision.panic_window,
    };
    let over = Measure(&decision.metric, f64::from(of.wanted()) * decision.target);
    let window = Short(window.as_secs_f64());
    let another = ordinal(of.wanted().saturating_add(1));
    format!("a {another} replica above {over} on average over {window} s")
}

/// The most replicas there may be, where there are so many.
fn most(of: &Situation) -> Option<u32> {
    let max = of.spec.bounds(of.around.scheduled).max;
    max.filter(|max| of.wanted() >= *max)
}

/// From which load on it panics.
fn panic(of: &Situation, decision: &Decision) -> Option<String> {
    if matches!(decision.mode, Mode::Panic { .. }) {
        return None;
    }
    let supply = f64::from(of.present().max(1));
    let wish = (of.spec.panic_threshold() * supply).ceil();
    let over = Measure(&decision.metric, (wish - 1.0) * decision.target);
    let window = Short(decision.panic_window.as_secs_f64());
    Some(format!(
        "panic (more at once, nothing shrinks) above {over} on average over {window} s"
    ))
}

/// Why it never goes to zero.
fn floor(of: &Situation) -> Option<String> {
    let least = of.spec.bounds(of.around.scheduled).min;
    let by = if least > of.spec.bounds(None).min {
        Bound::Schedule
    } else {
        Bound::MinReplicas
    };
    (least > 0).then(|| format!("never fewer than {least} ({})", by.cause()))
}
