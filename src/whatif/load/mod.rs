//! Loads as people give them: described in words, written down as a table of arrivals, or
//! recorded. What a description says beside a file is added to it, and wins over it.

mod arrivals;
mod csv;
mod description;
mod draw;
mod enough;
pub mod grammar;
mod plan;

#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_record;

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use jiff::{Timestamp, Zoned};

use self::csv::Table;
use self::description::Description;
use self::grammar::Misread;
use crate::config::{Complaint, Complaints, Origin, RevisionConfig};
use crate::schedule::system_zone;
use crate::simulate::Load;
use crate::trace::Trace;

/// Where a load comes from, read and checked once, to be lived through as often as wanted.
#[derive(Clone, Debug)]
pub struct Source {
    described: Description,
    file: Option<File>,
    /// Where no file says so.
    begins: SystemTime,
}

/// Arrivals that were written down.
#[derive(Clone, Debug)]
enum File {
    Table(Arc<Table>),
    Record(Arc<Trace>),
}

const FLAG: &str = "--load";

impl Source {
    /// Reads what was given after `--load`: at most one file, and descriptions.
    ///
    /// # Errors
    /// Everything that cannot be read.
    pub fn read(given: &[String]) -> Result<Self, Complaints> {
        let mut complaints = Complaints::default();
        let mut source = Self {
            described: Description::default(),
            file: None,
            begins: UNIX_EPOCH,
        };
        for text in given {
            if let Err(found) = source.add(text) {
                for complaint in found {
                    complaints.push(complaint);
                }
            }
        }
        if given.is_empty() {
            complaints.push(complaint(format!(
                "wanted a file or a description, such as {FLAG} '{EXAMPLE}'"
            )));
        }
        if complaints.is_empty() {
            Ok(source)
        } else {
            Err(complaints)
        }
    }

    fn add(&mut self, given: &str) -> Result<(), Vec<Complaint>> {
        let path = Path::new(given);
        if !path.is_file() {
            if looks_like_a_path(given) {
                return Err(vec![complaint(format!(
                    "{given}: no such file, and no description"
                ))]);
            }
            let described = grammar::parse(given).map_err(|misread| vec![in_flag(&misread)])?;
            self.described.add(described);
            return Ok(());
        }
        let file: Arc<Path> = Arc::from(path);
        let whole = |message: String| {
            vec![Complaint {
                origin: Origin::WholeFile(Arc::clone(&file)),
                path: String::new(),
                message,
            }]
        };
        let bytes = fs::read(path).map_err(|e| whole(format!("could not be read: {e}")))?;
        if Trace::is_one(&bytes) {
            let trace = Trace::read(path).map_err(|e| vec![complaint(e.to_string())])?;
            return self.take(File::Record(Arc::new(trace)));
        }
        let text = String::from_utf8(bytes);
        let text = text.map_err(|_| whole("neither a record nor text".to_owned()))?;
        if csv::is_table(&text) {
            return self.take(File::Table(Arc::new(csv::read(&file, &text)?)));
        }
        let described = grammar::parse(&text).map_err(|misread| vec![in_file(&file, &misread)])?;
        self.described.add(described);
        Ok(())
    }

    fn take(&mut self, file: File) -> Result<(), Vec<Complaint>> {
        match self.file.replace(file) {
            Some(_) => Err(vec![complaint("wanted at most one file with arrivals")]),
            None => Ok(()),
        }
    }

    /// What a person should know about it: what is missing from a record, and what only a record
    /// could tell about these revisions.
    #[must_use]
    pub fn notes(&self, revisions: &[RevisionConfig]) -> Vec<String> {
        if let Some(File::Record(trace)) = &self.file {
            let flaws = trace.flaws.iter().map(ToString::to_string);
            return flaws.chain(several_lives(trace, revisions)).collect();
        }
        let unknown = revisions.iter().flat_map(|revision| {
            let further = revision.spec.scaling.further_metrics.iter();
            let metrics = further.map(|further| &further.metric);
            let metrics = metrics.chain([&revision.spec.scaling.metric]);
            let gauged = metrics.filter(|metric| !metric.counts_requests());
            gauged.map(|metric| {
                let (id, metric) = (&revision.spec.id, metric.as_str());
                format!("revision {id} is scaled by {metric}, which only a record tells")
            })
        });
        let follows = revisions.iter().any(|one| one.schedule.busiest() > 0);
        let hours = (follows && self.calendar().is_none()).then(|| {
            let began = Timestamp::try_from(self.began()).unwrap_or(Timestamp::UNIX_EPOCH);
            let began = Zoned::new(began, system_zone());
            let began = began.strftime("%Y-%m-%d %H:%M:%S %:z");
            format!("for the schedule it begins at {began} (--begin)")
        });
        unknown.chain(hours).collect()
    }

