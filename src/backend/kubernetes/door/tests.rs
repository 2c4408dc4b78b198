//! What is found out about a door, and what answers at it mean.

use super::*;
use crate::backend::kubernetes::objects::Port;

fn container(name: &str, ports: &[u16], readiness: Option<ReadinessProbe>) -> Container {
    let port = |&number| Port { name: None, number };
    Container {
        name: name.into(),
        ports: ports.iter().map(port).collect(),
        readiness,
        ..Container::default()
    }
}

fn template(containers: Vec<Container>) -> Template {
    Template {
        containers,
        ..Template::default()
    }
}

fn asking(protocol: Protocol) -> PodSpec {
    let name = "flowers".into();
    PodSpec {
        model: Some(Model { name, protocol }),
        ..PodSpec::default()
    }
}

fn path(path: &str, port: u16) -> Ask {
    let path = path.into();
    Ask::Path { path, port }
}

fn v1(path: &str) -> Ask {
    Ask::ModelV1 { path: path.into() }
}

fn v2(path: &str) -> Ask {
    Ask::ModelV2 { path: path.into() }
}

#[test]
fn the_port_is_the_written_one_then_the_model_servers_first_then_8080() {
    let sidecar = || container("agent", &[9081], None);
    let server = || container("kserve-container", &[9000, 9001], None);
    let written = PodSpec {
        port: Some(7000),
        ..PodSpec::default()
    };
    //            written   containers => port
    let table = [
        (written.clone(), vec![sidecar(), server()], 7000),
        (PodSpec::default(), vec![sidecar(), server()], 9000),
        (PodSpec::default(), vec![sidecar()], 9081),
        (
            PodSpec::default(),
            vec![container("model", &[], None)],
            8080,
        ),
        (PodSpec::default(), vec![], 8080),
    ];
    for (written, containers, port) in table {
        let door = Door::find(&written, &template(containers.clone()));
        assert_eq!(door.port, port, "{containers:?}");
    }
}

#[test]
fn a_written_path_is_all_that_is_asked() {
    let written = PodSpec {
        readiness_path: Some("/up".into()),
        ..asking(Protocol::V1)
    };
    let door = Door::find(&written, &template(vec![container("m", &[9000], None)]));
    assert_eq!(door.asks, [path("/up", 9000)]);
}

#[test]
fn the_model_is_asked_before_what_kubelet_asks() {
    let http = ReadinessProbe::Http {
        path: "/healthz".into(),
        port: 9999,
    };
    let tcp = ReadinessProbe::Tcp { port: 9000 };
    let of = |spec: &PodSpec, probe| {
        Door::find(spec, &template(vec![container("m", &[9000], probe)])).asks
    };
    let model = [
        v2("/v2/models/flowers/ready"),
        Ask::ServerV2 {
            path: "/v2/health/ready".into(),
        },
        Ask::Kubelet,
    ];
    let connection = Ask::Connection { port: 9000 };
    assert_eq!(
        of(&asking(Protocol::V1), Some(http.clone())),
        [v1("/v1/models/flowers"), path("/healthz", 9999)]
    );
    assert_eq!(
        of(&asking(Protocol::V1), Some(tcp)),
        [v1("/v1/models/flowers"), connection.clone()]
    );
    assert_eq!(
        of(&asking(Protocol::V2), Some(ReadinessProbe::Kubelet)),
        model
    );
    assert_eq!(of(&PodSpec::default(), None), [connection]);
    assert_eq!(
        of(&PodSpec::default(), Some(http)),
        [path("/healthz", 9999)]
    );
}

#[test]
fn what_a_server_says_of_its_model_is_understood() {
    use Meaning::{NotYet, Ready, Unknown};
    let loading = br#"{"model_version_status":[{"version":"1","state":"LOADING"}]}"#;
    let swapping = br#"{"model_version_status":[
        {"version":"2","state":"LOADING"},{"version":"1","state":"AVAILABLE"}]}"#;
    let (first, second) = (v1("/v1/models/x"), v2("/v2/models/x/ready"));
    let up = path("/up", 80);
    let server = Ask::ServerV2 {
        path: "/v2/health/ready".into(),
    };
    //    asked, status, body => meaning
    let table: [(&Ask, u16, &[u8], Meaning); 16] = [
        (&first, 200, br#"{"name":"x","ready":true}"#, Ready),
        (&first, 200, b"", Ready),
        (&first, 200, loading, NotYet),
        (&first, 200, swapping, Ready),
        (&first, 200, br#"{"model_version_status":[]}"#, NotYet),
        (&first, 503, b"", NotYet),
        (&first, 404, b"", Unknown),
        (&first, 500, b"", NotYet),
        (&second, 200, b"", Ready),
        (&second, 503, b"", NotYet),
        (&second, 400, b"", Unknown),
        (&second, 404, b"", Unknown),
        (&server, 400, b"", NotYet),
        (&server, 404, b"", Unknown),
        (&up, 302, b"", Ready),
        (&up, 404, b"", NotYet),
    ];
    for (ask, status, body, meaning) in table {
        let body_text = String::from_utf8_lossy(body);
        assert_eq!(
            ask.meaning(status, body),
            meaning,
            "{ask:?} {status} {body_text}"
        );
    }
}

#[cfg(feature = "tls")]
#[test]
fn kubelets_probe_by_tls_is_asked_where_tls_is_known_and_left_to_kubelet_elsewhere() {
    let tls = ReplicaTls::read(None, None, None).expect("sound");
    let secured = PodSpec {
        tls: Some(tls),
        ..PodSpec::default()
    };
    let asks = |spec: &PodSpec, port| {
        let path = "/up".into();
        let probe = Some(ReadinessProbe::Https { path, port });
        Door::find(spec, &template(vec![container("m", &[9000], probe)])).asks
    };
    assert_eq!(asks(&secured, 9000), [path("/up", 9000)]);
    assert_eq!(asks(&secured, 9001), [Ask::Kubelet]);
    assert_eq!(asks(&PodSpec::default(), 9000), [Ask::Kubelet]);
}
