//! `holdgate release`: hands workloads back before nobody scales them any more. What that takes is
//! decided in `backend`.

use std::io::{self, Write};

use clap::Args;
use kube::Client;

use crate::backend::kubernetes::Kind;
use crate::backend::kubernetes::client::connect;
use crate::backend::kubernetes::release::{Order, Told, What, release as hand_back};

/// What `release --help` shows at its end.
pub(super) const EXAMPLES: &str = "\
Examples:
  holdgate release --all
  holdgate release --all --namespace models
  holdgate release models/flowers

With --all the gateway is stopped first, and what it keeps of its own is removed at last: its lease
and what it has learned. A workload that is named must have opted out before. What is at no replica
gets minReplicas, and one at least; deletion costs of ours are taken off pods; callers of Services
that pass the gate are led to pods. Doing it again changes nothing. The cluster is the one this runs in, else the one of the kubeconfig.

Exit codes: 0 fine, 1 something could not be handed back.";

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
    /// Workloads, or inference services, to hand back
    #[arg(value_name = "NAMESPACE/NAME", value_parser = namespaced)]
    workloads: Vec<(String, String)>,
    /// With --all, only in this namespace; again and again
    #[arg(
        long = "namespace",
        value_name = "NAMESPACE",
        conflicts_with = "workloads"
    )]
    namespaces: Vec<String>,
    /// Kind of workload beside deployments and stateful sets, as the gateway is given it
    #[arg(long = "workload", value_name = "KIND.VERSION.GROUP")]
    #[arg(
        env = "HOLDGATE_WORKLOAD",
        hide_env_values = true,
        value_delimiter = ','
    )]
    kinds: Vec<Kind>,
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
        Err(error) => writeln!(err, "{error}").map(|()| 1),
    }
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
        kinds: args.kinds.clone(),
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

#[cfg(test)]
mod tests {
    use clap::Parser;
    use clap::error::ErrorKind;
    use serde_json::json;

    use super::*;
    use crate::backend::kubernetes::tests_server::Server;
    use crate::cli::{Cli, Command};

    fn parse(words: &[&str]) -> Result<ReleaseArgs, ErrorKind> {
        let words = [&["holdgate", "release"], words].concat();
        match Cli::try_parse_from(words) {
            Ok(cli) => match cli.command {
                Command::Release(args) => Ok(args),
                other => panic!("{other:?} is another command"),
            },
            Err(error) => Err(error.kind()),
        }
    }

    async fn run(server: &Server, words: &[&str]) -> (u8, String, String) {
        let args = parse(words).expect("it is understood");
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let code = released(&args, server.client(), &mut out, &mut err).await;
        let text = |bytes| String::from_utf8(bytes).expect("it is text");
        (code.expect("it can be told"), text(out), text(err))
    }

    #[test]
    fn everything_or_something_by_name_is_handed_back_and_never_both() {
        assert!(parse(&["--all"]).is_ok());
        assert!(parse(&["models/flowers"]).is_ok());
        let both = parse(&["--all", "models/flowers"]).unwrap_err();
        assert_eq!(both, ErrorKind::ArgumentConflict);
        let neither = parse(&[]).unwrap_err();
        assert_eq!(neither, ErrorKind::MissingRequiredArgument);
        for wrong in ["flowers", "/flowers", "models/", "a/b/c"] {
            let kind = parse(&[wrong]).unwrap_err();
            assert_eq!(kind, ErrorKind::ValueValidation, "{wrong}");
        }
    }

    #[test]
    fn further_kinds_are_named_as_the_gateway_is_told_of_them() {
        let args = parse(&["--all", "--workload", "Rollout.v1alpha1.argoproj.io"]);
        let kinds = args.expect("it is understood").kinds;
        assert_eq!(kinds[0].api_version(), "argoproj.io/v1alpha1");
        assert_eq!(kinds[0].kind, "Rollout");
        let wrong = parse(&["--all", "--workload", "Rollout.argoproj.io"]).unwrap_err();
        assert_eq!(wrong, ErrorKind::ValueValidation);
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_done_and_what_was_not_are_told_apart() {
        let server = Server::default();
        let (code, out, err) = run(&server, &["--all", "--namespace", "models"]).await;
        assert_eq!((code, &*out, &*err), (0, "nothing to hand back\n", ""));
        server.put(
            "/apis/apps/v1/namespaces/models/deployments/idle",
            json!({
                "apiVersion": "apps/v1",
                "kind": "Deployment",
                "metadata": { "name": "idle", "namespace": "models", "uid": "u" },
                "spec": { "replicas": 0, "selector": { "matchLabels": { "app": "idle" } } },
            }),
        );
        let (code, out, err) = run(&server, &["models/idle", "models/nobody"]).await;
        assert_eq!(code, 1);
        assert_eq!(out, "deployment/idle in models: 0 to 1 replicas\n");
        assert_eq!(err, "models/nobody: there is no workload of this name\n");
    }
}
