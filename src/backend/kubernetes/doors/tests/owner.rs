//! What the owner of a Service writes while its selector is taken away: `kubectl apply`, Helm and Argo CD
//! merge theirs into it, label by label.

use super::*;

impl Scene {
    /// Its owner writes labels of the selector, and leaves the others as they are.
    fn merges(&self, labels: &[(&str, &str)]) {
        let mut service = self.api.get(SERVICE).expect("it is there");
        for (label, value) in labels {
            service["spec"]["selector"][*label] = (*value).into();
        }
        self.api.put(SERVICE, service);
    }

    async fn taken() -> Self {
        let mut scene = Self::new().await;
        scene.says(true, false);
        scene.wishes(CallerPath::Always);
        scene.until(|scene| scene.selector() == taken()).await;
        sleep(3 * SECOND).await;
        scene.told();
        scene
    }
}

#[tokio::test(start_paused = true)]
async fn a_service_that_is_applied_again_stays_taken_without_a_fight_and_is_given_back_whole() {
    let mut scene = Scene::taken().await;
    for _ in 0..5 {
        scene.merges(&[("app", "flowers")]);
        sleep(5 * SECOND).await;
    }
    let both = json!({ "holdgate.dev/nothing": "here", "app": "flowers" });
    assert_eq!(scene.selector(), both, "it matches no pod either");
    assert_eq!(scene.told(), Vec::<String>::new());
    assert!(scene.is_inside() && scene.exit.is_led());
    scene.wishes(CallerPath::Host);
    scene.until(|scene| scene.slice().is_none()).await;
    assert_eq!(
        (scene.selector(), scene.kept()),
        (json!({ "app": "flowers" }), Value::Null)
    );
}

#[tokio::test(start_paused = true)]
async fn what_its_owner_changes_meanwhile_counts_when_the_selector_comes_back() {
    let mut scene = Scene::taken().await;
    scene.merges(&[("app", "roses"), ("tier", "model")]);
    sleep(5 * SECOND).await;
    scene.merges(&[("tier", "garden")]);
    scene.wishes(CallerPath::Takeover);
    scene.until(|scene| !scene.is_inside()).await;
    assert_eq!(
        (scene.selector(), scene.kept()),
        (json!({ "app": "roses", "tier": "garden" }), Value::Null)
    );
}
