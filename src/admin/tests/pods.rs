//! What is told where replicas are pods: who waits for a machine, what is wrong with settings, and
//! what is left alone.

use http::StatusCode;
use serde_json::json;

use super::{SECOND, Scene, now, replica, spec};
use crate::admin::LeftAlone;
use crate::autoscale::{StartPhase, TypicalPhases};
use crate::ports::{Hindrance, ReplicaState, ReplicaView, Unmade};
use crate::revision::RevisionId;

/// The same revision as a gateway calls it.
async fn flowers() -> Scene {
    let mut spec = spec();
    spec.id = RevisionId::new("flowers.shop");
    Scene::steered_by(spec).await
}

fn pod(id: u64, state: ReplicaState, detail: Option<&str>) -> ReplicaView {
    ReplicaView {
        name: Some(format!("flowers-7d9f4-{id}").into()),
        endpoint: None,
        detail: detail.map(Into::into),
        since: now()
            .checked_sub(34 * SECOND)
            .expect("a clock that began before"),
        ..replica(id, state)
    }
}

/// One is ready, one pulls its image, two have no node.
async fn pending() -> Scene {
    let scene = flowers().await;
    scene.world.send_modify(|world| {
        world.replicas.truncate(1);
        let no_node = Some("0/3 nodes are available: 3 Insufficient nvidia.com/gpu");
        world.replicas.extend([
            ReplicaView {
                phase: Some(StartPhase::Pull),
                ..pod(2, ReplicaState::Starting, Some("pulling its image"))
            },
            ReplicaView {
                phase: Some(StartPhase::Schedule),
                ..pod(3, ReplicaState::Pending, no_node)
            },
            pod(4, ReplicaState::Pending, no_node),
        ]);
        for view in &mut world.replicas[2..] {
            view.kept_by = Some(Hindrance::Unschedulable);
        }
    });
    scene
}

