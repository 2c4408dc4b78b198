//! The end of a gateway that callers of Services are led to. Decides when it may stop to listen.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use crate::backend::kubernetes::doors::SETTLED;
use crate::backend::kubernetes::doors::facts::DoorSight;
use crate::peers::Roll;

/// The next gateway leads callers to itself by then, or something is wrong.
const LONGEST: Duration = Duration::from_secs(8);

/// Waits until callers of Services are led here no more: as long as another gateway is there, who leads
/// them to itself.
pub(super) async fn left(
    ip: Option<IpAddr>,
    mut sight: watch::Receiver<Arc<DoorSight>>,
    mut roll: watch::Receiver<Roll>,
) {
    let names_us = |sight: &DoorSight| {
        let mut slices = sight.slices.values();
        ip.is_some_and(|ip| slices.any(|slice| slice.addresses.contains(&ip)))
    };
    if !names_us(&sight.borrow()) {
        return;
    }
    let elsewhere = async {
        tokio::select! {
            Ok(_) = sight.wait_for(|sight| !names_us(sight)) => true,
            Ok(_) = roll.wait_for(Roll::is_alone) => false,
            else => false,
        }
    };
    match timeout(LONGEST, elsewhere).await {
        Ok(true) => sleep(SETTLED).await,
        Ok(false) => {}
        Err(_) => tracing::warn!("callers of Services are still led here, nobody else takes them"),
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use tokio::time::Instant;

    use super::*;
    use crate::backend::kubernetes::ObjectRef;
    use crate::backend::kubernetes::doors::facts::{Family, SliceView};

    fn sight(ip: &str) -> Arc<DoorSight> {
        let slice = SliceView {
            at: ObjectRef {
                api_version: "discovery.k8s.io/v1".into(),
                kind: "EndpointSlice".into(),
                namespace: "models".into(),
                name: "flowers-holdgate".into(),
                uid: "s".into(),
            },
            resource_version: "1".into(),
            created: SystemTime::UNIX_EPOCH,
            service: "flowers".into(),
            owner: None,
            family: Family::V4,
            ports: Vec::new(),
            addresses: ip.parse().into_iter().collect(),
            nodes: std::collections::BTreeMap::new(),
        };
        let slices = [(("models".into(), "flowers".into()), Arc::new(slice))];
        Arc::new(DoorSight {
            slices: slices.into(),
            ..DoorSight::default()
        })
    }

    /// How long it waits at its end, in a world that changes after three seconds.
    async fn waits(
        change: impl FnOnce(&watch::Sender<Arc<DoorSight>>, &watch::Sender<Roll>),
    ) -> Duration {
        let ip: IpAddr = "10.0.0.7".parse().expect("an address");
        let (sights, rolls) = (
            watch::Sender::new(sight("10.0.0.7")),
            watch::Sender::default(),
        );
        let begun = Instant::now();
        let story = async {
            sleep(Duration::from_secs(3)).await;
            change(&sights, &rolls);
        };
        let waiting = left(Some(ip), sights.subscribe(), rolls.subscribe());
        tokio::join!(waiting, story);
        begun.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn who_ends_listens_until_callers_are_led_elsewhere_for_a_second() {
        let secs = Duration::from_secs;
        let led = waits(|sights, _| sights.send_modify(|it| *it = sight("10.0.0.8"))).await;
        assert_eq!(led, secs(4));
        let alone = Roll {
            seen: Some(crate::sync::now()),
            ..Roll::default()
        };
        let nobody = waits(|_, rolls| rolls.send_modify(|it| *it = alone)).await;
        assert_eq!(nobody, secs(3), "nobody comes who could take them");
        assert_eq!(waits(|_, _| {}).await, LONGEST);
        let rolls = watch::Sender::new(Roll::default());
        let begun = Instant::now();
        left(
            None,
            watch::Sender::new(sight("10.0.0.7")).subscribe(),
            rolls.subscribe(),
        )
        .await;
        let others = watch::Sender::new(sight("10.0.0.8"));
        left(
            "10.0.0.7".parse().ok(),
            others.subscribe(),
            rolls.subscribe(),
        )
        .await;
        assert_eq!(begun.elapsed(), Duration::ZERO);
    }
}
