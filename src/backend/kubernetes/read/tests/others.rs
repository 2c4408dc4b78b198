//! Services, those who steer, routes, and `KServe`'s own settings.

use std::time::Duration;

use serde_json::{Value, json};

use super::read;
use crate::backend::kubernetes::doors::facts::{Family, ServicePort, Target};
use crate::backend::kubernetes::inventory::facts::{Fact, Platform};
use crate::backend::kubernetes::objects::Port;
use crate::backend::kubernetes::read::{
    by_autoscaler, by_scaled_object, platform, route, service, slice,
};

#[test]
fn a_service_says_whom_it_selects_and_its_ports() {
    let object = json!({
        "metadata": {
            "name": "flowers-predictor", "namespace": "default", "uid": "s1",
            "labels": {"component": "predictor"},
            "ownerReferences": [{
                "apiVersion": "serving.kserve.io/v1beta1", "kind": "InferenceService",
                "name": "flowers", "uid": "i1", "controller": true
            }]
        },
        "spec": {
            "clusterIP": "10.96.3.4", "selector": {"app": "isvc.flowers-predictor"},
            "ports": [
                {"port": 80, "targetPort": 8080, "protocol": "TCP"},
                {"name": "h2c", "port": 9000, "targetPort": 9000}
            ]
        }
    });
    let Some(Fact::Service(kept)) = read(service, "v1", "Service", &object) else {
        panic!("it is kept");
    };
    assert_eq!(kept.selector["app"], "isvc.flowers-predictor");
    let ports = [
        Port {
            name: None,
            number: 80,
        },
        Port {
            name: Some("h2c".into()),
            number: 9000,
        },
    ];
    assert_eq!(kept.ports, ports);
    assert_eq!(
        (kept.owner.as_deref(), kept.component.as_deref()),
        (Some("i1"), Some("predictor"))
    );
    let bare = json!({"metadata": {"name": "kubernetes", "namespace": "default"}, "spec": {}});
    assert_eq!(
        read(service, "v1", "Service", &bare),
        None,
        "it selects nobody"
    );
}

#[test]
fn a_service_says_by_which_way_its_callers_come() {
    let object = json!({
        "metadata": {
            "name": "flowers", "namespace": "default", "uid": "s1", "resourceVersion": "7",
            "annotations": {"holdgate.dev/selector": "app=flowers,tier=model"}
        },
        "spec": {
            "clusterIP": "None", "ipFamilies": ["IPv6", "IPv4"],
            "selector": {"holdgate.dev/nothing": "here"},
            "ports": [
                {"port": 80, "targetPort": "http", "appProtocol": "kubernetes.io/h2c"},
                {"name": "dns", "port": 53, "protocol": "UDP"}
            ]
        }
    });
    let Some(Fact::Service(kept)) = read(service, "v1", "Service", &object) else {
        panic!("it is kept");
    };
    let own: Vec<_> = kept
        .selector
        .iter()
        .map(|(k, v)| format!("{k}={v}"))
        .collect();
    assert_eq!(own, ["app=flowers", "tier=model"]);
    let view = &*kept.view;
    assert_eq!((&*view.at.uid, &*view.resource_version), ("s1", "7"));
    assert!(view.is_taken() && view.headless && !view.made);
    assert_eq!(view.families, [Family::V6, Family::V4]);
    let to = |port: &ServicePort| (port.target.clone(), port.tcp);
    let to: Vec<_> = view.ports.iter().map(to).collect();
    assert_eq!(
        to,
        [
            (Target::Name("http".into()), true),
            (Target::Number(53), false)
        ]
    );
    assert_eq!(
        view.ports[0].app_protocol.as_deref(),
        Some("kubernetes.io/h2c")
    );
}

#[test]
fn a_slice_says_where_the_gateways_listen() {
    let object = json!({
        "metadata": {
            "name": "flowers-holdgate", "namespace": "default", "uid": "e1",
            "labels": {"kubernetes.io/service-name": "flowers"},
            "ownerReferences": [{"apiVersion": "v1", "kind": "Service", "name": "flowers", "uid": "s1"}]
        },
        "addressType": "IPv4",
        "ports": [{"name": "", "port": 20007, "protocol": "TCP"}],
        "endpoints": [{"addresses": ["10.0.0.7"]}, {"addresses": ["10.0.0.8"]}]
    });
    let Some(Fact::Slice(kept)) = read(slice, "discovery.k8s.io/v1", "EndpointSlice", &object)
    else {
        panic!("it is kept");
    };
    assert_eq!(
        (&*kept.service, kept.owner.as_deref()),
        ("flowers", Some("s1"))
    );
    assert_eq!(
        (kept.ports[0].name.as_deref(), kept.ports[0].number),
        (None, 20007)
    );
    assert_eq!((kept.family, kept.addresses.len()), (Family::V4, 2));
}

