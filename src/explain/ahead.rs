//! What would change the number: time, more load, or none.

use super::sentence::to_zero;
use super::words::{article, ordinal, replicas};
use super::{Situation, Wall};
use crate::autoscale::{Bound, Decision, Measure, MetricReading, Mode, Short};

pub(super) fn ahead(of: &Situation, decision: &Decision, wall: &Wall) -> Vec<String> {
    if of.is_at_zero() {
        return vec![first(of)];
    }
    let fewer = to_zero(of, wall).or_else(|| floor(of, wall));
    let more = [most(of), short(of, decision)];
    let more = if more.iter().all(Option::is_none) {
        [one_more(of, decision), panic(of, decision)]
    } else {
        more
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

/// From which load on there is one more; `None` where so much is here already.
fn one_more(of: &Situation, decision: &Decision) -> Option<String> {
    let (window, wish) = match decision.mode {
        Mode::Stable => (decision.stable_window, decision.stable_wish),
        Mode::Panic { .. } => {
            let wish = decision.stable_wish.max(decision.panic_wish);
            (decision.panic_window, wish)
        }
    };
    let over = loads(decision, f64::from(of.wanted())).filter(|_| wish <= of.wanted())?;
    let window = Short(window.as_secs_f64());
    let another = ordinal(of.wanted().saturating_add(1));
    let article = article(of.wanted().saturating_add(1));
    Some(format!(
        "{article} {another} replica above {over} on average over {window} s"
    ))
}

/// What so many replicas carry, by every metric: "4 requests in flight or 80% of cpu".
fn loads(decision: &Decision, replicas: f64) -> Option<String> {
    let readings = decision.seen.readings.iter();
    let readings = readings.filter(|reading| reading.target.is_finite());
    let load =
        |reading: &MetricReading| Measure(&reading.metric, replicas * reading.target).to_string();
    let loads: Vec<String> = readings.map(load).collect();
    (!loads.is_empty()).then(|| loads.join(" or "))
}

/// The most replicas there may be, where there are so many.
fn most(of: &Situation) -> Option<String> {
    let max = of.spec.bounds(of.around.scheduled).max?;
    (of.wanted() >= max).then(|| format!("never more than {max} (maxReplicas)"))
}

/// What has to happen for those that have no place yet.
fn short(of: &Situation, decision: &Decision) -> Option<String> {
    let shortage = decision.held?;
    let n = of.wanted().saturating_sub(decision.seen.sure_of(shortage));
    let more = match n {
        0 => return None,
        1 => "1 more replica".to_owned(),
        n => format!("{n} more replicas"),
    };
    Some(format!("{more} as soon as {}", shortage.ends_when()))
}

/// From which load on it panics.
fn panic(of: &Situation, decision: &Decision) -> Option<String> {
    if matches!(decision.mode, Mode::Panic { .. }) {
        return None;
    }
    let supply = f64::from(of.present().max(1));
    let wish = (of.spec.panic_threshold() * supply).ceil();
    let over = loads(decision, wish - 1.0)?;
    let window = Short(decision.panic_window.as_secs_f64());
    Some(format!(
        "panic (more at once, nothing shrinks) above {over} on average over {window} s"
    ))
}

/// Why it never goes to zero.
pub(super) fn floor(of: &Situation, wall: &Wall) -> Option<String> {
    let least = of.spec.bounds(of.around.scheduled).min;
    let by = of.spec.least_by(of.around.scheduled);
    let until = of.hours_until.filter(|_| by == Bound::Schedule);
    let until = until.map(|until| format!(" until {}", wall.time(until)));
    let until = until.unwrap_or_default();
    (least > 0).then(|| format!("never fewer than {least} ({}){until}", by.cause()))
}
