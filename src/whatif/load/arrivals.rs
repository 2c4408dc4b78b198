//! Phases of a description as moments at which requests come, one by one and in order, so that a
//! day of them is never in memory at once.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use super::description::{Phase, Spacing, Span};
use super::draw::Dice;
use crate::simulate::Workers;

/// The moments of one phase.
type Moments = Box<dyn Iterator<Item = Duration> + Send>;

/// The moments of several phases, in order.
pub(super) struct Merged {
    phases: Vec<Moments>,
    /// The next moment of each phase that has one; the earlier phase first where two agree.
    next: BinaryHeap<Reverse<(Duration, usize)>>,
}

impl Merged {
    /// When requests come in these phases; `dice` gives each phase its own chance. Bursts without
    /// an end go on until `end`.
    pub(super) fn new(
        phases: &[Phase],
        spacing: Spacing,
        end: Duration,
        dice: impl Fn(u64) -> Dice,
    ) -> Self {
        let phases = (0..).zip(phases);
        let mut phases: Vec<Moments> = phases
            .map(|(i, phase)| moments(*phase, spacing, end, dice(i)))
            .collect();
        let next = phases.iter_mut().enumerate();
        let next = next.filter_map(|(i, phase)| Some(Reverse((phase.next()?, i))));
        Self {
            next: next.collect(),
            phases,
        }
    }
}

impl Iterator for Merged {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        let Reverse((at, i)) = self.next.pop()?;
        if let Some(following) = self.phases[i].next() {
            self.next.push(Reverse((following, i)));
        }
        Some(at)
    }
}

fn moments(phase: Phase, spacing: Spacing, end: Duration, dice: Dice) -> Moments {
    match phase {
        Phase::Rate {
            span,
            from,
            to,
            spacing: own,
        } => Box::new(Flow::new(span, from, to, own.unwrap_or(spacing), dice)),
        Phase::Workers { .. } => Box::new(std::iter::empty()),
        Phase::Bursts {
            every,
            span,
            count,
            over,
        } => {
            let first = span.map_or(Duration::ZERO, |span| span.from);
            let end = span.map_or(end, |span| span.to);
            let starts = (0..).map(move |n| first.saturating_add(every.saturating_mul(n)));
            let starts = starts.take_while(move |at| *at < end);
            Box::new(starts.flat_map(move |at| burst(at, count, over)))
        }
        Phase::Burst { at, count, over } => Box::new(burst(at, count, over)),
    }
}

/// So many requests, evenly within a while.
fn burst(at: Duration, count: u32, over: Duration) -> impl Iterator<Item = Duration> + Send {
    let part = move |i| f64::from(i) / f64::from(count);
    (0..count).map(move |i| at.saturating_add(over.mul_f64(part(i))))
}

/// Requests of a rate that changes evenly. Their number grows with the area under the rate: each
/// is where that area has grown by 1, or by what strangers are apart.
struct Flow {
    span: Span,
    /// Requests per second at the beginning.
    from: f64,
    /// By how much the rate grows each second.
    slope: f64,
    spacing: Spacing,
    dice: Dice,
    /// The area up to the next request.
    area: f64,
}

impl Flow {
    fn new(span: Span, from: f64, to: f64, spacing: Spacing, mut dice: Dice) -> Self {
        Self {
            span,
            from,
            slope: (to - from) / span.length().as_secs_f64(),
            spacing,
            area: match spacing {
                Spacing::Even => 0.0,
                Spacing::Poisson => dice.gap(),
            },
            dice,
        }
    }
}

impl Iterator for Flow {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        // from * t + slope * t² / 2 = area, solved so that no slope and no beginning are no
        // special cases.
        let root = (self.from * self.from + 2.0 * self.slope * self.area).sqrt();
        let seconds = match self.from + root {
            sum if sum > 0.0 => 2.0 * self.area / sum,
            // At the very beginning of a ramp from nothing; a rate that stays there has none.
            _ if self.slope > 0.0 => 0.0,
            _ => return None,
        };
        let after = Duration::try_from_secs_f64(seconds).ok()?;
        self.area += match self.spacing {
            Spacing::Even => 1.0,
            Spacing::Poisson => self.dice.gap(),
        };
        (after < self.span.length()).then(|| self.span.from.saturating_add(after))
    }
}

/// The workers of a phase. Where their number changes, one after another begins, or ends.
pub(super) fn workers(phases: &[Phase]) -> Vec<Workers> {
    let groups = phases.iter().filter_map(|phase| match *phase {
        Phase::Workers { span, from, to } => Some(group(span, from, to)),
        _ => None,
    });
    groups.flatten().collect()
}

