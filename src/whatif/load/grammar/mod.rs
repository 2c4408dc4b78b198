//! The language of load descriptions: `step 0..60s 5rps, 60s..2m 50rps; service 200ms; start 45s`.
//! Whatever cannot be read is answered with the place and with what was wanted there.

mod clauses;
mod values;

#[cfg(test)]
mod tests;

use winnow::error::{ContextError, StrContext, StrContextValue};
use winnow::prelude::*;

use super::description::Description;

/// The language, for `--help`.
pub const HELP: &str = "\
A load is described in clauses, with semicolons between:
  step 0..60s 5rps, 60s..2m 50rps   so many requests per second (or 300/min) from when to when
  step 0..10m 8 workers             clients that each send again when they have their answer
  ramp 0..10m 5rps..50rps           growing evenly; also workers, and downwards
  every 10s 20 requests             bursts; `over 2s` spreads each, `1m..5m` says from when to when
  at 30s 100 requests               one burst
  service lognormal p50=200ms p99=2s    how long an answer takes once it is sent to a replica
  start 45s                         from the start of a replica until it is ready
  patience 30s                      clients leave after so long without an answer
  size 10KiB                        of a request's body
  arrivals even                     evenly spaced; otherwise poisson (at random)
  until 10m                         go on so long; otherwise two minutes after the last request
  revision NAME: CLAUSES            for one of several revisions, up to the next `revision`
How long something takes: 200ms, lognormal p50=200ms p99=2s (or p90, p95), exponential mean=200ms,
uniform 100ms..300ms. Without a revision's name, a clause holds for all of them.";

/// What could not be read, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Misread {
    /// The line, from 1.
    pub(super) line: usize,
    /// The column in characters, from 1.
    pub(super) column: usize,
    /// What was wanted there, and what stands there instead.
    pub(super) message: String,
}

/// Reads a description.
pub(super) fn parse(text: &str) -> Result<Description, Misread> {
    clauses::description
        .parse(text)
        .map_err(|error| misread(text, error.offset(), error.inner()))
}

fn misread(text: &str, at: usize, error: &ContextError) -> Misread {
    let wanted = error.context().find_map(|context| match context {
        StrContext::Expected(StrContextValue::Description(what)) => Some(*what),
        _ => None,
    });
    let wanted = wanted.unwrap_or("a semicolon and another clause");
    let (before, after) = text.split_at(at);
    let line_start = before.rfind('\n').map_or(0, |line_break| line_break + 1);
    Misread {
        line: before.matches('\n').count() + 1,
        column: before[line_start..].chars().count() + 1,
        message: format!("wanted {wanted}, not {}", found(after)),
    }
}

/// The word that stands somewhere, for "not …".
fn found(rest: &str) -> String {
    let ends = |c: char| c.is_whitespace() || matches!(c, ',' | ';');
    match rest.split(ends).next().unwrap_or_default() {
        "" => match rest.trim_start().chars().next() {
            None => "the end".to_owned(),
            Some(c) => format!("{c:?}").replace('\'', "\""),
        },
        word => format!("{word:?}"),
    }
}
