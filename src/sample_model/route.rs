//! What a path asks for, in the three dialects the server speaks.

use http::Method;

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Question<'a> {
    /// Something we know without working on it.
    LookUp(LookUp<'a>),
    /// `POST /v1/models/M:predict`.
    Predict(&'a str),
    /// `POST /v2/models/M/infer`.
    Infer(&'a str),
    /// `POST /v1/chat/completions` or `/v1/completions`; the model is named in the body.
    Complete(Dialect),
    /// `POST /use`: what to use beside the work.
    Use,
}

/// What can be looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LookUp<'a> {
    /// `/healthz`, `/health`, `/v2/health/ready`: is the server ready?
    Ready,
    /// `/v2/health/live`.
    Live,
    /// `/stats`.
    Stats,
    /// `/metrics`, in Prometheus' text format.
    Metrics,
    /// `/v2`: what is this server?
    Server,
    /// `/v1/models`, V1's and `OpenAI`'s at once.
    Models,
    /// `/v1/models/M`: readiness, as TF Serving and `KServe` V1 say it.
    Status(&'a str),
    /// `/v2/models/M`.
    Metadata(&'a str),
    /// `/v2/models/M/ready`.
    ModelReady(&'a str),
}

/// Which of the two kinds of completion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    /// `/v1/chat/completions`.
    Chat,
    /// `/v1/completions`.
    Text,
}

/// Nothing is answered here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Misdirected {
    /// 404.
    NoSuchPath,
    /// 405.
    NoSuchMethod,
}

impl<'a> Question<'a> {
    /// The model that the path names.
    pub(super) fn model(&self) -> Option<&'a str> {
        match *self {
            Self::Predict(model)
            | Self::Infer(model)
            | Self::LookUp(
                LookUp::Status(model) | LookUp::Metadata(model) | LookUp::ModelReady(model),
            ) => Some(model),
            Self::LookUp(_) | Self::Complete(_) | Self::Use => None,
        }
    }
}

/// Finds out what a request asks for.
pub(super) fn question<'a>(method: &Method, path: &'a str) -> Result<Question<'a>, Misdirected> {
    let question = by_path(path).ok_or(Misdirected::NoSuchPath)?;
    let is_look_up = matches!(question, Question::LookUp(_));
    let fits = match *method {
        Method::POST => !is_look_up,
        Method::GET | Method::HEAD => is_look_up,
        _ => false,
    };
    if fits {
        Ok(question)
    } else {
        Err(Misdirected::NoSuchMethod)
    }
}

fn by_path(path: &str) -> Option<Question<'_>> {
    let look_up = match path {
        "/healthz" | "/health" | "/v2/health/ready" => LookUp::Ready,
        "/" | "/v2/health/live" => LookUp::Live,
        "/stats" => LookUp::Stats,
        "/metrics" => LookUp::Metrics,
        "/use" => return Some(Question::Use),
        "/v2" | "/v2/" => LookUp::Server,
        "/v1/models" => LookUp::Models,
        "/v1/chat/completions" => return Some(Question::Complete(Dialect::Chat)),
        "/v1/completions" => return Some(Question::Complete(Dialect::Text)),
        _ => return of_a_model(path),
    };
    Some(Question::LookUp(look_up))
}

fn of_a_model(path: &str) -> Option<Question<'_>> {
    let question = if let Some(rest) = path.strip_prefix("/v1/models/") {
        match rest.rsplit_once(':') {
            Some((model, "predict")) => Question::Predict(model),
            _ => Question::LookUp(LookUp::Status(rest)),
        }
    } else {
        let rest = path.strip_prefix("/v2/models/")?;
        match rest.split_once('/') {
            None => Question::LookUp(LookUp::Metadata(rest)),
            Some((model, "ready")) => Question::LookUp(LookUp::ModelReady(model)),
            Some((model, "infer")) => Question::Infer(model),
            Some(_) => return None,
        }
    };
    let one_segment = |model: &str| !model.is_empty() && !model.contains('/');
    question
        .model()
        .is_some_and(one_segment)
        .then_some(question)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_path_has_its_meaning() {
        use LookUp::{Live, Metadata, Metrics, ModelReady, Models, Ready, Server, Stats, Status};
        for (path, want) in [
            ("/healthz", Ready),
            ("/v2/health/ready", Ready),
            ("/", Live),
            ("/v2/health/live", Live),
            ("/stats", Stats),
            ("/metrics", Metrics),
            ("/v2", Server),
            ("/v1/models", Models),
            ("/v1/models/m", Status("m")),
            ("/v2/models/m", Metadata("m")),
            ("/v2/models/m/ready", ModelReady("m")),
        ] {
            let want = Ok(Question::LookUp(want));
            assert_eq!(question(&Method::GET, path), want, "{path}");
            assert_eq!(question(&Method::HEAD, path), want, "{path}");
        }
        for (path, want) in [
            ("/v1/models/m:predict", Question::Predict("m")),
            ("/v1/models/a:b:predict", Question::Predict("a:b")),
            ("/v2/models/m/infer", Question::Infer("m")),
            ("/v1/completions", Question::Complete(Dialect::Text)),
            ("/v1/chat/completions", Question::Complete(Dialect::Chat)),
            ("/use", Question::Use),
        ] {
            assert_eq!(question(&Method::POST, path), Ok(want), "{path}");
        }
    }

    #[test]
    fn what_has_no_meaning_is_told_why() {
        use Misdirected::{NoSuchMethod, NoSuchPath};
        for (method, path, want) in [
            (Method::GET, "/v1/models/m:predict", NoSuchMethod),
            (Method::POST, "/v1/models/m", NoSuchMethod),
            (Method::DELETE, "/v1/models/m", NoSuchMethod),
            (Method::GET, "/nothing", NoSuchPath),
            (Method::GET, "/v1/models/", NoSuchPath),
            (Method::POST, "/v1/models/a/b:predict", NoSuchPath),
            (Method::GET, "/v2/models/m/unknown", NoSuchPath),
            (Method::GET, "/v2/models/m/versions/1/ready", NoSuchPath),
        ] {
            assert_eq!(question(&method, path), Err(want), "{method} {path}");
        }
    }
}
