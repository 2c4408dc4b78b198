//! A server behind TLS that the tests of other modules ask.

use std::net::SocketAddr;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::PrivateKeyDer;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::ReplicaTls;

/// Answers every request with this; how it is reached, and how it would be by who believes another.
pub(crate) async fn server(answer: &'static str) -> (SocketAddr, ReplicaTls, ReplicaTls) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("it is bound");
    let (acceptor, tls) = signed();
    let (_, other) = signed();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(mut stream) = acceptor.accept(stream).await else {
                continue;
            };
            let _ = stream.read(&mut [0; 1024]).await;
            let _ = stream.write_all(answer.as_bytes()).await;
            let _ = stream.shutdown().await;
        }
    });
    (address, tls, other)
}

fn signed() -> (TlsAcceptor, ReplicaTls) {
    let signed = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]);
    let signed = signed.expect("a certificate");
    let dir = tempfile::tempdir().expect("a temporary directory");
    let file = dir.path().join("ca.crt");
    std::fs::write(&file, signed.cert.pem()).expect("written");
    let tls = ReplicaTls::read(Some(&file), None, None).expect("sound");
    let key = PrivateKeyDer::try_from(signed.signing_key.serialize_der()).expect("a key");
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("there are suites")
        .with_no_client_auth()
        .with_single_cert(vec![signed.cert.der().clone()], key)
        .expect("they belong together");
    (TlsAcceptor::from(Arc::new(config)), tls)
}
