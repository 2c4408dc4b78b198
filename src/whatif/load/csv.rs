//! A table of arrivals: `arrival_s`, and where known `service_s`, `bytes` and `revision`. Times are
//! seconds, or moments as RFC 3339 has them; rows may be in any order.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ::csv::{ReaderBuilder, StringRecord, Trim};

use crate::config::{Complaint, Origin};

/// Seconds from here on are counted from 1970.
const FROM_1970: Duration = Duration::from_secs(365 * 24 * 60 * 60);
/// A table that is wrong is wrong in every row.
const MOST_COMPLAINTS: usize = 10;

const ARRIVAL: &str = "arrival_s";
const COLUMNS: [&str; 4] = [ARRIVAL, "service_s", "bytes", "revision"];

/// The rows of a table, earliest first.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Table {
    pub(super) file: Arc<Path>,
    /// When the first second began, if the table tells.
    pub(super) began: Option<SystemTime>,
    /// By the name of their revision; `None` where the table has no such column.
    pub(super) revisions: Vec<(Option<String>, Arc<[Row]>)>,
}

/// One request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) at: Duration,
    pub(super) service: Option<Duration>,
    pub(super) bytes: u64,
}

/// Looks at the first line.
pub(super) fn is_table(text: &str) -> bool {
    let head = text.trim_start_matches('\u{feff}').lines().next();
    let mut names = head.unwrap_or_default().split(',');
    names.any(|name| name.trim().trim_matches('"') == ARRIVAL)
}

/// Reads a table, or says what is wrong with it.
pub(super) fn read(file: &Arc<Path>, text: &str) -> Result<Table, Vec<Complaint>> {
    let text = text.trim_start_matches('\u{feff}');
    let mut lines = ReaderBuilder::new()
        .trim(Trim::All)
        .from_reader(text.as_bytes());
    let head = lines.headers().cloned();
    let head = head.map_err(|error| vec![at(file, 1, 1, "", &error.to_string())])?;
    let reader = Reader {
        file,
        columns: columns(file, &head)?,
    };
    let mut complaints = Vec::new();
    let mut rows: Vec<Read> = Vec::new();
    for line in lines.records() {
        match reader.next(line, rows.first()) {
            Ok(row) => rows.push(row),
            Err(complaint) => complaints.push(complaint),
        }
        if complaints.len() >= MOST_COMPLAINTS {
            break;
        }
    }
    if rows.is_empty() && complaints.is_empty() {
        complaints.push(at(file, 2, 1, "", "wanted at least one arrival"));
    }
    if complaints.is_empty() {
        Ok(sort(file, rows))
    } else {
        Err(complaints)
    }
}

fn at(file: &Arc<Path>, line: u64, column: usize, path: &str, message: &str) -> Complaint {
    Complaint {
        origin: Origin::File {
            file: Arc::clone(file),
            line: usize::try_from(line).unwrap_or(usize::MAX),
            column,
        },
        path: path.to_owned(),
        message: message.to_owned(),
    }
}

/// Where each known column stands.
fn columns(file: &Arc<Path>, head: &StringRecord) -> Result<[Option<usize>; 4], Vec<Complaint>> {
    let place = |known: &str| head.iter().position(|name| name == known);
    let unknown = (0..).zip(head).filter(|(_, name)| !COLUMNS.contains(name));
    let complaints: Vec<Complaint> = unknown
        .map(|(i, name)| {
            let message = format!("unknown column, the known ones are {}", COLUMNS.join(", "));
            at(file, 1, column(head, i), name, &message)
        })
        .collect();
    if complaints.is_empty() {
        Ok(COLUMNS.map(place))
    } else {
        Err(complaints)
    }
}

/// The column in characters at which a field begins, quotes and blanks aside.
fn column(line: &StringRecord, field: usize) -> usize {
    let before = line.iter().take(field).map(|text| text.chars().count() + 1);
    before.sum::<usize>() + 1
}

/// A moment: since the beginning, or by the calendar.
#[derive(Clone, Copy)]
enum When {
    After(Duration),
    At(SystemTime),
}

impl When {
    /// Both are counted from the same moment.
    fn is_like(self, other: Self) -> bool {
        matches!(self, Self::After(_)) == matches!(other, Self::After(_))
    }
}

type Read = (When, Option<String>, Option<Duration>, u64);

