//! What a gateway that starts anew finds of settings that could be read once.

use serde_json::{Value, json};
use tokio::sync::watch;

use super::following::{annotated, nothing_written, only, tellers};
use super::*;
use crate::app::drain::Signals;
use crate::app::gateway::following::until_ended;
use crate::backend::kubernetes::Obstacle;
use crate::backend::kubernetes::tests_server::{Fault, Server};
use crate::state::Keeper;

const MAP: &str = "/api/v1/namespaces/holdgate-system/configmaps/holdgate-state";
const KEY: &str = "last-good-settings.json";

/// A cluster in which one gateway follows another.
#[derive(Default)]
struct House {
    server: Server,
}

/// One of them.
struct Life {
    scene: Scene,
    keeper: Keeper,
}

impl House {
    /// The next one. One that does not steer keeps nothing.
    async fn next(&self, steers: bool) -> Life {
        let tenure = if steers { HOLDS } else { WAITS };
        let told = watch::Sender::new(tenure).subscribe();
        let (keeper, _) = Keeper::in_cluster(
            self.server.client(),
            "holdgate-system",
            told,
            watch::Sender::new(false),
        )
        .await;
        let scene = Scene::knowing(tenure, Some(keeper.notebook().clone()));
        scene.cluster.deploy("m.ns", 1);
        Life { scene, keeper }
    }

    /// One whose last good limit is 3 has ended; `claim` is what could not be read then.
    async fn after_one_that_read_three(&self, bad: Claim) -> Life {
        let mut life = self.next(true).await;
        let around = json!({ "labels": { "not": "read" } });
        life.claim(json!({ "limit": 3, "metadata": around })).await;
        life.scene.claim(bad).await;
        life.keeper.close().await;
        self.next(true).await
    }

    /// What is kept, by revision.
    fn kept(&self) -> Value {
        let map = self.server.get(MAP).expect("it is there");
        let text = map["data"][KEY].as_str().unwrap_or("null");
        serde_json::from_str(text).expect("JSON")
    }
}

impl Life {
    async fn claim(&mut self, settings: Value) {
        self.scene.claim(claim("m.ns", 0, settings)).await;
    }

    async fn limit(&self) -> Value {
        self.scene.report("m.ns").await["containerConcurrency"].clone()
    }
}

fn bad() -> Claim {
    claim("m.ns", 0, json!({ "bad": "abc" }))
}

#[tokio::test(start_paused = true)]
async fn a_new_gateway_serves_with_the_last_good_settings_of_the_one_before() {
    let house = House::default();
    let mut life = house.after_one_that_read_three(bad()).await;
    life.scene.claim(bad()).await;
    let said = life.scene.cluster.said();
    life.scene.apply().await;
    assert_eq!(life.scene.cluster.told(), [""; 0], "once");
    let [notice] = said.as_slice() else {
        panic!("{said:?}");
    };
    assert_eq!(notice.reason.as_str(), "InvalidSettings");
    let wanted = "wanted a whole number, not abc; the last good settings stay";
    assert!(notice.message.ends_with(wanted), "{}", notice.message);
    let report = life.scene.report("m.ns").await;
    assert_eq!(report["containerConcurrency"], 3);
    assert_eq!(report["remarks"], json!([notice.message]));
    assert_eq!(report.get("leftAlone"), None);
    life.scene.ask("m.ns").admitted();

    life.keeper.close().await;
    let mut third = house.next(true).await;
    third.claim(json!({ "bad": "still" })).await;
    assert_eq!(third.limit().await, 3, "and so does the one after it");
}

#[tokio::test(start_paused = true)]
async fn settings_that_are_put_right_are_kept_no_longer() {
    let house = House::default();
    let mut life = house.after_one_that_read_three(bad()).await;
    let kept = house.kept()["m.ns"]["object"].take();
    let wanted = json!({ "hosts": "m.ns", "limit": 3, "metadata": {} });
    assert_eq!(kept, wanted, "nothing but what is read");
    life.scene.claim(bad()).await;
    life.claim(json!({ "limit": 4 })).await;
    assert_eq!(life.limit().await, 4);
    tokio::time::sleep(secs(2)).await;
    assert_eq!(house.kept(), Value::Null, "written at once");
    life.scene.claim(bad()).await;
    tokio::time::sleep(secs(2)).await;
    assert_eq!(house.kept()["m.ns"]["object"]["limit"], 4);

    life.scene.gone("m.ns").await;
    tokio::time::sleep(secs(2)).await;
    assert_eq!(house.kept(), Value::Null, "nor of what is gone");
}

