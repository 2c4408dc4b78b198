//! The table: one row for every setting, and for every revision where there are several. Decides
//! what gives way where lines are short: first the breadth of headings, then columns of nothing.

use comfy_table::{CellAlignment, LineStyle, Table, presets};

use super::run::Run;
use super::summary::{Summary, Waits, short_number, short_time};
use crate::config::Setting;

/// The numbers of a row: what stands above them, and how they are told.
type Column = (&'static str, fn(&Summary) -> String);

const COLUMNS: [Column; 11] = [
    ("requests", |s| s.requests.to_string()),
    ("wait p50", |s| wait(s, |w| w.p50_seconds)),
    ("p99", |s| wait(s, |w| w.p99_seconds)),
    ("max", |s| wait(s, |w| w.max_seconds)),
    ("cold starts", |s| s.cold_starts.to_string()),
    ("rejected", |s| s.rejected.to_string()),
    ("left", |s| s.left.to_string()),
    ("unfinished", |s| s.unfinished.to_string()),
    ("replica-hours", |s| short_number(s.replica_hours)),
    ("peak replicas", |s| s.peak_replicas.to_string()),
    ("peak queue", |s| s.peak_waiting.to_string()),
];

/// What need not have a column where nothing of it happened.
const RARE: [&str; 3] = ["rejected", "left", "unfinished"];

/// The blanks behind a column, the more the better.
const GAPS: [u16; 2] = [2, 1];

fn wait(summary: &Summary, seconds: fn(&Waits) -> f64) -> String {
    let wait = summary.wait.as_ref();
    wait.map_or_else(|| "–".to_owned(), |wait| short_time(seconds(wait)))
}

/// The table as text, no wider than this if that is known and can be.
#[must_use]
pub fn table(runs: &[Run], width: Option<u16>) -> String {
    let mut rows = Rows::of(runs);
    let wide = lines(&rows.drawn());
    let fits = |text: &str| width.is_none_or(|width| widest(text) <= usize::from(width));
    if fits(&wide) {
        return wide;
    }
    let none = rows.without_the_rare();
    rows.headings
        .iter_mut()
        .for_each(|heading| *heading = broken(heading));
    let mut table = rows.drawn();
    let mut narrow = |gap: u16| {
        for column in table.column_iter_mut() {
            column.set_padding((0, gap));
        }
        lines(&table)
    };
    // Where not even that fits, the terminal breaks the lines: better than words and numbers.
    let [airy, tight] = GAPS.map(&mut narrow);
    if fits(&airy) {
        airy + &none
    } else {
        tight + &none
    }
}

/// What stands in the table.
struct Rows {
    headings: Vec<String>,
    cells: Vec<Vec<String>>,
    /// How many columns hold words, the first ones.
    words: usize,
}

impl Rows {
    fn of(runs: &[Run]) -> Self {
        let keys = runs.first().map_or(&[][..], |run| &run.trial.settings);
        let several = runs.iter().any(|run| run.outcome.revisions.len() > 1);
        let revision = several.then(|| "revision".to_owned());
        let mut headings: Vec<String> = keys.iter().map(Setting::key).chain(revision).collect();
        let words = headings.len();
        headings.extend(COLUMNS.map(|(name, _)| name.to_owned()));
        let outcomes = runs
            .iter()
            .flat_map(|run| run.outcome.revisions.iter().map(move |one| (run, one)));
        let rows = outcomes.map(|(run, outcome)| {
            let summary = Summary::of(outcome);
            let values = run.trial.settings.iter().map(Setting::value);
            let revision = several.then(|| outcome.revision.to_string());
            let numbers = COLUMNS.iter().map(|(_, tell)| tell(&summary));
            values.chain(revision).chain(numbers).collect()
        });
        Self {
            cells: rows.collect(),
            headings,
            words,
        }
    }

    /// Takes out the columns of what never happened, and gives the line that says so.
    fn without_the_rare(&mut self) -> String {
        let mut gone = Vec::new();
        for rare in RARE {
            let place = self.headings.iter().position(|heading| heading == rare);
            let place = place.expect("a rare thing has a column");
            if self.cells.iter().all(|row| row[place] == "0") {
                gone.push(self.headings.remove(place));
                self.cells
                    .iter_mut()
                    .for_each(|row| drop(row.remove(place)));
            }
        }
        match gone.as_slice() {
            [] => String::new(),
            gone => format!("\nnone {}\n", gone.join(", none ")),
        }
    }

    fn drawn(&self) -> Table {
        let mut table = Table::new();
        let line = LineStyle::none().fill('─').junction('─');
        table.load_style(presets::NOTHING.header_separator(line));
        table.set_header(&self.headings);
        table.add_rows(&self.cells);
        for column in table.column_iter_mut().skip(self.words) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        table
    }
}

/// A heading in several lines, broken where a word ends.
fn broken(heading: &str) -> String {
    let mut lines = String::with_capacity(heading.len() + 2);
    let mut last = ' ';
    for c in heading.chars() {
        match c {
            ' ' => lines.push('\n'),
            c => {
                if last == '-' || last == '.' || (last.is_lowercase() && c.is_uppercase()) {
                    lines.push('\n');
                }
                lines.push(c);
            }
        }
        last = c;
    }
    lines
}

fn lines(table: &Table) -> String {
    let lines = table.lines().map(|line| line.trim_end().to_owned() + "\n");
    lines.collect()
}

fn widest(text: &str) -> usize {
    let widths = text.lines().map(|line| line.chars().count());
    widths.max().unwrap_or(0)
}