fn group(span: Span, from: u32, to: u32) -> Vec<Workers> {
    let steady = Workers {
        from: span.from,
        until: span.to,
        count: from.min(to),
    };
    let change = from.abs_diff(to);
    let moment = move |i: u32| {
        let part = (f64::from(i) + 0.5) / f64::from(change);
        span.from.saturating_add(span.length().mul_f64(part))
    };
    let changing = (0..change).map(move |i| Workers {
        from: if to > from { moment(i) } else { span.from },
        until: if to > from { span.to } else { moment(i) },
        count: 1,
    });
    let steady = Some(steady).filter(|workers| workers.count > 0);
    steady.into_iter().chain(changing).collect()
}

#[cfg(test)]
mod tests {
    use super::super::grammar;
    use super::*;

    fn all(description: &str, seed: u64) -> Vec<Duration> {
        let described = grammar::parse(description).expect("a sound description");
        let part = described.common;
        let end = Duration::from_secs(60);
        let spacing = part.spacing.unwrap_or_default();
        Merged::new(&part.phases, spacing, end, |i| Dice::new(seed, [i, 0])).collect()
    }

    fn millis(description: &str) -> Vec<u128> {
        let moments = all(description, 1);
        moments.iter().map(Duration::as_millis).collect()
    }

    fn within(moments: &[Duration], from: u64, to: u64) -> usize {
        let (from, to) = (Duration::from_secs(from), Duration::from_secs(to));
        moments.iter().filter(|at| (from..to).contains(*at)).count()
    }

    #[test]
    fn even_requests_come_as_a_clock_ticks() {
        assert_eq!(millis("step 0..2s 2rps even"), [0, 500, 1000, 1500]);
        assert_eq!(
            millis("arrivals even; step 10s..12s 60/min"),
            [10_000, 11_000]
        );
        // The area under 0..4 rps in 2 s is 4, reached as the square of time.
        assert_eq!(millis("ramp 0..2s 0..4rps even"), [0, 1000, 1414, 1732]);
        assert_eq!(millis("ramp 0..2s 4..0rps even"), [0, 267, 585, 1000]);
        assert_eq!(millis("step 0..10s 0rps even"), [] as [u128; 0]);
    }

    #[test]
    fn bursts_come_at_once_or_over_a_while_until_the_end() {
        assert_eq!(millis("at 3s 2 requests"), [3000, 3000]);
        assert_eq!(millis("at 3s 4 requests over 2s"), [3000, 3500, 4000, 4500]);
        assert_eq!(
            millis("every 25s 2 requests"),
            [0, 0, 25_000, 25_000, 50_000, 50_000]
        );
        assert_eq!(millis("every 10s 1 request 5s..25s"), [5_000, 15_000]);
    }

    #[test]
    fn phases_add_up_in_order_of_time() {
        assert_eq!(
            millis("step 0..3s 1rps even, at 1500ms 1 request"),
            [0, 1000, 1500, 2000]
        );
        let mixed = all(
            "step 0..60s 20rps, ramp 0..60s 1..9rps, every 7s 5 requests",
            3,
        );
        assert!(mixed.is_sorted(), "out of order");
    }

    #[test]
    fn strangers_come_as_often_as_was_asked_for() {
        let moments = all("step 0..100s 50rps, ramp 100s..200s 0..100rps", 1);
        let near = |got: usize, want: usize| {
            // Three standard deviations of a Poisson count.
            assert!(
                got.abs_diff(want).pow(2) < 9 * want,
                "{got} instead of {want}"
            );
        };
        near(within(&moments, 0, 100), 5000);
        near(within(&moments, 100, 150), 1250);
        near(within(&moments, 150, 200), 3750);
        // Gaps between strangers vary as much as they are long.
        let gaps: Vec<f64> = moments[..4000]
            .windows(2)
            .map(|pair| pair[1].saturating_sub(pair[0]).as_secs_f64())
            .collect();
        let mean = gaps.iter().sum::<f64>() / 3999.0;
        let variance = gaps.iter().map(|gap| (gap - mean).powi(2)).sum::<f64>() / 3999.0;
        assert!((variance.sqrt() / mean - 1.0).abs() < 0.1, "{variance}");
    }

    #[test]
    fn one_seed_brings_the_same_requests_and_another_does_not() {
        let text = "step 0..60s 20rps, ramp 0..60s 1..9rps";
        assert_eq!(all(text, 5), all(text, 5));
        assert_ne!(all(text, 5), all(text, 6));
    }

    #[test]
    fn workers_come_or_go_one_by_one_along_a_ramp() {
        let spans = |text: &str| -> Vec<(u64, u64, u32)> {
            let part = grammar::parse(text).expect("sound").common;
            let workers = workers(&part.phases).into_iter();
            workers
                .map(|w| (w.from.as_secs(), w.until.as_secs(), w.count))
                .collect()
        };
        assert_eq!(spans("step 5s..60s 3 workers"), [(5, 60, 3)]);
        assert_eq!(
            spans("ramp 0..40s 1..3 workers"),
            [(0, 40, 1), (10, 40, 1), (30, 40, 1)]
        );
        assert_eq!(spans("ramp 0..40s 2..0 workers"), [(0, 10, 1), (0, 30, 1)]);
    }
}
