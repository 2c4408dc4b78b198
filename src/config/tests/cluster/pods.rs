//! What is so of the pods: which model they must have loaded, and where they take requests.

use serde_json::json;

use super::*;
use crate::backend::{Model, Protocol};

/// The model of a predictor, in few words.
fn model(predictor: &Json) -> Option<(String, Protocol)> {
    model_with(predictor, &[])
}

fn model_with(predictor: &Json, args: &[&str]) -> Option<(String, Protocol)> {
    let object = service(&json!({}), predictor);
    let args = args.iter().map(|&arg| arg.to_owned()).collect();
    let facts = ClaimFacts {
        args,
        ..facts("m-predictor.team")
    };
    let settings = ClaimSettings::InferenceService(&object, Component::Predictor);
    let read = read_twice(&settings, &facts).expect("sound");
    read.pod
        .model
        .map(|Model { name, protocol }| (name, protocol))
}

#[test]
fn a_predictors_protocol_is_the_written_one_else_that_of_its_format() {
    use Protocol::{V1, V2};
    let of = |format: &str| {
        model(&json!({ "model": { "modelFormat": { "name": format } } }))
            .map(|(_, protocol)| protocol)
    };
    for format in [
        "tensorflow",
        "pytorch",
        "sklearn",
        "xgboost",
        "lightgbm",
        "pmml",
        "paddle",
        "huggingface",
    ] {
        assert_eq!(of(format), Some(V1), "{format}");
        let old = model(&json!({ format: {} }));
        assert_eq!(
            old,
            Some(("m".to_owned(), V1)),
            "{format} in the old schema"
        );
    }
    for format in ["triton", "onnx", "mlflow", "openvino"] {
        assert_eq!(of(format), Some(V2), "{format}");
    }
    for format in ["vllm", "mine"] {
        assert_eq!(of(format), None, "{format}");
    }
    let written = |version: &str, format: &str| {
        let server = json!({ "modelFormat": { "name": format }, "protocolVersion": version });
        model(&json!({ "model": server })).map(|(_, protocol)| protocol)
    };
    assert_eq!(written("v2", "sklearn"), Some(V2));
    assert_eq!(written("v1", "mine"), Some(V1));
    assert_eq!(
        written("grpc-v2", "triton"),
        None,
        "only kubelet can ask that"
    );
    assert_eq!(written("v2", "vllm"), None, "it has no path for one model");
    let runtime =
        json!({ "model": { "modelFormat": { "name": "sklearn" }, "runtime": "kserve-mlserver" } });
    assert_eq!(model(&runtime).map(|(_, protocol)| protocol), Some(V2));
}

#[test]
fn a_model_is_called_as_its_service_unless_arguments_call_it_otherwise() {
    let name = |args: Json, of_pods: &[&str]| {
        let server = json!({ "modelFormat": { "name": "sklearn" }, "args": args });
        model_with(&json!({ "model": server }), of_pods)
            .map(|(name, _)| name)
            .expect("a model")
    };
    assert_eq!(name(json!([]), &[]), "m");
    assert_eq!(name(json!(["--model_name=mnist"]), &[]), "mnist");
    assert_eq!(name(json!(["--model-name", "mnist", "--x"]), &[]), "mnist");
    assert_eq!(name(json!(["--model_name={{.Name}}"]), &[]), "m");
    assert_eq!(
        name(
            json!(["--model_name=a"]),
            &["serve", "--model_name=a", "--model_name", "b"]
        ),
        "b",
        "the pods know, and the last one counts"
    );
    assert_eq!(
        name(json!(["--model_name=a"]), &["--http_port=8080"]),
        "a",
        "where they do not say it"
    );
    assert_eq!(
        name(json!([]), &["sh", "-c", "exec serve --model_name c --x"]),
        "c"
    );
    assert_eq!(
        name(json!(["--model_name=$(NAME)"]), &[]),
        "m",
        "nobody here knows it"
    );
    assert_eq!(name(json!(["--model_names=x", "--model_name"]), &[]), "m");
}

