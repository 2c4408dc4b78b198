//! What a client sends is no HTTP: it is told so, and nobody is left in line.

use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::sync::Arc;

use holdgate::config::{Overrides, load_text};
use holdgate::proxy::{Client, Proxy, Registry, Revision, TcpDial, Throttler};
use holdgate::server::Server;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// A gate whose only revision has no replica.
fn cold_gate() -> Arc<Registry> {
    let file = "revisions: [{ name: cold, process: { command: [none] } }]";
    let config = load_text(Path::new("cold.yaml"), file, &Overrides::default());
    let registry = Registry::default();
    for revision in config.expect("the file is sound").revisions {
        let spec = revision.spec;
        registry.insert(Revision {
            throttler: Throttler::new(spec.container_concurrency, spec.queue),
            spec,
            stats: Arc::default(),
        });
    }
    Arc::new(registry)
}

#[tokio::test(start_paused = true)]
async fn a_waiting_client_whose_body_is_malformed_is_answered() -> io::Result<()> {
    let registry = cold_gate();
    let proxy = Arc::new(Proxy::new(Arc::clone(&registry), TcpDial));
    let (mut client, gate) = tokio::io::duplex(1024);
    let peer = Client::new(IpAddr::V4(Ipv4Addr::LOCALHOST), None);
    let served = tokio::spawn(Server::new(proxy, 1).serve(gate, peer));
    let request = "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\nno size\r\n";
    client.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    client.read_to_string(&mut answer).await?;
    served.await?;
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    assert!(
        answer.contains("x-holdgate-reason: body_malformed\r\n"),
        "{answer}"
    );
    assert_eq!(registry.all()[0].throttler.read().waiting, 0);
    Ok(())
}
