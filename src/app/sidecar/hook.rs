//! The hook of the model server's container: it is called before that is told to stop, and answers when
//! the model server is not needed any more.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;

use super::ending::Stage;
use crate::proxy::beside::Porter;

/// Within this a pod that goes tells its other containers as well; else only the model server is started
/// anew.
const TOLD_WITHIN: Duration = Duration::from_secs(1);

/// Says at once that nobody should be sent here; answers when the drain is over, or when it turns out
/// that there is none.
pub(super) async fn wait_for_drain(stage: watch::Sender<Stage>, door: Arc<Porter>) -> &'static str {
    stage.send_if_modified(|stage| {
        let serving = *stage == Stage::Serving;
        if serving {
            *stage = Stage::Asked;
            door.set_draining(true);
        }
        serving
    });
    let mut seen = stage.subscribe();
    let ends = seen.wait_for(|stage| matches!(stage, Stage::Ending | Stage::Over));
    if timeout(TOLD_WITHIN, ends).await.is_err() {
        stage.send_if_modified(|stage| {
            let undone = *stage == Stage::Asked;
            if undone {
                *stage = Stage::Serving;
                door.set_draining(false);
            }
            undone
        });
        if *stage.borrow() == Stage::Serving {
            return "nothing drains\n";
        }
    }
    let _ = seen.wait_for(|stage| *stage == Stage::Over).await;
    "drained\n"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::sidecar::tests::door;
    use tokio::time::{Instant, sleep};

    #[tokio::test(start_paused = true)]
    async fn a_hook_without_a_signal_is_undone_after_a_second() {
        let stage = watch::Sender::new(Stage::Serving);
        let begun = Instant::now();
        let hook = tokio::spawn(wait_for_drain(stage.clone(), door()));
        sleep(Duration::from_millis(500)).await;
        assert_eq!(*stage.borrow(), Stage::Asked);
        assert_eq!(hook.await.expect("no panic"), "nothing drains\n");
        assert_eq!(begun.elapsed(), TOLD_WITHIN);
        assert_eq!(*stage.borrow(), Stage::Serving);
    }

    #[tokio::test(start_paused = true)]
    async fn a_hook_with_a_signal_waits_until_the_drain_is_over() {
        let stage = watch::Sender::new(Stage::Serving);
        let begun = Instant::now();
        let hook = tokio::spawn(wait_for_drain(stage.clone(), door()));
        sleep(Duration::from_millis(900)).await;
        stage.send_replace(Stage::Ending);
        sleep(Duration::from_secs(40)).await;
        assert!(!hook.is_finished());
        stage.send_replace(Stage::Over);
        assert_eq!(hook.await.expect("no panic"), "drained\n");
        assert!(begun.elapsed() >= Duration::from_secs(40));
    }
}
