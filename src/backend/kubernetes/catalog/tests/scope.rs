//! What is looked at: kinds that come and go, those that a person names, the namespaces of a list, and
//! the settings of `KServe`.

use super::*;

#[tokio::test(start_paused = true)]
async fn a_kind_that_comes_later_is_seen_without_a_restart() {
    let fake = Fake::new();
    fake.serve(ISVCS, false);
    let catalog = everything(&fake);
    names(&catalog, &[]).await;
    fake.serve(ISVCS, true);
    fake.put(ISVCS, inference_service("ext"));
    names(&catalog, &["ext-predictor.default"]).await;
}

#[tokio::test(start_paused = true)]
async fn a_kind_that_seems_gone_for_a_moment_takes_nothing_with_it() {
    let fake = Fake::new();
    fake.put(ISVCS, inference_service("ext"));
    let catalog = everything(&fake);
    names(&catalog, &["ext-predictor.default"]).await;
    fake.serve(ISVCS, false);
    fake.cut();
    sleep(Duration::from_secs(20)).await;
    names(&catalog, &["ext-predictor.default"]).await;
    sleep(Duration::from_secs(40)).await;
    names(&catalog, &[]).await;
}

#[tokio::test(start_paused = true)]
async fn a_kind_that_a_person_names_is_found_when_it_is_there() {
    let fake = Fake::new();
    fake.serve(ROLLOUTS, false);
    let named = [
        "Rollout.v1alpha1.argoproj.io",
        "Deployment.v1.apps",
        "Rollout.v1alpha1.argoproj.io",
    ];
    let kinds = named.map(|it| it.parse().expect("it is a kind")).to_vec();
    let catalog = Catalog::start(
        fake.client(),
        Scope {
            kinds,
            ..Scope::default()
        },
    );
    names(&catalog, &[]).await;
    fake.serve(ROLLOUTS, true);
    fake.put(ROLLOUTS, deployment("flowers"));
    fake.put(DEPLOYMENTS, deployment("roses"));
    names(&catalog, &[FLOWERS, "roses.default"]).await;
    sleep(Duration::from_secs(20)).await;
    names(&catalog, &[FLOWERS, "roses.default"]).await;
    let claims = catalog.claims().borrow().clone().expect("they are there");
    assert_eq!(&*claims[&RevisionId::new(FLOWERS)].owner.kind, "Rollout");
}

#[tokio::test(start_paused = true)]
async fn with_a_list_of_namespaces_nothing_else_is_asked_for() {
    let fake = Fake::new();
    fake.put(DEPLOYMENTS, deployment("flowers"));
    let mut elsewhere = deployment("roses");
    elsewhere["metadata"]["namespace"] = json!("other");
    fake.put(DEPLOYMENTS, elsewhere);
    let namespaces = vec!["default".to_owned(), "third".to_owned()];
    let scope = Scope {
        namespaces,
        ..Scope::default()
    };
    let catalog = Catalog::start(fake.client(), scope);
    names(&catalog, &[FLOWERS]).await;
    sleep(Duration::from_secs(60)).await;
    let beyond: Vec<_> = fake
        .asked()
        .into_iter()
        .filter(|it| !it.contains("/namespaces/default/") && !it.contains("/namespaces/third/"))
        .collect();
    assert!(beyond.is_empty(), "{beyond:?}");
}

#[tokio::test(start_paused = true)]
async fn the_domain_is_the_one_of_kserve() {
    let fake = Fake::new();
    let catalog = everything(&fake);
    names(&catalog, &[]).await;
    assert_eq!(*catalog.domain().borrow(), None);
    fake.put(
        MAPS,
        json!({
            "metadata": {"name": "inferenceservice-config", "namespace": "kserve"},
            "data": {"ingress": "{\"ingressDomain\": \"ml.example\"}"}
        }),
    );
    until(&mut catalog.domain(), |it| {
        it.as_deref() == Some("ml.example")
    })
    .await;
}
