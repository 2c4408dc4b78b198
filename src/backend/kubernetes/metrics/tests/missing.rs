//! A metrics API that is not there, an API server that is away, a pod that nobody measures: what is
//! told of them.

use super::*;
use crate::backend::kubernetes::tests_server::Fault;

fn failed(why: &str) -> Result<f64, Missing> {
    Err(Missing::Failed(why.to_owned()))
}

#[tokio::test(start_paused = true)]
async fn a_missing_metrics_api_is_told_once_and_that_it_is_back_once() {
    let not_there = "the metrics API (metrics.k8s.io) is not there";
    for (fault, why) in [
        (
            Fault::Refuse(404, "404 page not found"),
            format!("{not_there}: install metrics-server"),
        ),
        (
            Fault::Refuse(503, "unavailable"),
            format!("{not_there}: metrics-server does not answer"),
        ),
        (
            Fault::Refuse(403, "no"),
            "the metrics API (metrics.k8s.io): not allowed: no".to_owned(),
        ),
    ] {
        let mut scene = Scene::new(&[Some(1.0)]);
        scene.server.fail_always(Some(fault.clone()));
        scene.ready(1, "a");
        for _ in 0..2 {
            assert_eq!(scene.read_for(120).await, failed(&why));
            let told = format!("{why}; nothing shrinks while cpu or memory is unknown");
            assert_eq!(scene.heard(), [("MetricsMissing", told)]);
            scene.server.fail_always(None);
            scene.measured("a", &[("100m", "1Ki")]);
            assert_eq!(scene.read_for(20).await, Ok(10.0));
            let back = "cpu and memory are known again".to_owned();
            assert_eq!(scene.heard(), [("MetricsBack", back)]);
            scene.server.fail_always(Some(Fault::Refuse(404, "gone")));
            scene
                .read_for(30)
                .await
                .expect("what was measured is still true");
            assert_eq!(scene.heard(), []);
            scene.server.fail_always(None);
            scene.measured("a", &[("100m", "1Ki")]);
            scene
                .read_for(30)
                .await
                .expect("it was back before it was missed");
            assert_eq!(scene.heard(), []);
            scene.server.fail_always(Some(fault.clone()));
            pass(90).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_api_server_that_is_away_holds_nobody_up_and_is_no_news_about_metrics() {
    for fault in [Fault::Away, Fault::Hang] {
        let mut scene = Scene::new(&[Some(1.0)]);
        scene.ready(1, "a");
        pass(20).await;
        scene.measured("a", &[("100m", "1Ki")]);
        assert_eq!(scene.cpu().await, Ok(10.0));
        scene.server.fail_always(Some(fault));
        let away = now();
        for _ in 0..120 {
            let begun = now();
            let read = scene.cpu().await;
            let took = now().saturating_duration_since(begun);
            assert!(took < Duration::from_millis(500), "{took:?}");
            let gone = begun.saturating_duration_since(away).as_secs();
            let is_edge = (89..=90).contains(&gone);
            assert!(
                is_edge || read.is_ok() == (gone < 89),
                "{read:?} after {gone}s"
            );
            pass(1).await;
        }
        assert_eq!(scene.heard(), []);
    }
}

#[tokio::test(start_paused = true)]
async fn a_pod_that_nobody_measures_is_told_after_a_while() {
    let mut scene = Scene::new(&[Some(1.0)]);
    scene.ready(1, "a");
    assert_eq!(scene.read_for(85).await, Err(Missing::NotYet));
    let why = "the metrics API has no figures of pod a";
    assert_eq!(scene.read_for(20).await, failed(why));
    assert_eq!(scene.heard().len(), 1);
}
