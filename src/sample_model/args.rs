//! The flags of `holdgate sample-model`.

use std::net::IpAddr;
use std::time::Duration;

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser};
use humantime::parse_duration;

/// A stand-in model server (V1, V2 and OpenAI-style paths, SSE) for trying things out.
///
/// It counts what it sees on /stats and /metrics. POST /use?cpu=50&memory=250&gauge=12 has it use
/// half a core, 250 MiB, and tell 12 on /metrics, until it is told otherwise.
// `Parser` and not only `clap::Args`, so that tests build it from the very words a person types.
#[derive(Clone, Debug, Parser)]
#[allow(
    clippy::struct_excessive_bools,
    reason = "flags of a command line, each its own"
)]
pub struct Args {
    /// Port to listen on; 0 takes a free one. Also taken from PORT
    #[arg(
        long,
        alias = "http_port",
        env = "HOLDGATE_SAMPLE_MODEL_PORT",
        required_unless_present = "given_port"
    )]
    pub port: Option<u16>,

    /// What process managers set. A flag of its own because a flag has one environment name.
    #[arg(id = "given_port", long = "given-port", env = "PORT", hide = true)]
    pub given_port: Option<u16>,

    /// Address to listen on
    #[arg(long, env = "HOLDGATE_SAMPLE_MODEL_HOST", default_value = "127.0.0.1")]
    pub host: IpAddr,

    /// Model to answer for; any other gets 404
    #[arg(
        long,
        alias = "model_name",
        env = "HOLDGATE_SAMPLE_MODEL_MODEL",
        value_name = "NAME",
        default_value = "flowers-sample"
    )]
    pub model: String,

    /// Time before the port opens, as if weights were loading
    #[arg(long, env = "HOLDGATE_SAMPLE_MODEL_LOAD_TIME", value_name = "DURATION", default_value = "0s", value_parser = parse_duration)]
    pub load_time: Duration,

    /// Time at work on a request; for completions, to the first token
    #[arg(long, env = "HOLDGATE_SAMPLE_MODEL_SERVICE_TIME", value_name = "DURATION", default_value = "0s", value_parser = parse_duration)]
    pub service_time: Duration,

    /// Draw service times from a lognormal distribution with this 99th percentile and
    /// --service-time as its median
    #[arg(long, env = "HOLDGATE_SAMPLE_MODEL_SERVICE_TIME_P99", value_name = "DURATION", value_parser = parse_duration)]
    pub service_time_p99: Option<Duration>,

    /// Seed of the drawn service times; two servers with one seed draw alike [default: the
    /// process id]
    #[arg(long, env = "HOLDGATE_SAMPLE_MODEL_SEED", value_name = "N")]
    pub seed: Option<u64>,

    /// Tokens in a completion, unless the request asks for fewer
    #[arg(
        long,
        env = "HOLDGATE_SAMPLE_MODEL_TOKENS",
        value_name = "N",
        default_value_t = 16
    )]
    pub tokens: u32,

    /// Time between two tokens of a completion
    #[arg(long, env = "HOLDGATE_SAMPLE_MODEL_TOKEN_TIME", value_name = "DURATION", default_value = "0s", value_parser = parse_duration)]
    pub token_time: Duration,

    /// Size of a prediction in bytes [default: 247, a prediction about flowers]
    #[arg(
        long,
        env = "HOLDGATE_SAMPLE_MODEL_RESPONSE_BYTES",
        value_name = "BYTES"
    )]
    pub response_bytes: Option<usize>,

    /// Stop working on a request when its client goes away; most model servers do not
    #[arg(long, env = "HOLDGATE_SAMPLE_MODEL_CANCEL_ON_DISCONNECT")]
    pub cancel_on_disconnect: bool,

    /// Exit with code 1 after this time, loaded or not
    #[arg(long, env = "HOLDGATE_SAMPLE_MODEL_CRASH_AFTER", value_name = "DURATION", value_parser = parse_duration)]
    pub crash_after: Option<Duration>,

    /// Take so many inference requests, then exit with code 1 at the next one, in the middle of
    /// whatever is being answered
    #[arg(
        long,
        env = "HOLDGATE_SAMPLE_MODEL_CRASH_AFTER_REQUESTS",
        value_name = "N"
    )]
    pub crash_after_requests: Option<u64>,

    /// Never become ready: readiness paths answer 503 for ever
    #[arg(long, env = "HOLDGATE_SAMPLE_MODEL_FAIL_READY")]
    pub fail_ready: bool,

    /// Ignore SIGTERM
    #[arg(long, env = "HOLDGATE_SAMPLE_MODEL_IGNORE_TERM")]
    pub ignore_term: bool,

    /// Listen on some free port instead, as a server does that does not know --port
    #[arg(long, env = "HOLDGATE_SAMPLE_MODEL_IGNORE_PORT")]
    pub ignore_port: bool,

    /// Ask a predictor at this address, and answer what it says, as a transformer does
    #[arg(
        long = "predictor_host",
        alias = "predictor-host",
        value_name = "HOST[:PORT]"
    )]
    pub predictor_host: Option<String>,

    /// What `KServe` makes of a transformer's hard limit. This server has as many as it needs.
    #[arg(long, hide = true)]
    pub workers: Option<u32>,
}

impl Args {
    /// The port to ask the system for; 0 is any.
    pub(super) fn wanted_port(&self) -> u16 {
        match self.port.or(self.given_port) {
            Some(port) if !self.ignore_port => port,
            _ => 0,
        }
    }

    /// What clap does not see by itself: flags that contradict each other.
    pub(super) fn check(&self) -> Result<(), clap::Error> {
        let Some(p99) = self.service_time_p99 else {
            return Ok(());
        };
        if !self.service_time.is_zero() && self.service_time <= p99 {
            return Ok(());
        }
        let complaint = format!(
            "--service-time-p99 {} wants a --service-time above 0s and not above it, not {}\n",
            humantime::format_duration(p99),
            humantime::format_duration(self.service_time),
        );
        Err(Self::command().error(ErrorKind::ValueValidation, complaint))
    }
}
