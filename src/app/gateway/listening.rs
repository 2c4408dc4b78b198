//! Which gateways listen for callers of Services, and where: this one, as far as it is known at all by
//! which address others reach it.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use tokio::sync::watch;

use crate::backend::kubernetes::{GatewayAt, Gateways};

/// The gateway of this pod with the doors that it has open; none outside a pod (`POD_IP`).
pub(super) fn gateways(open: watch::Receiver<BTreeSet<u16>>) -> watch::Receiver<Arc<Gateways>> {
    let ip = std::env::var("POD_IP").ok();
    follow(ip.and_then(|ip| ip.trim().parse().ok()), open)
}

fn follow(
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
    use super::*;

    #[tokio::test]
    async fn the_doors_that_are_open_are_told_with_our_address() {
        let open = watch::Sender::new(BTreeSet::new());
        let ip: IpAddr = "10.0.0.7".parse().expect("an address");
        let mut told = follow(Some(ip), open.subscribe());
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
            **follow(None, open.subscribe()).borrow(),
            Gateways::default()
        );
    }
}
