//! What a person says about the process behind one replica.

use std::path::PathBuf;
use std::time::Duration;

use crate::tls::ReplicaTls;

/// How one replica of a revision is run. A change of any of it replaces the running processes.
#[derive(Clone, Debug, PartialEq)]
pub struct ProcessSpec {
    /// The program and its arguments. `{port}` in one stands for the port it must listen on;
    /// a first word `holdgate` is this very binary.
    pub command: Vec<String>,
    /// Set in the environment, over what the gate itself has. `{port}` in a value as above.
    pub env: Vec<(String, String)>,
    /// The working directory; `None` is the gate's own.
    pub dir: Option<PathBuf>,
    /// When it may take requests.
    pub readiness: Readiness,
    /// From SIGTERM to SIGKILL.
    pub stop_timeout: Duration,
    /// Devices that each replica has to itself.
    pub gpus: u32,
    /// What each replica may use.
    pub resources: Resources,
}

/// What one replica may use: what percentages are percentages of.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Resources {
    /// Processor cores; `None` counts in percent of one.
    pub cpu: Option<f64>,
    /// Bytes of memory.
    pub memory: Option<u64>,
}

/// When a started process may take requests.
#[derive(Clone, Debug, PartialEq)]
pub struct Readiness {
    /// `GET` of this path must answer 200 to 399; `None` asks for an accepted connection only.
    pub path: Option<String>,
    /// From its start; after it the process is killed and counted as crashed.
    pub timeout: Duration,
}

/// What a person says about the pod behind one replica. What is left open is found in the pod.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PodSpec {
    /// The port that takes requests; `None` takes the first port of the model server's container, or
    /// 8080 where it names none.
    pub port: Option<u16>,
    /// `GET` of this path must answer 200 to 399 before it takes requests; `None` asks for the model,
    /// then as the container's own readiness probe does, then for an accepted connection.
    pub readiness_path: Option<String>,
    /// The model it must have loaded; `None` where nobody knows.
    pub model: Option<Model>,
    /// The Services that lead to it; empty where those whose selector matches do.
    pub services: Vec<String>,
    /// How it is reached by TLS; `None` where it does not speak it.
    pub tls: Option<ReplicaTls>,
}

/// A model that a server must have loaded before it takes requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Model {
    /// Its name, as far as anybody knows: some servers take it from the model's files.
    pub name: String,
    /// How the server is asked for it.
    pub protocol: Protocol,
}

/// How a model server is asked whether it has loaded a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// `GET /v1/models/NAME`; `TensorFlow` Serving tells the state in the body.
    V1,
    /// `GET /v2/models/NAME/ready`.
    V2,
}

/// What part of an `InferenceService` a revision is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Component {
    /// It answers.
    Predictor,
    /// It stands before the predictor.
    Transformer,
    /// It explains the predictor's answers.
    Explainer,
}

impl Component {
    /// Every one of them.
    pub const ALL: [Self; 3] = [Self::Predictor, Self::Transformer, Self::Explainer];

    /// The word in manifests.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Predictor => "predictor",
            Self::Transformer => "transformer",
            Self::Explainer => "explainer",
        }
    }
}
