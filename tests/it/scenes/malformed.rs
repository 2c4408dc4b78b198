//! What a client sends is no HTTP: it is told so, and nobody is left in line.

use holdgate::proxy::Client;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::{Gate, revision, secs};

/// Everything a gate says to these bytes.
async fn told(gate: &Gate, bytes: &str) -> String {
    let (mut client, theirs) = tokio::io::duplex(64 * 1024);
    let peer = Client::new([10, 0, 0, 9].into(), None);
    tokio::spawn(gate.server.clone().serve(theirs, peer));
    client.write_all(bytes.as_bytes()).await.expect("a pipe");
    let mut told = String::new();
    client.read_to_string(&mut told).await.expect("text");
    told
}

#[tokio::test(start_paused = true)]
async fn a_malformed_body_is_no_hang_up_whether_it_waits_or_is_sent() {
    let request =
        "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n1\r\nx\r\nno size\r\n";
    let cold = Gate::new(revision(1, 0..=1), secs(9));
    let warm = Gate::warm(revision(1, 1..=1)).await;
    for gate in [cold, warm] {
        let told = told(&gate, request).await;
        assert!(told.starts_with("HTTP/1.1 400 "), "{told}");
        assert!(
            told.contains("\r\nx-holdgate-reason: body_malformed\r\n"),
            "{told}"
        );
        assert_eq!(gate.codes(), [(400, 1)].into());
        let reading = gate.reading();
        assert_eq!((reading.waiting, reading.running), (0, 0));
    }
}
