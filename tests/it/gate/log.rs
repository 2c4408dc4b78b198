//! What a gate says, line by line, and the model servers it tells of.

use std::net::SocketAddr;

use rustix::process::Pid;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::ChildStderr;
use tokio::sync::watch;
use tokio::time::timeout;

use super::support::{PATIENCE, pid};

/// A reader of a gate's log; a clone reads on by itself.
#[derive(Clone)]
pub(super) struct Log {
    lines: watch::Receiver<Vec<Line>>,
    read: usize,
}

/// One line of it.
#[derive(Clone, Debug)]
pub(super) struct Line(Value);

impl Log {
    pub(super) fn of(stderr: ChildStderr) -> Self {
        let (tell, lines) = watch::channel(Vec::new());
        tokio::spawn(async move {
            let mut from = BufReader::new(stderr).lines();
            while let Ok(Some(line)) = from.next_line().await {
                let line = serde_json::from_str(&line).unwrap_or(Value::String(line));
                tell.send_modify(|lines| lines.push(Line(line)));
            }
        });
        Self { lines, read: 0 }
    }

    /// The next line that is meant; those before it are passed over.
    pub(super) async fn next(&mut self, what: impl Fn(&Line) -> bool) -> Line {
        let Self { lines, read } = self;
        let mut found = None;
        let come = lines.wait_for(|lines| {
            let at = lines[*read..].iter().position(&what);
            *read = at.map_or(lines.len(), |at| *read + at + 1);
            found = at.map(|_| lines[*read - 1].clone());
            found.is_some()
        });
        let come = timeout(PATIENCE, come).await.map(|lines| lines.is_ok());
        found.unwrap_or_else(|| panic!("no such line ({come:?}) in {:#?}", self.lines.borrow()))
    }

    /// The same log, what was said before the gate was open included.
    pub(super) fn reread(self) -> Self {
        Self { read: 0, ..self }
    }

    /// All that are there by now and are meant, from where it has read to.
    pub(super) fn present(&self, what: impl Fn(&Line) -> bool) -> Vec<Line> {
        let lines = self.lines.borrow();
        lines[self.read..]
            .iter()
            .filter(|line| what(line))
            .cloned()
            .collect()
    }

    /// The next model server that begins, of this revision.
    pub(super) async fn next_start(&mut self, revision: &str) -> Started {
        let told = self
            .next(|line| line.is_of(revision) && line.says("pid "))
            .await;
        let replica = told.text("replica");
        let is_its_start = |line: &&Line| {
            line.is_of(revision) && line.text("replica") == replica && line.says("starting")
        };
        let lines = self.lines.borrow();
        let start = lines.iter().find(is_its_start);
        let start = start.expect("it is started before it says a word");
        let pids = told.message()["pid ".len()..].split(' ');
        let pids = pids.map(|number| pid(number.parse().expect("a process id")));
        Started {
            replica: replica.to_owned(),
            endpoint: start.text("endpoint").parse().expect("an address"),
            pids: pids.collect(),
        }
    }

    /// Where the next model server that is ready listens, of this revision.
    pub(super) async fn next_ready(&mut self, revision: &str) -> (String, SocketAddr) {
        let line = self
            .next(|line| line.is_of(revision) && line.says("ready after"))
            .await;
        let endpoint = line.text("endpoint").parse().expect("an address");
        (line.text("replica").to_owned(), endpoint)
    }
}

impl Line {
    pub(super) fn message(&self) -> &str {
        self.text("message")
    }

    pub(super) fn text(&self, field: &str) -> &str {
        self.0[field].as_str().unwrap_or_default()
    }

    pub(super) fn says(&self, words: &str) -> bool {
        self.message().starts_with(words)
    }

    pub(super) fn is_of(&self, revision: &str) -> bool {
        self.text("revision") == revision
    }
}

/// A model server that has begun, with its replica's name.
#[derive(Clone, Debug)]
pub(super) struct Started {
    pub(super) replica: String,
    pub(super) endpoint: SocketAddr,
    /// Itself first, then whom it has started.
    pub(super) pids: Vec<Pid>,
}
