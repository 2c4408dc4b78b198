//! What a process writes, line by line into our log, with a bound on the length of a line and on
//! how much is remembered.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};

/// The longest line kept, in bytes; the rest of it is dropped.
const LINE_BYTES: usize = 8 * 1024;
/// How many lines are remembered.
const LINES: usize = 20;

/// The last lines that were written.
#[derive(Clone, Debug, Default)]
pub(super) struct Tail(Arc<Mutex<VecDeque<String>>>);

impl Tail {
    pub(super) fn push(&self, line: &str) {
        let mut lines = self.0.lock();
        if lines.len() == LINES {
            lines.pop_front();
        }
        lines.push_back(line.to_owned());
    }

    pub(super) fn lines(&self) -> Vec<String> {
        self.0.lock().iter().cloned().collect()
    }
}

/// Calls `each` for every line until the end of file.
pub(super) async fn each_line(from: impl AsyncRead + Unpin, mut each: impl FnMut(&str)) {
    let mut from = BufReader::new(from);
    let mut line = Vec::new();
    loop {
        let chunk = match from.fill_buf().await {
            Ok(chunk) if !chunk.is_empty() => chunk,
            // A pipe that cannot be read any more has ended, whatever the reason.
            _ => break,
        };
        let newline = chunk.iter().position(|&byte| byte == b'\n');
        let part = &chunk[..newline.unwrap_or(chunk.len())];
        let room = LINE_BYTES + 1 - line.len();
        line.extend_from_slice(&part[..part.len().min(room)]);
        let used = newline.map_or(chunk.len(), |at| at + 1);
        from.consume(used);
        if newline.is_some() {
            each(&readable(&line));
            line.clear();
        }
    }
    if !line.is_empty() {
        each(&readable(&line));
    }
}

fn readable(line: &[u8]) -> String {
    let text = String::from_utf8_lossy(&line[..line.len().min(LINE_BYTES)]);
    // A progress bar draws over itself: what a terminal would show last is what counts.
    let text = text.trim_end().rsplit('\r').next().unwrap_or_default();
    let cut = if line.len() > LINE_BYTES { "…" } else { "" };
    format!("{text}{cut}")
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn lines_of(bytes: &[u8]) -> Vec<String> {
        let mut lines = Vec::new();
        each_line(bytes, |line| lines.push(line.to_owned())).await;
        lines
    }

    #[tokio::test]
    async fn lines_are_told_apart_and_the_last_needs_no_newline() {
        assert_eq!(
            lines_of(b"one\r\n\n10%\r90%\rdone\nlast").await,
            ["one", "", "done", "last"]
        );
    }

    #[tokio::test]
    async fn a_line_without_end_is_cut_and_the_next_one_is_whole() {
        let mut bytes = vec![b'x'; 3 * LINE_BYTES];
        bytes.extend_from_slice(b"\nnext \xff\n");

        let lines = lines_of(&bytes).await;

        assert_eq!(lines[0], format!("{}…", "x".repeat(LINE_BYTES)));
        assert_eq!(lines[1], "next \u{fffd}");
    }

    #[test]
    fn only_the_last_lines_are_remembered() {
        let tail = Tail::default();
        (0..50).for_each(|n| tail.push(&n.to_string()));
        assert_eq!(tail.lines().len(), LINES);
        assert_eq!(tail.lines()[0], "30");
    }
}
