//! Values as a person writes them: numbers, durations, byte sizes, words. Each reader says what
//! it wanted when it gets something else, and knows the bounds that were given to it.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::complaint::Complaints;
use super::tree::{Node, Value};

/// Longest duration anybody may write: a year. Deadlines are added to the present, so there must
/// be some end.
pub(super) const LONGEST: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// The largest count Knative writes.
pub(super) const MOST: u64 = (u32::MAX >> 1) as u64;

/// Largest size anybody may write: Kubernetes' own bound on quantities.
const LARGEST: u64 = u64::MAX >> 1;

const HOUR: Duration = Duration::from_secs(60 * 60);

/// Complains that something else was wanted.
pub(super) fn wanted<T>(node: &Node, what: &str, complaints: &mut Complaints) -> Option<T> {
    complaints.push(node.wanted(what));
    None
}

/// Any text that is not empty.
pub(super) fn text(node: &Node, complaints: &mut Complaints) -> Option<String> {
    match &node.value {
        Value::Text { text, .. } if !text.is_empty() => Some(text.clone()),
        _ => wanted(node, "some text", complaints),
    }
}

/// A whole number within bounds.
pub(super) fn whole<N: TryFrom<u64>>(
    node: &Node,
    complaints: &mut Complaints,
    bounds: RangeInclusive<u64>,
) -> Option<N> {
    let read = unquoted(node).and_then(|text| text.parse().ok());
    match read
        .filter(|n| bounds.contains(n))
        .and_then(|n| N::try_from(n).ok())
    {
        Some(n) => Some(n),
        None => wanted(node, &describe_whole(&bounds), complaints),
    }
}

fn describe_whole(bounds: &RangeInclusive<u64>) -> String {
    let (least, most) = (bounds.start(), bounds.end());
    if *most >= MOST {
        format!("a whole number, {least} or more")
    } else {
        format!("a whole number from {least} to {most}")
    }
}

/// A number from one bound to the other.
pub(super) fn number(
    node: &Node,
    complaints: &mut Complaints,
    bounds: RangeInclusive<f64>,
) -> Option<f64> {
    let what = format!("a number from {} to {}", bounds.start(), bounds.end());
    match finite(node).filter(|n| bounds.contains(n)) {
        Some(n) => Some(n),
        None => wanted(node, &what, complaints),
    }
}

/// A number at or over a bound.
pub(super) fn number_from(node: &Node, complaints: &mut Complaints, least: f64) -> Option<f64> {
    match finite(node).filter(|n| *n >= least) {
        Some(n) => Some(n),
        None => wanted(node, &format!("a number, {least} or more"), complaints),
    }
}

/// A number over a bound.
pub(super) fn number_over(node: &Node, complaints: &mut Complaints, bound: f64) -> Option<f64> {
    match finite(node).filter(|n| *n > bound) {
        Some(n) => Some(n),
        None => wanted(node, &format!("a number over {bound}"), complaints),
    }
}

fn finite(node: &Node) -> Option<f64> {
    unquoted(node)
        .and_then(|text| text.parse().ok())
        .filter(|n: &f64| n.is_finite())
}

/// Quotes make it text: `"3"` in a file is a mistake as often as not.
fn unquoted(node: &Node) -> Option<&str> {
    match &node.value {
        Value::Text {
            text,
            quoted: false,
        } => Some(text),
        _ => None,
    }
}

/// `true` or `false`.
pub(super) fn truth(node: &Node, complaints: &mut Complaints) -> Option<bool> {
    match unquoted(node) {
        Some("true") => Some(true),
        Some("false") => Some(false),
        _ => wanted(node, "true or false", complaints),
    }
}

/// A duration from one bound to the other: `90s`, `1h30m`, `500ms`, or whole seconds.
pub(super) fn duration(
    node: &Node,
    complaints: &mut Complaints,
    bounds: RangeInclusive<Duration>,
) -> Option<Duration> {
    match parse_duration(node) {
        Some(read) if bounds.contains(&read) => Some(read),
        Some(_) => wanted(node, &describe_durations(&bounds), complaints),
        None => wanted(node, "a duration such as 90s, 5m or 1h30m", complaints),
    }
}

fn describe_durations(bounds: &RangeInclusive<Duration>) -> String {
    let least = brief(*bounds.start());
    if *bounds.end() == LONGEST {
        format!("a duration, {least} or more and at most a year")
    } else {
        format!("a duration from {least} to {}", brief(*bounds.end()))
    }
}