    /// Looks whether it says enough about these revisions, and nothing about others.
    ///
    /// # Errors
    /// Everything that is missing or of no use.
    pub fn check(&self, revisions: &[RevisionConfig]) -> Result<(), Complaints> {
        enough::check(self, revisions)
    }

    /// What comes to these revisions. The same seed brings the same.
    #[must_use]
    pub fn load(&self, revisions: &[RevisionConfig], seed: u64) -> Load {
        plan::load(self, revisions, seed)
    }

    /// The revisions that a table names, and where. What a record knows of others is left aside.
    fn named_in_file(&self) -> impl Iterator<Item = (Origin, &str)> {
        let table = match &self.file {
            Some(File::Table(table)) => Some(table),
            _ => None,
        };
        table.into_iter().flat_map(|table| {
            let names = table
                .revisions
                .iter()
                .filter_map(|(name, _)| name.as_deref());
            names.map(|name| (Origin::WholeFile(Arc::clone(&table.file)), name))
        })
    }

    /// The revisions of a record; none where there is no record.
    fn names_in_record(&self) -> Vec<&str> {
        match &self.file {
            Some(File::Record(trace)) => {
                let names = trace.revisions.iter();
                names.map(|revision| revision.name.as_str()).collect()
            }
            _ => Vec::new(),
        }
    }

    /// The record, where there is nothing else.
    #[must_use]
    pub fn mere_record(&self) -> Option<&Trace> {
        match &self.file {
            Some(File::Record(trace)) if self.described == Description::default() => Some(trace),
            _ => None,
        }
    }

    fn recorded(&self, revisions: &[RevisionConfig]) -> Option<Load> {
        match &self.file {
            Some(File::Record(trace)) => Some(Load::replay(trace, revisions)),
            _ => None,
        }
    }

    /// It begins then, if it does not say itself when it began.
    #[must_use]
    pub fn beginning(self, begins: SystemTime) -> Self {
        Self { begins, ..self }
    }

    /// When it began, as far as a file says so.
    #[must_use]
    pub fn calendar(&self) -> Option<SystemTime> {
        match self.file.as_ref()? {
            File::Table(table) => table.began,
            File::Record(trace) => Some(trace.began()),
        }
    }

    /// When it began, or is imagined to have begun.
    fn began(&self) -> SystemTime {
        self.calendar().unwrap_or(self.begins)
    }
}

/// A revision that was removed and came back is another one in a record: which of them is lived through.
fn several_lives(trace: &Trace, revisions: &[RevisionConfig]) -> impl Iterator<Item = String> {
    let lives = |id: &str| trace.revisions.iter().filter(|one| one.name == id).count();
    let ids = revisions.iter().map(|revision| revision.spec.id.as_str());
    ids.filter(move |id| lives(id) > 1).map(|id| {
        format!("revision {id} was removed and came back: only what came before is lived through")
    })
}

const EXAMPLE: &str = "step 0..60s 5rps, 60s..2m 50rps; service 200ms; start 45s";

/// Nobody describes a load in one word.
fn looks_like_a_path(given: &str) -> bool {
    !given.trim().contains(char::is_whitespace) && !given.trim().is_empty()
}

fn complaint(message: impl Into<String>) -> Complaint {
    Complaint {
        origin: Origin::Flag(FLAG.to_owned()),
        path: String::new(),
        message: message.into(),
    }
}

fn in_flag(misread: &Misread) -> Complaint {
    let Misread {
        line,
        column,
        message,
    } = misread;
    let line = if *line > 1 {
        format!("line {line}, ")
    } else {
        String::new()
    };
    complaint(format!("{line}column {column}: {message}"))
}

fn in_file(file: &Arc<Path>, misread: &Misread) -> Complaint {
    let origin = Origin::File {
        file: Arc::clone(file),
        line: misread.line,
        column: misread.column,
    };
    Complaint {
        origin,
        path: String::new(),
        message: format!(
            "{} (neither a record nor a table with arrival_s, so read as a description)",
            misread.message
        ),
    }
}
