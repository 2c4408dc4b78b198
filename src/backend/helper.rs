//! The hidden subcommands of the binary, each a process of its own: the keeper, which outlives the
//! gate just long enough to leave no model server behind, and the shim through which every model
//! server is started, which waits until the keeper knows of it.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, BufRead, Read, Write};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};
use std::sync::OnceLock;

use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, kill_process_group, setrlimit};
use tokio::signal::unix::{Signal as Stream, SignalKind, signal};

/// `holdgate keeper`
pub(super) const KEEPER: &str = "keeper";
/// `holdgate keeper-exec FILES COMMAND…`, so many open files being what the gate was given itself, or
/// `--` where it has taken no more.
pub(super) const EXEC: &str = "keeper-exec";

/// Runs a hidden subcommand if the arguments (the program's name first) ask for one.
#[must_use]
pub fn dispatch(args: impl IntoIterator<Item = OsString>) -> Option<ExitCode> {
    let mut args = args.into_iter().skip(1);
    let first = args.next()?;
    if first == KEEPER {
        Some(keep())
    } else if first == EXEC {
        give_back_open_files(args.next());
        Some(exec(args))
    } else {
        None
    }
}

/// How many files the gate may open by itself: what it was started with, once it has taken more.
static GIVEN: OnceLock<u64> = OnceLock::new();

/// Takes as many open files as it may: a connection is two. What it starts gets what it was given
/// itself, since there are programs that do not bear more.
pub fn take_open_files() {
    let limit = getrlimit(Resource::Nofile);
    if let Some(given) = limit.current
        && limit.maximum.is_none_or(|most| given < most)
    {
        let raised = Rlimit {
            current: limit.maximum,
            ..limit
        };
        match setrlimit(Resource::Nofile, raised) {
            Ok(()) => drop(GIVEN.set(given)),
            Err(error) => tracing::debug!(%error, "no more open files than {given}"),
        }
    }
}

/// The word for that of the shim.
pub(super) fn given_open_files() -> String {
    GIVEN.get().map_or_else(|| "--".to_owned(), u64::to_string)
}

fn give_back_open_files(word: Option<OsString>) {
    let given = word.and_then(|word| word.to_str()?.parse::<u64>().ok());
    if let Some(given) = given {
        let limit = Rlimit {
            current: Some(given),
            ..getrlimit(Resource::Nofile)
        };
        // With more it runs as well.
        let _ = setrlimit(Resource::Nofile, limit);
    }
}

/// Whoever kills every process of our name must not kill what cleans up after them.
fn go_by_another_name() {
    #[cfg(target_os = "linux")]
    let _ = rustix::thread::set_name(c"keeper");
}

/// Remembers the groups it is told of; at end of file kills those that are left.
fn keep() -> ExitCode {
    go_by_another_name();
    // Who stops the gate with a signal to everybody must not stop what cleans up after it.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let _deaf = runtime.as_ref().map(|runtime| {
        let _inside = runtime.enter();
        deaf()
    });
    let mut groups = BTreeSet::<i32>::new();
    let mut answers = io::stdout().lock();
    for line in io::stdin().lock().lines() {
        let Ok(line) = line else { break };
        match line.split_at_checked(1) {
            Some(("+", group)) => groups.extend(group.parse::<i32>()),
            Some(("-", group)) => groups.retain(|known| Ok(*known) != group.parse()),
            _ => {}
        }
        if answers
            .write_all(b"ok\n")
            .and_then(|()| answers.flush())
            .is_err()
        {
            break;
        }
    }
    // Group 1 would mean everybody there is.
    for group in groups
        .into_iter()
        .filter(|&group| group > 1)
        .filter_map(Pid::from_raw)
    {
        // One that is gone already is what we want.
        let _ = kill_process_group(group, Signal::KILL);
    }
    ExitCode::SUCCESS
}

fn deaf() -> Vec<Stream> {
    [
        SignalKind::terminate(),
        SignalKind::interrupt(),
        SignalKind::hangup(),
    ]
    .into_iter()
    .filter_map(|kind| signal(kind).ok())
    .collect()
}

/// Waits for leave on stdin, then becomes the command. The socket closes by itself when that
/// works; what cannot be run is said through it.
fn exec(command: impl Iterator<Item = OsString>) -> ExitCode {
    match wait_for_leave() {
        Ok(mut socket) => {
            let error = become_command(command);
            // Whoever does not listen any more has killed us anyway.
            let _ = socket.write_all(said(&error).as_bytes());
            ExitCode::from(127)
        }
        // The gate is gone, or has changed its mind.
        Err(_) => ExitCode::FAILURE,
    }
}

fn wait_for_leave() -> io::Result<UnixStream> {
    let socket = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdin(), 3)?;
    let mut socket = UnixStream::from(socket);
    socket.read_exact(&mut [0])?;
    rustix::stdio::dup2_stdin(File::open("/dev/null")?)?;
    Ok(socket)
}

fn become_command(mut command: impl Iterator<Item = OsString>) -> io::Error {
    match command.next() {
        Some(program) => Command::new(program).args(command).exec(),
        None => io::Error::other("the command is empty"),
    }
}

/// As the system puts it, without Rust's "(os error 2)".
fn said(error: &io::Error) -> String {
    let text = error.to_string();
    match text.find(" (os error") {
        Some(end) => text[..end].to_owned(),
        None => text,
    }
}
