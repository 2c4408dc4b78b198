//! Completions in `OpenAI`'s words: one JSON object, or a stream with an event for each token.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::Response;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use http_body::{Body, Frame};
use http_body_util::Either;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use super::answer::{self, Answer};
use super::route::Dialect;
use super::stats::AtWork;

/// What the model says, again and again.
const WORDS: [&str; 8] = [
    "tulips ", "open ", "at ", "noon ", "and ", "close ", "before ", "rain. ",
];

/// Tokens that may wait for a slow client before the model waits too.
const MOST_AHEAD: usize = 64;

/// What we read of a request for a completion.
#[derive(Debug, Deserialize)]
pub(super) struct Wish {
    /// Asked for by name; without one, ours will do.
    pub(super) model: Option<String>,
    /// An event for each token instead of one object.
    #[serde(default)]
    pub(super) stream: bool,
    max_tokens: Option<u32>,
    max_completion_tokens: Option<u32>,
}

/// One completion: how long it is and how fast it comes.
#[derive(Clone, Debug)]
pub(super) struct Completion {
    /// In which words.
    pub(super) dialect: Dialect,
    /// By whom.
    pub(super) model: String,
    /// How many tokens.
    pub(super) tokens: u32,
    /// Until the first of them.
    pub(super) first: Duration,
    /// Between two of them.
    pub(super) pace: Duration,
}

impl Wish {
    /// The model's usual length, or less where less was asked for.
    pub(super) fn tokens(&self, usual: u32) -> u32 {
        let asked = self.max_completion_tokens.or(self.max_tokens);
        asked.map_or(usual, |asked| asked.min(usual))
    }
}

impl Completion {
    /// The whole work, to the last token.
    pub(super) fn duration(&self) -> Duration {
        let rest = self.pace.saturating_mul(self.tokens.saturating_sub(1));
        self.first.saturating_add(rest)
    }

    /// All of it as one object.
    pub(super) fn whole(&self) -> Answer {
        let text: String = (0..self.tokens).map(word).collect();
        let (object, choice) = match self.dialect {
            Dialect::Chat => (
                "chat.completion",
                json!({ "message": { "role": "assistant", "content": text } }),
            ),
            Dialect::Text => ("text_completion", json!({ "text": text })),
        };
        let mut body = self.object(object, choice, Some("stop"));
        body["usage"] = json!({
            "prompt_tokens": 1,
            "completion_tokens": self.tokens,
            "total_tokens": self.tokens + 1,
        });
        answer::json(&body)
    }

    /// The head of a stream, and where its tokens go.
    pub(super) fn stream() -> (Answer, mpsc::Sender<Bytes>) {
        let (tokens, body) = mpsc::channel(MOST_AHEAD);
        let mut answer = Response::new(Either::Right(Tokens(body)));
        let headers = answer.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        (answer, tokens)
    }

    /// Generates the stream. A client that has gone ends the work only if it `can_cancel`.
    pub(super) async fn generate(self, at_work: AtWork, to: mpsc::Sender<Bytes>, can_cancel: bool) {
        tokio::select! {
            () = self.send_tokens(&to) => {}
            () = to.closed(), if can_cancel => return,
        }
        drop(at_work);
        // Errors mean that the client has gone: nobody is left to tell.
        let _ = to.send(event(&self.chunk("", Some("stop")))).await;
        let _ = to.send(Bytes::from_static(b"data: [DONE]\n\n")).await;
    }

    async fn send_tokens(&self, to: &mpsc::Sender<Bytes>) {
        // Each token has its own due time: a slow client does not make the model slower.
        let mut due = Instant::now() + self.first;
        for n in 0..self.tokens {
            sleep_until(due).await;
            let _ = to.send(event(&self.chunk(word(n), None))).await;
            due += self.pace;
        }
    }

    fn chunk(&self, text: &str, finish_reason: Option<&str>) -> Value {
        match self.dialect {
            Dialect::Chat => {
                let choice = json!({ "delta": { "role": "assistant", "content": text } });
                self.object("chat.completion.chunk", choice, finish_reason)
            }
            Dialect::Text => self.object("text_completion", json!({ "text": text }), finish_reason),
        }
    }

    fn object(&self, object: &str, mut choice: Value, finish_reason: Option<&str>) -> Value {
        choice["index"] = json!(0);
        choice["finish_reason"] = json!(finish_reason);
        json!({
            "id": "cmpl-sample",
            "object": object,
            "created": 0,
            "model": self.model,
            "choices": [choice],
        })
    }
}

fn word(n: u32) -> &'static str {
    WORDS[n as usize % WORDS.len()]
}

fn event(data: &Value) -> Bytes {
    Bytes::from(format!("data: {data}\n\n"))
}

/// The body of a stream: one chunk for each token.
#[derive(Debug)]
pub(super) struct Tokens(mpsc::Receiver<Bytes>);

impl Body for Tokens {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0
            .poll_recv(cx)
            .map(|token| token.map(|token| Ok(Frame::data(token))))
    }
}
