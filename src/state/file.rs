//! The file itself: read once, written whole and put in its place in one step, and set aside when
//! it is not ours to understand.

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::page::Page;

/// What the file says it is.
const KIND: &str = "holdgate-state";

/// Grows when what is written means something else.
const VERSION: u32 = 1;

/// A larger file is not one of ours.
const LARGEST: u64 = 64 << 20;

#[derive(Debug)]
pub(super) struct File {
    path: PathBuf,
}

#[derive(Deserialize)]
struct Head {
    kind: String,
    version: u32,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    kind: String,
    version: u32,
    revisions: BTreeMap<String, Page>,
}

impl File {
    pub(super) const fn new(path: PathBuf) -> Self {
        Self { path }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// What it says; nothing if it is not there. One that cannot be understood gets another name.
    pub(super) fn read(&self, now: SystemTime) -> BTreeMap<String, Page> {
        let file = self.path.display();
        match self.text() {
            Ok(text) => understood(&text).unwrap_or_else(|why| {
                let aside = self.set_aside(now);
                tracing::warn!(%file, why, aside, "what was remembered cannot be understood");
                BTreeMap::new()
            }),
            Err(error) if error.kind() == ErrorKind::NotFound => BTreeMap::new(),
            Err(error) => {
                tracing::warn!(%file, %error, "what was remembered cannot be read");
                BTreeMap::new()
            }
        }
    }

    fn text(&self) -> io::Result<Vec<u8>> {
        let mut text = Vec::new();
        let file = fs::File::open(&self.path)?;
        file.take(LARGEST).read_to_end(&mut text)?;
        Ok(text)
    }

    /// Returns where it is now.
    fn set_aside(&self, now: SystemTime) -> String {
        let since_1970 = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        let mut aside = self.path.clone().into_os_string();
        aside.push(format!(".bad-{}", since_1970.as_secs()));
        match fs::rename(&self.path, &aside) {
            Ok(()) => PathBuf::from(aside).display().to_string(),
            Err(error) => format!("nowhere, it will be written over: {error}"),
        }
    }

    /// Writes it whole under another name first. Not flushed to the disk: it is the end of a
    /// process that it has to survive, and after the end of the machine it would be too old.
    pub(super) fn write(&self, revisions: &BTreeMap<String, Page>) -> io::Result<()> {
        if let Some(dir) = self.path.parent() {
            let mut builder = DirBuilder::new();
            builder.recursive(true).mode(0o700).create(dir)?;
        }
        let mut new = self.path.clone().into_os_string();
        new.push(".new");
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        let text = serde_json::to_vec(&Written {
            kind: KIND.to_owned(),
            version: VERSION,
            revisions: revisions.clone(),
        })?;
        options.open(&new)?.write_all(&text)?;
        fs::rename(new, &self.path)
    }
}

fn understood(text: &[u8]) -> Result<BTreeMap<String, Page>, String> {
    let head: Head = serde_json::from_slice(text).map_err(|error| error.to_string())?;
    if head.kind != KIND || head.version != VERSION {
        return Err(format!("it is {} {}", head.kind, head.version));
    }
    let written: Written = serde_json::from_slice(text).map_err(|error| error.to_string())?;
    let is_sound = written.revisions.values().all(Page::is_sound);
    is_sound
        .then_some(written.revisions)
        .ok_or_else(|| "it holds what cannot have been measured".to_owned())
}
