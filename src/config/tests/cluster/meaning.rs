//! What sound objects mean, and which word wins.

use serde_json::json;

use super::super::super::key::Shape;
use super::super::super::keys::{COMMAND, NAME, REVISION};
use super::*;

#[test]
fn the_manifests_of_the_guides_mean_the_same_in_a_cluster_as_in_a_file() {
    let mut count = 0;
    for (number, text) in GUIDES.split("\n---\n").enumerate() {
        let in_file = load_text("guide.yaml".as_ref(), text, &Overrides::default());
        let in_file = in_file.expect("it is sound").revisions;
        let in_file: Vec<_> = in_file
            .iter()
            .map(|revision| (nameless(&revision.spec), &revision.schedule))
            .collect();
        let claims = guide(number);
        let in_cluster: Vec<_> = claims
            .iter()
            .map(|claim| (nameless(&claim.spec), &claim.schedule))
            .collect();
        assert_eq!(in_cluster, in_file, "manifest {number}");
        count += in_cluster.len();
    }
    assert_eq!(count, 20, "18 predictors, two transformers");
}

#[test]
fn old_and_new_group_and_schema_mean_the_same_in_a_cluster() {
    let twins = [
        (0, 4),
        (4, 5),
        (6, 7),
        (2, 8),
        (8, 12),
        (3, 9),
        (9, 13),
        (10, 11),
    ];
    for (one, other) in twins {
        assert_eq!(guide(one), guide(other), "{one} and {other}");
    }
    assert_ne!(guide(0), guide(2), "or nothing would be compared");
}

#[test]
fn a_component_takes_its_own_words_over_its_services_over_the_gateways() {
    let mut object = service(
        &json!({
            "autoscaling.knative.dev/window": "10s",
            "autoscaling.knative.dev/target": "9",
            "holdgate.dev/queue-max-requests": "5",
            "holdgate.dev/models": "ours",
            "holdgate.dev/hosts": "ours.example",
        }),
        &json!({
            "model": { "modelFormat": { "name": "sklearn" } },
            "scaleTarget": 2,
            "annotations": { "autoscaling.knative.dev/window": "20s" },
        }),
    );
    object["spec"]["transformer"] =
        json!({ "containers": [{ "name": "kserve-container" }], "minReplicas": 0 });
    let gateway = gateway(
        "defaults: { queue: { maxRequests: 7, timeout: 9s }, minReplicas: 3, autoscaling: { stableWindow: 30s } }\n",
    );
    let read = |role: Component| {
        let facts = facts(&format!("m-{}.team", role.as_str()));
        read_claim(
            &ClaimSettings::InferenceService(&object, role),
            &facts,
            &gateway,
        )
        .expect("sound")
        .spec
    };
    let (predictor, transformer) = (read(Component::Predictor), read(Component::Transformer));
    let scaling = |spec: &RevisionSpec| {
        (
            spec.scaling.min_replicas,
            spec.scaling.max_replicas,
            spec.scaling.target,
            spec.scaling.stable_window.as_secs(),
        )
    };
    assert_eq!(
        scaling(&predictor),
        (3, None, Some(2.0), 20),
        "the gateway's minimum over KServe's"
    );
    assert_eq!(scaling(&transformer), (0, None, Some(9.0), 10));
    let queue = |spec: &RevisionSpec| (spec.queue.max_requests, spec.queue.timeout.as_secs());
    assert_eq!([queue(&predictor), queue(&transformer)], [(5, 9); 2]);
    assert_eq!(
        (predictor.models.len(), transformer.models.as_slice()),
        (0, &["ours".to_owned()][..]),
        "the service's lead to its entry"
    );
    let leads = |spec: &RevisionSpec| spec.hosts.iter().any(|host| host == "ours.example");
    assert!(leads(&transformer) && !leads(&predictor));
    assert_eq!(predictor.id.as_str(), "m-predictor.team");
}

#[test]
fn a_workload_is_read_by_its_annotations_and_may_have_none() {
    let bare = annotated(&json!({ "holdgate.dev/enabled": "true" })).expect("sound");
    let scaling = &bare.spec.scaling;
    assert_eq!((scaling.min_replicas, scaling.max_replicas), (0, None));
    assert_eq!(bare.pod, PodSpec::default());
    assert!(bare.warnings.is_empty() && bare.spec.models.is_empty());
    let read = annotated(&json!({
        "holdgate.dev/enabled": "true",
        "autoscaling.knative.dev/target": "1",
        "autoscaling.knative.dev/min-scale": "1",
        "autoscaling.knative.dev/max-scale": "4",
        "autoscaling.knative.dev/window": "6s",
        "holdgate.dev/container-concurrency": "10",
        "holdgate.dev/queue-max-bytes": "1MiB",
        "holdgate.dev/autoscaling-metrics": "[{ metric: 'vllm:waiting', target: 5 }, { metric: rps }]",
        "holdgate.dev/schedule": "- { cron: '0 8 * * MON-FRI', timeZone: UTC, for: 10h, minReplicas: 2 }\n",
        "holdgate.dev/path": "takeover",
        "holdgate.dev/pending-grace": "90s",
        "holdgate.dev/max-pending": "3",
        "holdgate.dev/models": "a, b",
        "holdgate.dev/port": "9000",
        "holdgate.dev/readiness-path": "/up",
        "holdgate.dev/service": "one,two",
        "other.example/x": "y",
    }));
    let ReadClaim {
        spec,
        schedule,
        pod,
        warnings,
    } = read.expect("sound");
    assert_eq!(warnings, []);
    let scaling = &spec.scaling;
    assert_eq!(
        (scaling.min_replicas, scaling.max_replicas, scaling.target),
        (1, Some(4), Some(1.0))
    );
    assert_eq!(
        (
            scaling.stable_window.as_secs(),
            spec.container_concurrency.written(),
            spec.queue.max_bytes
        ),
        (6, 10, 1 << 20)
    );
    assert_eq!(
        (
            scaling.pending_grace.as_secs(),
            scaling.max_pending,
            spec.path
        ),
        (90, 3, crate::revision::CallerPath::Takeover)
    );
    let further: Vec<_> = scaling
        .further_metrics
        .iter()
        .map(|one| one.metric.as_str())
        .collect();
    assert_eq!(
        (&scaling.metric, further),
        (&ScaleMetric::Concurrency, vec!["vllm:waiting", "rps"])
    );
    assert_eq!(schedule.busiest(), 2);
    assert_eq!(spec.models, ["a", "b"]);
    let services = vec!["one".to_owned(), "two".to_owned()];
    let wanted = PodSpec {
        port: Some(9000),
        readiness_path: Some("/up".to_owned()),
        model: None,
        services,
        tls: None,
    };
    assert_eq!(pod, wanted);
}

