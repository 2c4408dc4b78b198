//! What is promised about files, flags and environment names.

mod api_keys;
mod canned;
mod cluster;
mod complaints;
mod files;
mod gateway;
mod hours;
mod layers;
mod manifests;
mod metrics;
mod rules;
mod settings;
mod shipped;
mod sidecar;
#[cfg(feature = "tls")]
mod tls;
#[cfg(feature = "tls")]
mod upstream;
mod values;

use std::path::PathBuf;

use tempfile::TempDir;

use super::{Complaints, Config, Overrides, load};

/// Files in a directory of their own, named without it.
struct Written {
    dir: TempDir,
    files: Vec<PathBuf>,
}

impl Written {
    fn new(texts: &[(&str, &str)]) -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let files = texts
            .iter()
            .map(|(name, _)| dir.path().join(name))
            .collect();
        let written = Self { dir, files };
        for (file, (_, text)) in written.files.iter().zip(texts) {
            std::fs::write(file, text).expect("written");
        }
        written
    }

    fn load(&self, overrides: &Overrides) -> Result<Config, Complaints> {
        load(&self.files, overrides)
    }

    /// The complaints, one line each, the directory left out.
    fn complaints(&self, overrides: &Overrides) -> Vec<String> {
        let told = match self.load(overrides) {
            Ok(_) => return Vec::new(),
            Err(complaints) => complaints.to_string(),
        };
        let dir = format!("{}/", self.dir.path().display());
        told.replace(&dir, "").lines().map(str::to_owned).collect()
    }
}

/// The complaints about one file.
fn complaints(text: &str) -> Vec<String> {
    Written::new(&[("a.yaml", text)]).complaints(&Overrides::default())
}

/// What one sound file means.
fn meaning(text: &str) -> Config {
    let read = Written::new(&[("a.yaml", text)]).load(&Overrides::default());
    read.expect("the file is sound")
}

/// A file with one revision and these further lines of it.
fn revision(lines: &str) -> String {
    let lines = lines.replace('\n', "\n    ");
    format!("revisions:\n  - name: a\n    process: {{ command: [a] }}\n    {lines}\n")
}

/// Flags as `name=value`, environment as `NAME=value`, and the command.
fn overrides(flags: &[&str], environment: &[&str], command: &[&str]) -> Overrides {
    let values = |all: &[&str], name: &str| -> Vec<String> {
        let said = all.iter().filter_map(|text| text.split_once('='));
        said.filter(|(known, _)| *known == name)
            .map(|(_, value)| value.to_owned())
            .collect()
    };
    let command: Vec<String> = command.iter().map(|&word| word.to_owned()).collect();
    Overrides::new(
        |flag| values(flags, flag),
        |name| values(environment, name).pop(),
        &command,
    )
}
