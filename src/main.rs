//! The `holdgate` binary: reads what was asked for, and hands it on.

use std::io::{IsTerminal, stderr, stdout};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use holdgate::app::{self, Start};
use holdgate::backend::helper;
use holdgate::cli::{
    self, Cli, Command, Screen, check, check_gateway, check_sidecar, explain, simulate,
};
#[cfg(feature = "kubernetes")]
use holdgate::config::load_gateway;
use holdgate::config::{Complaints, LogFormat, Overrides, Program, load_sidecar, load_to_run};
use holdgate::sample_model;
use holdgate::sync;
use holdgate::telemetry::{self, Format};
use tokio::runtime::{Builder, Runtime};

fn main() -> ExitCode {
    // Before anything else: every start of a model server waits for this.
    if let Some(code) = helper::dispatch(std::env::args_os()) {
        return code;
    }
    secure();
    let cli = Cli::parse();
    let environment = |name: &str| std::env::var(name).ok();
    let overrides = cli.overrides(environment);
    let program = overrides.program();
    telemetry::start(format(&program), &program.log_level);
    match cli.command {
        Command::Run(run) => {
            let files = run.files.paths(environment);
            let config = load_to_run(&files, &overrides);
            serve(config, (program, files, overrides), app::run)
        }
        #[cfg(feature = "kubernetes")]
        Command::Gateway(gateway) => {
            let files = gateway.files.paths(environment);
            let config = load_gateway(&files, &overrides);
            serve(config, (program, files, overrides), app::gateway)
        }
        Command::Sidecar(sidecar) => {
            let files = sidecar.files.paths(environment);
            let config = load_sidecar(&files, &overrides);
            serve(config, (program, files, overrides), app::sidecar)
        }
        Command::Check(args) => {
            let files = args.files.paths(environment);
            let check = match (args.gateway, args.sidecar) {
                (true, _) => check_gateway,
                (_, true) => check_sidecar,
                _ => check,
            };
            told(check(&files, &mut stdout(), &mut stderr()))
        }
        Command::Explain(args) => {
            understood(&overrides, || {
                told(runtime(&program).and_then(|runtime| {
                    runtime.block_on(explain(&args, &mut stdout(), &mut stderr()))
                }))
            })
        }
        Command::Simulate(args) => told(simulate(
            &args,
            &args.files.paths(environment),
            &overrides,
            screen(),
            sync::now(),
            &mut stdout(),
            &mut stderr(),
        )),
        #[cfg(feature = "kubernetes")]
        Command::Release(args) => understood(&overrides, || {
            told(runtime(&program).and_then(|runtime| {
                runtime.block_on(cli::release(&args, &mut stdout(), &mut stderr()))
            }))
        }),
        Command::SampleModel(args) => {
            understood(&overrides, || finish(&program, sample_model::run(args)))
        }
    }
}

/// Everything that speaks TLS does so by the same cryptography.
fn secure() {
    #[cfg(any(feature = "tls", feature = "kubernetes"))]
    rustls::crypto::aws_lc_rs::default_provider()
        .install_default()
        .expect("nobody has installed another before");
}

/// Serves by what was read, if nothing is wrong with it.
fn serve<C, F: Future<Output = anyhow::Result<()>>>(
    config: Result<C, Complaints>,
    (program, files, overrides): (Program, Vec<PathBuf>, Overrides),
    run: fn(Start<C>) -> F,
) -> ExitCode {
    let config = match config {
        Ok(config) => config,
        Err(complaints) => return complain(&complaints),
    };
    let start = Start {
        config,
        program: program.clone(),
        files,
        overrides,
    };
    helper::take_open_files();
    finish(&program, run(start))
}

/// Runs to the end, on as many threads as were asked for.
fn finish(program: &Program, task: impl Future<Output = anyhow::Result<()>>) -> ExitCode {
    let ended = runtime(program)
        .map_err(Into::into)
        .and_then(|runtime| runtime.block_on(task));
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => match error.downcast::<Complaints>() {
            Ok(complaints) => complain(&complaints),
            Err(error) => {
                tracing::error!("{error:#}");
                ExitCode::FAILURE
            }
        },
    }
}

fn runtime(program: &Program) -> std::io::Result<Runtime> {
    let mut builder = match program.worker_threads {
        // Nobody to hand work to, so nothing to synchronise with.
        Some(1) => Builder::new_current_thread(),
        Some(threads) => {
            let mut builder = Builder::new_multi_thread();
            builder.worker_threads(threads);
            builder
        }
        None => Builder::new_multi_thread(),
    };
    builder.enable_all().build()
}

fn screen() -> Screen {
    let stdout = stdout();
    let width = stdout
        .is_terminal()
        .then(|| terminal_size::terminal_size_of(&stdout));
    let is_set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    Screen {
        width: width.map(|size| size.map_or(80, |(width, _)| width.0)),
        colours: width.is_some() && !is_set("NO_COLOR"),
    }
}

fn format(program: &Program) -> Format {
    match program.log_format {
        LogFormat::Auto => Format::detect(),
        LogFormat::Human => Format::Human,
        LogFormat::Json => Format::Json,
    }
}

/// A command that takes no settings still takes logging flags, which may be wrong.
fn understood(overrides: &Overrides, run: impl FnOnce() -> ExitCode) -> ExitCode {
    let complaints = overrides.complaints();
    if complaints.is_empty() {
        run()
    } else {
        complain(complaints)
    }
}

fn complain(complaints: &Complaints) -> ExitCode {
    told(cli::complain(complaints, &mut stderr()))
}

fn told(told: std::io::Result<u8>) -> ExitCode {
    told.map_or(ExitCode::FAILURE, ExitCode::from)
}
