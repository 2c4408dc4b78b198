//! The whole circle, with the real autoscaler: clients who keep asking for what cannot come.

use super::*;
use crate::autoscale::{Bound, Shortage, Spec};
use crate::autoscaler::{Beat, Gauged, Lasting, PodAutoscaler};
use crate::decisions::Decisions;
use crate::revision::samples;

const MINUTE: Duration = Duration::from_secs(60);

impl Scene {
    /// From now on decisions are made.
    fn steered(&self) -> Arc<Decisions> {
        let spec = Spec::new(samples::scaling(), ContainerConcurrency::new(1));
        let decisions = Arc::new(Decisions::default());
        let autoscaler = PodAutoscaler {
            id: RevisionId::new("flowers.default"),
            demand: Arc::clone(&self.throttler),
            scaler: self.pods.clone(),
            world: self.pods.world(),
            gauged: watch::channel(Gauged::default()).1,
            scheduled: watch::channel(None).1,
            beat: Beat::begin(),
            lasting: Lasting::nothing(),
            spec: watch::channel(spec).1,
            decisions: Arc::clone(&decisions),
            stats: Arc::clone(&self.stats),
        };
        tokio::spawn(autoscaler.run());
        decisions
    }

    /// Somebody asks every so often, and is told at once that nothing comes.
    async fn ask_in_vain(&self, times: u32, every: Duration) {
        for _ in 0..times {
            let asked = Instant::now();
            let told = self.request(SECOND).await.unwrap();
            assert_eq!(told, Err(OutageReason::Unschedulable));
            assert_eq!(asked.elapsed(), Duration::ZERO);
            sleep(every).await;
        }
    }
}

/// Why nothing comes.
const CAUSES: [fn(&Cluster, bool); 2] = [
    |cluster, away| cluster.change(|inside| inside.room = u32::from(!away)),
    |cluster, away| cluster.0.lock().quota = u32::from(!away),
];

#[tokio::test(start_paused = true)]
async fn what_cannot_come_is_kept_while_clients_keep_asking() {
    for cause in CAUSES {
        let mut scene = Scene::new(0);
        cause(&scene.cluster, true);
        let decisions = scene.steered();
        let first = scene.request(SECOND);
        sleep(65 * SECOND).await;
        assert_eq!(first.await.unwrap(), Err(OutageReason::Unschedulable));
        // Far longer than windows, grace and the time in which a start is given up.
        scene.ask_in_vain(60, 30 * SECOND).await;
        assert_eq!(scene.cluster.replicas(), 1);
        let held = decisions.last().expect("decisions are made").decision.held;
        assert!(
            matches!(held, Some(Shortage::NoNode | Shortage::Quota)),
            "{held:?}"
        );
        cause(&scene.cluster, false);
        scene.sees(|world| counts(world).1 == 1).await;
        assert!(scene.request(SECOND).await.unwrap().is_ok());
    }
}

#[tokio::test(start_paused = true)]
async fn what_cannot_come_goes_when_nobody_asks_any_more() {
    for cause in CAUSES {
        let scene = Scene::new(0);
        cause(&scene.cluster, true);
        let decisions = scene.steered();
        drop(scene.request(SECOND));
        sleep(65 * SECOND).await;
        scene.ask_in_vain(10, 20 * SECOND).await;
        sleep(35 * SECOND).await;
        let latest = decisions.last().expect("decisions are made").decision;
        let bounds: Vec<Bound> = latest.clamps.iter().map(|clamp| clamp.by).collect();
        assert_eq!(
            (bounds, scene.cluster.replicas()),
            (vec![Bound::StableWindow], 1)
        );
        sleep(MINUTE).await;
        assert_eq!(
            (scene.cluster.replicas(), scene.cluster.names()),
            (0, Vec::new())
        );
        assert_eq!(scene.world.borrow().outage, None);
    }
}
