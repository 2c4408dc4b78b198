//! What `InferenceService` manifests mean: their revisions, and which word wins.

mod annotations;
mod cluster;
mod told;
mod units;
mod workloads;

use super::super::{Complaint, Config, Overrides, RevisionConfig, load_text, load_to_run};
use super::{Written, meaning, overrides};
use crate::revision::{ScaleMetric, Scaling};

pub(super) const GUIDES: &str = include_str!("../../../../tests/manifests/guides.yaml");

/// A manifest of the present group with these further lines of its predictor.
fn service(predictor: &str) -> String {
    annotated("", predictor)
}

/// The same with annotations.
fn annotated(annotations: &str, predictor: &str) -> String {
    format!(
        "apiVersion: serving.kserve.io/v1beta1\nkind: InferenceService\n\
         metadata: {{ name: m, annotations: {{ {annotations} }} }}\n\
         spec:\n  predictor:\n    model: {{ modelFormat: {{ name: sklearn }} }}\n    {predictor}\n"
    )
}

fn scaling(text: &str) -> Scaling {
    meaning(text).revisions[0].spec.scaling.clone()
}

/// The warnings about a sound file, one line each.
fn warnings(text: &str) -> Vec<String> {
    let read = load_text("a.yaml".as_ref(), text, &Overrides::default());
    let warnings = read.expect("the file is sound").warnings;
    warnings.iter().map(Complaint::to_string).collect()
}

fn guide(number: usize) -> Vec<RevisionConfig> {
    let text = GUIDES.split("\n---\n").nth(number).expect("a manifest");
    let read = load_text("guide.yaml".as_ref(), text, &Overrides::default());
    read.expect("it is sound").revisions
}

#[test]
fn the_manifests_of_the_guides_mean_what_the_guides_say() {
    use ScaleMetric::{Concurrency, Rps};
    let scale = |min, max, target, metric, limit| (min, max, target, metric, limit);
    let soft = |target| scale(1, None, Some(target), Concurrency, 0);
    let plain = || scale(1, None, None, Concurrency, 0);
    let hard = || scale(1, None, None, Concurrency, 10);
    let zero = || scale(0, None, None, Concurrency, 0);
    let torch = || {
        let transformer = scale(1, None, Some(8.0), Rps, 0);
        vec![
            ("torch-transformer-predictor", soft(2.0)),
            ("torch-transformer-transformer", transformer),
        ]
    };
    let flowers = |scale| vec![("flowers-sample-predictor", scale)];
    let gpu = |scale| vec![("flowers-sample-gpu-predictor", scale)];
    let torchserve = |scale| vec![("torchserve-predictor", scale)];
    let redwine = |scale| vec![("redwine-week4-predictor", scale)];
    let wanted = [
        flowers(soft(1.0)),
        gpu(plain()),
        flowers(hard()),
        flowers(zero()),
        flowers(soft(1.0)),
        flowers(soft(1.0)),
        gpu(soft(1.0)),
        gpu(soft(1.0)),
        flowers(hard()),
        flowers(zero()),
        torch(),
        torch(),
        flowers(hard()),
        flowers(zero()),
        torchserve(soft(5.0)),
        torchserve(hard()),
        redwine(scale(3, None, None, Concurrency, 0)),
        redwine(scale(1, Some(8), Some(1.0), Concurrency, 0)),
    ];
    assert_eq!(GUIDES.split("\n---\n").count(), wanted.len());
    for (number, wanted) in wanted.into_iter().enumerate() {
        let read = guide(number);
        let read = read.iter().map(|RevisionConfig { spec, .. }| {
            let scaling = &spec.scaling;
            let limit = spec.container_concurrency.written();
            let (min, max) = (scaling.min_replicas, scaling.max_replicas);
            (
                spec.id.as_str(),
                scale(min, max, scaling.target, scaling.metric.clone(), limit),
            )
        });
        assert_eq!(read.collect::<Vec<_>>(), wanted, "manifest {number}");
    }
}

#[test]
fn old_and_new_group_and_schema_give_the_same_settings() {
    // The numbers of twins in the file, from 0.
    for (one, other) in [
        (0, 4),
        (4, 5),
        (6, 7),
        (2, 8),
        (8, 12),
        (3, 9),
        (9, 13),
        (10, 11),
    ] {
        assert_eq!(guide(one), guide(other), "{one} and {other}");
    }
    assert_ne!(guide(0), guide(2), "or nothing would be compared");
}

