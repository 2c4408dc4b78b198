//! Targets in the units of their metrics.

use super::super::super::load_text;
use super::super::overrides;
use super::{annotated, scaling, service, warnings};
use crate::backend::Resources;
use crate::revision::MetricTarget;
use crate::revision::ScaleMetric::{self, Cpu, Memory};

#[test]
fn targets_of_cpu_and_memory_are_in_the_units_of_their_metrics() {
    let resources =
        "resources: { requests: { cpu: 500m, memory: 4Gi }, limits: { cpu: 8, memory: 8Gi } }";
    let of = |lines: &str| {
        let text =
            service(lines).replace("name: sklearn }", &format!("name: sklearn }}, {resources}"));
        let scaling = scaling(&text);
        (scaling.metric, scaling.target)
    };
    let gibibytes = |n: f64| Some(n * f64::from(1 << 30));
    assert_eq!(
        of("scaleMetric: cpu\n    scaleTarget: 60"),
        (Cpu, Some(60.0))
    );
    assert_eq!(of("scaleMetric: cpu"), (Cpu, None));
    assert_eq!(
        of("scaleMetric: memory\n    scaleTarget: 50"),
        (Memory, gibibytes(2.0))
    );
    assert_eq!(
        of("scaleMetric: memory\n    scaleTarget: 50\n    scaleMetricType: Utilization"),
        (Memory, gibibytes(2.0))
    );
    assert_eq!(
        of("scaleMetric: memory\n    scaleTarget: 512\n    scaleMetricType: AverageValue"),
        (Memory, gibibytes(0.5))
    );
    assert_eq!(
        of("scaleMetric: cpu\n    scaleTarget: 1\n    scaleMetricType: AverageValue"),
        (Cpu, Some(200.0))
    );
    let hpa = "autoscaling.knative.dev/class: hpa.autoscaling.knative.dev, autoscaling.knative.dev/metric: memory, autoscaling.knative.dev/target: \"1024\"";
    assert_eq!(scaling(&annotated(hpa, "")).target, gibibytes(1.0));
    let process = |text: &str| {
        let read = load_text("m.yaml".as_ref(), text, &overrides(&[], &[], &["serve"]));
        read.expect("sound")
            .revisions
            .remove(0)
            .process
            .expect("a process")
            .resources
    };
    let said = service("").replace("name: sklearn }", &format!("name: sklearn }}, {resources}"));
    let requested = Resources {
        cpu: Some(0.5),
        memory: Some(4 << 30),
    };
    assert_eq!(process(&said), requested);
    let kserves = Resources {
        cpu: Some(1.0),
        memory: Some(2 << 30),
    };
    assert_eq!(
        process(&service("")),
        kserves,
        "what KServe writes where nothing is said"
    );
}

#[test]
fn resource_metrics_of_autoscaling_are_further_metrics() {
    let metrics = "autoScaling:\n      metrics:\n      \
        - { type: Resource, resource: { name: cpu, target: { type: Utilization, averageUtilization: 60 } } }\n      \
        - { type: Resource, resource: { name: memory, target: { type: AverageValue, averageValue: 1Gi } } }\n      \
        - { type: External, external: {} }";
    let memory = MetricTarget {
        metric: ScaleMetric::Memory,
        target: Some(f64::from(1 << 30)),
    };
    let alone = scaling(&service(metrics));
    assert_eq!((alone.metric, alone.target), (ScaleMetric::Cpu, Some(60.0)));
    assert_eq!(alone.further_metrics, std::slice::from_ref(&memory));
    let beside = scaling(&service(&format!(
        "scaleMetric: concurrency\n    {metrics}"
    )));
    let cpu = MetricTarget {
        metric: ScaleMetric::Cpu,
        target: Some(60.0),
    };
    assert_eq!(beside.further_metrics, [cpu, memory]);
    assert_eq!(
        warnings(&service(metrics)),
        [
            "a.yaml:11:9: spec.predictor.autoScaling.metrics[2]: is not read here, only metrics of type Resource are"
        ]
    );
}