struct Reader<'a> {
    file: &'a Arc<Path>,
    columns: [Option<usize>; 4],
}

impl Reader<'_> {
    /// The arrival in a line; its time is of one kind with the first one's.
    fn next(
        &self,
        line: Result<StringRecord, ::csv::Error>,
        first: Option<&Read>,
    ) -> Result<Read, Complaint> {
        let line = line.map_err(|error| {
            let line = error.position().map_or(1, ::csv::Position::line);
            let message = "wanted as many fields as the first line has";
            at(self.file, line, 1, "", message)
        })?;
        let row = self.row(&line)?;
        if first.is_some_and(|first| !first.0.is_like(row.0)) {
            let what = "wanted a time of one kind with the first: seconds, or the calendar's";
            return Err(self.wrong(&line, self.columns[0].unwrap_or(0), what));
        }
        Ok(row)
    }

    fn row(&self, line: &StringRecord) -> Result<Read, Complaint> {
        let [arrival, service, bytes, revision] = self.columns;
        let arrival = self.field(
            line,
            arrival,
            "seconds or a time such as 2026-01-31T08:00:00Z",
            when,
        )?;
        let nothing = || {
            self.wrong(
                line,
                self.columns[0].unwrap_or(0),
                "wanted seconds, not nothing",
            )
        };
        let arrival = arrival.ok_or_else(nothing)?;
        let service = self.field(line, service, "seconds", seconds)?;
        let bytes = self.field(line, bytes, "a whole number of bytes", |text| {
            text.parse().ok()
        })?;
        let name = self.field(line, revision, "a name", |text| Some(text.to_owned()))?;
        if let (None, Some(place)) = (&name, revision) {
            return Err(self.wrong(line, place, "wanted a name, not nothing"));
        }
        Ok((arrival, name, service, bytes.unwrap_or(0)))
    }

    /// A field; `None` where there is no such column or nothing in it.
    fn field<T>(
        &self,
        line: &StringRecord,
        place: Option<usize>,
        what: &str,
        read: impl Fn(&str) -> Option<T>,
    ) -> Result<Option<T>, Complaint> {
        let Some(place) = place else {
            return Ok(None);
        };
        match line.get(place).unwrap_or_default() {
            "" => Ok(None),
            text => match read(text) {
                Some(value) => Ok(Some(value)),
                None => Err(self.wrong(line, place, &format!("wanted {what}, not {text}"))),
            },
        }
    }

    fn wrong(&self, line: &StringRecord, place: usize, message: &str) -> Complaint {
        let number = line.position().map_or(1, ::csv::Position::line);
        let name = self.columns.iter().position(|known| *known == Some(place));
        let name = name.map_or(ARRIVAL, |known| COLUMNS[known]);
        at(self.file, number, column(line, place), name, message)
    }
}

fn seconds(text: &str) -> Option<Duration> {
    text.parse()
        .ok()
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
}

fn when(text: &str) -> Option<When> {
    match seconds(text) {
        Some(after) if after >= FROM_1970 => UNIX_EPOCH.checked_add(after).map(When::At),
        Some(after) => Some(When::After(after)),
        None => humantime::parse_rfc3339_weak(text).ok().map(When::At),
    }
}

/// The rows in order. By the calendar, the first of them is the beginning.
fn sort(file: &Arc<Path>, rows: Vec<Read>) -> Table {
    let calendar = rows.iter().filter_map(|(when, ..)| match when {
        When::At(at) => Some(*at),
        When::After(_) => None,
    });
    let began = calendar.min();
    let mut revisions: Vec<(Option<String>, Vec<Row>)> = Vec::new();
    for (when, revision, service, bytes) in rows {
        let since = |at: SystemTime| at.duration_since(began.unwrap_or(at)).unwrap_or_default();
        let at = match when {
            When::After(at) => at,
            When::At(at) => since(at),
        };
        let row = Row { at, service, bytes };
        match revisions.iter_mut().find(|(name, _)| *name == revision) {
            Some((_, rows)) => rows.push(row),
            None => revisions.push((revision, vec![row])),
        }
    }
    let sorted = revisions.into_iter().map(|(name, mut rows)| {
        rows.sort_by_key(|row| row.at);
        (name, rows.into())
    });
    Table {
        file: Arc::clone(file),
        began,
        revisions: sorted.collect(),
    }
}
