//! What is believed of the metrics API, in virtual time before a fake one.

use parking_lot::Mutex;
use serde_json::{Value, json};

use super::*;
use crate::backend::kubernetes::call::timestamp;
use crate::backend::kubernetes::objects::{
    Container, LeavingOrder, PodView, Requirement, Selector, Stage, Template, Workload, samples,
};
use crate::backend::kubernetes::tests_server::{Fault, Server};
use crate::ports::ReplicaView;
use crate::revision::Scrape;

const METRICS: &str = "/apis/metrics.k8s.io/v1beta1/namespaces/models/pods";

/// A revision of which some pods are ready, before a metrics API.
struct Scene {
    server: Server,
    present: watch::Sender<Present>,
    world: watch::Sender<World>,
    told: Arc<Mutex<Vec<Notice>>>,
    gauges: PodGauges<Heard>,
}

struct Heard(Arc<Mutex<Vec<Notice>>>);

impl Announcer for Heard {
    fn announce(&self, notice: Notice) {
        self.0.lock().push(notice);
    }
}

fn workload(containers: &[Option<f64>]) -> Workload {
    let container = |cpu: &Option<f64>| Container {
        cpu: *cpu,
        ..Container::default()
    };
    Workload {
        at: owner(),
        plural: "deployments".into(),
        resource_version: "1".into(),
        created: SystemTime::UNIX_EPOCH,
        terminating: false,
        owner: None,
        labels: [].into(),
        annotations: [].into(),
        replicas: 1,
        selector: Selector(vec![
            Requirement::In("app".into(), vec!["llama".into(), "lama".into()]),
            Requirement::Absent("test".into()),
        ]),
        template: Template {
            labels: [].into(),
            containers: containers.iter().map(container).collect(),
        },
        leaving: LeavingOrder::DeletionCost,
        first_ordinal: 0,
        rolling: false,
    }
}

fn owner() -> ObjectRef {
    ObjectRef {
        api_version: "apps/v1".into(),
        kind: "Deployment".into(),
        namespace: "models".into(),
        name: "llama".into(),
        uid: "u".into(),
    }
}

impl Scene {
    /// Of containers that ask for so many cores.
    fn new(containers: &[Option<f64>]) -> Self {
        let (server, told) = (Server::default(), Arc::default());
        let present = watch::Sender::new(Present {
            workload: Some(Arc::new(workload(containers))),
            pods: Vec::new(),
            fresh: true,
        });
        let world = watch::Sender::new(World::default());
        let gauges = PodGauges::new(
            server.client(),
            owner(),
            present.subscribe(),
            world.subscribe(),
            Heard(Arc::clone(&told)),
        );
        Self {
            server,
            present,
            world,
            told,
            gauges,
        }
    }

    /// A pod that is made and ready now.
    fn ready(&self, id: u64, name: &str) {
        self.present.send_modify(|present| {
            present.pods.retain(|pod| &*pod.name != name);
            present.pods.push(Arc::new(PodView {
                stage: Stage::Running,
                ready: true,
                ..samples::pod(&format!("u{id}"), name, wall())
            }));
        });
        self.world.send_modify(|world| {
            world.replicas.push(ReplicaView {
                id: ReplicaId(id),
                name: Some(name.into()),
                endpoint: Some(Endpoint(([127, 0, 0, 1], 1).into())),
                state: ReplicaState::Ready,
                since: now(),
                detail: None,
            });
        });
    }

    fn leave(&self, id: u64) {
        self.world.send_modify(|world| {
            for view in world.replicas.iter_mut().filter(|view| view.id.0 == id) {
                view.state = ReplicaState::Draining;
            }
        });
    }

    /// metrics-server has measured a pod until just now.
    fn measured(&self, name: &str, containers: &[(&str, &str)]) {
        let usage =
            |(cpu, memory): &(&str, &str)| json!({ "usage": { "cpu": cpu, "memory": memory } });
        let containers: Vec<Value> = containers.iter().map(usage).collect();
        let pod = json!({
            "metadata": { "name": name },
            "timestamp": timestamp(wall()).to_string(),
            "window": "14.991s",
            "containers": containers,
        });
        self.server.put(&format!("{METRICS}/{name}"), pod);
    }

    async fn cpu(&mut self) -> Result<f64, Missing> {
        self.gauges.read(&[ScaleMetric::Cpu]).await.remove(0)
    }

    async fn memory(&mut self) -> Result<f64, Missing> {
        self.gauges.read(&[ScaleMetric::Memory]).await.remove(0)
    }

    /// Reads once a second for so long, as the loop does; the last of it.
    async fn read_for(&mut self, seconds: u64) -> Result<f64, Missing> {
        for _ in 1..seconds {
            let _ = self.cpu().await;
            pass(1).await;
        }
        let read = self.cpu().await;
        pass(1).await;
        read
    }

    fn heard(&self) -> Vec<(&'static str, String)> {
        let told = std::mem::take(&mut *self.told.lock());
        told.into_iter()
            .map(|notice| (notice.reason.as_str(), notice.message))
            .collect()
    }
}

async fn pass(seconds: u64) {
    tokio::time::sleep(Duration::from_secs(seconds)).await;
}

fn failed(why: &str) -> Result<f64, Missing> {
    Err(Missing::Failed(why.to_owned()))
}

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

#[tokio::test]
async fn what_pods_report_themselves_is_read_from_their_own_pages() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = Endpoint(listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = [0; 1024];
            let _ = stream.read(&mut request).await.unwrap();
            let page = "HTTP/1.1 200 OK\r\ncontent-length: 11\r\n\r\nwaiting 4.5";
            stream.write_all(page.as_bytes()).await.unwrap();
        }
    });
    let mut scene = Scene::new(&[None]);
    scene.ready(1, "a");
    let scrape = Arc::new(Scrape {
        name: "waiting".into(),
        path: "/metrics".into(),
    });
    let metrics = [ScaleMetric::Scraped(scrape)];
    scene
        .world
        .send_modify(|world| world.replicas[0].endpoint = None);
    assert_eq!(scene.gauges.read(&metrics).await, [Err(Missing::NotYet)]);
    scene
        .world
        .send_modify(|world| world.replicas[0].endpoint = Some(endpoint));
    assert_eq!(scene.gauges.read(&metrics).await, [Ok(4.5)]);
    assert_eq!(
        scene.server.calls().len(),
        0,
        "nobody asked for cpu or memory"
    );
}

#[tokio::test]
async fn who_hangs_up_on_us_because_it_leaves_is_no_failure() {
    for leaves in [false, true] {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = Endpoint(listener.local_addr().unwrap());
        let mut scene = Scene::new(&[None]);
        scene.ready(1, "a");
        let ready = |view: &mut ReplicaView| view.endpoint = Some(endpoint);
        scene
            .world
            .send_modify(|world| ready(&mut world.replicas[0]));
        let scrape = Arc::new(Scrape {
            name: "waiting".into(),
            path: "/metrics".into(),
        });
        let world = scene.world.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let leave = |view: &mut ReplicaView| view.state = ReplicaState::Draining;
                if leaves {
                    world.send_modify(|world| leave(&mut world.replicas[0]));
                }
                drop(stream);
            }
        });
        let read = scene.gauges.read(&[ScaleMetric::Scraped(scrape)]).await;
        let is_failure = matches!(read[0], Err(Missing::Failed(_)));
        assert_eq!(is_failure, !leaves, "{read:?}");
    }
}
