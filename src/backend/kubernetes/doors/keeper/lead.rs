//! Leads callers of one revision: what our slice for each of its Services says.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::Keeper;
use crate::backend::kubernetes::dispute::Answer;
use crate::backend::kubernetes::doors::deeds::{Deed, Slice};
use crate::backend::kubernetes::doors::facts::{
    DoorSight, Family, Place, ServicePort, ServiceView, SlicePort, SliceView, Target,
};
use crate::backend::kubernetes::doors::moment::{Moment, since};
use crate::backend::kubernetes::doors::ways::leading;
use crate::backend::kubernetes::doors::{GatewayAt, Passage, Passages, SETTLED, words};
use crate::backend::kubernetes::reason::Reason;
use crate::backend::kubernetes::seams::Announcer;
use crate::revision::CallerPath;

/// A gateway listens by then, or something is wrong.
const PATIENCE: Duration = Duration::from_secs(10);

/// One Service as it is now.
pub(super) struct Scene<'a> {
    pub(super) at: &'a Place,
    pub(super) service: &'a Arc<ServiceView>,
    pub(super) slice: Option<&'a Arc<SliceView>>,
    pub(super) passage: &'a Passage,
}

impl<N: Announcer> Keeper<N> {
    /// Leads callers of one revision, and notes which Services those are.
    pub(super) fn lead(
        &mut self,
        passage: &Passage,
        passages: &Passages,
        sight: &DoorSight,
        led: &mut BTreeSet<Place>,
        now: Instant,
    ) {
        let mut all_stand = true;
        let uid = &passage.owner.uid;
        if passage.services.is_empty() && self.told_none.insert(uid.clone()) {
            self.announce(&passage.owner, Reason::PathNotTaken, words::no_service());
        } else if !passage.services.is_empty() {
            self.told_none.remove(uid);
        }
        for name in &passage.services {
            let at = (passage.owner.namespace.clone(), name.clone());
            let Some(service) = sight.services.get(&at) else {
                continue;
            };
            let ports = match leading(service, &passage.server, passage.path) {
                _ if passages.shared.contains(&at) => Err(words::shared(name)),
                ports => ports,
            };
            let ports = match ports {
                Ok(ports) => ports,
                Err(why) => {
                    self.complain(&at, &passage.owner, why);
                    continue;
                }
            };
            led.insert(at.clone());
            let slice = sight.slices.get(&at);
            let scene = Scene {
                at: &at,
                service,
                slice,
                passage,
            };
            all_stand &= self.keep(&scene, &ports, now);
        }
        passage.exit.lead(all_stand);
    }

    /// Keeps the doors of one Service. Returns whether its callers are led to the gateways by now.
    fn keep(&mut self, scene: &Scene<'_>, ports: &[&ServicePort], now: Instant) -> bool {
        let (at, service, slice) = (scene.at, scene.service, scene.slice);
        let always = scene.passage.path == CallerPath::Always;
        let Some(ports) = self.numbered(scene, ports) else {
            self.complain(at, &scene.passage.owner, words::no_number(&at.1));
            return false;
        };
        let (family, listening) = self.listening(scene, &ports);
        let seen = self.versions(at);
        let moment = self.moments.entry(at.clone()).or_default();
        let inside = slice.is_some_and(|slice| !slice.addresses.is_empty());
        let answered = slice.is_some_and(|it| !it.addresses.is_disjoint(&listening));
        let stands = since(&mut moment.stands, answered, now).is_some_and(|at| now >= at + SETTLED);
        let own = since(&mut moment.own, !service.is_taken(), now);
        let own = own.is_some_and(|at| now >= at + SETTLED);
        let wanted = always || is_wanted(scene, moment, now);
        // A Service has its selector back for a moment before its pods get every caller.
        let wanted = wanted || service.is_taken() || (inside && !own);
        moment.was_taken &= always;
        // What is on its way may be that they are taken out.
        let is_so = moment.is_calm(&seen, now);
        self.tell_lacking(scene, wanted && listening.is_empty(), now);
        let addresses = match slice {
            _ if !wanted => BTreeSet::new(),
            // While nobody is known to listen, those stay who did.
            Some(slice) if listening.is_empty() => slice.addresses.clone(),
            _ => listening,
        };
        let slice_wanted = Slice {
            ports,
            nodes: self.nodes(&addresses, slice),
            addresses,
            family,
        };
        if let Some(deed) = slice_wanted.write(service, slice.map(Arc::as_ref)) {
            self.write_slice(scene, slice_wanted, deed, now);
        } else if always && stands {
            self.take(scene, now);
        } else if !always {
            self.give_back(at, &scene.passage.owner, service, now);
        }
        stands && wanted && is_so
    }

