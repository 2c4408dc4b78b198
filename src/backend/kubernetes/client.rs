//! The way to the API server.

use std::time::Duration;

use http::HeaderValue;
use http::header::USER_AGENT;
use kube::config::{InClusterError, KubeConfigOptions, KubeconfigError};
use kube::{Client, Config};
use thiserror::Error;

/// A connection is there by then, or the server is away.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const WRITE_TIMEOUT: Duration = Duration::from_secs(15);
/// The last resort for whoever forgets to bound a call; more than the silence that a watch bears.
const READ_TIMEOUT: Duration = Duration::from_secs(150);

/// There is no API server to be asked.
#[derive(Debug, Error)]
pub enum ConnectError {
    /// Neither a pod's service account nor a kubeconfig says where it is.
    #[error("found no cluster: not in a pod ({in_cluster}), and no kubeconfig ({kubeconfig})")]
    NoCluster {
        /// Why not as a pod.
        in_cluster: InClusterError,
        /// Why not as a person.
        kubeconfig: Box<KubeconfigError>,
    },
    /// What says where it is cannot be used.
    #[error("cannot talk to the cluster: {0}")]
    Unusable(#[from] Box<kube::Error>),
}

/// A client of the cluster that this runs in, else of the one that the kubeconfig names. Does not ask
/// it anything yet.
pub async fn connect() -> Result<Client, ConnectError> {
    let config = match Config::incluster() {
        Ok(config) => config,
        Err(in_cluster) => Config::from_kubeconfig(&KubeConfigOptions::default())
            .await
            .map_err(|kubeconfig| ConnectError::NoCluster {
                in_cluster,
                kubeconfig: Box::new(kubeconfig),
            })?,
    };
    client(config)
}

fn client(mut config: Config) -> Result<Client, ConnectError> {
    config.connect_timeout = Some(CONNECT_TIMEOUT);
    config.write_timeout = Some(WRITE_TIMEOUT);
    config.read_timeout = Some(READ_TIMEOUT);
    config.reset_reader_on_write = true;
    // Who calls decides whether it is tried again.
    config.default_retry = false;
    let agent = HeaderValue::from_static(concat!("holdgate/", env!("CARGO_PKG_VERSION")));
    config.headers.push((USER_AGENT, agent));
    Client::try_from(config).map_err(|error| Box::new(error).into())
}
