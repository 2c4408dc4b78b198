//! The command line: which command, which files, which flags. What flags mean and whether they are
//! right is decided in `config`, from the same tables as files.

mod check;
mod explain;
mod flags;
#[cfg(feature = "kubernetes")]
mod release;
mod simulate;

use std::io::{self, Write};
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

pub use check::{CheckArgs, check, check_gateway, check_sidecar, meaning};
pub use explain::{ExplainArgs, explain};
pub use flags::{GateFlags, GatewayFlags, GuardedFlags, LoggingFlags, RevisionFlags, SidecarFlags};
#[cfg(feature = "kubernetes")]
pub use release::{ReleaseArgs, release};
pub use simulate::{Screen, SimulateArgs, simulate};

use crate::config::{Complaint, Complaints, Overrides};
use crate::sample_model;

const FILE_HELP: &str =
    "File with revisions, settings or manifests, again and again [env: HOLDGATE_FILE]";

const EXAMPLES: &str = "\
Examples:
  holdgate run -- my-server --port {port}
  holdgate run --container-concurrency 4 --stop-after-idle 5m -- my-server --port {port}
  holdgate run -f proxy-config/flowers-sample.yaml
  holdgate run -f proxy-config/deployment.yaml -- my-server --port {port}
  holdgate check -f proxy-config/flowers-sample.yaml
  holdgate explain flowers-sample
  holdgate simulate -f proxy-config/flowers-sample.yaml \\
    --load 'step 0..60s 5rps; service 200ms; start 45s'

Every flag has one environment name: --queue-timeout is HOLDGATE_QUEUE_TIMEOUT. A flag wins over the
environment, the environment over a file; lists take commas in the environment. Exit codes: 0 fine,
1 failed, 2 wrong usage or configuration.";

const RUN_EXAMPLES: &str = "\
Examples:
  holdgate run -- python3 -m http.server {port}
  holdgate run --max-replicas 4 --scale-target 1 --readiness-path /health -- my-server --port {port}
  holdgate run -f models.yaml --name flowers --container-concurrency 8

{port} in an argument and PORT in the environment of COMMAND carry the port it must listen on. With
files, the flags of one revision mean the one that --name picks, or the only one.";

#[cfg(feature = "kubernetes")]
const GATEWAY_EXAMPLES: &str = "\
Examples:
  holdgate gateway
  holdgate gateway --namespace models --domain models.example.com
  holdgate gateway -f defaults.yaml --shutdown-delay 10s

In a pod it finds the API server by itself, elsewhere by KUBECONFIG. Its revisions are the workloads
annotated with holdgate.dev/enabled: \"true\" and the InferenceServices with
serving.kserve.io/autoscalerClass: external; what a file says under defaults holds for all of them
(proxy-config/gateway.yaml; check --gateway tells what it means).
Exit codes: 0 ended after SIGTERM, 1 failed or had to cut requests, 2 wrong usage or configuration.";

const SIDECAR_EXAMPLES: &str = "\
Examples:
  holdgate sidecar --port 8080 --container-concurrency 4
  holdgate sidecar --container-concurrency 1 --readiness-path /v2/health/ready --shutdown-delay 5s
  holdgate sidecar -f proxy-config/sidecar.yaml

It stands before one model server on this machine (--port), which somebody else starts and stops. It
also reads the environment of Knative's queue-proxy (CONTAINER_CONCURRENCY, QUEUE_SERVING_PORT,
USER_PORT, REVISION_TIMEOUT_SECONDS, SERVING_READINESS_PROBE and others), below that of its own
names. Exit codes: 0 ended after SIGTERM, 1 failed or had to cut requests, 2 wrong usage or
configuration.";

const EXPLAIN_EXAMPLES: &str = "\
Examples:
  holdgate explain flowers-sample
  holdgate explain flowers-sample --json
  holdgate explain flowers-sample --admin 127.0.0.1:9191
  kubectl -n holdgate-system exec deployment/holdgate-gateway -- /holdgate explain chat.default

In a cluster a revision is called NAME.NAMESPACE, as its workload; NAME is enough where only one is
called that.

Exit codes: 0 fine, 1 no gate answers there, 2 it does not know the revision.";

