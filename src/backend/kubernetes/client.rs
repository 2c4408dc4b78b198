//! The way to the API server.

use std::time::Duration;

use http::header::USER_AGENT;
use http::{HeaderValue, Uri};
use hyper_timeout::TimeoutConnector;
use hyper_util::client::legacy::Builder;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use kube::client::ConfigExt;
use kube::config::{InClusterError, KubeConfigOptions, KubeconfigError};
use kube::{Client, Config};
use rustls::crypto::aws_lc_rs;
use thiserror::Error;
use tower::ServiceBuilder;

/// A connection is there by then, or the server is away.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const WRITE_TIMEOUT: Duration = Duration::from_secs(15);
/// The last resort for whoever forgets to bound a call; more than the silence that a watch bears.
const READ_TIMEOUT: Duration = Duration::from_secs(150);
/// A connection on which nothing comes is asked whether it still is one after so long…
const QUIET: Duration = Duration::from_secs(10);
/// …and again after so long…
const ASKED_AGAIN: Duration = Duration::from_secs(5);
/// …and is dead if it has not answered so often. A watch whose network was cut without a word is found
/// out in 25 s that way; by its own silence only after more than a bookmark's minute.
const UNANSWERED: u32 = 3;

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
    /// It must not be gone to directly, and nothing else is known.
    #[error("cannot talk to the cluster through the proxy {0}: proxies are not supported")]
    Proxied(Uri),
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
    if let Some(proxy) = config.proxy_url {
        return Err(ConnectError::Proxied(proxy));
    }
    let agent = HeaderValue::from_static(concat!("holdgate/", env!("CARGO_PKG_VERSION")));
    config.headers.push((USER_AGENT, agent));
    stack(&config).map_err(|error| Box::new(error).into())
}

/// As `kube` puts it together, but over connections of our own making, and without trying again: who
/// calls decides that.
fn stack(config: &Config) -> Result<Client, kube::Error> {
    // An error says that there is one already.
    let _ = aws_lc_rs::default_provider().install_default();
    let connector = config.rustls_https_connector_with_connector(reach())?;
    let mut connector = TimeoutConnector::new(connector);
    connector.set_connect_timeout(Some(CONNECT_TIMEOUT));
    connector.set_write_timeout(Some(WRITE_TIMEOUT));
    connector.set_read_timeout(Some(READ_TIMEOUT));
    connector.set_reset_reader_on_write(true);
    let service = ServiceBuilder::new()
        .layer(config.base_uri_layer())
        .option_layer(config.auth_layer()?)
        .layer(config.extra_headers_layer()?)
        .map_err(tower::BoxError::from)
        .service(Builder::new(TokioExecutor::new()).build(connector));
    Ok(Client::new(service, config.default_namespace.clone()))
}

/// Opens connections that notice when the other side is gone. `kube`'s own would wait for ever.
fn reach() -> HttpConnector {
    let mut reach = HttpConnector::new();
    reach.enforce_http(false);
    reach.set_keepalive(Some(QUIET));
    reach.set_keepalive_interval(Some(ASKED_AGAIN));
    reach.set_keepalive_retries(Some(UNANSWERED));
    reach
}

#[cfg(test)]
mod tests {
    use socket2::SockRef;
    use tokio::net::TcpListener;
    use tower::ServiceExt;

    use super::*;

    #[tokio::test]
    async fn a_connection_whose_network_is_cut_is_dead_within_half_a_minute() {
        let server = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = server.local_addr().expect("it has one").port();
        let uri = Uri::try_from(format!("https://127.0.0.1:{port}")).expect("an address");
        let connection = reach().oneshot(uri).await.expect("it is there");
        let socket = SockRef::from(connection.inner());
        assert!(socket.keepalive().expect("it tells"));
        let quiet = socket.tcp_keepalive_time().expect("it tells");
        let interval = socket.tcp_keepalive_interval().expect("it tells");
        let times = socket.tcp_keepalive_retries().expect("it tells");
        assert!(quiet + interval * times < Duration::from_secs(30));
    }

    #[tokio::test]
    async fn a_cluster_behind_a_proxy_is_not_gone_to_directly() {
        let mut config = Config::new(Uri::from_static("https://127.0.0.1:1"));
        config.proxy_url = Some(Uri::from_static("http://proxy:3128"));
        let refused = client(config).err().expect("it is refused");
        assert_eq!(
            refused.to_string(),
            "cannot talk to the cluster through the proxy http://proxy:3128/: proxies are not \
             supported"
        );
    }
}