#[test]
fn memory_is_a_share_of_what_the_pods_ask_for() {
    let object = workload(&json!({ "holdgate.dev/scale-metric": "memory" }));
    let with = |memory: Option<u64>| {
        let facts = ClaimFacts {
            resources: Resources { cpu: None, memory },
            ..facts("m.team")
        };
        read_claim(&ClaimSettings::Workload(&object), &facts, &plain())
    };
    assert_eq!(
        with(Some(10 << 30)).expect("sound").spec.scaling.target,
        Some(f64::from(8 << 20) * 1024.0)
    );
    let told = with(None)
        .expect_err("nothing to take a share of")
        .to_string();
    assert_eq!(
        told,
        "Deployment team/m: metadata.annotations.holdgate.dev/scale-metric: wanted a scaleTarget as well, such as 2GiB; without a request of memory nobody can guess it"
    );
    let half = service(
        &json!({}),
        &json!({ "model": {}, "scaleMetric": "memory", "scaleTarget": 50 }),
    );
    let of = |memory: Option<u64>| {
        let facts = ClaimFacts {
            resources: Resources { cpu: None, memory },
            ..facts("m-predictor.team")
        };
        let settings = ClaimSettings::InferenceService(&half, Component::Predictor);
        read_claim(&settings, &facts, &plain())
            .expect("sound")
            .spec
            .scaling
            .target
    };
    assert_eq!(of(None), Some(f64::from(1 << 30)), "of what KServe writes");
    assert_eq!(
        of(Some(4 << 30)),
        Some(f64::from(1 << 30) * 2.0),
        "of what the pods say"
    );
}

#[test]
fn a_cluster_says_of_all_what_its_config_map_says() {
    let gateway = gateway(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: { name: config-autoscaler }\ndata: { stable-window: 90s, container-concurrency-target-percentage: \"70\" }\n",
    );
    let object = workload(&json!({}));
    let read = read_claim(
        &ClaimSettings::Workload(&object),
        &facts("m.team"),
        &gateway,
    );
    let scaling = read.expect("sound").spec.scaling;
    assert_eq!(scaling.stable_window.as_secs(), 90);
    assert!((scaling.target_utilization_percentage - 70.0).abs() < 1e-9);
}

#[test]
fn every_key_of_a_revision_but_those_is_an_annotation_of_a_workload() {
    let others = |path: &str| {
        // Those of TLS mean something together only, and have tests of their own.
        let together = path.starts_with("upstreamTls.");
        let elsewhere = path.starts_with("process.") || together;
        path == NAME.about.path || path == COMMAND.about.path || elsewhere
    };
    for about in REVISION
        .iter()
        .map(|key| key.about())
        .filter(|about| !others(about.path))
    {
        let name = about.path.replace('.', "-");
        let name: String = name
            .chars()
            .map(|c| {
                if c.is_ascii_uppercase() {
                    format!("-{}", c.to_ascii_lowercase())
                } else {
                    c.to_string()
                }
            })
            .collect();
        let value = match (about.path, about.default, about.shape) {
            ("schedule", ..) => "[{ cron: '0 8 * * *', timeZone: UTC, for: 1h, minReplicas: 1 }]",
            ("autoscaling.metrics", ..) => "[{ metric: cpu }]",
            ("probeResponses", ..) => "[{ path: /status, body: up }]",
            (_, "", Shape::List) => "a",
            ("stopAfterIdle", ..) => "5m",
            (_, "", _) => "1",
            (_, default, _) => default,
        };
        let read = annotated(&json!({ format!("holdgate.dev/{name}"): value }));
        let read = read.unwrap_or_else(|told| panic!("{told}"));
        assert_eq!(read.warnings, [], "{name}");
        let no_value = if about.shape == Shape::List {
            "a b"
        } else {
            "\n"
        };
        let wrong = annotated(&json!({ format!("holdgate.dev/{name}"): no_value }));
        assert!(wrong.is_err(), "{name} is read");
    }
}