#[tokio::test(start_paused = true)]
async fn who_reads_them_at_first_sight_drops_what_was_kept() {
    let house = House::default();
    let mut life = house.after_one_that_read_three(bad()).await;
    life.claim(json!({ "limit": 4 })).await;
    life.keeper.close().await;
    assert_eq!(house.kept(), Value::Null);
    let mut next = house.next(true).await;
    next.scene.claim(bad()).await;
    assert!(matches!(next.scene.ask("m.ns"), Asked::NoRoute));
}

#[tokio::test(start_paused = true)]
async fn what_was_deleted_and_made_anew_inherits_nothing() {
    let house = House::default();
    let mut life = house.after_one_that_read_three(bad()).await;
    let mut anew = bad();
    anew.owner.uid = "another".into();
    life.scene.claim(anew).await;
    assert!(matches!(life.scene.ask("m.ns"), Asked::NoRoute));
    let report = life.scene.report("m.ns").await;
    assert!(
        report["leftAlone"].to_string().contains("not abc"),
        "{report}"
    );
}

#[tokio::test(start_paused = true)]
async fn what_was_kept_and_is_not_understood_any_more_is_left_alone() {
    let house = House::default();
    let mut life = house.after_one_that_read_three(bad()).await;
    life.scene
        .claims
        .insert(RevisionId::new("m.ns"), Arc::new(bad()));
    let nobody = |claim: &Claim| {
        let bad = Claim {
            settings: bad().settings,
            ..claim.clone()
        };
        read(&bad)
    };
    life.scene.gateway.apply(&life.scene.claims, &nobody, false);
    assert!(matches!(life.scene.ask("m.ns"), Asked::NoRoute));
    life.scene.apply().await;
    assert_eq!(life.limit().await, 3, "it stays for who understands it");
}

#[tokio::test(start_paused = true)]
async fn an_obstacle_counts_as_it_is_now() {
    let house = House::default();
    let mut life = house.after_one_that_read_three(bad()).await;
    let mut stopped = bad();
    stopped.obstacle = Some(Obstacle::Stopped);
    life.scene.claim(stopped).await;
    assert_eq!(life.scene.ask("m.ns").refused(), "stopped");
    life.scene.claim(bad()).await;
    life.scene.ask("m.ns").admitted();
}

#[tokio::test(start_paused = true)]
async fn who_could_not_look_leaves_it_alone_and_what_is_kept_stays() {
    let house = House::default();
    let life = house.after_one_that_read_three(bad()).await;
    life.keeper.close().await;
    house.server.fail_always(Some(Fault::Away));
    let mut blind = house.next(true).await;
    blind.scene.claim(bad()).await;
    assert!(matches!(blind.scene.ask("m.ns"), Asked::NoRoute));
    house.server.fail_always(None);
    tokio::time::sleep(secs(60)).await;
    blind.keeper.close().await;
    let mut next = house.next(true).await;
    next.scene.claim(bad()).await;
    assert_eq!(next.limit().await, 3);
}

#[tokio::test(start_paused = true)]
async fn who_comes_to_steer_serves_with_what_was_kept_since_it_started() {
    let server = Server::default();
    let mut tellers = tellers();
    let told = tellers.tenure.subscribe();
    let (keeper, held) = Keeper::in_cluster(
        server.client(),
        "holdgate-system",
        told,
        watch::Sender::new(false),
    )
    .await;
    tellers.sources.tenure = held;
    let mut scene = Scene::knowing(WAITS, Some(keeper.notebook().clone()));
    let (cluster, registry) = (Arc::clone(&scene.cluster), Arc::clone(&scene.registry));
    let (mut written, mut signals) = (nothing_written(), Signals::listen().expect("signals"));
    let following = until_ended(
        &mut scene.gateway,
        &mut tellers.sources,
        &mut written,
        &mut signals,
        |_| {},
    );
    let host = "m.ns.svc.cluster.local";
    let limit = || {
        let found = registry.by_host(host)?;
        Some(found.spec.container_concurrency.written())
    };
    let story = async {
        tellers.claims.send_replace(Some(only(annotated("four"))));
        settle().await;
        assert_eq!(limit(), None);
        let (_steers, told) = watch::channel(HOLDS);
        let (old, _) = Keeper::in_cluster(
            server.client(),
            "holdgate-system",
            told,
            watch::Sender::new(false),
        )
        .await;
        let mut before = Scene::knowing(HOLDS, Some(old.notebook().clone()));
        let real = nothing_written();
        for limit in ["5", "four"] {
            let claims = only(annotated(limit));
            before.gateway.apply(&claims, &real.reader(None), false);
        }
        old.close().await;
        tellers.tenure.send_replace(HOLDS);
        tokio::time::sleep(secs(1)).await;
        assert_eq!(limit(), Some(5));
        assert!(cluster.told().contains(&"m InvalidSettings".to_owned()));
    };
    tokio::select! {
        () = following => panic!("nobody ended it"),
        () = story => {}
    }
}
