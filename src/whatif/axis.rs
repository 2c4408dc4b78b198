//! Scales that a person reads at a glance: where an axis ends, where its marks stand and what they
//! say.

use std::time::Duration;

/// From 0 to an end, with marks in even steps.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Scale {
    /// Where it ends.
    pub(super) end: f64,
    /// From mark to mark.
    pub(super) step: f64,
    is_time: bool,
}

impl Scale {
    /// Up to a number that is not less, with about so many steps.
    pub(super) fn new(most: f64, steps: u32) -> Self {
        let step = nice_step(most.max(1.0) / f64::from(steps));
        Self {
            end: (most.max(1.0) / step - 1e-9).ceil() * step,
            step,
            is_time: false,
        }
    }

    /// Exactly to the end of a time in seconds, marked in units of clocks.
    pub(super) fn time(length: f64, steps: u32) -> Self {
        let wanted = length / f64::from(steps);
        let step = CLOCK.into_iter().find(|step| *step * 1.1 >= wanted);
        Self {
            end: length,
            step: step.unwrap_or_else(|| nice_step(wanted / DAY) * DAY),
            is_time: true,
        }
    }

    /// Where the marks stand.
    pub(super) fn marks(self) -> Vec<f64> {
        let mut marks = Vec::new();
        let mut mark = 0.0;
        while mark <= self.end * (1.0 + 1e-9) {
            marks.push(mark);
            mark += self.step;
        }
        marks
    }

    /// Labels at even distances from 0 to the end.
    pub(super) fn labels(self) -> Vec<String> {
        let steps = (self.end / self.step).round().max(1.0);
        if self.is_time {
            let fifth = |i: u32| time((self.end * f64::from(i) / 4.0).round());
            return (0..=4).map(fifth).collect();
        }
        let mut label = 0.0;
        let mut labels = Vec::new();
        while label <= steps {
            labels.push(short(label * self.step));
            label += 1.0;
        }
        labels
    }

    /// What stands at a mark.
    pub(super) fn label(self, at: f64) -> String {
        if self.is_time { time(at) } else { short(at) }
    }
}

const DAY: f64 = 86_400.0;
const CLOCK: [f64; 19] = [
    1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 900.0, 1800.0, 3600.0, 7200.0,
    10_800.0, 21_600.0, 43_200.0, DAY, 172_800.0,
];

/// 1, 2 or 5 times a power of ten, not less than this; whole from 1 on.
fn nice_step(least: f64) -> f64 {
    let power = 10_f64.powf(least.log10().floor());
    let nice = [1.0, 2.0, 5.0, 10.0].map(|factor| factor * power);
    let found = nice.into_iter().find(|step| *step >= least * (1.0 - 1e-9));
    found.unwrap_or(10.0 * power)
}

/// A number without decimals that say nothing.
pub(super) fn short(number: f64) -> String {
    if number >= 10_000.0 {
        return format!("{}k", short(number / 1000.0));
    }
    let text = format!("{number:.1}");
    text.strip_suffix(".0").map_or(text.clone(), str::to_owned)
}

/// A time as clocks have it: `90s`, `4m`, `1h30m`.
pub(super) fn time(seconds: f64) -> String {
    let seconds = Duration::try_from_secs_f64(seconds).unwrap_or_default();
    let whole = Duration::from_secs(seconds.as_secs());
    if whole.is_zero() {
        return "0".to_owned();
    }
    let told = crate::config::brief(whole);
    told.replace("days", "d").replace("day", "d")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scale_ends_at_or_above_the_most_and_has_round_marks() {
        let check = |most: f64, want: &[&str]| {
            assert_eq!(Scale::new(most, 4).labels(), want, "{most}");
        };
        check(0.0, &["0", "0.5", "1"]);
        check(3.0, &["0", "1", "2", "3"]);
        check(16.0, &["0", "5", "10", "15", "20"]);
        check(239.0, &["0", "100", "200", "300"]);
        check(50_000.0, &["0", "20k", "40k", "60k"]);
    }

    #[test]
    fn time_is_marked_as_on_a_clock() {
        let marks = |length: f64| -> Vec<String> {
            let scale = Scale::time(length, 8);
            let marks = scale.marks().into_iter();
            marks.map(|at| scale.label(at)).collect()
        };
        let short = [
            "0", "30s", "1m", "1m30s", "2m", "2m30s", "3m", "3m30s", "4m",
        ];
        assert_eq!(marks(240.0), short);
        assert_eq!(marks(5.0), ["0", "1s", "2s", "3s", "4s", "5s"]);
        let day = ["0", "3h", "6h", "9h", "12h", "15h", "18h", "21h", "1d"];
        assert_eq!(marks(86_520.0), day);
    }
}
