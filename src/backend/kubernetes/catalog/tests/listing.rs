//! What is there when the catalog begins to look, however much it is.

use super::*;
use crate::backend::kubernetes::claim::Obstacle;

#[tokio::test(start_paused = true)]
async fn nothing_is_claimed_before_everything_was_listed() {
    let fake = Fake::new();
    fake.put(DEPLOYMENTS, deployment("flowers"));
    fake.put(HPAS, json!({
        "metadata": {"name": "h", "namespace": "default", "uid": "h"},
        "spec": {"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "flowers"}}
    }));
    fake.leave();
    let catalog = everything(&fake);
    sleep(Duration::from_secs(60)).await;
    assert!(catalog.claims().borrow().is_none());
    fake.come_back();
    let claims = until(&mut catalog.claims(), Option::is_some)
        .await
        .expect("they are there");
    let obstacle = claims[&RevisionId::new(FLOWERS)].obstacle.clone();
    assert!(
        matches!(obstacle, Some(Obstacle::SteeredBy(_))),
        "the first look is complete"
    );
}

#[tokio::test(start_paused = true)]
async fn everything_is_listed_however_much_there_is() {
    let fake = Fake::new();
    fake.put(DEPLOYMENTS, deployment("flowers"));
    for number in 0..250 {
        fake.put(PODS, pod(&format!("p{number}")));
    }
    let catalog = everything(&fake);
    let mut present = catalog.present(&RevisionId::new(FLOWERS));
    until(&mut present, |it| {
        it.fresh && it.pods.len() == 250 && it.workload.is_some()
    })
    .await;
    let pages = fake
        .asked()
        .into_iter()
        .filter(|it| it.starts_with(PODS) && it.contains("limit="));
    assert_eq!(pages.count(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_listing_that_takes_too_long_is_begun_again() {
    let fake = Fake::new();
    fake.put(DEPLOYMENTS, deployment("flowers"));
    for number in 0..150 {
        fake.put(PODS, pod(&format!("p{number}")));
    }
    fake.outdate_listing();
    let catalog = everything(&fake);
    let mut present = catalog.present(&RevisionId::new(FLOWERS));
    let now = until(&mut present, |it| it.fresh && it.workload.is_some()).await;
    assert_eq!(now.pods.len(), 150);
}

#[tokio::test(start_paused = true)]
async fn an_object_that_cannot_be_read_hides_no_other() {
    let fake = Fake::new();
    let mut broken = deployment("broken");
    broken["spec"]["replicas"] = json!("many");
    fake.put(DEPLOYMENTS, broken);
    fake.put(DEPLOYMENTS, deployment("flowers"));
    let catalog = everything(&fake);
    names(&catalog, &[FLOWERS]).await;
}
