//! What a sidecar tells a gateway, and when.

use std::net::SocketAddr;
use std::time::Duration;

use http::Request;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};

use super::{BESIDE, Model, until_ready};
use crate::gate::client::{ask, predict_for};
use crate::gate::support::*;

/// Takes reports, and tells what came with which token.
async fn gateway() -> (SocketAddr, mpsc::UnboundedReceiver<(String, Value)>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let at = listener.local_addr().expect("an address");
    let (tell, told) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let tell = tell.clone();
            let service = hyper::service::service_fn(move |request: Request<Incoming>| {
                let tell = tell.clone();
                async move {
                    assert_eq!(request.uri().path(), "/reports");
                    let token = request.headers()["authorization"].to_str();
                    let token = token.expect("text").to_owned();
                    let body = request.into_body().collect().await?.to_bytes();
                    let said = serde_json::from_slice(&body).expect("JSON");
                    let _ = tell.send((token, said));
                    let mut answer = hyper::Response::new(Full::new(bytes::Bytes::new()));
                    *answer.status_mut() = http::StatusCode::NO_CONTENT;
                    Ok::<_, hyper::Error>(answer)
                }
            });
            let io = hyper_util::rt::TokioIo::new(stream);
            tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(io, service));
        }
    });
    (at, told)
}

#[tokio::test]
async fn a_gateway_is_told_at_once_who_comes_and_when_the_last_has_gone() {
    let model = Model::start(&["--port", "0"]).await;
    let (to, mut told) = gateway().await;
    let dir = tempfile::tempdir().expect("a folder");
    let token = dir.path().join("token");
    std::fs::write(&token, "secret\n").expect("written");
    let port = model.address.port().to_string();
    let to = format!("http://{to}");
    let words = ["--port", &port, "--report-to", &to, "--report-token-file"];
    let token = token.to_str().expect("plain");
    let mut command = holdgate(&[&BESIDE[..], &words, &[token]].concat());
    command.env("POD_UID", "u-1").env("POD_NAME", "m-1");
    let gate = Gate::spawn(command).await;
    until_ready(&gate).await;
    let mut next = async || {
        let told = timeout(PATIENCE, told.recv()).await;
        told.expect("it is told").expect("somebody tells")
    };
    let (token, first) = next().await;
    assert_eq!(token, "Bearer secret");
    assert_eq!(
        (&first["pod"]["uid"], &first["inFlight"]),
        (&"u-1".into(), &0.into())
    );
    // Past the pause after the first report, within the next: what comes then comes by itself.
    // What did not would come with the next report, one or two seconds later, whatever the machine
    // is busy with: being in time once is enough.
    let mut tries = 0..5;
    loop {
        while next().await.1["inFlight"] != 0 {}
        let begun = Instant::now();
        let work = Duration::from_millis(400);
        let running = tokio::spawn(ask(gate.address, predict_for("m", work)));
        let (_, busy) = next().await;
        let (_, gone) = next().await;
        let took = begun.elapsed();
        let answer = running.await.expect("no panic").expect("an answer");
        assert_eq!(answer.status, 200);
        let each = [&busy["inFlight"], &busy["proxied"], &gone["inFlight"]];
        if each == [1, 0, 0] && took < 2 * work {
            let average = gone["averageConcurrency"].as_f64();
            assert!(average.expect("a number") > 0.5, "{gone}");
            break;
        }
        assert!(tries.next().is_some(), "{busy}, {gone} after {took:?}");
    }
    // Who knows the token is a gateway.
    let mut request = predict_for("m", Duration::from_millis(400));
    let mark = holdgate::loads::mark("secret")
        .parse()
        .expect("a header value");
    request.headers_mut().insert("x-holdgate-load", mark);
    let running = tokio::spawn(ask(gate.address, request));
    let marked = loop {
        let (_, told) = next().await;
        if told["inFlight"] == 1 {
            break told;
        }
    };
    assert_eq!(marked["proxied"], 1, "{marked}");
    let answer = running.await.expect("no panic").expect("an answer");
    assert_eq!(answer.status, 200);
}