    /// Writes our slice, but does not fight somebody else who writes it too: another installation.
    fn write_slice(&mut self, scene: &Scene<'_>, slice: Slice, deed: Deed, now: Instant) {
        let at = scene.at;
        if !self.may_write(at, now) {
            return;
        }
        let moment = self.moments.entry(at.clone()).or_default();
        let wanted = Some((scene.service.at.uid.clone(), slice));
        let yields = moment.rewritten.yields_until(now).is_some();
        if yields && moment.left == wanted {
            return;
        }
        if moment.wrote == wanted
            && let Answer::Yield(pause) = moment.rewritten.again(now)
        {
            moment.left = moment.wrote.take();
            let told = words::rewritten(&deed.what(), pause);
            return self.complain(at, &scene.passage.owner, told);
        }
        moment.wrote = wanted;
        self.write(at, &scene.passage.owner, deed, now);
    }

    /// The ports of the slice, each with its number; `None` where none is left.
    fn numbered(&mut self, scene: &Scene<'_>, ports: &[&ServicePort]) -> Option<Vec<SlicePort>> {
        let server = scene.passage.server.port;
        let names: Vec<_> = ports.iter().map(|port| &port.name).collect();
        let ports = ports.iter().map(|port| {
            let number = if scene.service.headless {
                // Its callers come to the port of the pod itself.
                let number = match port.target {
                    Target::Number(number) => number,
                    Target::Name(_) => server,
                };
                Some(number).filter(|number| !self.numbers.is_given(*number))?
            } else {
                self.numbers.give(scene.at, port.name.as_ref(), &names)?
            };
            Some(SlicePort {
                name: port.name.clone(),
                number,
                app_protocol: port.app_protocol.clone(),
            })
        });
        ports.collect()
    }

    /// The kind of addresses that a slice has, and who listens where it says.
    fn listening(&self, scene: &Scene<'_>, ports: &[SlicePort]) -> (Family, BTreeSet<IpAddr>) {
        let (families, gateways) = (&scene.service.families, &self.gateways.0);
        let has = |family: &Family| gateways.iter().any(|it| Family::of(&it.ip) == *family);
        let usable = |family: &Family| families.is_empty() || families.contains(family);
        let present = scene.slice.map(|slice| slice.family).filter(usable);
        let all = || present.into_iter().chain(families.iter().copied());
        let family = all().find(has).or(all().next()).unwrap_or_default();
        let listens = |it: &&GatewayAt| {
            let all = ports.iter().all(|port| it.doors.contains(&port.number));
            all && Family::of(&it.ip) == family
        };
        let listening = gateways.iter().filter(listens).map(|it| it.ip);
        (family, listening.collect())
    }

    /// On which nodes these gateways run.
    fn nodes(
        &self,
        gateways: &BTreeSet<IpAddr>,
        slice: Option<&Arc<SliceView>>,
    ) -> BTreeMap<IpAddr, Arc<str>> {
        let node = |ip: &IpAddr| {
            let gateway = self.gateways.0.iter().find(|it| it.ip == *ip);
            let known = gateway.and_then(|it| it.node.as_ref());
            known.or_else(|| slice?.nodes.get(ip)).cloned()
        };
        let known = gateways.iter().filter_map(|ip| Some((*ip, node(ip)?)));
        known.collect()
    }

    fn tell_lacking(&mut self, scene: &Scene<'_>, lacks: bool, now: Instant) {
        let moment = self.moments.entry(scene.at.clone()).or_default();
        let Some(lacking) = since(&mut moment.lacking, lacks, now) else {
            if scene.passage.path == CallerPath::Takeover {
                moment.told = None;
            }
            return;
        };
        if now < lacking + PATIENCE {
            self.look_again(lacking + PATIENCE);
        } else {
            self.complain(
                scene.at,
                &scene.passage.owner,
                words::no_gateway(&scene.at.1),
            );
        }
    }
}

/// Whether callers are to be led to the gateways now, where pods take them otherwise: as long as none is
/// ready, and before the last one goes.
fn is_wanted(scene: &Scene<'_>, moment: &mut Moment, now: Instant) -> bool {
    let inside = scene.slice.is_some_and(|slice| !slice.addresses.is_empty());
    let Some(word) = scene.passage.exit.word() else {
        // Nobody has seen the pods yet.
        return inside;
    };
    let ready = since(&mut moment.ready, word.ready, now);
    let reached = ready.is_some_and(|at| now >= at + SETTLED);
    word.leaving || !word.ready || (inside && !reached)
}