#[test]
fn who_steers_says_what() {
    let target = |spec: Value| json!({"metadata": {"name": "h", "namespace": "d"}, "spec": spec});
    let full = target(json!({"scaleTargetRef": {
        "apiVersion": "apps/v1", "kind": "StatefulSet", "name": "flowers"
    }}));
    let bare = target(json!({"scaleTargetRef": {"name": "flowers"}}));
    let cases = [
        (
            read(
                by_autoscaler,
                "autoscaling/v2",
                "HorizontalPodAutoscaler",
                &full,
            ),
            Some("apps"),
            "StatefulSet",
        ),
        (
            read(by_scaled_object, "keda.sh/v1alpha1", "ScaledObject", &full),
            Some("apps"),
            "StatefulSet",
        ),
        (
            read(by_scaled_object, "keda.sh/v1alpha1", "ScaledObject", &bare),
            Some("apps"),
            "Deployment",
        ),
        (
            read(
                by_autoscaler,
                "autoscaling.internal.knative.dev/v1alpha1",
                "PodAutoscaler",
                &bare,
            ),
            None,
            "Deployment",
        ),
    ];
    for (kept, group, kind) in cases {
        let Some(Fact::Steerer(kept)) = kept else {
            panic!("it is kept");
        };
        assert_eq!(
            (kept.group.as_deref(), &*kept.kind, &*kept.name),
            (group, kind, "flowers")
        );
    }
}

#[test]
fn a_route_is_kept_where_it_bounds_a_request() {
    let object = |timeouts: Value| {
        json!({
            "metadata": {"name": "flowers", "namespace": "default", "uid": "r1"},
            "spec": {
                "hostnames": ["flowers.example.com"],
                "parentRefs": [{"name": "gateway"}],
                "rules": [{
                    "matches": [{"path": {"type": "RegularExpression", "value": "^/.*$"}}],
                    "backendRefs": [
                        {"group": "", "kind": "Service", "name": "holdgate-gateway", "namespace": "holdgate-system", "port": 80},
                        {"name": "flowers-predictor", "port": 80},
                        {"group": "net.example", "kind": "Bucket", "name": "files"}
                    ],
                    "timeouts": timeouts
                }]
            }
        })
    };
    let kept = |timeouts| {
        read(
            route,
            "gateway.networking.k8s.io/v1",
            "HTTPRoute",
            &object(timeouts),
        )
    };
    let Some(Fact::Route(bound)) = kept(json!({"request": "60s", "backendRequest": "30s"})) else {
        panic!("it is kept");
    };
    assert_eq!(bound.hostnames, ["flowers.example.com"]);
    assert_eq!(bound.legs[0].timeout, Duration::from_secs(30));
    let to: Vec<_> = bound.legs[0]
        .to
        .iter()
        .map(|(at, name)| (&**at, &**name))
        .collect();
    assert_eq!(
        to,
        [
            ("holdgate-system", "holdgate-gateway"),
            ("default", "flowers-predictor")
        ]
    );
    assert_eq!(kept(json!({"request": "0s"})), None);
    assert_eq!(kept(Value::Null), None);
}

#[test]
fn the_settings_of_kserve_give_the_domain() {
    let object = |data: Value| json!({"metadata": {"name": "inferenceservice-config", "namespace": "kserve"}, "data": data});
    let kept = |data| read(platform, "v1", "ConfigMap", &object(data));
    let said = Platform {
        domain: Some("ml.example".into()),
        mode: Some("Standard".into()),
    };
    let data = json!({
        "ingress": "{\"ingressDomain\": \"ml.example\", \"urlScheme\": \"http\"}",
        "deploy": "{\"defaultDeploymentMode\": \"RawDeployment\"}"
    });
    assert_eq!(kept(data), Some(Fact::Platform(said)));
    let broken = json!({"ingress": "{"});
    assert_eq!(kept(broken), Some(Fact::Platform(Platform::default())));
}