#[tokio::test(start_paused = true)]
async fn a_pod_is_told_by_its_name_with_what_it_waits_for() {
    let scene = pending().await;

    let told = scene.json("/revisions/flowers.shop").await;

    let want = json!({
        "id": 3, "name": "flowers-7d9f4-3", "endpoint": null, "state": "pending", "inFlight": 0,
        "phase": "schedule", "slots": 1, "sinceSeconds": 34.0, "suspect": false,
        "detail": "0/3 nodes are available: 3 Insufficient nvidia.com/gpu",
        "keptBy": "unschedulable",
    });
    assert_eq!(told["replicas"][2], want);
    assert!(told["replicas"][1].get("keptBy").is_none(), "{told}");
    assert!(told.get("unmade").is_none(), "{told}");
    let text = scene.metrics().await;
    for (state, n) in [
        ("ready", 1),
        ("starting", 1),
        ("pending", 2),
        ("draining", 0),
    ] {
        let line = format!(r#"holdgate_replicas{{revision="flowers.shop",state="{state}"}} {n}.0"#);
        assert!(text.contains(&line), "{line}\n{text}");
    }
}

#[tokio::test(start_paused = true)]
async fn replicas_that_do_not_come_are_counted_by_what_keeps_them() {
    let scene = pending().await;
    let kept = |text: &str| {
        let lines = text
            .lines()
            .filter(|it| it.starts_with("holdgate_replicas_kept{"));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    let line = |reason: &str, n: u32| {
        format!(r#"holdgate_replicas_kept{{revision="flowers.shop",reason="{reason}"}} {n}.0"#)
    };
    let told = kept(&scene.metrics().await);
    assert_eq!(
        told,
        [line("unschedulable", 2)],
        "those of which none is have no line"
    );
    scene.world.send_modify(|world| {
        world.replicas[1].kept_by = Some(Hindrance::Image);
        world.unmade = Some(Unmade {
            count: 3,
            kept_by: Hindrance::Quota,
            detail: "exceeded quota: gpus".into(),
        });
    });
    let told = kept(&scene.metrics().await);
    let want = [line("unschedulable", 2), line("quota", 3), line("image", 1)];
    assert_eq!(told, want);
}

#[tokio::test(start_paused = true)]
async fn replicas_that_cannot_be_made_are_told_with_what_keeps_them() {
    let scene = pending().await;
    scene.world.send_modify(|world| {
        world.unmade = Some(Unmade {
            count: 2,
            kept_by: Hindrance::Quota,
            detail: "exceeded quota: gpus".into(),
        });
    });

    let told = scene.json("/revisions/flowers.shop").await;

    let want = json!({"count": 2, "keptBy": "quota", "detail": "exceeded quota: gpus"});
    assert_eq!(told["unmade"], want);
    let (_, _, told) = scene.get("/revisions/flowers.shop/explain").await;
    let (sentence, details) = told.split_once('\n').unwrap();
    let words = "2 replicas cannot be made: exceeded quota: gpus";
    assert!(sentence.contains(words), "{told}");
    assert!(details.contains(words), "{told}");
}

#[tokio::test(start_paused = true)]
async fn how_far_starts_have_come_and_when_the_next_is_expected_is_told() {
    let scene = pending().await;
    scene.world.send_modify(|world| {
        world.replicas[0].phase = Some(StartPhase::FirstAnswer);
        world.typical_phases = TypicalPhases {
            node: Some(90 * SECOND),
            pull: Some(20 * SECOND),
            load: Some(5 * SECOND),
            ..TypicalPhases::default()
        };
        world.expected = Some(now() + 12 * SECOND);
    });

    let told = scene.json("/revisions/flowers.shop").await;

    let phases = told["replicas"].as_array().unwrap();
    let phases: Vec<_> = phases.iter().map(|replica| &replica["phase"]).collect();
    let want = [json!(null), json!("pull"), json!("schedule"), json!(null)];
    assert_eq!(phases, want.iter().collect::<Vec<_>>());
    assert_eq!(told["expectedSeconds"], 12.0);
    let want = json!({"node": 90_000.0, "pull": 20_000.0, "load": 5_000.0});
    assert_eq!(told["typicalPhasesMs"], want);
    let (_, _, told) = scene.get("/revisions/flowers.shop/explain").await;
    let line = "1 ready, 1 starting, 2 pending, 1 busy; a start takes 9 s \
                (node 90 s, pull 20 s, load 5 s), the next is likely in 12 s";
    assert!(told.contains(line), "{told}");
}

#[tokio::test(start_paused = true)]
async fn an_explanation_says_what_pods_wait_for() {
    let scene = pending().await;

    let (_, _, told) = scene.get("/revisions/flowers.shop/explain").await;

    let first = told.lines().next().unwrap();
    let no_node = "flowers-7d9f4-3 pending for 34 s: \
                   0/3 nodes are available: 3 Insufficient nvidia.com/gpu";
    assert!(first.contains(no_node), "{told}");
    for line in [
        "1 ready, 1 starting, 2 pending, 1 busy",
        "flowers-7d9f4-2 starting for 34 s: pulling its image",
        no_node,
    ] {
        assert!(
            told.lines().any(|told| told.contains(line)),
            "{line}\n{told}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn remarks_are_told_and_explained_before_anything_else() {
    let scene = flowers().await;
    let remark = "scaleTarget: \"abc\" is no number; the last good value stays";
    scene.remarks.send_replace(vec![remark.to_owned()]);

    let told = scene.json("/revisions").await;
    assert_eq!(told[0]["remarks"], json!([remark]));
    let (_, _, told) = scene.get("/revisions/flowers.shop/explain").await;
    let second = told.lines().nth(1).unwrap();
    assert_eq!(second, format!("  remarks   {remark}"));

    scene.remarks.send_replace(Vec::new());
    let told = scene.json("/revisions").await;
    assert!(told[0].get("remarks").is_none(), "{told}");
}

#[tokio::test(start_paused = true)]
async fn what_is_left_alone_is_listed_with_the_reason() {
    let scene = flowers().await;
    let left = |name, why: &str| LeftAlone {
        name: RevisionId::new(name),
        owner: "Deployment shop/roses".to_owned(),
        why: why.to_owned(),
    };
    let why = "the HorizontalPodAutoscaler roses steers it";
    let all = vec![left("roses.shop", why), left("asters.shop", "as written")];
    scene.board.set_left_alone(all);

    let want = json!({
        "name": "roses.shop", "owner": "Deployment shop/roses", "leftAlone": why,
    });
    let told = scene.json("/revisions").await;
    assert_eq!(told[0]["name"], "flowers.shop");
    assert_eq!(told[1]["name"], "asters.shop");
    assert_eq!(told[2], want);
    assert_eq!(scene.json("/revisions/roses").await, want);
    let (status, _, told) = scene.get("/revisions/roses.shop/explain").await;
    assert_eq!(status, StatusCode::OK);
    let said = format!("left alone: {why}\n  owner     Deployment shop/roses\n");
    assert_eq!(told, said);
    let (status, _, told) = scene.get("/revisions/roses.shop/decisions").await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert!(told.contains(why), "{told}");

    scene.board.set_left_alone(Vec::new());
    assert_eq!(
        scene.get("/revisions/roses.shop").await.0,
        StatusCode::NOT_FOUND
    );
}

#[tokio::test(start_paused = true)]
async fn a_name_without_its_namespace_is_enough_where_one_fits() {
    let scene = flowers().await;
    assert_eq!(
        scene.json("/revisions/flowers").await["name"],
        "flowers.shop"
    );
    let (status, _, told) = scene.get("/revisions/flowers/explain").await;
    assert_eq!(status, StatusCode::OK, "{told}");
    assert_eq!(
        scene.get("/revisions/flower").await.0,
        StatusCode::NOT_FOUND
    );

    // Another of that name, though nobody scales it.
    scene.board.set_left_alone(vec![LeftAlone {
        name: RevisionId::new("flowers.garden"),
        owner: "Deployment garden/flowers".to_owned(),
        why: "as written".to_owned(),
    }]);
    let (status, _, told) = scene.get("/revisions/flowers/explain").await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    let said = "several revisions are named \\\"flowers\\\": flowers.shop, flowers.garden";
    assert!(told.contains(said), "{told}");
    assert_eq!(
        scene.json("/revisions/flowers.shop").await["name"],
        "flowers.shop"
    );
}

#[tokio::test(start_paused = true)]
async fn what_is_left_alone_is_counted_once_it_was_asked_for() {
    let scene = flowers().await;
    let stats = scene.stats();
    scene.board.set_left_alone(vec![LeftAlone {
        name: RevisionId::new("flowers.shop"),
        owner: "Deployment shop/flowers".to_owned(),
        why: "as written".to_owned(),
    }]);
    let told = scene.metrics().await;
    assert!(!told.contains("flowers.shop"), "{told}");

    stats.answered(404, SECOND);
    stats.rejections.count("no_route");

    let told = scene.metrics().await;
    for line in [
        r#"holdgate_requests_total{revision="flowers.shop",code="404"} 1"#,
        r#"holdgate_rejections_total{revision="flowers.shop",reason="no_route"} 1"#,
        r#"holdgate_request_duration_seconds_count{revision="flowers.shop"} 1"#,
    ] {
        assert!(told.lines().any(|told| told == line), "{line}\n{told}");
    }
    let of_it = told.lines().filter(|line| line.contains("flowers.shop"));
    let names: Vec<_> = of_it
        .filter_map(|line| line.split(['{', ' ']).next())
        .collect();
    let others = names.iter().filter(|name| !name.starts_with("holdgate_re"));
    assert_eq!(others.count(), 0, "{names:?}");
}
