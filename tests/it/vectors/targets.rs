//! Settings worked out: the target per replica, the bounds, the spec of a decider.

use holdgate::autoscale::{Spec, Target};
use holdgate::revision::{ContainerConcurrency, ScaleMetric, Scaling};
use serde_json::Value;

use super::Outcome;
use super::case::{close, count, flag, go_duration, list, metric, number, scaling, seconds, spec};

fn check(target: Target, aimed: &Value, total: &Value) {
    close(target.aimed, aimed, 1e-9);
    close(target.total, total, 1e-9);
}

pub(super) fn resolve(case: &Value) -> Outcome {
    let config = &case["config"];
    let metric = metric(&case["metric"]);
    let (fraction, default) = match metric {
        ScaleMetric::Concurrency => ("target_fraction_concurrency", "concurrency_default"),
        _ => ("target_fraction_other", "rps_default"),
    };
    let limit = count(&case["container_concurrency"]);
    let written = case["annotation_target"].as_f64();
    let ours = spec(Scaling {
        metric: metric.clone(),
        ..scaling()
    });
    if written.is_none() && (ours.target.total - number(&config[default])).abs() > 0.0 {
        return Outcome::Skipped("the default target is fixed");
    }
    let utilization = case["annotation_target_utilization_pct"].as_f64();
    let scaling = Scaling {
        metric,
        target: written,
        target_utilization_percentage: utilization
            .unwrap_or_else(|| number(&config[fraction]) * 100.0),
        ..scaling()
    };
    let target = Target::resolve(&scaling, ContainerConcurrency::new(limit));
    let want = &case["expect"];
    check(target, &want["target"], &want["total"]);
    Outcome::Passed
}

pub(super) fn grid(case: &Value) -> Outcome {
    let annotation = |name: &str| {
        let text = case[name].as_str().expect("an annotation is a text");
        (!text.is_empty()).then(|| text.parse::<f64>().expect("it is a number"))
    };
    let defaults = scaling();
    let scaling = Scaling {
        metric: metric(&case["metric"]),
        target: annotation("target_annotation"),
        target_utilization_percentage: annotation("tu_annotation")
            .unwrap_or(defaults.target_utilization_percentage),
        ..defaults
    };
    let target = Target::resolve(&scaling, ContainerConcurrency::new(count(&case["cc"])));
    let want = list(&case["expect"]);
    check(target, &want[0], &want[1]);
    Outcome::Passed
}

pub(super) fn make_decider(case: &Value) -> Outcome {
    let base = &case["base_config"];
    let mut limit = ContainerConcurrency::UNLIMITED;
    let mut reachable = true;
    let mut scaling = Scaling {
        target_utilization_percentage: number(&base["fraction"]) * 100.0,
        panic_threshold_percentage: number(&base["panic_threshold_pct"]),
        ..scaling()
    };
    let input = case["input"].as_object().expect("inputs have names");
    let annotated = |name: &str| input.contains_key(&format!("{name}_annotation"));
    for (name, value) in input {
        match name.as_str() {
            "cc" => limit = ContainerConcurrency::new(count(value)),
            "fraction" => scaling.target_utilization_percentage = number(value) * 100.0,
            "target_annotation" => scaling.target = Some(read(value)),
            "panic_threshold_annotation" | "panic_threshold_pct_annotation" => {
                scaling.panic_threshold_percentage = read(value);
            }
            "metric" | "metric_annotation" => scaling.metric = metric(value),
            "scale_down_delay" if annotated(name) => {}
            "scale_down_delay" | "scale_down_delay_annotation" => {
                scaling.scale_down_delay = go_duration(value).into();
            }
            "reachability" => reachable = value.as_str() != Some("Unreachable"),
            "tbc" | "tbc_annotation" => {}
            _ => return Outcome::Skipped("an input that our settings do not have"),
        }
    }
    let mut spec = Spec::new(scaling, limit);
    spec.reachable = reachable;
    check_made(&spec, &case["expect"])
}

fn read(value: &Value) -> f64 {
    let text = value.as_str().map(|text| text.parse().expect("a number"));
    text.unwrap_or_else(|| number(value))
}

fn check_made(spec: &Spec, want: &Value) -> Outcome {
    let mut checked = 0;
    for (name, want) in want.as_object().expect("expectations have names") {
        match name.as_str() {
            "target" => close(spec.target.aimed, want, 1e-9),
            "total" => close(spec.target.total, want, 1e-9),
            "panic_threshold" => close(spec.panic_threshold(), want, 1e-9),
            "scale_down_delay_s" => assert_eq!(spec.scaling.scale_down_delay, seconds(want).into()),
            "reachable" => assert_eq!(spec.reachable, flag(want)),
            _ => continue,
        }
        checked += 1;
    }
    if checked == 0 {
        return Outcome::Skipped("only about burst capacity and activators");
    }
    Outcome::Passed
}

pub(super) fn scale_bounds(case: &Value) -> Outcome {
    // What is malformed never gets past the configuration; here it is as good as not written.
    let setting = |annotation: &str, config: &str| {
        let written = case[annotation].as_str().and_then(|text| text.parse().ok());
        written.unwrap_or_else(|| count(&case[config]))
    };
    let max = setting("max_annotation", "config_max");
    let mut spec = spec(Scaling {
        min_replicas: setting("min_annotation", "config_min"),
        max_replicas: (max != 0).then_some(max),
        ..scaling()
    });
    spec.reachable = case["reachability"].as_str() != Some("Unreachable");
    let (bounds, want) = (spec.bounds(None), &case["expect"]);
    assert_eq!(bounds.min, count(&want["min"]));
    assert_eq!(bounds.max.unwrap_or(0), count(&want["max"]));
    Outcome::Passed
}
