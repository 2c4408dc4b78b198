//! `holdgate release`: hands workloads back before nobody scales them any more. What that takes is
//! decided in `backend`.

use std::io::{self, Write};
use std::time::Duration;

use clap::Args;
use kube::{Client, Config};

use crate::backend::kubernetes::release::{Order, Told, What, release as hand_back};

/// What `release --help` shows at its end.
pub(super) const EXAMPLES: &str = "\
Examples:
  holdgate release --all
  holdgate release --all --namespace models
  holdgate release models/flowers

With --all the gateway is stopped first, and what it keeps of its own is removed at last: its lease and
what it has learned. A workload that is named must be none of a running gateway's any more. What is at
no replica gets minReplicas, and one at least; deletion costs of ours are taken off pods. Doing it again
changes nothing. The cluster is the one this runs in, else the one of the kubeconfig.

Exit codes: 0 fine, 1 something could not be handed back.";

/// An API server answers within this, or is away.
const PATIENCE: Duration = Duration::from_secs(10);

/// What `release` is given.
#[derive(Args, Clone, Debug)]
pub struct ReleaseArgs {
    /// Hand back everything, and stop the gateway before
    #[arg(
        long,
        conflicts_with = "workloads",
        required_unless_present = "workloads"
    )]
    all: bool,
    /// Deployments, StatefulSets or InferenceServices to hand back
    #[arg(value_name = "NAMESPACE/NAME", value_parser = namespaced)]
    workloads: Vec<(String, String)>,
    /// With --all, only in this namespace; again and again
    #[arg(
        long = "namespace",
        value_name = "NAMESPACE",
        conflicts_with = "workloads"
    )]
    namespaces: Vec<String>,
    /// The namespace of the gateway
    #[arg(
        long,
        value_name = "NAMESPACE",
        env = "POD_NAMESPACE",
        hide_env_values = true
    )]
    #[arg(default_value = "holdgate-system")]
    gateway_namespace: String,
}

fn namespaced(text: &str) -> Result<(String, String), &'static str> {
    match text.split_once('/') {
        Some((namespace, name))
            if !namespace.is_empty() && !name.is_empty() && !name.contains('/') =>
        {
            Ok((namespace.to_owned(), name.to_owned()))
        }
        _ => Err("wanted NAMESPACE/NAME"),
    }
}

/// Hands back, and tells about each thing on `out`, about failures on `err`. Returns the exit code.
///
/// # Errors
/// `out` or `err` cannot be written.
pub async fn release(
    args: &ReleaseArgs,
    out: &mut (dyn Write + Send),
    err: &mut (dyn Write + Send),
) -> io::Result<u8> {
    match connect().await {
        Ok(client) => released(args, client, out, err).await,
        Err(error) => writeln!(err, "no cluster: {error}").map(|()| 1),
    }
}

async fn connect() -> anyhow::Result<Client> {
    let mut config = Config::infer().await?;
    config.connect_timeout = Some(PATIENCE);
    config.read_timeout = Some(PATIENCE);
    Ok(Client::try_from(config)?)
}

async fn released(
    args: &ReleaseArgs,
    client: Client,
    out: &mut (dyn Write + Send),
    err: &mut (dyn Write + Send),
) -> io::Result<u8> {
    let what = if args.all {
        What::All
    } else {
        What::These(args.workloads.clone())
    };
    let order = Order {
        what,
        namespaces: args.namespaces.clone(),
        kinds: Vec::new(),
        home: args.gateway_namespace.clone(),
    };
    let (mut done, mut failed, mut written) = (0, 0, Ok(()));
    let mut tell = |told| {
        let line = match told {
            Told::Done(line) => {
                done += 1;
                writeln!(out, "{line}")
            }
            Told::Failed(line) => {
                failed += 1;
                writeln!(err, "{line}")
            }
        };
        if line.is_err() {
            written = line;
        }
    };
    hand_back(client, &order, &mut tell).await;
    written?;
    if done + failed == 0 {
        writeln!(out, "nothing to hand back")?;
    }
    Ok(u8::from(failed > 0))
}
