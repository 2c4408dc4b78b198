//! Reads a record back. Of a file that was cut off or damaged everything before that is read, and
//! what is missing is said.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use super::code::Context;
use super::file::{Entry, MAGIC, VERSION, before};
use super::tale::Tale;
use super::{Flaw, Trace};

/// Why a file is not read at all.
#[derive(Debug, Error)]
pub enum Unreadable {
    /// It is not there, or may not be read.
    #[error("could not read {}: {}", .0.display(), .1)]
    Io(PathBuf, io::Error),
    /// Something else wrote it.
    #[error("{} is no record of holdgate (it does not begin with \"{}\")", .0.display(), MAGIC.trim_end())]
    Foreign(PathBuf),
    /// Another holdgate wrote it.
    #[error("{} is a record of version {found}, and this holdgate reads version {VERSION}", path.display())]
    Version {
        /// Which file.
        path: PathBuf,
        /// Its version.
        found: String,
    },
}

impl Trace {
    /// A file with these first bytes is a record, of whatever version.
    #[must_use]
    pub fn is_one(bytes: &[u8]) -> bool {
        bytes.starts_with(MAGIC.as_bytes())
    }

    /// Reads a record, and the older part of it where there is one beside it.
    ///
    /// # Errors
    /// When the file cannot be read, or is none of ours. What is missing at its end is no error
    /// but a flaw.
    pub fn read(path: &Path) -> Result<Self, Unreadable> {
        let newer = Part::open(path)?;
        let mut reading = Reading::default();
        if newer.number > 0 {
            // What is beside it may belong to another record, or be gone.
            let older = Part::open(&before(path)).ok().filter(|older| {
                older.began_unix_ms == newer.began_unix_ms && older.number + 1 == newer.number
            });
            let first = older.as_ref().map_or(newer.number, |older| older.number);
            if first > 0 {
                reading.flaws.push(Flaw::BeginningGone);
            }
            if let Some(older) = older {
                reading.take(older.entries());
            }
        }
        reading.take(newer.entries());
        Ok(reading.finish(newer.began_unix_ms))
    }
}

/// One file of a record, its head read.
struct Part {
    bytes: Vec<u8>,
    /// Where its entries begin.
    head: usize,
    began_unix_ms: u64,
    number: u32,
}

impl Part {
    fn open(path: &Path) -> Result<Self, Unreadable> {
        let bytes = fs::read(path).map_err(|error| Unreadable::Io(path.to_owned(), error))?;
        let foreign = || Unreadable::Foreign(path.to_owned());
        let rest = bytes.strip_prefix(MAGIC.as_bytes()).ok_or_else(foreign)?;
        let end = rest.iter().take(16).position(|&byte| byte == b'\n');
        let (version, rest) = rest.split_at(end.unwrap_or(rest.len().min(16)));
        if version != VERSION.as_bytes() {
            return Err(Unreadable::Version {
                path: path.to_owned(),
                found: String::from_utf8_lossy(version).into_owned(),
            });
        }
        let mut part = Self {
            head: bytes.len() - rest.len() + usize::from(end.is_some()),
            began_unix_ms: 0,
            number: 0,
            bytes,
        };
        if let Ok((
            Entry::Part {
                began_unix_ms,
                part: number,
            },
            rest,
        )) = postcard::take_from_bytes(part.entries())
        {
            let head = part.bytes.len() - rest.len();
            (part.began_unix_ms, part.number, part.head) = (began_unix_ms, number, head);
        }
        Ok(part)
    }

    fn entries(&self) -> &[u8] {
        &self.bytes[self.head..]
    }
}

/// A record that is being read, part by part.
#[derive(Default)]
struct Reading {
    tales: Vec<Tale>,
    flaws: Vec<Flaw>,
    parts: u32,
}

impl Reading {
    fn take(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        let mut contexts = Vec::new();
        while !rest.is_empty() {
            let Some(after) = self.entry(rest, &mut contexts) else {
                break;
            };
            rest = after;
        }
        self.parts += 1;
    }

    /// Takes one entry; `None` if it does not end here, or makes no sense.
    fn entry<'a>(&mut self, bytes: &'a [u8], contexts: &mut Vec<Context>) -> Option<&'a [u8]> {
        let cut = |reading: &mut Self, rest: &[u8]| {
            let bytes = rest.len() as u64;
            reading.flaws.push(Flaw::CutOff { bytes });
            None
        };
        let Ok((entry, mut rest)) = postcard::take_from_bytes(bytes) else {
            return cut(self, bytes);
        };
        match entry {
            Entry::Part { .. } => return cut(self, bytes),
            Entry::Revision { name } => {
                // A later part names those of the parts before first, in the same order.
                if contexts.len() == self.tales.len() {
                    self.tales.push(Tale::new(name));
                }
                contexts.push(Context::default());
            }
            Entry::Events {
                revision,
                count,
                again,
            } => {
                let revision = revision as usize;
                let Some(context) = contexts.get_mut(revision) else {
                    return cut(self, bytes);
                };
                for _ in 0..count {
                    let Ok((at, event)) = context.decode(&mut rest) else {
                        return cut(self, rest);
                    };
                    if !again || self.parts == 0 {
                        self.tales[revision].tell(at, event);
                    }
                }
            }
        }
        Some(rest)
    }

    fn finish(mut self, began_unix_ms: u64) -> Trace {
        let length = self.tales.iter().map(Tale::length).max();
        let revisions: Vec<_> = self.tales.into_iter().map(Tale::finish).collect();
        let lost = revisions.iter().filter(|revision| revision.lost > 0);
        self.flaws.extend(lost.map(|revision| Flaw::Lost {
            revision: revision.name.clone(),
            events: revision.lost,
        }));
        Trace {
            began_unix_ms,
            length: length.unwrap_or_default(),
            revisions,
            flaws: self.flaws,
        }
    }
}
