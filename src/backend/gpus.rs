//! The devices of this machine, as `nvidia-smi` lists them.

use std::io;
use std::process::{Output, Stdio};
use std::time::Duration;

use thiserror::Error;
use tokio::process::Command;
use tokio::time::timeout;

/// A driver that hangs is not waited for any longer.
const PATIENCE: Duration = Duration::from_secs(20);

/// No devices could be listed.
#[derive(Debug, Error)]
pub enum NotFound {
    /// There is no such program, or it may not be run.
    #[error("nvidia-smi could not be run: {0}")]
    NotRunnable(io::Error),
    /// It did not end.
    #[error("nvidia-smi did not answer within {}s", PATIENCE.as_secs())]
    Silent,
    /// It ended with an error; its last words.
    #[error("nvidia-smi ended with {0}")]
    Failed(String),
    /// It lists nothing.
    #[error("nvidia-smi lists none")]
    Nothing,
}

/// The indices of all devices.
///
/// # Errors
/// When there are none, or `nvidia-smi` does not say.
pub async fn list() -> Result<Vec<String>, NotFound> {
    let asked = Command::new("nvidia-smi")
        .args(["--query-gpu=index", "--format=csv,noheader"])
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    match timeout(PATIENCE, asked).await {
        Ok(Ok(output)) => read(&output),
        Ok(Err(error)) => Err(NotFound::NotRunnable(error)),
        Err(_) => Err(NotFound::Silent),
    }
}

fn read(output: &Output) -> Result<Vec<String>, NotFound> {
    let text = String::from_utf8_lossy(&output.stdout);
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    if !output.status.success() {
        // It tells what is wrong on stdout.
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let said = said.lines().chain(lines).next().unwrap_or_default();
        return Err(NotFound::Failed(format!("{}: {said}", output.status)));
    }
    let indices: Vec<String> = lines.map(str::to_owned).collect();
    let is_index = |line: &String| line.chars().all(|c| c.is_ascii_digit());
    if indices.is_empty() || !indices.iter().all(is_index) {
        return Err(NotFound::Nothing);
    }
    Ok(indices)
}
