//! `holdgate simulate`: what would have come of a load, with these settings or those.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::Args;
use jiff::{Timestamp, Zoned};

use super::{FileArgs, complain, warn};
use crate::config::{Complaint, Complaints, Config, Origin, Overrides, RevisionConfig};
use crate::schedule::system_zone;
use crate::sync::wall;
use crate::whatif::agreement::Agreement;
use crate::whatif::load::{Source, grammar};
use crate::whatif::run::{How, Run, run_all};
use crate::whatif::trial::{Trial, trials};
use crate::whatif::{chart, json, plot, series, table};

/// Shown behind the flags.
pub(super) const EXAMPLES: &str = "\
Examples:
  holdgate simulate -f models.yaml --load 'step 0..1m 5rps; service 200ms; start 45s'
  holdgate simulate -f models.yaml --load arrivals.csv --load 'service 1s; start 5m'
  holdgate simulate -f models.yaml --load gate.trace --set scaleTarget=1,2,4 --plot a.svg

A file is a record of a gate, or a CSV table with a column arrival_s (seconds, or times such as
2026-01-31T08:00:00Z) and where known service_s, bytes and revision. What is described beside it is
added to it and wins over it. --help has the language of descriptions.";

/// Behind `--help`: the examples, and how loads are described.
pub(super) fn long_help() -> String {
    format!("{}\n\n{EXAMPLES}", grammar::HELP)
}

/// What `simulate` is given.
#[derive(Args, Clone, Debug)]
pub struct SimulateArgs {
    /// Which files.
    #[command(flatten)]
    pub files: FileArgs,

    /// What comes: a record, a CSV table of arrivals, or a description, again and again; see below
    #[arg(long, env = "HOLDGATE_SIMULATE_LOAD", hide_env_values = true, value_name = "FILE|DESCRIPTION", value_delimiter = None, required = true)]
    pub load: Vec<String>,

    /// When it begins, for schedules, such as 2026-11-23T07:00:00+01:00, if no file of --load says
    /// so; otherwise last midnight here
    #[arg(long, env = "HOLDGATE_SIMULATE_BEGIN", value_name = "TIME")]
    pub begin: Option<Timestamp>,

    /// Try other settings than the files': a key of a revision and its values with commas between,
    /// again and again; every combination is one run
    #[arg(long, env = "HOLDGATE_SIMULATE_SET", hide_env_values = true, value_name = "KEY=VALUE,…", value_delimiter = None)]
    pub set: Vec<String>,

    /// Write the course of every run as CSV
    #[arg(
        long,
        env = "HOLDGATE_SIMULATE_CSV",
        hide_env_values = true,
        value_name = "FILE"
    )]
    pub csv: Option<PathBuf>,

    /// Write everything as JSON, every decision with its inputs included
    #[arg(
        long,
        env = "HOLDGATE_SIMULATE_JSON",
        hide_env_values = true,
        value_name = "FILE"
    )]
    pub json: Option<PathBuf>,

    /// Draw load, replicas and queue into one picture
    #[arg(
        long,
        env = "HOLDGATE_SIMULATE_PLOT",
        hide_env_values = true,
        value_name = "FILE.svg"
    )]
    pub plot: Option<PathBuf>,

    /// What chance decides is the same for the same seed
    #[arg(
        long,
        env = "HOLDGATE_SIMULATE_SEED",
        hide_env_values = true,
        value_name = "N",
        default_value_t = 1
    )]
    pub seed: u64,

    /// Draw a chart below the table also where stdout is no terminal
    #[arg(long)]
    pub chart: bool,
}

/// What is known of where the table goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Screen {
    /// Characters in a line; `None` where it is no terminal.
    pub width: Option<u16>,
    /// It shows colours, and they are welcome.
    pub colours: bool,
}

