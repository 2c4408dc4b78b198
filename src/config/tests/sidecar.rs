//! A sidecar's settings, its own and those that Knative gives its queue-proxy.

use std::time::Duration;

use super::super::{Overrides, SidecarConfig, load_sidecar};
use super::Written;
use crate::backend::beside::How;
use crate::revision::{OverloadStatus, Protocol};
use crate::server::Bounds;

/// What is read of a file, flags and an environment, or what is wrong.
fn read(
    text: &str,
    flags: &[(&str, &str)],
    said: &[(&str, &str)],
) -> Result<SidecarConfig, String> {
    let flag = |name: &str| -> Vec<String> {
        let values = flags.iter().filter(|(known, _)| *known == name);
        values.map(|(_, value)| (*value).to_owned()).collect()
    };
    let environment = |name: &str| {
        let mut said = said.iter();
        let found = said.find(|(known, _)| *known == name);
        found.map(|(_, value)| (*value).to_owned())
    };
    let overrides = Overrides::beside(flag, environment);
    let written = Written::new(&[("s.yaml", text)]);
    let dir = format!("{}/", written.dir.path().display());
    load_sidecar(&written.files, &overrides).map_err(|told| told.to_string().replace(&dir, ""))
}

fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

const OF_KNATIVE: [(&str, &str); 9] = [
    ("CONTAINER_CONCURRENCY", "3"),
    ("QUEUE_SERVING_PORT", "8112"),
    ("USER_PORT", "9000"),
    ("REVISION_TIMEOUT_SECONDS", "20"),
    ("REVISION_RESPONSE_START_TIMEOUT_SECONDS", "7"),
    ("REVISION_IDLE_TIMEOUT_SECONDS", "5"),
    ("SERVING_REVISION", "flowers-00001"),
    ("SERVING_LOGGING_LEVEL", "info"),
    ("HOLDGATE_PORT", "tcp://10.0.0.1:80"),
];

#[test]
fn what_knative_says_to_its_queue_proxy_is_understood() {
    let config = read("", &[], &OF_KNATIVE).expect("sound");
    let spec = &config.spec;
    assert_eq!(spec.id.as_str(), "flowers-00001");
    assert_eq!(spec.container_concurrency.written(), 3);
    assert_eq!(spec.queue.max_requests, 30);
    assert_eq!(spec.overload_status, OverloadStatus::ServiceUnavailable);
    assert_eq!(config.listen.to_string(), "0.0.0.0:8112");
    assert_eq!(config.app.to_string(), "127.0.0.1:9000");
    let timeouts = spec.timeouts;
    assert_eq!(timeouts.total, Some(secs(20)));
    assert_eq!(timeouts.stream, Some(secs(20)));
    assert_eq!(timeouts.first_byte, Some(secs(7)));
    assert_eq!(timeouts.idle, Some(secs(5)));
    assert_eq!(
        (spec.queue.timeout, spec.queue.cold_timeout),
        (secs(20), secs(20))
    );
    assert_eq!(config.drain_timeout, secs(20));
    assert!(config.in_knative);
}

#[test]
fn knatives_port_for_h2c_says_what_the_model_server_is_spoken_to_in() {
    let spoken = |port, file| {
        let said = [("QUEUE_SERVING_PORT", port)];
        let config = read(file, &[], &said).expect("sound");
        assert_eq!(config.listen.port().to_string(), port);
        config.spec.protocol
    };
    assert_eq!(spoken("8013", ""), Protocol::H2c);
    assert_eq!(spoken("8012", ""), Protocol::Auto);
    assert_eq!(spoken("8012", "protocol: http1"), Protocol::Http1);
    let said = [
        ("QUEUE_SERVING_PORT", "8013"),
        ("HOLDGATE_PROTOCOL", "auto"),
    ];
    let config = read("", &[], &said).expect("sound");
    assert_eq!(config.spec.protocol, Protocol::Auto, "ours wins");
}

#[test]
fn a_timeout_of_nothing_is_knatives_usual_one_and_idleness_is_not_bounded() {
    let said = [
        ("CONTAINER_CONCURRENCY", "0"),
        ("REVISION_TIMEOUT_SECONDS", "0"),
    ];
    let config = read("", &[], &said).expect("sound");
    assert_eq!(config.spec.timeouts.total, Some(secs(300)));
    assert_eq!(config.spec.timeouts.idle, None);
    assert_eq!(
        config.spec.queue.max_requests, 1000,
        "there is nothing to wait for but a start"
    );
}

#[test]
fn a_file_gives_way_to_knative_that_to_our_environment_and_that_to_flags() {
    let file = "containerConcurrency: 1\nport: 1\nname: a\ntimeout: 9s\n";
    let said = [
        ("CONTAINER_CONCURRENCY", "2"),
        ("USER_PORT", "2"),
        ("SERVING_REVISION", "b"),
        ("HOLDGATE_PORT", "3"),
        ("HOLDGATE_NAME", "c"),
    ];
    let config = read(file, &[("name", "d")], &said).expect("sound");
    assert_eq!(config.spec.timeouts.total, Some(secs(9)));
    assert_eq!(config.spec.container_concurrency.written(), 2);
    assert_eq!(config.app.port(), 3);
    assert_eq!(config.spec.id.as_str(), "d");
    assert!(!read(file, &[], &[]).expect("sound").in_knative);
}

