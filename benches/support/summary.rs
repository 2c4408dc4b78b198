//! Numbers of several rounds made one, and tables of them.

use super::loadgen::float;

/// The middle of the samples; NaN without any.
pub(crate) fn median(samples: impl IntoIterator<Item = f64>) -> f64 {
    let mut sorted: Vec<f64> = samples.into_iter().collect();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => f64::NAN,
        n if n % 2 == 1 => sorted[n / 2],
        n => f64::midpoint(sorted[n / 2 - 1], sorted[n / 2]),
    }
}

/// The sample below which so many percent of the others are; NaN without any. They are in
/// ascending order.
pub(crate) fn percentile(sorted: &[f64], percent: f64) -> f64 {
    let Some(last) = sorted.len().checked_sub(1) else {
        return f64::NAN;
    };
    let below = float(sorted.len() as u64) * percent / 100.0;
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "between 0 and the number of samples"
    )]
    let index = below as usize;
    sorted[index.min(last)]
}

/// The least of the samples; NaN without any.
pub(crate) fn least(samples: impl IntoIterator<Item = f64>) -> f64 {
    samples.into_iter().fold(f64::NAN, f64::min)
}

/// The ratio of each sample to the other of the same round, and the middle of those: what moved
/// the machine in a round moved both. Rounds in which noise swallowed either side are left out.
pub(crate) fn median_ratio(samples: &[f64], others: &[f64]) -> f64 {
    let rounds = samples.iter().zip(others);
    let meant = rounds.filter(|(sample, other)| **sample > 0.0 && **other > 0.0);
    median(meant.map(|(sample, other)| sample / other))
}

/// A number in a cell; what is not known is a dash.
pub(crate) fn cell(number: f64, decimals: usize) -> String {
    if number.is_finite() {
        format!("{number:.decimals$}")
    } else {
        "–".to_owned()
    }
}

/// Rows of cells as aligned text: the first column to the left, numbers to the right.
pub(crate) fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (n, (cell, width)) in row.iter().zip(&widths).enumerate() {
            let padding = " ".repeat(width - cell.chars().count());
            match n {
                0 => line.extend([cell.as_str(), &padding]),
                _ => line.extend(["   ", &padding, cell]),
            }
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}
