//! The clauses of a description, from their first word to the semicolon.

use std::time::Duration;

use winnow::ascii::multispace0;
use winnow::combinator::{cut_err, eof, opt, preceded};
use winnow::prelude::*;

use super::super::description::{Description, Part, Phase, Spacing, Span};
use super::values::{
    Amounts, Input, amount, amounts, distribution, duration, requests, sign, size, some_time, span,
    value, word,
};

const CLAUSE: &str = "step, ramp, every, at, service, start, patience, size, arrivals, until or \
                      revision NAME:";
const PHASE: &str = "step, ramp, every, at, or a span such as 0..60s";
const NEXT: &str = "a comma, a semicolon or the end";

/// A whole description.
pub(super) fn description(input: &mut Input<'_>) -> ModalResult<Description> {
    let mut all = Description::default();
    multispace0.parse_next(input)?;
    loop {
        // Also after the last one, and two in a row: nothing is meant by that.
        while opt(sign(";")).parse_next(input)?.is_some() {}
        if opt(eof).parse_next(input)?.is_some() {
            return Ok(all);
        }
        clause(&mut all, input)?;
        if opt(eof).parse_next(input)?.is_none() {
            cut_err(value(sign(";"), NEXT)).parse_next(input)?;
        }
    }
}

fn clause(all: &mut Description, input: &mut Input<'_>) -> ModalResult<()> {
    while preceded_by("revision", input)? {
        let name = value((word, sign(":")), "the name of a revision and a colon");
        let (name, _) = cut_err(name).parse_next(input)?;
        all.named.push((name.to_owned(), Part::default()));
        if input.is_empty() || input.starts_with(';') {
            return Ok(());
        }
    }
    if preceded_by("until", input)? {
        all.until = Some(cut_err(some_time).parse_next(input)?);
        return Ok(());
    }
    let part = match all.named.last_mut() {
        Some((_, part)) => part,
        None => &mut all.common,
    };
    setting(part, input)
}

/// Takes a word if it comes next.
fn preceded_by(name: &str, input: &mut Input<'_>) -> ModalResult<bool> {
    let named = opt(word.verify(|word: &str| word == name)).parse_next(input)?;
    Ok(named.is_some())
}

#[derive(Clone, Copy)]
enum Key {
    Service,
    Start,
    Patience,
    Size,
    Arrivals,
}

fn setting(part: &mut Part, input: &mut Input<'_>) -> ModalResult<()> {
    let key = word.verify_map(|key: &str| match key {
        "service" => Some(Key::Service),
        "start" => Some(Key::Start),
        "patience" => Some(Key::Patience),
        "size" => Some(Key::Size),
        "arrivals" => Some(Key::Arrivals),
        _ => None,
    });
    match opt(key).parse_next(input)? {
        Some(Key::Service) => part.service = Some(cut_err(distribution).parse_next(input)?),
        Some(Key::Start) => part.start = Some(cut_err(distribution).parse_next(input)?),
        Some(Key::Patience) => part.patience = Some(cut_err(distribution).parse_next(input)?),
        Some(Key::Size) => part.size = Some(cut_err(size).parse_next(input)?),
        Some(Key::Arrivals) => {
            let spacing = value(spacing, "poisson or even");
            part.spacing = Some(cut_err(spacing).parse_next(input)?);
        }
        None => {
            part.phases.push(phase(CLAUSE, input)?);
            while opt(sign(",")).parse_next(input)?.is_some() {
                part.phases.push(phase(PHASE, input)?);
            }
        }
    }
    Ok(())
}

fn spacing(input: &mut Input<'_>) -> ModalResult<Spacing> {
    word.verify_map(|word: &str| match word {
        "poisson" => Some(Spacing::Poisson),
        "even" => Some(Spacing::Even),
        _ => None,
    })
    .parse_next(input)
}

/// One phase; `what` was wanted where it begins otherwise.
fn phase(what: &'static str, input: &mut Input<'_>) -> ModalResult<Phase> {
    if input.starts_with(|c: char| c.is_ascii_digit()) {
        return cut_err(flow).parse_next(input);
    }
    let kind = word.verify(|kind: &str| matches!(kind, "step" | "ramp" | "every" | "at"));
    match cut_err(value(kind, what)).parse_next(input)? {
        "step" => cut_err(step).parse_next(input),
        "ramp" => cut_err(ramp).parse_next(input),
        "every" => cut_err(every).parse_next(input),
        _ => cut_err(at).parse_next(input),
    }
}

/// Without a word before it: a step, or a ramp if it names two rates.
fn flow(input: &mut Input<'_>) -> ModalResult<Phase> {
    let span = span.parse_next(input)?;
    let amounts = match opt(amounts).parse_next(input)? {
        Some(amounts) => amounts,
        None => amount.parse_next(input)?,
    };
    moving(span, amounts, input)
}

fn step(input: &mut Input<'_>) -> ModalResult<Phase> {
    let (span, amounts) = (span, amount).parse_next(input)?;
    moving(span, amounts, input)
}

fn ramp(input: &mut Input<'_>) -> ModalResult<Phase> {
    let (span, amounts) = (span, amounts).parse_next(input)?;
    moving(span, amounts, input)
}

fn moving(span: Span, amounts: Amounts, input: &mut Input<'_>) -> ModalResult<Phase> {
    Ok(match amounts {
        Amounts::Rate(from, to) => Phase::Rate {
            span,
            from,
            to,
            spacing: opt(spacing).parse_next(input)?,
        },
        Amounts::Workers(from, to) => Phase::Workers { span, from, to },
    })
}

fn every(input: &mut Input<'_>) -> ModalResult<Phase> {
    let (every, count) = (some_time, requests).parse_next(input)?;
    let (mut within, mut lasting) = (None, None);
    loop {
        if lasting.is_none() && preceded_by("over", input)? {
            let shorter = some_time.verify(|over| *over <= every);
            let what = "a duration above 0, and not longer than from burst to burst";
            lasting = Some(cut_err(value(shorter, what)).parse_next(input)?);
        } else if within.is_none() && input.starts_with(|c: char| c.is_ascii_digit()) {
            within = Some(cut_err(span).parse_next(input)?);
        } else {
            return Ok(Phase::Bursts {
                every,
                span: within,
                count,
                over: lasting.unwrap_or(Duration::ZERO),
            });
        }
    }
}

fn at(input: &mut Input<'_>) -> ModalResult<Phase> {
    let over = opt(preceded(
        word.verify(|word: &str| word == "over"),
        cut_err(some_time),
    ));
    let (at, count, over) = (duration, requests, over).parse_next(input)?;
    Ok(Phase::Burst {
        at,
        count,
        over: over.unwrap_or(Duration::ZERO),
    })
}