#[test]
fn the_probes_that_knative_has_moved_are_read() {
    let probe = |json: &str| {
        let said = [("SERVING_READINESS_PROBE", json)];
        read("", &[], &said).map(|config| config.readiness)
    };
    let tcp = probe(r#"{"tcpSocket":{"port":8080,"host":"127.0.0.1"},"successThreshold":1}"#);
    let tcp = tcp.expect("sound").remove(0);
    assert_eq!((tcp.how, tcp.period), (How::Tcp, Duration::ZERO));
    assert_eq!(tcp.timeout, Duration::from_millis(100));
    let both = probe(
        r#"[{"httpGet":{"path":"up?a=1","port":"81","host":"10.0.0.1","httpHeaders":[{"name":"a","value":"b"}]},
             "periodSeconds":10,"timeoutSeconds":2,"failureThreshold":5},
            {"exec":{"command":["true"]}}]"#,
    );
    let both = both.expect("sound");
    let headers = vec![("a".parse().expect("a name"), "b".parse().expect("a value"))];
    let path = "/up?a=1".to_owned();
    assert_eq!(both[0].how, How::Http { path, headers });
    assert_eq!(both[0].at.to_string(), "127.0.0.1:81");
    assert_eq!(
        (both[0].period, both[0].timeout, both[0].failures),
        (secs(10), secs(2), 5)
    );
    assert_eq!(both[1].how, How::Tcp, "what is executed stays where it is");
    let grpc = probe(r#"{"grpc":{"port":9,"service":"s"},"periodSeconds":1}"#).expect("sound");
    assert_eq!(
        grpc[0].how,
        How::Grpc {
            service: "s".into()
        }
    );
    let wrong = "SERVING_READINESS_PROBE: wanted a probe of Kubernetes as JSON, or a list of them";
    assert_eq!(probe("{"), Err(wrong.to_owned()));
    assert_eq!(probe("[3]"), Err(wrong.to_owned()));
}

#[test]
fn what_is_wrong_is_told_with_its_place() {
    let told = |text: &str, said: &[(&str, &str)]| read(text, &[], said).expect_err("wrong");
    let wrong = told(
        "",
        &[
            ("CONTAINER_CONCURRENCY", "many"),
            ("REVISION_TIMEOUT_SECONDS", "1m"),
        ],
    );
    assert_eq!(
        wrong,
        "CONTAINER_CONCURRENCY: wanted a whole number, 0 or more, not many\n\
         REVISION_TIMEOUT_SECONDS: wanted whole seconds"
    );
    let wrong = told(
        "minReplicas: 1\nautoscaling: { stableWindow: 6s }\nlame: 3s\n",
        &[],
    );
    let lines: Vec<&str> = wrong.lines().collect();
    let others = "is for who finds, starts or scales model servers, not for a sidecar";
    assert_eq!(lines[0], format!("s.yaml:1:1: minReplicas: {others}"));
    assert_eq!(lines[1], format!("s.yaml:2:1: autoscaling: {others}"));
    assert!(
        lines[2].starts_with("s.yaml:3:1: lame: unknown key"),
        "{}",
        lines[2]
    );
    let wrong = told("listen: 127.0.0.1:8080\n", &[]);
    assert!(wrong.contains("wanted another port"), "{wrong}");
    let wrong = told("report: { to: gateway }\n", &[]);
    assert!(
        wrong.contains("wanted a URL such as http://gateway:9090"),
        "{wrong}"
    );
    let wrong = told("readiness: { path: /a, grpc: b }\n", &[]);
    assert!(wrong.contains("not both"), "{wrong}");
    let wrong = told("", &[("HOLDGATE_MIN_REPLICAS", "2")]);
    assert_eq!(wrong, format!("HOLDGATE_MIN_REPLICAS: {others}"));
}

#[test]
fn what_one_client_may_send_is_bounded_as_at_any_gate() {
    let usual = read("", &[], &[]).expect("sound");
    assert_eq!((usual.max_streams, usual.bounds.headers), (128, 100));
    let written = "maxStreams: 7\nmaxHeaderBytes: 16KiB\nmaxHeaders: 9\nheaderTimeout: 3s\n\
                   idleConnectionTimeout: 0\n";
    let config = read(written, &[("max-headers", "8")], &[]).expect("sound");
    let Bounds {
        head_bytes,
        headers,
        patience,
    } = config.bounds;
    assert_eq!(
        (config.max_streams, head_bytes, headers),
        (7, 16 * 1024, 8),
        "a flag goes before a file"
    );
    assert_eq!((patience.head, patience.idle), (secs(3), None));
    let wrong = read("maxQueuedRequests: 5\n", &[], &[]).expect_err("wrong");
    assert!(
        wrong.starts_with("s.yaml:1:1: maxQueuedRequests: is not for a sidecar"),
        "{wrong}"
    );
}

#[cfg(feature = "tls")]
#[test]
fn tls_is_spoken_once_a_certificate_is_named_at_knatives_port_for_it() {
    let port = [("QUEUE_SERVING_TLS_PORT", "8113")];
    assert_eq!(
        read("tls: { listen: '[::1]:9' }\n", &[], &port)
            .expect("sound")
            .tls,
        None
    );
    let named = [("tls-cert-file", "a.crt"), ("tls-key-file", "a.key")];
    for (text, said, want) in [
        ("", &[][..], "0.0.0.0:8112"),
        ("", &port, "0.0.0.0:8113"),
        ("tls: { listen: '[::1]:9' }\n", &[], "[::1]:9"),
    ] {
        let tls = read(text, &named, said)
            .expect("sound")
            .tls
            .expect("it is written");
        assert_eq!(tls.listen.to_string(), want);
        assert_eq!(
            tls.files(),
            ["a.crt", "a.key"].map(std::path::PathBuf::from)
        );
    }
    let wrong = read("tls: { certFile: a }\n", &[], &[]).expect_err("wrong");
    assert!(
        wrong.starts_with("s.yaml:1:18: tls.certFile: a: wanted its key"),
        "{wrong}"
    );
}
