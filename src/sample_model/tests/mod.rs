//! Through HTTP: over pipes in memory with a paused clock where time matters, over sockets where
//! the listener does.

mod answers;
mod completions;
mod lifetime;

use std::time::Duration;

use clap::Parser;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, duplex};
use tokio::time::sleep;

use super::{Args, SampleModel};

const MS: Duration = Duration::from_millis(1);
const PREDICT: &str = "POST /v1/models/flowers-sample:predict";
const CHAT: &str = "POST /v1/chat/completions";

fn args(flags: &[&str]) -> Args {
    let words = ["sample-model", "--port", "0"].iter().chain(flags);
    Args::try_parse_from(words).expect("the flags are right")
}

fn model(flags: &[&str]) -> SampleModel {
    SampleModel::new(&args(flags)).expect("the flags fit together")
}

fn request(line: &str, headers: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "{line} HTTP/1.1\r\nhost: m\r\nconnection: close\r\ncontent-length: {length}\r\n{headers}\r\n{body}"
    )
}

/// A client at the other end of a pipe, its request already sent.
async fn connect(model: &SampleModel, line: &str, headers: &str, body: &str) -> DuplexStream {
    let (mut client, server) = duplex(1 << 16);
    let model = model.clone();
    tokio::spawn(async move { model.serve_connection(server).await });
    let request = request(line, headers, body);
    client
        .write_all(request.as_bytes())
        .await
        .expect("the pipe is wide enough");
    client
}

#[derive(Debug)]
struct Reply {
    status: u16,
    head: String,
    body: String,
}

async fn reply(mut client: impl AsyncRead + AsyncWrite + Unpin) -> Reply {
    let mut text = String::new();
    client
        .read_to_string(&mut text)
        .await
        .expect("it ends cleanly");
    let (head, body) = text.split_once("\r\n\r\n").expect("a whole head");
    Reply {
        status: head[9..12].parse().expect("a status line"),
        head: head.to_owned(),
        body: body.to_owned(),
    }
}

async fn ask(model: &SampleModel, line: &str, body: &str) -> Reply {
    reply(connect(model, line, "", body).await).await
}

/// Lets every task go on until all of them wait.
async fn settle() {
    sleep(Duration::from_nanos(1)).await;
}
