//! A record as files: a line that names the format and its version, then entries that end by
//! themselves, so that a file that was cut off can be read up to its last whole event. When it has
//! grown to its bound it becomes `FILE.1`, in place of the one before, and a new one is begun.

use std::ffi::OsString;
use std::fs::{self, File, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::Event;
use super::code::Context;
use super::shadow::Shadow;

/// What every record begins with, before its version.
pub(super) const MAGIC: &str = "holdgate-trace ";
/// The version written and read.
pub(super) const VERSION: &str = "1";

/// Events under one entry.
const CHUNK: usize = 256;
/// Room left for one more of those when a file is declared full.
const MARGIN: u64 = 64 * 1024;

/// What a file is made of.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Entry {
    /// The first of a file.
    Part {
        /// Wall clock time at which the record was begun.
        began_unix_ms: u64,
        /// How many files of it came before.
        part: u32,
    },
    /// A revision; they are numbered in this order from 0.
    Revision {
        /// Its name.
        name: String,
    },
    /// So many events of one revision follow.
    Events {
        /// Whose.
        revision: u32,
        /// How many.
        count: u32,
        /// They were told in the file before, too.
        again: bool,
    },
}

/// Why nothing can be recorded there.
#[derive(Debug, Error)]
pub enum CannotRecord {
    /// Something else is in its place.
    #[error("{} exists and is no record of holdgate; it is not overwritten", .0.display())]
    Foreign(PathBuf),
    /// Another gate writes to it.
    #[error("another gate records to {}; each needs a file of its own", .0.display())]
    Taken(PathBuf),
    /// It cannot be written.
    #[error("could not write {}: {}", .0.display(), .1)]
    Io(PathBuf, io::Error),
}

/// Writes a record.
#[derive(Debug)]
pub(super) struct Writer {
    path: PathBuf,
    limit: u64,
    file: File,
    written: u64,
    began_unix_ms: u64,
    part: u32,
    revisions: Vec<Told>,
    out: Vec<u8>,
}

/// What was told of one revision.
#[derive(Debug)]
struct Told {
    name: String,
    context: Context,
    shadow: Shadow,
}

impl Writer {
    /// Begins a record; one that is there already becomes `FILE.1`.
    pub(super) fn begin(path: &Path, limit: u64, began_unix_ms: u64) -> Result<Self, CannotRecord> {
        let failed = |error| CannotRecord::Io(path.to_owned(), error);
        for path in [path, &before(path)] {
            if !is_ours_or_free(path).map_err(failed)? {
                return Err(CannotRecord::Foreign(path.to_owned()));
            }
        }
        if is_taken(path).map_err(failed)? {
            return Err(CannotRecord::Taken(path.to_owned()));
        }
        let file = anew(path).map_err(failed)?;
        let mut writer = Self {
            path: path.to_owned(),
            limit,
            file,
            written: 0,
            began_unix_ms,
            part: 0,
            revisions: Vec::new(),
            out: Vec::new(),
        };
        writer.head();
        writer.flush().map_err(failed)?;
        Ok(writer)
    }

    /// How many revisions have been named.
    pub(super) fn revisions(&self) -> usize {
        self.revisions.len()
    }

    /// Names the next revision.
    pub(super) fn name(&mut self, name: &str) {
        let name = name.to_owned();
        self.push(&Entry::Revision { name: name.clone() });
        self.revisions.push(Told {
            name,
            context: Context::default(),
            shadow: Shadow::default(),
        });
    }

    /// Takes in what happened to a revision.
    pub(super) fn tell(
        &mut self,
        revision: usize,
        events: impl IntoIterator<Item = (u64, Event)>,
    ) -> io::Result<()> {
        let mut events = events.into_iter().peekable();
        while events.peek().is_some() {
            if self.written + self.out.len() as u64 + MARGIN > self.limit {
                self.rotate()?;
            }
            let chunk: Vec<_> = events.by_ref().take(CHUNK).collect();
            for (at, event) in &chunk {
                self.revisions[revision].shadow.follow(*at, event);
            }
            self.events(revision, chunk, false);
        }
        Ok(())
    }

    /// Hands it all to the operating system.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        self.file.write_all(&self.out)?;
        self.written += self.out.len() as u64;
        self.out.clear();
        Ok(())
    }

    /// Begins a new file where the one that is written is no longer in its place: what goes into a
    /// file that was removed is lost. Returns whether it had to.
    pub(super) fn stay(&mut self) -> io::Result<bool> {
        let ours = self.file.metadata()?;
        let stays = match fs::metadata(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => false,
            there => there.map(|there| (there.dev(), there.ino()) == (ours.dev(), ours.ino()))?,
        };
        if stays {
            return Ok(false);
        }
        if !is_ours_or_free(&self.path)? {
            return Err(io::Error::other("something else is in its place"));
        }
        self.rotate()?;
        Ok(true)
    }

    fn rotate(&mut self) -> io::Result<()> {
        self.flush()?;
        self.file = anew(&self.path)?;
        self.written = 0;
        self.part += 1;
        self.head();
        let mut known = std::mem::take(&mut self.revisions);
        for told in &mut known {
            self.push(&Entry::Revision {
                name: told.name.clone(),
            });
            told.context = Context::default();
        }
        self.revisions = known;
        for revision in 0..self.revisions.len() {
            let again: Vec<_> = self.revisions[revision].shadow.retell().collect();
            self.events(revision, again, true);
        }
        Ok(())
    }

    fn head(&mut self) {
        self.out
            .extend_from_slice(format!("{MAGIC}{VERSION}\n").as_bytes());
        self.push(&Entry::Part {
            began_unix_ms: self.began_unix_ms,
            part: self.part,
        });
    }

    fn events(&mut self, revision: usize, events: Vec<(u64, Event)>, again: bool) {
        if events.is_empty() {
            return;
        }
        self.push(&Entry::Events {
            revision: u32::try_from(revision).expect("there are fewer revisions"),
            count: u32::try_from(events.len()).expect("they fit in memory"),
            again,
        });
        let context = &mut self.revisions[revision].context;
        for (at, event) in events {
            context.encode(at, event, &mut self.out);
        }
    }

    fn push(&mut self, entry: &Entry) {
        let out = std::mem::take(&mut self.out);
        self.out = postcard::to_extend(entry, out).expect("memory takes what is written");
    }
}

/// The older of the two files of a record.
pub(super) fn before(path: &Path) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(".1");
    name.into()
}

/// A new file in this place; the one that is there becomes the older one.
fn anew(path: &Path) -> io::Result<File> {
    if fs::metadata(path).is_ok_and(|found| found.len() > 0) {
        fs::rename(path, before(path))?;
    }
    let file = File::create(path)?;
    // Holds as long as the file is open. Where nothing can be locked, nobody is kept away.
    let _ = file.try_lock();
    Ok(file)
}

/// Somebody has it open to write a record.
fn is_taken(path: &Path) -> io::Result<bool> {
    match File::open(path) {
        Ok(file) => Ok(matches!(file.try_lock(), Err(TryLockError::WouldBlock))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Nothing is there, or an empty file, or a record of ours, of whatever version.
fn is_ours_or_free(path: &Path) -> io::Result<bool> {
    let found = match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(true),
        found => found?,
    };
    if !found.is_file() {
        return Ok(false);
    }
    let mut head = Vec::new();
    let length = MAGIC.len() as u64;
    File::open(path)?.take(length).read_to_end(&mut head)?;
    Ok(head.is_empty() || head == MAGIC.as_bytes())
}
