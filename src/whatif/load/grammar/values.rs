//! The values within clauses: durations, spans, rates, counts, sizes and distributions. The blanks
//! behind a value belong to it.

use std::time::Duration;

use winnow::ascii::{digit1, multispace0};
use winnow::combinator::{cut_err, opt, preceded, repeat, terminated};
use winnow::error::{ContextError, ErrMode, StrContext, StrContextValue};
use winnow::prelude::*;
use winnow::token::take_while;

use super::super::description::{Distribution, Span};

pub(super) type Input<'i> = &'i str;

/// Rates beyond any machine, so that a slip of the hand does not simulate for a week.
const FASTEST: f64 = 1_000_000.0;
const MOST: u32 = 1_000_000;
/// Sums of a few of these are still far from the end of what a duration can hold.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// Reads a value as a whole or not at all: what is wrong with it is told where it begins.
pub(super) fn value<'i, T>(
    mut parser: impl ModalParser<Input<'i>, T, ContextError>,
    what: &'static str,
) -> impl ModalParser<Input<'i>, T, ContextError> {
    let whole = move |input: &mut Input<'i>| {
        let start = *input;
        parser.parse_next(input).map_err(|_| {
            *input = start;
            ErrMode::Backtrack(ContextError::new())
        })
    };
    whole.context(StrContext::Expected(StrContextValue::Description(what)))
}

/// Letters, digits and what names are made of.
pub(super) fn word<'i>(input: &mut Input<'i>) -> ModalResult<&'i str> {
    let inside = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '/');
    terminated(take_while(1.., inside), multispace0).parse_next(input)
}

/// A sign and the blanks behind it.
pub(super) fn sign<'i>(sign: &'static str) -> impl ModalParser<Input<'i>, &'i str, ContextError> {
    terminated(sign, multispace0)
}

/// What a phase goes from and to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Amounts {
    /// Requests per second.
    Rate(f64, f64),
    Workers(u32, u32),
}

#[derive(Clone, Copy)]
enum Unit {
    /// Requests in so many seconds.
    Rate(f64),
    Workers,
}

/// `5rps`, `300/min` or `8 workers`: from there to there.
pub(super) fn amount(input: &mut Input<'_>) -> ModalResult<Amounts> {
    let one = (number, unit).verify_map(|one| Amounts::new(one, one));
    value(
        one,
        "a rate such as 5rps, or a number of workers, a million at most",
    )
    .parse_next(input)
}

/// `5rps..50rps`, `5..50rps`.
pub(super) fn amounts(input: &mut Input<'_>) -> ModalResult<Amounts> {
    let two = ((number, opt(unit)), sign(".."), (number, unit));
    let two = two.verify_map(|((from, first), _, (to, last))| {
        Amounts::new((from, first.unwrap_or(last)), (to, last))
    });
    value(
        two,
        "two rates such as 5rps..50rps, or 1..8 workers, a million at most",
    )
    .parse_next(input)
}

impl Amounts {
    /// `None`: too much, or not of one kind.
    fn new(from: (f64, Unit), to: (f64, Unit)) -> Option<Self> {
        let rate = |number, seconds| Some(number / seconds).filter(|rate| *rate <= FASTEST);
        match (from, to) {
            ((from, Unit::Rate(first)), (to, Unit::Rate(last))) => {
                Some(Self::Rate(rate(from, first)?, rate(to, last)?))
            }
            ((from, Unit::Workers), (to, Unit::Workers)) => {
                Some(Self::Workers(whole(from)?, whole(to)?))
            }
            _ => None,
        }
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "whole, not negative and small"
)]
fn whole(number: f64) -> Option<u32> {
    (number.fract() == 0.0 && number <= f64::from(MOST)).then_some(number as u32)
}

fn unit(input: &mut Input<'_>) -> ModalResult<Unit> {
    let letters = take_while(1.., |c: char| c.is_alphabetic() || c == '/');
    let unit = letters.verify_map(|unit: &str| match unit {
        "rps" | "qps" | "/s" | "/sec" | "/second" => Some(Unit::Rate(1.0)),
        "rpm" | "/m" | "/min" | "/minute" => Some(Unit::Rate(60.0)),
        "rph" | "/h" | "/hour" => Some(Unit::Rate(3600.0)),
        "worker" | "workers" => Some(Unit::Workers),
        _ => None,
    });
    terminated(unit, multispace0).parse_next(input)
}

fn number(input: &mut Input<'_>) -> ModalResult<f64> {
    let digits = (digit1, opt(('.', digit1))).take();
    terminated(digits.parse_to(), multispace0).parse_next(input)
}

/// `20 requests`.
pub(super) fn requests(input: &mut Input<'_>) -> ModalResult<u32> {
    let counted = (
        number.verify_map(whole),
        word.verify(|w: &str| matches!(w, "request" | "requests")),
    );
    let count = counted.map(|(count, _)| count);
    value(count, "a number of requests such as 20 requests").parse_next(input)
}

/// `90s`, `1h30m`, `0.5s`; plain numbers are seconds.
pub(super) fn duration(input: &mut Input<'_>) -> ModalResult<Duration> {
    let time = terminated(written.verify_map(seconds), multispace0);
    value(time, "a duration such as 200ms, 90s or 1h30m").parse_next(input)
}

