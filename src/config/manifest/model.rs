//! Which model a component's pods must have loaded, and how they are asked: as its protocol says, else
//! as model servers of its format answer. Nobody knows of a container that somebody brings along.

use super::component::Part;
use super::fields::MODEL_SERVERS;
use crate::backend::{Component, Model, Protocol};
use crate::config::tree::Node;

/// Formats whose servers answer V1 where no protocol is written, as `KServe` runs them.
const V1: [&str; 12] = [
    "tensorflow",
    "pytorch",
    "sklearn",
    "xgboost",
    "lightgbm",
    "pmml",
    "paddle",
    "huggingface",
    "spark",
    "predictive",
    "predictiveserver",
    "autogluon",
];

/// Formats whose servers answer V2.
const V2: [&str; 7] = [
    "triton", "onnx", "mlflow", "openvino", "tensorrt", "catboost", "mlserver",
];

/// Parts of the names of runtimes whose servers answer V2, whatever the format.
const V2_RUNTIMES: [&str; 4] = ["mlserver", "triton", "ovms", "openvino"];

/// Its server has no path for one model.
const VLLM: &str = "vllm";

/// How a container that somebody brings along says its protocol.
pub(super) const PROTOCOL: &str = "PROTOCOL";

/// How a model server is told a model's name.
const NAME_FLAGS: [&str; 2] = ["--model_name", "--model-name"];

/// What stands for the name of the service in the arguments of a runtime.
const NAME_OF_SERVICE: &str = "{{.Name}}";

/// The model of a component of this service, with these arguments in its pods.
pub(super) fn of(part: &Part<'_>, service: &str, args: &[String]) -> Option<Model> {
    let protocol = protocol(part)?;
    let told = name(args.iter().map(String::as_str));
    let told = told.or_else(|| name(written_args(part)));
    let name = told.map_or_else(
        || service.to_owned(),
        |told| told.replace(NAME_OF_SERVICE, service),
    );
    Some(Model { name, protocol })
}

fn protocol(part: &Part<'_>) -> Option<Protocol> {
    let Some((field, server)) = server(part) else {
        let mut variables = part.main_container()?.given("env")?.items().iter();
        let protocol = variables.rfind(|variable| is_called(variable, PROTOCOL))?;
        return version(protocol.given("value")?.text()?);
    };
    let format = server.given("modelFormat");
    let format = format.and_then(|format| format.given("name")?.text());
    let format = if field == "model" {
        format
    } else {
        Some(field)
    };
    let runtime = server.given("runtime").and_then(Node::text);
    let written = server.given("protocolVersion").and_then(Node::text);
    of_server(written, format, runtime)
}

fn is_called(node: &Node, name: &str) -> bool {
    node.given("name").and_then(Node::text) == Some(name)
}

/// The model server that is a field of a predictor.
fn server<'a>(part: &Part<'a>) -> Option<(&'static str, &'a Node)> {
    let mut servers = MODEL_SERVERS
        .iter()
        .filter_map(|field| Some((*field, part.node.given(field)?)));
    servers.next().filter(|_| part.role == Component::Predictor)
}

fn of_server(
    written: Option<&str>,
    format: Option<&str>,
    runtime: Option<&str>,
) -> Option<Protocol> {
    let format = format.unwrap_or_default();
    let runtime = runtime.unwrap_or_default();
    let runs = |word: &str| runtime.contains(word);
    if format == VLLM || runs(VLLM) {
        return None;
    }
    match written {
        Some(written) => version(written),
        None if V2.contains(&format) || V2_RUNTIMES.into_iter().any(runs) => Some(Protocol::V2),
        None if V1.contains(&format) => Some(Protocol::V1),
        None => None,
    }
}

/// gRPC is asked in another way, which only kubelet knows.
fn version(written: &str) -> Option<Protocol> {
    match written {
        "v1" => Some(Protocol::V1),
        "v2" => Some(Protocol::V2),
        _ => None,
    }
}

/// The arguments of a model server, or of the container that stands in its place.
fn written_args<'a>(part: &Part<'a>) -> impl Iterator<Item = &'a str> {
    let server = server(part).map(|(_, server)| server);
    let lists = server.or_else(|| part.main_container()).into_iter();
    lists
        .flat_map(|node| ["command", "args"].map(|list| node.given(list)))
        .flatten()
        .flat_map(Node::items)
        .filter_map(Node::text)
}

/// The name that arguments tell; of several the last one, as those who read them take it. A shell's
/// argument is a line of many.
fn name<'a>(args: impl Iterator<Item = &'a str>) -> Option<String> {
    let mut words = args.flat_map(str::split_whitespace);
    let mut told = None;
    while let Some(word) = words.next() {
        for flag in NAME_FLAGS {
            match word.strip_prefix(flag) {
                Some("") => told = words.next(),
                Some(rest) => told = rest.strip_prefix('=').or(told),
                None => {}
            }
        }
    }
    // What the environment of a container says is not known here.
    let is_known = |name: &&str| !name.is_empty() && !name.contains("$(");
    told.filter(is_known).map(str::to_owned)
}
