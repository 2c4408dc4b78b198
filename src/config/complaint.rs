//! What is wrong with what a person wrote: where, at which path, and what was wanted instead.
//! Complaints are collected, never thrown: a person wants to see all of them at once.

use std::fmt::{self, Write};
use std::path::Path;
use std::sync::Arc;

/// Where a value was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// At a place in a file; line and column count from 1.
    File {
        /// The file as it was named.
        file: Arc<Path>,
        /// The line.
        line: usize,
        /// The column, in characters.
        column: usize,
    },
    /// A file as a whole: it could not be read.
    WholeFile(Arc<Path>),
    /// A flag of the command line, with its dashes.
    Flag(String),
    /// An environment variable.
    Environment(String),
    /// The command line as a whole, or the command after `--`.
    CommandLine,
    /// An object of a cluster: its kind, namespace and name.
    Object(Arc<str>),
}

impl Origin {
    /// Files first and from top to bottom, then the environment, then flags, then objects.
    fn rank(&self) -> (u8, &str, usize, usize) {
        match self {
            Self::File { file, line, column } => (0, text_of(file), *line, *column),
            Self::WholeFile(file) => (0, text_of(file), 0, 0),
            Self::Environment(name) => (1, name, 0, 0),
            Self::Flag(name) => (2, name, 0, 0),
            Self::CommandLine => (3, "", 0, 0),
            Self::Object(name) => (4, name, 0, 0),
        }
    }
}

fn text_of(file: &Path) -> &str {
    file.to_str().unwrap_or_default()
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { file, line, column } => {
                write!(f, "{}:{line}:{column}", file.display())
            }
            Self::WholeFile(file) => write!(f, "{}", file.display()),
            Self::Flag(name) | Self::Environment(name) => f.write_str(name),
            Self::CommandLine => f.write_str("command line"),
            Self::Object(name) => f.write_str(name),
        }
    }
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Complaint {
    /// Where it was written.
    pub origin: Origin,
    /// The dotted path of the key, `revisions[0].queue.timeout`; empty where there is none.
    pub path: String,
    /// What was wanted, lower case and without a full stop.
    pub message: String,
}

impl Complaint {
    /// As it is told at the object that it is about, where nobody needs to hear which that is. What
    /// stands elsewhere still says where.
    #[must_use]
    pub fn at_its_object(&self) -> String {
        match &self.origin {
            Origin::Object(_) if self.path.is_empty() => OneLine(&self.message).to_string(),
            Origin::Object(_) => format!("{}: {}", OneLine(&self.path), OneLine(&self.message)),
            _ => self.to_string(),
        }
    }
}

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.origin)?;
        if !self.path.is_empty() {
            write!(f, "{}: ", OneLine(&self.path))?;
        }
        OneLine(&self.message).fmt(f)
    }
}

/// Text that quotes what a person wrote, which may hold line breaks and other control characters.
struct OneLine<'a>(&'a str);

impl fmt::Display for OneLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|c| match c {
            c if c.is_control() => c.escape_default().fmt(f),
            c => f.write_char(c),
        })
    }
}

/// Everything that is wrong, in the order of the files. As an error it prints one line each.
/// Beside it stands what is only odd, and stops nobody.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Complaints {
    wrong: Vec<Complaint>,
    odd: Vec<Complaint>,
}

impl Complaints {
    /// Adds one, unless the same was said already: a layer is read alone and again with others.
    pub fn push(&mut self, complaint: Complaint) {
        if !self.wrong.contains(&complaint) {
            self.wrong.push(complaint);
        }
    }

    /// Adds a warning: what was written can be read, but may not do what its writer thinks.
    pub(super) fn warn(&mut self, warning: Complaint) {
        if !self.odd.contains(&warning) {
            self.odd.push(warning);
        }
    }

    /// Adds all that others say.
    pub(crate) fn add(&mut self, others: &Self) {
        others.wrong.iter().cloned().for_each(|one| self.push(one));
        others.odd.iter().cloned().for_each(|one| self.warn(one));
    }

    /// The warnings, in the order of the files: beside what is wrong, they may say why.
    #[must_use]
    pub fn warnings(&self) -> Vec<Complaint> {
        let mut odd = self.odd.clone();
        odd.sort_by(|a, b| a.origin.rank().cmp(&b.origin.rank()));
        odd
    }

    /// Nothing is wrong.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.wrong.is_empty()
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.wrong.len()
    }

    /// One by one.
    pub fn iter(&self) -> std::slice::Iter<'_, Complaint> {
        self.wrong.iter()
    }

    /// The value, if nothing is wrong and so it could be made; else the complaints in order.
    pub(super) fn unless_any<T>(mut self, value: Option<T>) -> Result<T, Self> {
        match value {
            Some(value) if self.is_empty() => Ok(value),
            _ => {
                self.wrong
                    .sort_by(|a, b| a.origin.rank().cmp(&b.origin.rank()));
                Err(self)
            }
        }
    }
}

impl<'a> IntoIterator for &'a Complaints {
    type Item = &'a Complaint;
    type IntoIter = std::slice::Iter<'a, Complaint>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl fmt::Display for Complaints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, complaint) in self.wrong.iter().enumerate() {
            let line_break = if i == 0 { "" } else { "\n" };
            write!(f, "{line_break}{complaint}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Complaints {}
