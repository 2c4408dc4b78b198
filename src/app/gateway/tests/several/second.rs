//! A second revision, that comes and goes, and of which there is what a test says.

use super::super::super::sharing::{Commons, Stake, Standing};
use super::*;
use crate::ports::{Occupancy, ReplicaState, ReplicaView, World};
use crate::proxy::Throttler;
use crate::revision::{Endpoint, ReplicaId};

const ONE: ReplicaId = ReplicaId(7);
const TWO: ReplicaId = ReplicaId(8);

/// Both are ready.
fn world() -> World {
    let replica = |(id, uid): (ReplicaId, &str)| ReplicaView {
        id,
        name: None,
        uid: Some(uid.into()),
        endpoint: Some(Endpoint(([127, 0, 0, 1], 1000).into())),
        state: ReplicaState::Ready,
        since: crate::sync::now(),
        phase: None,
        detail: None,
        kept_by: None,
    };
    World {
        replicas: [(ONE, "one"), (TWO, "two")].map(replica).into(),
        ..World::default()
    }
}

/// The second revision at one gateway, for as long as it is kept.
struct Second {
    throttler: Arc<Throttler>,
    commons: Arc<Commons>,
    _world: watch::Sender<World>,
    _stake: Stake,
}

impl Installation {
    /// A gateway shares the second revision from now on.
    fn second(&self, number: usize) -> Second {
        let post = self.post(number);
        let mut spec = spec(1);
        spec.id = RevisionId::new("another.ns");
        let throttler = Throttler::new(spec.container_concurrency, spec.queue);
        let commons = post.sharing.commons(&spec, Arc::clone(&throttler), None);
        throttler.follow(&world());
        let tell = watch::Sender::new(world());
        let stake = post.sharing.share(&commons, tell.subscribe());
        Second {
            throttler,
            commons,
            _world: tell,
            _stake: stake,
        }
    }
}

impl Second {
    /// Slots that its gateway may use.
    fn slots(&self) -> u32 {
        let held = self.throttler.holdings();
        held.iter().map(|holding| holding.slots).sum()
    }

    fn enter(&self) -> Permit {
        match self.throttler.arrive(0) {
            Arrival::Admitted(permit) => permit,
            other => panic!("wanted to be let in: {other:?}"),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_replica_in_which_a_member_has_a_request_is_not_given_to_the_backend() {
    let installation = Installation::new(2, 1, 2).await;
    let (here, there) = (installation.second(0), installation.second(1));
    sleep(secs(2)).await;
    let inside = there.enter();
    let busy = inside.replica().id;
    here.commons.retire_one(busy);
    sleep(secs(5)).await;
    assert_eq!(here.commons.vacant(vec![busy]), []);
    drop(inside);
    sleep(ms(10)).await;
    assert_eq!(here.commons.vacant(vec![busy]), [busy]);
}

#[tokio::test(start_paused = true)]
async fn who_is_alone_again_is_so_though_somebody_held_a_revision_that_is_gone() {
    let mut installation = Installation::new(2, 1, 2).await;
    let (here, there) = (installation.second(0), installation.second(1));
    sleep(secs(5)).await;
    assert_eq!((here.slots(), there.slots()), (1, 1));
    drop(here);
    sleep(secs(1)).await;
    installation.kill(1).await;
    drop(there);
    sleep(secs(1)).await;
    // It comes back, while what was sent of it may still run.
    let here = installation.second(0);
    sleep(secs(10)).await;
    assert_eq!(here.slots(), 1);
    drop(here);
    sleep(secs(400)).await;
    assert_eq!(installation.standing(0), Standing::Alone);
    let here = installation.second(0);
    sleep(ms(10)).await;
    assert_eq!(here.slots(), 2);
}