/// Lives through the load with every combination of settings and tells what came of it: the table
/// goes to `out`, complaints go to `err`. Returns the exit code, 0, 1 or 2.
///
/// # Errors
/// `out` or `err` cannot be written.
pub fn simulate(
    args: &SimulateArgs,
    files: &[PathBuf],
    overrides: &Overrides,
    screen: Screen,
    epoch: Instant,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> io::Result<u8> {
    let how = How {
        seed: args.seed,
        decisions: args.json.is_some(),
        progress: true,
        epoch,
    };
    let runs = match live_through(args, files, overrides, how, err)? {
        Ok(runs) => runs,
        Err(complaints) => {
            return complain(&complaints, err);
        }
    };
    write!(out, "{}", table::table(&runs, screen.width))?;
    if args.chart || screen.width.is_some() {
        let width = screen.width.unwrap_or(chart::USUAL_WIDTH);
        write!(out, "\n{}", chart::chart(&runs, width, screen.colours))?;
    }
    let mut code = 0;
    for (path, written) in write_files(args, &runs, how) {
        if let Err(error) = written {
            writeln!(err, "could not write {}: {error}", path.display())?;
            code = 1;
        }
    }
    Ok(code)
}

fn live_through(
    args: &SimulateArgs,
    files: &[PathBuf],
    overrides: &Overrides,
    how: How,
    err: &mut dyn Write,
) -> io::Result<Result<Vec<Run>, Complaints>> {
    let (trials, source) = match read(args, files, overrides) {
        Ok(read) => read,
        Err(complaints) => return Ok(Err(complaints)),
    };
    note(&trials, &source, err)?;
    let as_written = args.set.is_empty();
    let record = source.mere_record().filter(|_| as_written);
    let decisions = how.decisions || record.is_some();
    let runs = run_all(trials, &source, How { decisions, ..how });
    if let (Some(record), [run]) = (record, runs.as_slice()) {
        let agreement = Agreement::of(record, &run.outcome, how.epoch);
        writeln!(err, "note: {agreement}")?;
    }
    Ok(Ok(runs))
}

/// What is to be lived through, and with which settings; else everything that is wrong with that.
fn read(
    args: &SimulateArgs,
    files: &[PathBuf],
    overrides: &Overrides,
) -> Result<(Vec<Trial>, Source), Complaints> {
    let read = trials(files, overrides, &args.set);
    let begins = args.begin.unwrap_or_else(last_midnight);
    let source = Source::read(&args.load).map(|source| source.beginning(begins.into()));
    let mut complaints = Complaints::default();
    let told = [read.as_ref().err(), source.as_ref().err()];
    told.into_iter()
        .flatten()
        .for_each(|told| complaints.add(told));
    if let Some(Err(complaint)) = args.plot.as_deref().map(plot::check) {
        complaints.push(complaint);
    }
    let dated = source
        .as_ref()
        .is_ok_and(|source| source.calendar().is_some());
    if dated && args.begin.is_some() {
        complaints.push(Complaint {
            origin: Origin::Flag("--begin".to_owned()),
            path: String::new(),
            message: "the file of --load says itself when it begins".to_owned(),
        });
    }
    let (Ok(trials), Ok(source), true) = (read, source, complaints.is_empty()) else {
        return Err(complaints);
    };
    source.check(revisions(&trials))?;
    Ok((trials, source))
}

/// The revisions that all settings are of.
fn revisions(trials: &[Trial]) -> &[RevisionConfig] {
    let one = trials.first();
    one.map_or(&[][..], |one| &one.config.revisions)
}

/// What a person should know of it before.
fn note(trials: &[Trial], source: &Source, err: &mut dyn Write) -> io::Result<()> {
    let warnings = trials.first().map_or(&[][..], |one| &one.config.warnings);
    warn(warnings, err)?;
    if trials.iter().any(|one| assumes_devices(&one.config)) {
        writeln!(
            err,
            "note: gpus is not written: there are as many as could be wanted"
        )?;
    }
    for note in source.notes(revisions(trials)) {
        writeln!(err, "note: {note}")?;
    }
    Ok(())
}

/// Replicas want devices, and nobody has written how many there are.
fn assumes_devices(config: &Config) -> bool {
    let processes = config
        .revisions
        .iter()
        .filter_map(|one| one.process.as_ref());
    config.gpus.is_none() && processes.into_iter().any(|process| process.gpus > 0)
}

/// The last midnight on the clock of this machine.
fn last_midnight() -> Timestamp {
    let now = Timestamp::try_from(wall()).unwrap_or(Timestamp::UNIX_EPOCH);
    let today = Zoned::new(now, system_zone()).start_of_day();
    today.map_or(now, |midnight| midnight.timestamp())
}

fn write_files<'a>(
    args: &'a SimulateArgs,
    runs: &[Run],
    how: How,
) -> Vec<(&'a Path, io::Result<()>)> {
    let mut written = Vec::new();
    let mut write = |path: &'a Option<PathBuf>,
                     with: &dyn Fn(BufWriter<File>) -> io::Result<()>| {
        if let Some(path) = path {
            let file = File::create(path).map(BufWriter::new);
            written.push((path.as_path(), file.and_then(with)));
        }
    };
    write(&args.csv, &|file| series::write(runs, file));
    write(&args.json, &|file| json::write(runs, how, file));
    write(&args.plot, &|mut file| {
        file.write_all(plot::picture(runs, &args.load.join("; "))?.as_bytes())?;
        file.flush()
    });
    written
}
