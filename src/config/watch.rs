//! Notices that a file says something else than before. Decides by content: a `ConfigMap` changes
//! by swapping a symbolic link, an editor by renaming, and neither touches the file itself.

use std::collections::BTreeSet;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use notify::{RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};

/// Looked at this often whatever the system reports: some file systems report nothing.
const POLL: Duration = Duration::from_secs(2);

/// Writers rarely write once: the content counts when nothing more came for so long.
const QUIET: Duration = Duration::from_millis(100);

/// Watches files and tells when their content changes.
pub struct Watch {
    files: Vec<PathBuf>,
    seen: u64,
    stirred: Arc<Notify>,
    /// Held for its reports only; `None` where the system has none to give, then polling serves.
    _watcher: Option<RecommendedWatcher>,
}

impl Watch {
    /// Watches files from what they say now. Blocks for as long as reading them takes.
    #[must_use]
    pub fn new(files: &[PathBuf]) -> Self {
        let stirred = Arc::new(Notify::new());
        let watcher = watcher(files, Arc::clone(&stirred));
        Self {
            files: files.to_vec(),
            seen: digest(files),
            stirred,
            _watcher: watcher,
        }
    }

    /// The same of files that are watched, if they are; never, if they are not.
    pub async fn changed_if_watched(watch: &mut Option<Self>) {
        match watch {
            Some(watch) => watch.changed().await,
            None => std::future::pending().await,
        }
    }

    /// Waits until some file says something else than at the last return, a file that came or went
    /// included. Cancel safe: a change that was not returned is returned by the next call.
    pub async fn changed(&mut self) {
        loop {
            // An end of this wait by itself is the slow look.
            if timeout(POLL, self.stirred.notified()).await.is_ok() {
                self.quiet().await;
            }
            let files = self.files.clone();
            let now = tokio::task::spawn_blocking(move || digest(&files)).await;
            if let Ok(now) = now
                && now != self.seen
            {
                self.seen = now;
                return;
            }
        }
    }

    async fn quiet(&self) {
        // At most one slow look's time: a file that is written on and on is read all the same.
        let calm = async { while timeout(QUIET, self.stirred.notified()).await.is_ok() {} };
        tokio::select! {
            () = calm => {}
            () = sleep(POLL) => {}
        }
    }
}

/// Reports from the directories: a watch on a file would follow the old file out of the way.
fn watcher(files: &[PathBuf], stirred: Arc<Notify>) -> Option<RecommendedWatcher> {
    let report = move |_| stirred.notify_one();
    let mut watcher = notify::recommended_watcher(report).ok()?;
    let directories: BTreeSet<&Path> = files.iter().map(|file| directory(file)).collect();
    for directory in directories {
        // A directory that cannot be watched is still looked at.
        let _ = watcher.watch(directory, RecursiveMode::NonRecursive);
    }
    Some(watcher)
}

fn directory(file: &Path) -> &Path {
    match file.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    }
}

fn digest(files: &[PathBuf]) -> u64 {
    let mut hasher = DefaultHasher::new();
    for file in files {
        fs::read(file).ok().hash(&mut hasher);
    }
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    async fn unchanged(watch: &mut Watch) -> bool {
        timeout(3 * POLL, watch.changed()).await.is_err()
    }

    #[tokio::test(start_paused = true)]
    async fn a_rewritten_file_is_noticed_once() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let file = dir.path().join("proxy.yaml");
        fs::write(&file, "a").expect("written");
        let mut watch = Watch::new(std::slice::from_ref(&file));
        fs::write(&file, "b").expect("written");
        watch.changed().await;
        fs::write(&file, "b").expect("written");
        assert!(
            unchanged(&mut watch).await,
            "the same text again is no change"
        );
        fs::remove_file(&file).expect("removed");
        watch.changed().await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_swapped_link_is_noticed() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let at = |name: &str| dir.path().join(name);
        for (version, text) in [("v1", "a"), ("v2", "b")] {
            fs::create_dir(at(version)).expect("made");
            fs::write(at(version).join("proxy.yaml"), text).expect("written");
        }
        symlink("v1", at("..data")).expect("linked");
        symlink("..data/proxy.yaml", at("proxy.yaml")).expect("linked");
        let mut watch = Watch::new(&[at("proxy.yaml")]);
        symlink("v2", at("..new")).expect("linked");
        fs::rename(at("..new"), at("..data")).expect("swapped");
        watch.changed().await;
        assert!(unchanged(&mut watch).await);
    }

    #[tokio::test(start_paused = true)]
    async fn other_files_beside_it_do_not_count() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let file = dir.path().join("proxy.yaml");
        fs::write(&file, "a").expect("written");
        let mut watch = Watch::new(std::slice::from_ref(&file));
        fs::write(dir.path().join("other"), "b").expect("written");
        assert!(unchanged(&mut watch).await);
    }
}
