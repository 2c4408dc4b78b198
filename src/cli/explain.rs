//! `holdgate explain`: asks a running gate why a revision has the replicas it has, and prints the
//! answer. The words are the gate's; here it is only fetched.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use clap::Args;
use clap::builder::NonEmptyStringValueParser;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST};
use http::uri::Authority;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// A gate answers within ten seconds or says that it cannot.
const PATIENCE: Duration = Duration::from_secs(15);
/// Where the admin port of a gate is, unless it was told otherwise.
const ADMIN_PORT: u16 = 9090;

/// What `explain` is given.
#[derive(Args, Clone, Debug)]
pub struct ExplainArgs {
    /// The revision to explain
    #[arg(value_name = "REVISION", value_parser = NonEmptyStringValueParser::new())]
    revision: String,
    /// Where the gate's admin port is: an address as run takes it, or a URL
    #[arg(
        long,
        value_name = "ADDRESS",
        env = "HOLDGATE_ADMIN",
        hide_env_values = true
    )]
    #[arg(default_value = "127.0.0.1:9090")]
    admin: String,
    /// File with the gate's admin token, where it is not asked over loopback
    #[arg(
        long,
        value_name = "FILE",
        env = "HOLDGATE_ADMIN_TOKEN_FILE",
        hide_env_values = true
    )]
    admin_token_file: Option<PathBuf>,
    /// Print JSON, with every number behind the words
    #[arg(long)]
    json: bool,
}

/// Why there is no explanation, and whose fault that is.
enum Unexplained {
    /// Wrong usage.
    Asked(String),
    /// No gate, or none that answers.
    Failed(String),
}

use Unexplained::{Asked, Failed};

/// Asks, and prints the answer to `out`, or to `err` why there is none. Returns the exit code: 1
/// where no gate answers, 2 where it does not know what it was asked for.
///
/// # Errors
/// `out` or `err` cannot be written.
pub async fn explain(
    args: &ExplainArgs,
    out: &mut (dyn Write + Send),
    err: &mut (dyn Write + Send),
) -> io::Result<u8> {
    let (code, complaint) = match fetch(args).await {
        Ok(text) => return writeln!(out, "{}", text.trim_end()).map(|()| 0),
        Err(Failed(complaint)) => (1, complaint),
        Err(Asked(complaint)) => (2, complaint),
    };
    writeln!(err, "{complaint}").map(|()| code)
}

async fn fetch(args: &ExplainArgs) -> Result<String, Unexplained> {
    let admin = address(&args.admin)?;
    let accept = if args.json {
        "application/json"
    } else {
        "text/plain"
    };
    let revision = utf8_percent_encode(&args.revision, NON_ALPHANUMERIC);
    let mut request = Request::get(format!("/revisions/{revision}/explain"))
        .header(HOST, &admin)
        .header(ACCEPT, accept);
    if let Some(file) = &args.admin_token_file {
        request = request.header(AUTHORIZATION, token(file)?);
    }
    let request = request
        .body(Empty::new())
        .map_err(|error| Asked(format!("{:?} cannot be asked for: {error}", args.revision)))?;
    let answer = timeout(PATIENCE, ask(&admin, request)).await;
    let answer = answer.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
    let answer = answer.map_err(|error| {
        Failed(format!(
            "no gate answers at http://{admin} ({error}): is it running, with its admin port there? \
             --admin says where"
        ))
    })?;
    read(&admin, &answer)
}

/// What shows the token in a file.
fn token(file: &Path) -> Result<String, Unexplained> {
    let read = std::fs::read_to_string(file);
    let token = read.map_err(|error| {
        Asked(format!(
            "could not read the admin token in {}: {error}",
            file.display()
        ))
    })?;
    Ok(format!("Bearer {}", token.trim()))
}

/// Host and port of `http://HOST:PORT`; the scheme and the port may be left out.
fn address(url: &str) -> Result<String, Unexplained> {
    let wrong = || {
        Asked(format!(
            "--admin {url:?} is no address of an admin port, such as 127.0.0.1:9090"
        ))
    };
    let bare = url.strip_prefix("http://").unwrap_or(url);
    let bare = bare.strip_suffix('/').unwrap_or(bare);
    let authority: Authority = bare.parse().map_err(|_| wrong())?;
    if authority.as_str().contains('@') || authority.host().is_empty() {
        return Err(wrong());
    }
    let port = authority.port_u16().unwrap_or(ADMIN_PORT);
    Ok(format!("{}:{port}", authority.host()))
}

async fn ask(admin: &str, request: Request<Empty<Bytes>>) -> io::Result<Response<Bytes>> {
    let stream = TcpStream::connect(admin).await?;
    let shaken = http1::handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = shaken.map_err(io::Error::other)?;
    let asking = async {
        let (head, body) = sender.send_request(request).await?.into_parts();
        let body = body.collect().await?.to_bytes();
        Ok::<_, hyper::Error>(Response::from_parts(head, body))
    };
    tokio::pin!(asking);
    let answer = tokio::select! {
        answer = &mut asking => answer,
        // It ends when the other side closes; what was asked then knows how.
        _ = connection => asking.await,
    };
    answer.map_err(io::Error::other)
}

fn read(admin: &str, answer: &Response<Bytes>) -> Result<String, Unexplained> {
    let status = answer.status();
    let text = || String::from_utf8_lossy(answer.body()).into_owned();
    if status.is_success() {
        return Ok(text());
    }
    let kind = answer.headers().get(CONTENT_TYPE);
    let is_problem = kind.is_some_and(|kind| kind == "application/problem+json");
    let problem: Option<serde_json::Value> = serde_json::from_slice(answer.body()).ok();
    let problem = problem.filter(|_| is_problem);
    let detail = problem
        .as_ref()
        .and_then(|problem| problem["detail"].as_str());
    Err(match (status, detail) {
        (StatusCode::NOT_FOUND, Some(detail)) => Asked(detail.to_owned()),
        (_, Some(detail)) => Failed(detail.to_owned()),
        (_, None) => Failed(format!(
            "what answers {status} at http://{admin} is no gate"
        )),
    })
}
