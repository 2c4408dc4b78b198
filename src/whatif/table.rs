//! The table: one row for every setting, and for every revision where there are several.

use comfy_table::{CellAlignment, ContentArrangement, LineStyle, Table, presets};

use super::run::Run;
use super::summary::{Summary, short_number, short_time};

/// The numbers of a row: what stands above them, and how they are told.
type Column = (&'static str, fn(&Summary) -> String);

const COLUMNS: [Column; 11] = [
    ("requests", |s| s.requests.to_string()),
    ("wait p50", |s| short_time(s.wait.p50_seconds)),
    ("p99", |s| short_time(s.wait.p99_seconds)),
    ("max", |s| short_time(s.wait.max_seconds)),
    ("cold starts", |s| s.cold_starts.to_string()),
    ("rejected", |s| s.rejected.to_string()),
    ("left", |s| s.left.to_string()),
    ("unfinished", |s| s.unfinished.to_string()),
    ("replica-hours", |s| short_number(s.replica_hours)),
    ("peak replicas", |s| s.peak_replicas.to_string()),
    ("peak queue", |s| s.peak_waiting.to_string()),
];

/// The table as text, at most so wide if that is known.
#[must_use]
pub fn table(runs: &[Run], width: Option<u16>) -> String {
    let keys = runs.first().map_or(&[][..], |run| &run.trial.settings);
    let keys: Vec<String> = keys.iter().map(crate::config::Setting::key).collect();
    let several = runs.iter().any(|run| run.outcome.revisions.len() > 1);
    let mut table = Table::new();
    let line = LineStyle::none().fill('─').junction('─');
    table.load_style(presets::NOTHING.header_separator(line));
    if let Some(width) = width {
        table.set_width(width);
        table.set_content_arrangement(ContentArrangement::Dynamic);
    }
    let numbers = COLUMNS.iter().map(|(name, _)| (*name).to_owned());
    let revision = several.then(|| "revision".to_owned());
    let words = keys.len() + usize::from(several);
    table.set_header(keys.into_iter().chain(revision).chain(numbers));
    for run in runs {
        for outcome in &run.outcome.revisions {
            let summary = Summary::of(outcome);
            let values = run.trial.settings.iter().map(crate::config::Setting::value);
            let revision = several.then(|| outcome.revision.to_string());
            let numbers = COLUMNS.iter().map(|(_, tell)| tell(&summary));
            table.add_row(values.chain(revision).chain(numbers));
        }
    }
    for column in table.column_iter_mut().skip(words) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    let lines = table.lines().map(|line| line.trim_end().to_owned() + "\n");
    lines.collect()
}
