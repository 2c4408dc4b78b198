//! Many clients that wait, each with a request on a connection of its own.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use super::cpu::pss;
use super::kernel::until_read;
use super::loadgen::{float, post_with};
use super::process::Server;
use super::wire::Wire;

/// Of a request's body.
pub(crate) const BODY_BYTES: usize = 1024;
/// Sent at once, before it is made sure that the server has them: order is told between these.
pub(crate) const BATCH: usize = 50;
/// How long all answers together may take.
const PATIENCE: Duration = Duration::from_secs(300);

/// What was seen of a server that held requests and answered them. Bytes are over the idle
/// process, for each request.
pub(crate) struct Held {
    /// While all waited.
    pub(crate) waiting: f64,
    /// At most while they were answered.
    pub(crate) peak: f64,
    /// Once they were, the connections still open.
    pub(crate) after: f64,
    /// From the release to the last answer.
    pub(crate) drain: Duration,
    /// Requests without an answer of 200.
    pub(crate) unanswered: usize,
}

/// Clients that wait.
pub(crate) struct Crowd {
    clients: Vec<TcpStream>,
    idle: f64,
    held: f64,
}

impl Crowd {
    /// All of them in the server's hands, in order.
    pub(crate) async fn of(requests: usize, server: &Server) -> Result<Self> {
        settle().await;
        let idle = bytes(server)?;
        let mut clients = Vec::new();
        while clients.len() < requests {
            let first = clients.len();
            for nth in first..requests.min(first + BATCH) {
                let sequence = format!("x-sample-sequence: {nth}\r\n");
                let path = "/v1/models/flowers-sample:predict";
                let request = post_with(path, "bench", &sequence, BODY_BYTES);
                let mut client = TcpStream::connect(server.address).await?;
                client.write_all(&request).await?;
                clients.push(client);
            }
            until_read(server.address, clients.len()).await?;
        }
        settle().await;
        let held = bytes(server)?;
        Ok(Self {
            clients,
            idle,
            held,
        })
    }

    /// Lets them go and waits for every answer. The connections stay open to the end.
    pub(crate) async fn released(
        self,
        server: &Server,
        release: impl Fn() -> Result<()>,
    ) -> Result<Held> {
        let requests = self.clients.len();
        let mut answers = JoinSet::new();
        let begun = Instant::now();
        release()?;
        for client in self.clients {
            answers.spawn(async move {
                let mut wire = Wire::new(client)?;
                let answer = wire.receive().await?;
                let status = answer.map(|answer| answer.status()).transpose()?;
                anyhow::Ok((wire, status))
            });
        }
        let mut open = Vec::new();
        let mut peak = self.held;
        let mut unanswered = requests;
        while !answers.is_empty() {
            peak = peak.max(bytes(server)?);
            let until = Instant::now() + Duration::from_millis(20);
            while let Ok(Some(answer)) = tokio::time::timeout_at(until, answers.join_next()).await {
                if let Ok((wire, status)) = answer? {
                    unanswered -= usize::from(status == Some(200));
                    open.push(wire);
                }
            }
            ensure!(begun.elapsed() < PATIENCE, "some answers never came");
        }
        let drain = begun.elapsed();
        settle().await;
        let after = bytes(server)?;
        let each = |bytes: f64| (bytes - self.idle) / float(requests as u64);
        Ok(Held {
            waiting: each(self.held),
            peak: each(peak.max(after)),
            after: each(after),
            drain,
            unanswered,
        })
    }
}

async fn settle() {
    sleep(Duration::from_millis(500)).await;
}

fn bytes(server: &Server) -> Result<f64> {
    Ok(float(pss(server.pid).context("the process is gone")?))
}
