//! Answers: their shape, and the words of every one that is not a completion.

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Response, StatusCode};
use http_body_util::{Either, Full};
use serde::Serialize;
use serde_json::json;

use super::completion::Tokens;
use super::stats::Seen;

/// An answer, at once or token by token.
pub(super) type Answer = Response<Either<Full<Bytes>, Tokens>>;

/// The prediction of the `KServe` guide's flowers sample: 247 bytes, the size that guide's `hey`
/// runs report.
const FLOWERS: &str = r#"{
    "predictions": [
        {
            "scores": [
                0.9991149, 9.209888e-05, 0.000136786344, 0.000337257865, 0.000300532876, 1.8481374e-05
            ],
            "prediction": 0,
            "key": "   1"
        }
    ]
}"#;

/// The bodies that never change, made once.
#[derive(Debug)]
pub(super) struct Bodies {
    /// To `:predict`.
    pub(super) prediction: Bytes,
    /// To `/infer`.
    pub(super) inference: Bytes,
}

impl Bodies {
    /// Exactly `bytes` long each, or of their natural length.
    pub(super) fn new(model: &str, bytes: Option<usize>) -> Self {
        match bytes {
            None => Self {
                prediction: Bytes::from_static(FLOWERS.as_bytes()),
                inference: Bytes::from(inference(model)),
            },
            Some(bytes) => {
                let filler = filler(bytes);
                Self {
                    prediction: filler.clone(),
                    inference: filler,
                }
            }
        }
    }
}

fn inference(model: &str) -> String {
    json!({
        "model_name": model,
        "model_version": "1",
        "outputs": [{
            "name": "scores",
            "shape": [1, 6],
            "datatype": "FP32",
            "data": [
                0.999_114_9, 9.209_888e-5, 0.000_136_786_344,
                0.000_337_257_865, 0.000_300_532_876, 1.848_137_4e-5,
            ],
        }],
    })
    .to_string()
}

/// JSON of exactly that size where it fits, else as many letters.
fn filler(bytes: usize) -> Bytes {
    let (head, tail) = (r#"{"predictions":[""#, r#""]}"#);
    let body = match bytes.checked_sub(head.len() + tail.len()) {
        Some(rest) => format!("{head}{}{tail}", "x".repeat(rest)),
        None => "x".repeat(bytes),
    };
    Bytes::from(body)
}

/// 200 with JSON that is ready to be sent.
pub(super) fn ready_made(body: Bytes) -> Answer {
    with_status(StatusCode::OK, body)
}

/// 200 with this as JSON.
pub(super) fn json(body: &impl Serialize) -> Answer {
    json_with_status(StatusCode::OK, body)
}

/// This as JSON.
pub(super) fn json_with_status(status: StatusCode, body: &impl Serialize) -> Answer {
    let body = serde_json::to_vec(body).expect("plain data with text as keys is JSON");
    with_status(status, Bytes::from(body))
}

/// An error in the one shape that clients of all three dialects can show: V1 and V2 have text
/// under `error`, `OpenAI` an object.
pub(super) fn error(status: StatusCode, message: &str) -> Answer {
    json_with_status(status, &json!({ "error": message }))
}

/// `OpenAI`'s form of an error.
pub(super) fn completion_error(status: StatusCode, message: &str) -> Answer {
    json_with_status(
        status,
        &json!({ "error": {
            "message": message,
            "type": "invalid_request_error",
            "param": null,
            "code": status.as_u16(),
        }}),
    )
}

/// 404 for a model that is not ours.
pub(super) fn no_such_model(model: &str) -> Answer {
    error(
        StatusCode::NOT_FOUND,
        &format!("Model with name {model} does not exist."),
    )
}

/// A yes or no about readiness: 200 or 503.
pub(super) fn readiness(ready: bool, body: &impl Serialize) -> Answer {
    let status = if ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    json_with_status(status, body)
}

/// `GET /v1/models/M` in TF Serving's words and `KServe`'s.
pub(super) fn model_status(model: &str, ready: bool) -> Answer {
    let state = if ready { "AVAILABLE" } else { "LOADING" };
    readiness(
        ready,
        &json!({
            "name": model,
            "ready": ready,
            "model_version_status": [{
                "version": "1",
                "state": state,
                "status": { "error_code": "OK", "error_message": "" },
            }],
        }),
    )
}

/// `GET /v1/models`: V1's list and `OpenAI`'s in one.
pub(super) fn models(model: &str) -> Answer {
    json(&json!({
        "models": [model],
        "object": "list",
        "data": [{ "id": model, "object": "model", "created": 0, "owned_by": "holdgate" }],
    }))
}

/// `GET /v2/models/M`.
pub(super) fn metadata(model: &str) -> Answer {
    json(&json!({
        "name": model,
        "versions": ["1"],
        "platform": "holdgate_sample",
        "inputs": [{ "name": "image", "datatype": "BYTES", "shape": [-1] }],
        "outputs": [{ "name": "scores", "datatype": "FP32", "shape": [-1, 6] }],
    }))
}

/// `GET /v2`.
pub(super) fn server() -> Answer {
    json(&json!({
        "name": "holdgate-sample-model",
        "version": env!("CARGO_PKG_VERSION"),
        "extensions": [],
    }))
}

/// `GET /metrics`.
pub(super) fn metrics(seen: &Seen, gauge: f64) -> Answer {
    let (requests, at_work) = (seen.requests, seen.concurrency);
    let page = format!(
        "# HELP sample_model_requests_total Inference requests whose head has arrived.\n\
         # TYPE sample_model_requests_total counter\n\
         sample_model_requests_total {requests}\n\
         # HELP sample_model_in_flight Inference requests at work.\n\
         # TYPE sample_model_in_flight gauge\n\
         sample_model_in_flight {at_work}\n\
         # HELP sample_model_gauge What was ordered last by POST /use?gauge=.\n\
         # TYPE sample_model_gauge gauge\n\
         sample_model_gauge{{ordered=\"true\"}} {gauge}\n"
    );
    let mut answer = ready_made(Bytes::from(page));
    let content_type = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    answer.headers_mut().insert(CONTENT_TYPE, content_type);
    answer
}

pub(super) fn with_status(status: StatusCode, body: Bytes) -> Answer {
    let mut answer = Response::new(Either::Left(Full::new(body)));
    *answer.status_mut() = status;
    answer
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_prediction_is_247_bytes_of_json() {
        assert_eq!(FLOWERS.len(), 247);
        let parsed: serde_json::Value = serde_json::from_str(FLOWERS).expect("it is JSON");
        let scores = parsed["predictions"][0]["scores"].as_array();
        assert_eq!(scores.map(Vec::len), Some(6));
        assert_eq!(parsed["predictions"][0]["key"], "   1");
    }

    #[test]
    fn a_body_of_a_given_size_has_that_size() {
        for bytes in [0, 1, 19, 20, 21, 65_536] {
            assert_eq!(Bodies::new("m", Some(bytes)).prediction.len(), bytes);
        }
    }
}