#[test]
fn a_container_that_somebody_brings_has_a_model_only_where_its_protocol_is_told() {
    let container = |env: Json| json!({ "containers": [{ "name": "kserve-container", "args": ["--model_name", "mnist"], "env": env }] });
    assert_eq!(model(&container(json!([]))), None);
    let told = container(json!([{ "name": "PROTOCOL", "value": "v2" }]));
    assert_eq!(model(&told), Some(("mnist".to_owned(), Protocol::V2)));
    let mut object = service(
        &json!({}),
        &json!({ "model": { "modelFormat": { "name": "sklearn" } } }),
    );
    object["spec"]["transformer"] = container(json!([]));
    let read = |object: &Json| {
        let settings = ClaimSettings::InferenceService(object, Component::Transformer);
        read_claim(&settings, &facts("m-transformer.team"), &plain())
            .expect("sound")
            .pod
            .model
    };
    assert_eq!(read(&object), None);
    object["spec"]["transformer"] = container(json!([{ "name": "PROTOCOL", "value": "v1" }]));
    assert_eq!(
        read(&object).map(|model| model.name),
        Some("mnist".to_owned())
    );
}

#[test]
fn what_kserve_puts_before_a_model_server_takes_its_requests() {
    let port = |predictor: Json, annotations: Json| predictor_port(&predictor, &annotations);
    assert_eq!(
        port(json!({ "model": {} }), json!({})),
        None,
        "the pod says it"
    );
    assert_eq!(
        port(
            json!({ "model": {}, "logger": { "mode": "all" } }),
            json!({})
        ),
        Some(9081)
    );
    assert_eq!(
        port(json!({ "model": {}, "batcher": {} }), json!({})),
        Some(9081)
    );
    assert_eq!(
        port(
            json!({ "model": {}, "batcher": {} }),
            json!({ "holdgate.dev/port": "8080" })
        ),
        Some(8080),
        "but what is written wins"
    );
}

fn predictor_port(predictor: &Json, annotations: &Json) -> Option<u16> {
    let read = super::predictor(&service(annotations, predictor));
    read.expect("sound").pod.port
}

/// A workload and a predictor whose containers ask for this, each steered by memory.
fn asking(cpu: &Json, memory: &Json) -> [Result<ReadClaim, Complaints>; 2] {
    let resources = json!({ "requests": { "cpu": cpu, "memory": memory } });
    let mut deployment = workload(&json!({ "holdgate.dev/scale-metric": "memory" }));
    let containers = json!([{ "name": "server", "resources": resources.clone() }]);
    deployment["spec"] = json!({ "template": { "spec": { "containers": containers } } });
    let model = json!({ "modelFormat": { "name": "sklearn" }, "resources": resources });
    let service = service(
        &json!({}),
        &json!({ "model": model, "scaleMetric": "memory" }),
    );
    [workload_of(&deployment, "m.team"), predictor(&service)]
}

#[test]
fn every_amount_that_kubernetes_takes_is_understood() {
    for (cpu, memory, bytes) in [
        (json!("500m"), json!("1Gi"), 1_073_741_824.0),
        (json!(2), json!(1_000_000_000), 1e9),
        (json!("250000u"), json!("1e9"), 1e9),
        (json!("1500000n"), json!("1000000000000m"), 1e9),
        (json!("0"), json!("1E9"), 1e9),
        (json!(0), json!("0.001Ei"), 1_152_921_504_606_846.0),
    ] {
        for read in asking(&cpu, &memory) {
            let target = read.expect("it is sound").spec.scaling.target;
            let share = target.expect("a share of it") / bytes;
            assert!((share - 0.8).abs() < 1e-9, "{cpu} {memory}: {share}");
        }
    }
}

#[test]
fn what_asks_for_nothing_has_said_nothing() {
    let [of_workload, of_predictor] = asking(&json!(0), &json!("0"));
    let told = of_workload.expect_err("a share of nothing").to_string();
    assert!(told.contains("without a request of memory"), "{told}");
    let target = of_predictor.expect("KServe's default").spec.scaling.target;
    assert_eq!(target, Some(f64::from(1 << 30) * 1.6));
}