#[test]
fn a_file_of_ours_wins_over_fields_over_annotations_over_defaults() {
    let component = "scaleTarget: 2\n    annotations: { autoscaling.knative.dev/window: 20s, autoscaling.knative.dev/target: \"7\" }";
    let manifest = annotated(
        "autoscaling.knative.dev/window: 10s, autoscaling.knative.dev/target: \"9\", holdgate.dev/timeout: 9s, \
         autoscaling.knative.dev/panic-window-percentage: \"20\"",
        component,
    );
    let ours = "defaults: { timeout: 1s, minReplicas: 2, autoscaling: { panicWindowPercentage: 5 } }\n\
         revisions: [ { name: m-predictor, containerConcurrency: 3 } ]\n";
    let config = Written::new(&[("ours.yaml", ours), ("m.yaml", &manifest)])
        .load(&Overrides::default())
        .expect("sound");
    let spec = &config.revisions[0].spec;
    assert_eq!(
        config.revisions.len(),
        1,
        "layers of one name are one revision"
    );
    assert_eq!(spec.scaling.target, Some(2.0), "the field");
    assert_eq!(spec.scaling.stable_window.as_secs(), 20, "the component's");
    assert_eq!(
        spec.timeouts.total.map(|t| t.as_secs()),
        Some(9),
        "not the default"
    );
    assert!((spec.scaling.panic_window_percentage - 20.0).abs() < 1e-9);
    assert_eq!(spec.container_concurrency.written(), 3, "our file");
    assert_eq!(
        spec.scaling.min_replicas, 2,
        "the default of our files over KServe's"
    );
}

fn with_transformer() -> String {
    service("minReplicas: 0") + "  transformer:\n    containers: [ { name: x } ]\n"
}

#[test]
fn components_are_revisions_called_and_asked_for_as_in_a_cluster() {
    let config: Config = meaning(&with_transformer());
    let told: Vec<_> = config
        .revisions
        .iter()
        .map(|revision| (revision.spec.id.as_str(), revision.spec.models.join(",")))
        .collect();
    assert_eq!(
        told,
        [
            ("m-predictor", String::new()),
            ("m-transformer", "m".to_owned())
        ]
    );
    let [predictor, transformer] = &config.revisions[..] else {
        panic!("two revisions");
    };
    let leads = |revision: &RevisionConfig, host: &str| {
        revision.spec.hosts.iter().any(|known| known == host)
    };
    for host in [
        "m.default.example.com",
        "m-default.example.com",
        "m.default.svc.cluster.local",
    ] {
        assert!(
            leads(transformer, host) && !leads(predictor, host),
            "{host}"
        );
    }
    for host in [
        "m-predictor.default.example.com",
        "m-predictor-default.default.example.com",
        "m-predictor-default.example.com",
        "m-predictor.default",
        "m-predictor.default.svc.cluster.local",
    ] {
        assert!(
            leads(predictor, host) && !leads(transformer, host),
            "{host}"
        );
    }
    let alone = service("name: blue").replace("name: m,", "name: m, namespace: team,");
    let alone = &meaning(&alone).revisions[0];
    assert_eq!(alone.spec.id.as_str(), "m-blue-predictor");
    assert!(leads(alone, "m.team.example.com") && leads(alone, "m-blue-predictor.team"));
    assert_eq!(alone.spec.models, ["m"]);
}

#[test]
fn the_command_is_the_predictors_and_a_transformers_comes_from_a_file() {
    let files = Written::new(&[("m.yaml", &with_transformer())]);
    let command = overrides(&[], &[], &["serve"]);
    let config = files
        .load(&command)
        .expect("to be read, it needs no command");
    let commands = |config: &Config| -> Vec<Option<Vec<String>>> {
        let processes = config
            .revisions
            .iter()
            .map(|revision| revision.process.as_ref());
        processes
            .map(|process| process.map(|process| process.command.clone()))
            .collect()
    };
    assert_eq!(commands(&config), [Some(vec!["serve".to_owned()]), None]);
    let told = load_to_run(&files.files, &Overrides::default()).expect_err("nothing to run");
    let dir = format!("{}/", files.dir.path().display());
    let told = told.to_string().replace(&dir, "");
    assert_eq!(
        told.lines().collect::<Vec<_>>(),
        [
            "m.yaml:6:5: spec.predictor: no command to run it, wanted -- COMMAND, or a file with a revision m-predictor and its process.command",
            "m.yaml:9:5: spec.transformer: no command to run it, wanted a file with a revision m-transformer and its process.command",
        ]
    );
    let ours = "revisions: [ { name: m-transformer, process: { command: [transform] } } ]\n";
    let files = Written::new(&[("m.yaml", &with_transformer()), ("ours.yaml", ours)]);
    let config = load_to_run(&files.files, &command).expect("both have a command");
    let of = |word: &str| Some(vec![word.to_owned()]);
    assert_eq!(commands(&config), [of("serve"), of("transform")]);
}
