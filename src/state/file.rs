//! The file itself: read once, written whole and put in its place in one step, and set aside when
//! it is not ours to understand.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::shelf::{Book, Shelf};
use super::written::{self, Pages, understood};

/// A larger file is not one of ours.
const LARGEST: u64 = 64 << 20;

#[derive(Clone, Debug)]
pub(super) struct File {
    path: PathBuf,
}

impl File {
    pub(super) const fn new(path: PathBuf) -> Self {
        Self { path }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// What it says; nothing if it is not there. One that cannot be understood gets another name.
    pub(super) fn read(&self, now: SystemTime) -> Pages {
        let file = self.path.display();
        match self.text() {
            Ok(text) => understood(&text).unwrap_or_else(|why| {
                let aside = self.set_aside(now);
                tracing::warn!(%file, why, aside, "what was remembered cannot be understood");
                Pages::new()
            }),
            Err(error) if error.kind() == ErrorKind::NotFound => Pages::new(),
            Err(error) => {
                tracing::warn!(%file, %error, "what was remembered cannot be read");
                Pages::new()
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
    fn write_whole(&self, pages: &Pages) -> io::Result<()> {
        if let Some(dir) = self.path.parent() {
            let mut builder = DirBuilder::new();
            builder.recursive(true).mode(0o700).create(dir)?;
        }
        let mut new = self.path.clone().into_os_string();
        new.push(".new");
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        let text = written::text(pages)?;
        options.open(&new)?.write_all(text.as_bytes())?;
        fs::rename(new, &self.path)
    }
}

impl Shelf for File {
    const PACE: Duration = Duration::ZERO;
    const RARELY: Duration = Duration::from_secs(10);

    fn name(&self) -> String {
        self.path.display().to_string()
    }

    /// Nobody else writes to it.
    async fn found(&mut self) -> Option<Book> {
        std::future::pending().await
    }

    async fn write(&mut self, book: Book) -> Result<(), String> {
        let (file, pages) = (self.clone(), book.pages);
        let written = tokio::task::spawn_blocking(move || file.write_whole(&pages)).await;
        let written = written.unwrap_or_else(|error| Err(io::Error::other(error)));
        written.map_err(|error| error.to_string())
    }
}
