//! What the door of a sidecar knows of the model server behind it.

use std::pin::Pin;
use std::sync::Arc;

use tokio::sync::watch;

use super::ending::Stage;
use crate::admin::Board;
use crate::backend::beside::{NetLooker, Questions};
use crate::ports::{ReplicaState, World};
use crate::proxy::beside::Health;

/// Rings at the model server.
#[derive(Debug)]
pub(super) struct Doorbell {
    pub(super) questions: Arc<Questions<NetLooker>>,
    pub(super) world: watch::Receiver<World>,
}

impl Health for Doorbell {
    fn is_ready(&self) -> bool {
        is_ready(&self.world.borrow())
    }

    fn ask(&self) -> Pin<Box<dyn Future<Output = bool> + Send + '_>> {
        Box::pin(async { self.questions.ask().await.is_ok() })
    }
}

fn is_ready(world: &World) -> bool {
    world.count(ReplicaState::Ready) > 0
}

/// Says on the admin port whether requests should be sent here, now and whenever that changes.
pub(super) async fn show(
    mut world: watch::Receiver<World>,
    mut stage: watch::Receiver<Stage>,
    board: Arc<Board>,
) {
    loop {
        let serving = *stage.borrow_and_update() == Stage::Serving;
        board.set_ready(serving && is_ready(&world.borrow_and_update()));
        let changed = tokio::select! {
            changed = world.changed() => changed,
            changed = stage.changed() => changed,
        };
        if changed.is_err() {
            return;
        }
    }
}
