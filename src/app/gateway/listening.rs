//! Which gateways listen for callers of Services, and where: this one, as far as it is known at all by
//! which address others reach it. Decides when one that ends may stop to listen.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use crate::backend::kubernetes::doors::SETTLED;
use crate::backend::kubernetes::doors::facts::DoorSight;
use crate::backend::kubernetes::{GatewayAt, Gateways, Tenure};

/// The next gateway leads callers to itself by then, or something is wrong.
const LONGEST: Duration = Duration::from_secs(8);

/// The address of this pod; none outside one (`POD_IP`).
pub(super) fn own_ip() -> Option<IpAddr> {
    std::env::var("POD_IP").ok()?.trim().parse().ok()
}

/// Waits until callers of Services are led here no more: as long as another gateway is there, who leads
/// them to itself.
pub(super) async fn left(
    ip: Option<IpAddr>,
    mut sight: watch::Receiver<Arc<DoorSight>>,
    mut tenure: watch::Receiver<Tenure>,
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
            Ok(_) = tenure.wait_for(|tenure| tenure.alone) => false,
            else => false,
        }
    };
    match timeout(LONGEST, elsewhere).await {
        Ok(true) => sleep(SETTLED).await,
        Ok(false) => {}
        Err(_) => tracing::warn!("callers of Services are still led here, nobody else takes them"),
    }
}

/// The gateway at this address with the doors that it has open; none without one.
pub(super) fn gateways(
    ip: Option<IpAddr>,
    mut open: watch::Receiver<BTreeSet<u16>>,
) -> watch::Receiver<Arc<Gateways>> {
    let (tell, told) = watch::channel(Arc::default());
    let Some(ip) = ip else {
        return told;
    };
    tokio::spawn(async move {
        loop {
            let doors = open.borrow_and_update().clone();
            let gateways = Gateways(vec![GatewayAt { ip, doors }]);
            if tell.send(Arc::new(gateways)).is_err() || open.changed().await.is_err() {
                return;
            }
        }
    });
    told
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use tokio::time::Instant;

    use super::*;
    use crate::backend::kubernetes::ObjectRef;
    use crate::backend::kubernetes::doors::facts::{Family, SliceView};

    #[tokio::test]
    async fn the_doors_that_are_open_are_told_with_our_address() {
        let open = watch::Sender::new(BTreeSet::new());
        let ip: IpAddr = "10.0.0.7".parse().expect("an address");
        let mut told = gateways(Some(ip), open.subscribe());
        let with = |doors: &[u16]| {
            let doors = doors.iter().copied().collect();
            Gateways(vec![GatewayAt { ip, doors }])
        };
        let first = told
            .wait_for(|told| !told.0.is_empty())
            .await
            .expect("it is told");
        assert_eq!(**first, with(&[]));
        drop(first);
        open.send_replace(BTreeSet::from([20001]));
        told.changed().await.expect("it is told");
        assert_eq!(**told.borrow(), with(&[20001]));
        assert_eq!(
            **gateways(None, open.subscribe()).borrow(),
            Gateways::default()
        );
    }

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
        };
        let slices = [(("models".into(), "flowers".into()), Arc::new(slice))];
        Arc::new(DoorSight {
            slices: slices.into(),
            ..DoorSight::default()
        })
    }

    /// How long it waits at its end, in a world that changes after three seconds.
    async fn waits(
        change: impl FnOnce(&watch::Sender<Arc<DoorSight>>, &watch::Sender<Tenure>),
    ) -> Duration {
        let ip: IpAddr = "10.0.0.7".parse().expect("an address");
        let (sights, tenures) = (
            watch::Sender::new(sight("10.0.0.7")),
            watch::Sender::default(),
        );
        let begun = Instant::now();
        let story = async {
            sleep(Duration::from_secs(3)).await;
            change(&sights, &tenures);
        };
        let waiting = left(Some(ip), sights.subscribe(), tenures.subscribe());
        tokio::join!(waiting, story);
        begun.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn who_ends_listens_until_callers_are_led_elsewhere_for_a_second() {
        let secs = Duration::from_secs;
        let led = waits(|sights, _| sights.send_modify(|it| *it = sight("10.0.0.8"))).await;
        assert_eq!(led, secs(4));
        let alone = Tenure {
            alone: true,
            ..Tenure::default()
        };
        let nobody = waits(|_, tenures| tenures.send_modify(|it| *it = alone)).await;
        assert_eq!(nobody, secs(3), "nobody comes who could take them");
        assert_eq!(waits(|_, _| {}).await, LONGEST);
        let tenures = watch::Sender::new(Tenure::default());
        let begun = Instant::now();
        left(
            None,
            watch::Sender::new(sight("10.0.0.7")).subscribe(),
            tenures.subscribe(),
        )
        .await;
        let others = watch::Sender::new(sight("10.0.0.8"));
        left(
            "10.0.0.7".parse().ok(),
            others.subscribe(),
            tenures.subscribe(),
        )
        .await;
        assert_eq!(begun.elapsed(), Duration::ZERO);
    }
}
