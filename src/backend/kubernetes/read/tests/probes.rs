//! How kubelet looks whether a container is ready.

use serde_json::{Value, json};

use super::workloads::{deployment, kept};
use crate::backend::kubernetes::objects::ReadinessProbe;

#[test]
fn probes_that_only_kubelet_can_make_are_told_as_such() {
    let probe = |probe: Value| {
        let mut object = deployment();
        object["spec"]["template"]["spec"]["containers"][0]["readinessProbe"] = probe;
        kept(&object).template.containers[0].readiness.clone()
    };
    let tcp = ReadinessProbe::Tcp { port: 8501 };
    assert_eq!(probe(json!({"tcpSocket": {"port": 8501}})), Some(tcp));
    assert_eq!(
        probe(json!({"exec": {"command": ["true"]}})),
        Some(ReadinessProbe::Kubelet)
    );
    assert_eq!(
        probe(json!({"grpc": {"port": 9000}})),
        Some(ReadinessProbe::Kubelet)
    );
    let secret = json!({"httpGet": {"path": "/", "port": 8501, "scheme": "HTTPS"}});
    let (path, port) = ("/".into(), 8501);
    assert_eq!(probe(secret), Some(ReadinessProbe::Https { path, port }));
    assert_eq!(
        probe(json!({"httpGet": {"port": "none"}})),
        Some(ReadinessProbe::Kubelet)
    );
    let token = json!([{"name": "Authorization", "value": "Bearer x"}]);
    assert_eq!(
        probe(json!({"httpGet": {"path": "/", "port": 8501, "httpHeaders": token}})),
        Some(ReadinessProbe::Kubelet)
    );
    assert_eq!(probe(Value::Null), None);
}

#[test]
fn a_path_that_begins_with_no_slash_is_asked_for_as_kubelet_asks() {
    let path = |path: &str| {
        let mut object = deployment();
        object["spec"]["template"]["spec"]["containers"][0]["readinessProbe"] =
            json!({"httpGet": {"path": path, "port": 8501}});
        kept(&object).template.containers[0].readiness.clone()
    };
    for (written, path_asked) in [("health", "/health"), ("/health", "/health"), ("", "/")] {
        let want = ReadinessProbe::Http {
            path: path_asked.into(),
            port: 8501,
        };
        assert_eq!(path(written), Some(want), "{written}");
    }
}

#[test]
fn the_probe_of_the_start_counts_where_that_of_readiness_says_no_more_than_an_open_port() {
    let probe = |ready: Value, started: Value| {
        let mut object = deployment();
        let container = &mut object["spec"]["template"]["spec"]["containers"][0];
        container["readinessProbe"] = ready;
        container["startupProbe"] = started;
        kept(&object).template.containers[0].readiness.clone()
    };
    let tcp = || json!({"tcpSocket": {"port": 8501}});
    let http = |path: &str| json!({"httpGet": {"path": path, "port": 8501}});
    let exec = || json!({"exec": {"command": ["true"]}});
    let asks = |path: &str| {
        Some(ReadinessProbe::Http {
            path: path.into(),
            port: 8501,
        })
    };
    assert_eq!(probe(Value::Null, http("/up")), asks("/up"));
    assert_eq!(probe(tcp(), http("/up")), asks("/up"));
    assert_eq!(probe(tcp(), exec()), Some(ReadinessProbe::Kubelet));
    assert_eq!(probe(http("/ready"), http("/up")), asks("/ready"));
    assert_eq!(probe(exec(), http("/up")), Some(ReadinessProbe::Kubelet));
    let open = ReadinessProbe::Tcp { port: 8501 };
    assert_eq!(probe(tcp(), Value::Null), Some(open));
}
