//! A world that does not change: endpoints somebody else runs, always ready.

use tokio::sync::watch;
use tokio::time::Instant;

use crate::ports::{ReplicaState, ReplicaView, ScaleError, Scaler, World};
use crate::revision::{Endpoint, ReplicaId};

/// A fixed set of endpoints. Asked for another number of replicas, it agrees and does nothing.
#[derive(Debug)]
pub struct Fixed {
    world: watch::Sender<World>,
}

impl Fixed {
    /// Every endpoint is one ready replica, numbered from 1.
    #[must_use]
    pub fn new(endpoints: impl IntoIterator<Item = Endpoint>) -> Self {
        let since = Instant::now().into_std();
        let replicas = (1..)
            .zip(endpoints)
            .map(|(id, endpoint)| ReplicaView {
                id: ReplicaId(id),
                endpoint,
                state: ReplicaState::Ready,
                since,
            })
            .collect();
        Self {
            world: watch::Sender::new(World {
                replicas,
                ..World::default()
            }),
        }
    }

    /// The endpoints as replicas; never changes.
    #[must_use]
    pub fn world(&self) -> watch::Receiver<World> {
        self.world.subscribe()
    }
}

impl Scaler for Fixed {
    async fn scale_to(&self, _replicas: u32) -> Result<(), ScaleError> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn fixed_endpoints_are_ready_whatever_number_is_asked_for() {
        let endpoint = |port| Endpoint(([127, 0, 0, 1], port).into());
        let fixed = Fixed::new([endpoint(8001), endpoint(8002)]);

        fixed.scale_to(7).await.unwrap();

        let world = fixed.world().borrow().clone();
        assert_eq!(world.count(ReplicaState::Ready), 2);
        assert_eq!(world.replicas[1].endpoint, endpoint(8002));
    }
}
