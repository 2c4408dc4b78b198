//! Which gateways listen for callers of Services, and where: this one, as far as it is known at all by
//! which address others reach it, and those that have told it, where it leads.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use tokio::sync::watch;

use super::sharing::Listening;
use crate::backend::kubernetes::{GatewayAt, Gateways};
use crate::peers::Roll;

/// The address of this pod; none outside one (`POD_IP`).
pub(super) fn own_ip() -> Option<IpAddr> {
    std::env::var("POD_IP").ok()?.trim().parse().ok()
}

/// The node of this pod, where that is said (`NODE_NAME`).
fn own_node() -> Option<Arc<str>> {
    let node = std::env::var("NODE_NAME").ok()?;
    Some(node.trim().into()).filter(|node: &Arc<str>| !node.is_empty())
}

/// The gateway at this address with the doors that it has open, and the others with theirs; none without
/// one, and none while that is for another gateway to say.
pub(super) fn gateways(
    own: Option<IpAddr>,
    open: watch::Receiver<BTreeSet<u16>>,
    roll: watch::Receiver<Roll>,
    others: watch::Receiver<Option<Listening>>,
) -> watch::Receiver<Arc<Gateways>> {
    let (tell, told) = watch::channel(Arc::default());
    if let Some(ip) = own {
        let (node, doors) = (own_node(), BTreeSet::new());
        let own = GatewayAt { ip, node, doors };
        tokio::spawn(follow(own, (open, roll, others), tell));
    }
    told
}

async fn follow(
    own: GatewayAt,
    (mut open, mut roll, mut others): (
        watch::Receiver<BTreeSet<u16>>,
        watch::Receiver<Roll>,
        watch::Receiver<Option<Listening>>,
    ),
    tell: watch::Sender<Arc<Gateways>>,
) {
    loop {
        let gateways = {
            let (open, roll) = (open.borrow_and_update(), roll.borrow_and_update());
            together(&own, &open, &roll, others.borrow_and_update().as_ref())
        };
        tell.send_if_modified(|known| {
            let changed = **known != gateways;
            *known = Arc::new(gateways);
            changed
        });
        let changed = tokio::select! {
            changed = open.changed() => changed,
            // Outside an installation there is nobody who keeps one.
            Ok(()) = roll.changed() => Ok(()),
            Ok(()) = others.changed() => Ok(()),
            () = tell.closed() => return,
        };
        if changed.is_err() {
            return;
        }
    }
}

fn together(
    own: &GatewayAt,
    open: &BTreeSet<u16>,
    roll: &Roll,
    others: Option<&Listening>,
) -> Gateways {
    let Some(others) = others else {
        return Gateways::default();
    };
    let ours = GatewayAt {
        doors: open.clone(),
        ..own.clone()
    };
    let theirs = roll.living().filter_map(|pod| {
        Some(GatewayAt {
            ip: pod.ip?,
            node: pod.node.clone(),
            doors: others.get(&pod.uid)?.clone(),
        })
    });
    Gateways([ours].into_iter().chain(theirs).collect())
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;
    use crate::peers::{GatewayPod, PodState};

    fn at(ip: &str, doors: &[u16]) -> GatewayAt {
        GatewayAt {
            ip: ip.parse().expect("an address"),
            node: Some("node".into()),
            doors: doors.iter().copied().collect(),
        }
    }

    fn pod(uid: &str, ip: &str, state: PodState) -> GatewayPod {
        GatewayPod {
            uid: uid.into(),
            name: uid.into(),
            ip: ip.parse().ok(),
            node: Some("node".into()),
            created: SystemTime::UNIX_EPOCH,
            state,
            since: None,
            restarted: None,
        }
    }

    #[tokio::test]
    async fn the_doors_of_all_gateways_are_told_with_their_addresses_by_the_one_that_leads() {
        let open = watch::Sender::new(BTreeSet::new());
        let roll = watch::Sender::new(Roll::default());
        let others = watch::Sender::new(None);
        let (tell, mut told) = watch::channel(Arc::new(Gateways(vec![at("9.9.9.9", &[])])));
        let heard = (open.subscribe(), roll.subscribe(), others.subscribe());
        let own = at("10.0.0.7", &[]);
        tokio::spawn(follow(own, heard, tell));
        told.changed().await.expect("it is told");
        assert_eq!(
            **told.borrow_and_update(),
            Gateways::default(),
            "another says"
        );
        others.send_replace(Some(Listening::new()));
        told.changed().await.expect("it is told");
        assert_eq!(told.borrow_and_update().0, [at("10.0.0.7", &[])]);
        open.send_replace(BTreeSet::from([20001]));
        told.changed().await.expect("it is told");
        assert_eq!(told.borrow_and_update().0, [at("10.0.0.7", &[20001])]);
        let living = pod("a", "10.0.0.8", PodState::Living);
        let coming = pod("b", "10.0.0.9", PodState::Coming);
        roll.send_modify(|roll| roll.others = vec![living, coming]);
        let doors = |uid: &str| (uid.into(), BTreeSet::from([20001, 20002]));
        others.send_replace(Some([doors("a"), doors("b"), doors("c")].into()));
        told.changed().await.expect("it is told");
        let both = [at("10.0.0.7", &[20001]), at("10.0.0.8", &[20001, 20002])];
        assert_eq!(told.borrow_and_update().0, both);
    }
}
