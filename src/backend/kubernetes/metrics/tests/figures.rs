//! What a figure of processor time or memory is worth: in which unit, of which pod, how new.

use super::*;

#[tokio::test(start_paused = true)]
async fn cpu_is_percent_of_what_the_pods_ask_for_and_memory_is_bytes() {
    let mut scene = Scene::new(&[Some(0.3), None, Some(0.2)]);
    scene.ready(1, "a");
    scene.ready(2, "b");
    pass(20).await;
    scene.measured("a", &[("200m", "64Mi"), ("50000000n", "1Mi")]);
    scene.measured("b", &[("1", "1Ki")]);
    scene.measured("stranger", &[("9", "9Gi")]);
    let both = [ScaleMetric::Memory, ScaleMetric::Cpu];
    let read = scene.gauges.read(&both).await;
    // A quarter of a core of half a core are 50 %, a core is 200 %.
    assert_eq!(read, [Ok(65.0 * 1_048_576.0 + 1024.0), Ok(250.0)]);
    let query = scene.server.asked().remove(0).query;
    assert!(
        query.contains("labelSelector=app+in+%28llama%2Clama%29%2C%21test"),
        "{query}"
    );
}

#[tokio::test(start_paused = true)]
async fn without_a_request_cpu_is_percent_of_one_core() {
    let mut scene = Scene::new(&[None]);
    scene.ready(1, "a");
    pass(20).await;
    scene.measured("a", &[("250m", "1Ki")]);
    assert_eq!(scene.cpu().await, Ok(25.0));
}

#[tokio::test(start_paused = true)]
async fn a_pod_too_young_to_be_measured_leaves_the_sum_unknown() {
    let mut scene = Scene::new(&[Some(1.0)]);
    assert_eq!(scene.cpu().await, Err(Missing::NotYet));
    assert_eq!(scene.server.calls().len(), 0, "nothing is ready");
    scene.ready(1, "a");
    pass(20).await;
    scene.measured("a", &[("100m", "1Ki")]);
    assert_eq!(scene.cpu().await, Ok(10.0));
    scene.ready(2, "b");
    assert_eq!(scene.cpu().await, Err(Missing::NotYet));
    pass(10).await;
    // What it used before it was ready was for loading.
    scene.measured("b", &[("900m", "1Ki")]);
    assert_eq!(scene.read_for(16).await, Err(Missing::NotYet));
    assert_eq!(
        scene.memory().await,
        Ok(2048.0),
        "memory it has, whatever for"
    );
    pass(1).await;
    scene.measured("b", &[("200m", "1Ki")]);
    assert_eq!(scene.read_for(20).await, Ok(30.0));
    scene.leave(1);
    assert_eq!(
        scene.cpu().await,
        Ok(20.0),
        "who leaves takes its figure along"
    );
    assert_eq!(scene.heard(), []);
}

#[tokio::test(start_paused = true)]
async fn a_figure_of_an_earlier_pod_of_the_same_name_is_not_taken_for_the_new_ones() {
    let mut scene = Scene::new(&[Some(1.0)]);
    scene.measured("s-0", &[("900m", "5Gi")]);
    pass(5).await;
    scene.ready(1, "s-0");
    assert_eq!(scene.memory().await, Err(Missing::NotYet));
    assert_eq!(scene.cpu().await, Err(Missing::NotYet));
}

#[tokio::test(start_paused = true)]
async fn it_is_not_asked_more_often_than_there_is_news() {
    let mut scene = Scene::new(&[Some(1.0)]);
    scene.ready(1, "a");
    pass(20).await;
    let mut late = 0;
    for second in 0..600 {
        if second % 15 == 0 {
            scene.measured("a", &[(&format!("{}m", 10 * (second / 15)), "1Ki")]);
        }
        let value = scene.cpu().await.unwrap();
        let newest = f64::from(second / 15);
        late += u32::from((value - newest).abs() > 1e-9);
        pass(1).await;
    }
    let asked = scene.server.calls().len();
    assert!(asked <= 85, "{asked} times in ten minutes");
    assert!(late <= 40 * 3, "{late} of 600 seconds behind the newest");
}

#[tokio::test(start_paused = true)]
async fn figures_that_are_too_old_are_not_believed() {
    let mut scene = Scene::new(&[Some(1.0)]);
    scene.ready(1, "a");
    pass(20).await;
    scene.measured("a", &[("100m", "1Ki")]);
    assert_eq!(scene.read_for(90).await, Ok(10.0));
    let Err(Missing::Failed(why)) = scene.read_for(5).await else {
        panic!("it is too old");
    };
    let old = "the metrics API's figures of pod a are 9";
    assert!(why.starts_with(old), "{why}");
    scene.measured("a", &[("100m", "1Ki")]);
    assert_eq!(scene.read_for(5).await, Ok(10.0));
}