/// Holds requests until a model server is free to take them, and starts and stops model servers.
#[derive(Debug, Parser)]
#[command(version, after_help = EXAMPLES, arg_required_else_help = true)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// How to tell about it.
    #[command(flatten)]
    pub logging: LoggingFlags,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Take requests, and start and stop local model servers for them
    #[command(after_help = RUN_EXAMPLES)]
    Run(Box<RunArgs>),
    /// Take requests in a cluster, and scale the pods of its workloads for them
    #[cfg(feature = "kubernetes")]
    #[command(after_help = GATEWAY_EXAMPLES)]
    Gateway(Box<GatewayArgs>),
    /// Stand before one model server: its limit, its queue, its readiness and its end
    #[command(after_help = SIDECAR_EXAMPLES)]
    Sidecar(Box<SidecarArgs>),
    /// Tell what files mean, or everything that is wrong with them
    #[command(after_help = check::EXAMPLES)]
    Check(CheckArgs),
    /// Tell why a revision of a running gate has the replicas it has, and what would change it
    #[command(after_help = EXPLAIN_EXAMPLES)]
    Explain(ExplainArgs),
    /// What would come of a load, with these settings or those
    #[command(after_help = simulate::EXAMPLES, after_long_help = simulate::long_help())]
    Simulate(Box<SimulateArgs>),
    /// Hand workloads back before nobody scales them any more
    #[cfg(feature = "kubernetes")]
    #[command(after_help = release::EXAMPLES)]
    Release(ReleaseArgs),
    /// A stand-in model server for trying things out; counts what it sees on /stats
    SampleModel(sample_model::Args),
}

/// Which files.
#[derive(Args, Clone, Debug)]
pub struct FileArgs {
    /// The files in the order they were given.
    #[arg(short, long = "file", value_name = "FILE", help = FILE_HELP)]
    files: Vec<PathBuf>,
}

/// What `run` is given.
#[derive(Args, Clone, Debug)]
pub struct RunArgs {
    /// Which files.
    #[command(flatten)]
    pub files: FileArgs,
    /// What flags say about the gate as a whole.
    #[command(flatten)]
    gate: GateFlags,
    /// What flags say about one revision.
    #[command(flatten)]
    revision: RevisionFlags,
    /// The model server and its arguments
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<String>,
}

/// What `gateway` is given.
#[cfg(feature = "kubernetes")]
#[derive(Args, Clone, Debug)]
pub struct GatewayArgs {
    /// Which files.
    #[command(flatten)]
    pub files: FileArgs,
    /// What flags say about it.
    #[command(flatten)]
    gateway: GatewayFlags,
}

/// What `sidecar` is given.
#[derive(Args, Clone, Debug)]
pub struct SidecarArgs {
    /// Which files.
    #[command(flatten)]
    pub files: FileArgs,
    /// What flags say about it.
    #[command(flatten)]
    sidecar: SidecarFlags,
    /// What flags say about the model server's door.
    #[command(flatten)]
    guarded: GuardedFlags,
}

impl FileArgs {
    /// The files that were named, or those in `HOLDGATE_FILE`, separated as in `PATH`.
    pub fn paths(&self, environment: impl Fn(&str) -> Option<String>) -> Vec<PathBuf> {
        if !self.files.is_empty() {
            return self.files.clone();
        }
        let named = environment("HOLDGATE_FILE").unwrap_or_default();
        std::env::split_paths(&named)
            .filter(|path| !path.as_os_str().is_empty())
            .collect()
    }
}

/// Writes all that is wrong, and before it what is only odd, one line each. Returns the exit code 2.
///
/// # Errors
/// `err` cannot be written.
pub fn complain(complaints: &Complaints, err: &mut dyn Write) -> io::Result<u8> {
    warn(&complaints.warnings(), err)?;
    writeln!(err, "{complaints}").map(|()| 2)
}

fn warn(warnings: &[Complaint], err: &mut dyn Write) -> io::Result<()> {
    let mut warnings = warnings.iter();
    warnings.try_for_each(|warning| writeln!(err, "warning: {warning}"))
}

impl Cli {
    /// What flags and environment say. The environment of a running gate counts for `run` only:
    /// other commands know no more of it than how to log.
    pub fn overrides(&self, environment: impl Fn(&str) -> Option<String>) -> Overrides {
        let logged = |flag: &str| self.logging.values(flag);
        match &self.command {
            Command::Run(run) => {
                let given = |flag: &str| {
                    let all = [
                        logged(flag),
                        run.gate.values(flag),
                        run.revision.values(flag),
                    ];
                    all.concat()
                };
                Overrides::new(given, environment, &run.command)
            }
            #[cfg(feature = "kubernetes")]
            Command::Gateway(args) => {
                let given = |flag: &str| [logged(flag), args.gateway.values(flag)].concat();
                Overrides::new(given, environment, &[])
            }
            Command::Sidecar(args) => {
                let given = |flag: &str| {
                    let all = [
                        logged(flag),
                        args.sidecar.values(flag),
                        args.guarded.values(flag),
                    ];
                    all.concat()
                };
                Overrides::beside(given, environment)
            }
            _ => {
                let known = |name: &str| {
                    let mut ours = crate::config::logging_flags();
                    let is_ours = ours.any(|about| about.environment() == name);
                    is_ours.then(|| environment(name)).flatten()
                };
                Overrides::new(logged, known, &[])
            }
        }
    }
}

#[cfg(test)]
mod tests;