/// The same above zero.
pub(super) fn some_time(input: &mut Input<'_>) -> ModalResult<Duration> {
    let time = duration.verify(|time| !time.is_zero());
    value(time, "a duration above 0, such as 10s").parse_next(input)
}

/// `0..60s`; a plain number before the dots has the unit of what follows them.
pub(super) fn span(input: &mut Input<'_>) -> ModalResult<Span> {
    let span = range.verify_map(|(from, to)| (from < to).then_some(Span { from, to }));
    value(
        span,
        "a span such as 0..60s, that ends after it begins and lasts a year at most",
    )
    .parse_next(input)
}

/// Both ends of a range, which may be equal.
fn range(input: &mut Input<'_>) -> ModalResult<(Duration, Duration)> {
    terminated((written, "..", written), multispace0)
        .verify_map(|(from, _, to)| between(from, to))
        .parse_next(input)
}

fn between(from: &str, to: &str) -> Option<(Duration, Duration)> {
    let is_plain = |text: &str| text.chars().all(|c| c.is_ascii_digit() || c == '.');
    let unit = to.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
    let from = match unit {
        "" => seconds(from)?,
        unit if is_plain(from) => seconds(&format!("{from}{unit}"))?,
        _ => seconds(from)?,
    };
    Some((from, seconds(to)?)).filter(|(from, to)| from <= to)
}

/// Digits and letters that may be a duration. Stops before two dots.
fn written<'i>(input: &mut Input<'i>) -> ModalResult<&'i str> {
    let piece = (
        digit1,
        opt(('.', digit1)),
        take_while(0.., |c: char| c.is_alphabetic()),
    );
    repeat::<_, _, (), _, _>(1.., piece)
        .take()
        .parse_next(input)
}

fn seconds(text: &str) -> Option<Duration> {
    let read = match text.parse::<f64>() {
        Ok(seconds) => Duration::try_from_secs_f64(seconds).ok(),
        // Sums near the end of u64 make the parser panic; nobody writes a duration this long.
        Err(_) if text.len() > 20 => None,
        Err(_) => humantime::parse_duration(text).ok(),
    };
    read.filter(|read| *read <= LONGEST)
}

/// `10KiB`.
pub(super) fn size(input: &mut Input<'_>) -> ModalResult<u64> {
    let letters = take_while(0.., |c: char| c.is_alphabetic());
    let written = (digit1, opt(('.', digit1)), letters).take();
    let size = terminated(written.verify_map(crate::config::parse_bytes), multispace0);
    value(size, "a size such as 10KiB").parse_next(input)
}

/// How long something takes.
pub(super) fn distribution(input: &mut Input<'_>) -> ModalResult<Distribution> {
    if input.starts_with(|c: char| c.is_ascii_digit()) {
        return duration.map(Distribution::Fixed).parse_next(input);
    }
    let kinds = ["fixed", "lognormal", "exponential", "uniform"];
    let what = "a duration such as 200ms, or lognormal, exponential or uniform";
    let kind = word.verify(|kind: &str| kinds.contains(&kind));
    match value(kind, what).parse_next(input)? {
        "fixed" => cut_err(duration).map(Distribution::Fixed).parse_next(input),
        "lognormal" => cut_err(lognormal).parse_next(input),
        "exponential" => cut_err(exponential).parse_next(input),
        _ => cut_err(uniform).parse_next(input),
    }
}

fn exponential(input: &mut Input<'_>) -> ModalResult<Distribution> {
    let mean = preceded(sign("mean="), some_time).map(|mean| Distribution::Exponential { mean });
    value(mean, "mean= and a duration above 0").parse_next(input)
}

fn uniform(input: &mut Input<'_>) -> ModalResult<Distribution> {
    let uniform = range.map(|(from, to)| Distribution::Uniform { from, to });
    value(uniform, "a range such as 100ms..300ms").parse_next(input)
}

/// `p50=200ms p99=2s`: two percentiles fix it.
fn lognormal(input: &mut Input<'_>) -> ModalResult<Distribution> {
    let median = preceded(sign("p50="), some_time);
    let median = value(median, "p50= and a duration above 0").parse_next(input)?;
    let upper = (percentile, some_time).verify(|(_, upper)| *upper >= median);
    let what = "p99= (or p90=, p95=) and a duration not below p50";
    let (z, upper) = value(upper, what).parse_next(input)?;
    let sigma = (upper.as_secs_f64() / median.as_secs_f64()).ln() / z;
    Ok(Distribution::LogNormal { median, sigma })
}

/// The percentile of the standard normal distribution that is named.
fn percentile(input: &mut Input<'_>) -> ModalResult<f64> {
    let name = take_while(1.., |c: char| c.is_alphanumeric());
    let z = name.verify_map(|name: &str| match name {
        "p90" => Some(1.281_551_565_544_6),
        "p95" => Some(1.644_853_626_951_472_2),
        "p99" => Some(2.326_347_874_040_841),
        _ => None,
    });
    terminated(z, sign("=")).parse_next(input)
}