/// A duration in whole seconds: what Knative asks of windows.
pub(super) fn whole_seconds(
    node: &Node,
    complaints: &mut Complaints,
    least: Duration,
) -> Option<Duration> {
    let read = duration(node, complaints, least..=HOUR)?;
    if read.subsec_nanos() == 0 {
        return Some(read);
    }
    wanted(node, "whole seconds", complaints)
}

/// A duration of which 0 means that there is no bound.
#[expect(
    clippy::option_option,
    reason = "outside: could it be read; inside: is there a bound"
)]
pub(super) fn duration_or_off(
    node: &Node,
    complaints: &mut Complaints,
) -> Option<Option<Duration>> {
    let read = duration(node, complaints, Duration::ZERO..=LONGEST)?;
    Some((!read.is_zero()).then_some(read))
}

fn parse_duration(node: &Node) -> Option<Duration> {
    let Value::Text { text, .. } = &node.value else {
        return None;
    };
    if let Ok(seconds) = text.parse::<u32>() {
        return Some(Duration::from_secs(seconds.into()));
    }
    // Sums near the end of u64 make the parser panic; nobody writes a duration this long.
    if text.is_empty() || text.len() > 20 {
        return None;
    }
    humantime::parse_duration(text).ok()
}

/// A duration as a person writes it, without the blanks: `1h30m`.
pub(crate) fn brief(duration: Duration) -> String {
    humantime::format_duration(duration)
        .to_string()
        .replace(' ', "")
}

/// Bytes, in the quantities of Kubernetes: `256Mi`, `1G`, `1048576`; a `B` may follow the unit.
pub(super) fn bytes(node: &Node, complaints: &mut Complaints) -> Option<u64> {
    let read = match &node.value {
        Value::Text { text, .. } => parse_bytes(text),
        _ => None,
    };
    // Sizes are added up: their sum must have room as well.
    match read.filter(|n| *n <= LARGEST) {
        Some(n) => Some(n),
        None => wanted(node, "a size such as 256MiB, 1G or 1048576", complaints),
    }
}

/// The same, at least so many.
pub(super) fn bytes_from(node: &Node, complaints: &mut Complaints, least: u64) -> Option<u64> {
    let read = bytes(node, complaints)?;
    if read < least {
        let what = match least >> 20 {
            0 => format!("a size from {}KiB", least >> 10),
            mebibytes => format!("a size from {mebibytes}MiB"),
        };
        return wanted(node, &what, complaints);
    }
    Some(read)
}

/// A size as a person writes it.
pub(crate) fn parse_bytes(text: &str) -> Option<u64> {
    let digits = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (amount, unit) = text.split_at(digits);
    let unit = unit.trim_start();
    let factor: u64 = match unit.strip_suffix('B').unwrap_or(unit) {
        "" => 1,
        "k" | "K" => 1_000,
        "M" => 1_000_000,
        "G" => 1_000_000_000,
        "T" => 1_000_000_000_000,
        "P" => 1_000_000_000_000_000,
        "Ki" => 1 << 10,
        "Mi" => 1 << 20,
        "Gi" => 1 << 30,
        "Ti" => 1 << 40,
        "Pi" => 1 << 50,
        _ => return None,
    };
    let (whole, fraction) = amount.split_once('.').unwrap_or((amount, "0"));
    let scale = 10_u64.checked_pow(u32::try_from(fraction.len()).ok()?)?;
    let part = u128::from(fraction.parse::<u64>().ok()?) * u128::from(factor) / u128::from(scale);
    let whole: u64 = whole.parse().ok()?;
    whole
        .checked_mul(factor)?
        .checked_add(u64::try_from(part).ok()?)
}

/// One of a few words.
pub(super) fn choice<T: Copy>(
    node: &Node,
    complaints: &mut Complaints,
    words: &[(&str, T)],
) -> Option<T> {
    let found = match &node.value {
        Value::Text { text, .. } => words.iter().find(|(word, _)| word == text),
        _ => None,
    };
    if let Some((_, choice)) = found {
        return Some(*choice);
    }
    let words: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
    wanted(node, &words.join(" or "), complaints)
}

/// A list, its items read one by one.
pub(super) fn list<T>(
    node: &Node,
    complaints: &mut Complaints,
    what: &str,
    item: impl Fn(&Node, &mut Complaints) -> Option<T>,
) -> Option<Vec<T>> {
    let Value::List(items) = &node.value else {
        return wanted(node, what, complaints);
    };
    // Every item is read before the first bad one ends it, so that all of them are named.
    let read: Vec<Option<T>> = items.iter().map(|node| item(node, complaints)).collect();
    read.into_iter().collect()
}
