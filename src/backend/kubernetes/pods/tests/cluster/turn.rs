//! What happens in the cluster by itself: kubelets start and end pods, the controller makes and takes
//! them.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::{Inside, Pod, REST, TURN};
use crate::backend::kubernetes::objects::{
    LeavingOrder, PodView, Present, Stage, Workload, samples,
};
use crate::backend::kubernetes::pods::plan::ordinal;
use crate::backend::kubernetes::seams::ApiError;
use crate::sync::wall;

impl Inside {
    pub(super) fn listening(&mut self, ip: IpAddr) -> Option<&mut Pod> {
        let now = Instant::now();
        let pod = self.pods.iter_mut().find(|pod| pod.view.ip == Some(ip))?;
        let listens = now >= pod.made + pod.start.listens && pod.stuck.is_none() && !pod.ended;
        listens.then_some(pod)
    }

    pub(super) fn begin_marking(&mut self) {
        self.marking += 1;
        self.most_marking = self.most_marking.max(self.marking);
    }

    /// As the scale subresource does.
    pub(super) fn put(&mut self, workload: &Workload, replicas: u32) -> Result<(), ApiError> {
        let version = self.version.to_string();
        let Some(present) = &mut self.workload else {
            return Err(ApiError::Gone);
        };
        let as_seen = if replicas > workload.replicas {
            present.replicas == workload.replicas
        } else {
            *version == *workload.resource_version
        };
        if !as_seen {
            return Err(ApiError::Conflict);
        }
        let fewer = replicas < std::mem::replace(&mut present.replicas, replicas);
        if fewer {
            self.lowered = Some(Instant::now());
        }
        self.version += 1;
        Ok(())
    }

    /// Returns how long nothing will happen that nobody does.
    pub(super) fn turn(&mut self) -> Duration {
        let now = Instant::now();
        let refused = |workload: &Option<Workload>| workload.as_ref().map(|w| w.refused.clone());
        let before: Vec<PodView> = self.pods.iter().map(|pod| pod.view.clone()).collect();
        let refused_before = refused(&self.workload);
        self.scheduler(now);
        self.kubelets(now);
        if !self.paused {
            self.controller(now);
        }
        let after: Vec<PodView> = self.pods.iter().map(|pod| pod.view.clone()).collect();
        let moved = before != after || refused_before != refused(&self.workload);
        if moved {
            self.version += 1;
        }
        self.publish(now);
        if moved {
            TURN
        } else {
            REST.min(self.next(now))
        }
    }

    /// How long it takes until the next pod gets on by itself.
    fn next(&self, now: Instant) -> Duration {
        let steps = self.pods.iter().flat_map(|pod| {
            let start = pod.start;
            [start.network, start.ready].map(|step| pod.made + step)
        });
        let next = steps.filter(|step| *step > now).min();
        next.map_or(REST, |next| next - now).max(TURN)
    }

    fn publish(&mut self, now: Instant) {
        let state = Some((self.version, self.up));
        if self.published == state {
            return;
        }
        if self.up && self.published.is_some_and(|(_, up)| !up) {
            self.up_since = now;
        }
        self.published = state;
        let version = self.version.to_string();
        if let Some(workload) = &mut self.workload {
            workload.resource_version = version.into();
        }
        let up = self.up;
        let workload = self.workload.clone().map(Arc::new);
        let views = self.pods.iter().filter(|pod| !pod.ended);
        let pods = views.map(|pod| Arc::new(pod.view.clone())).collect();
        self.present.send_if_modified(|present| {
            let next = if up {
                Present {
                    workload,
                    pods,
                    fresh: true,
                }
            } else {
                Present {
                    fresh: false,
                    ..present.clone()
                }
            };
            let changed = *present != next;
            *present = next;
            changed
        });
    }

    fn kubelets(&mut self, now: Instant) {
        for pod in &mut self.pods {
            let age = now - pod.made;
            if age >= pod.start.network && pod.view.ip.is_none() && pod.fits {
                let number: u32 = pod.view.uid[4..].parse().unwrap();
                pod.view.node = Some("node-1".into());
                pod.view.ip = Some(IpAddr::from((0x0a00_0000 + number).to_be_bytes()));
                pod.view.stage = Stage::Waiting(None);
                pod.view.node_word = None;
            }
            if pod.view.ip.is_none() {
                continue;
            }
            pod.view.stage = match &pod.stuck {
                Some(stage) => stage.clone(),
                None => Stage::Running,
            };
            pod.view.started |= pod.view.stage == Stage::Running;
            let ended = matches!(&pod.view.stage, Stage::Waiting(Some(why))
                if ["CrashLoopBackOff", "Error"].contains(&why.reason.as_str()));
            pod.view.down = u32::from(ended);
            pod.view.crashes = pod.view.restarts + pod.view.down;
            let ready = age >= pod.start.ready && pod.stuck.is_none();
            pod.view.unready = u32::from(!ready);
            pod.view.ready = ready && !pod.silent;
            let drained = pod.inside == 0;
            let late = |since: Instant| now >= since + Duration::from_secs(30);
            pod.ended = pod
                .terminating_since
                .is_some_and(|since| drained || late(since));
        }
        self.pods.retain(|pod| {
            let gone = pod.terminating_since.is_some() && (pod.ended || pod.view.ip.is_none());
            !gone
        });
    }

    fn controller(&mut self, now: Instant) {
        let Some(workload) = self.workload.clone() else {
            return;
        };
        let wanted = (workload.replicas + self.surge) as usize;
        let alive = self.pods.iter().filter(|pod| !pod.view.terminating).count();
        self.make_all(&workload, alive, now);
        let mut order: Vec<usize> = (0..self.pods.len())
            .filter(|&at| !self.pods[at].view.terminating)
            .collect();
        match workload.leaving {
            LeavingOrder::Ordinal => {
                order.sort_by_key(|&at| std::cmp::Reverse(ordinal(&self.pods[at].view.name)));
            }
            // As `ActivePodsWithRanks` in controller_utils.go, without the spreading over nodes.
            _ => order.sort_by_key(|&at| {
                let Pod { view, made, .. } = &self.pods[at];
                let cost = view.deletion_cost.unwrap_or(0);
                let newest = std::cmp::Reverse(*made);
                (view.node.is_some(), view.started, view.ready, cost, newest)
            }),
        }
        for at in order.into_iter().take(alive.saturating_sub(wanted)) {
            self.take(at, now);
        }
    }

    /// As the controller does.
    fn take(&mut self, at: usize, now: Instant) {
        let idle = self.pods.iter().any(|pod| {
            let serves = !pod.view.terminating && now >= pod.made + pod.start.listens;
            serves && pod.inside == 0
        });
        let pod = &self.pods[at];
        // Nobody who has asked for fewer can know of a crash before the controller gets to it.
        let foreseen = pod.killed <= self.lowered;
        if pod.inside > 0 && idle && foreseen {
            self.wronged.push(pod.view.name.to_string());
        }
        self.delete(at, now);
    }

    /// As `kubectl delete pod`.
    pub(in crate::backend::kubernetes::pods::tests) fn delete(&mut self, at: usize, now: Instant) {
        let pod = &mut self.pods[at];
        pod.view.terminating = true;
        pod.terminating_since.get_or_insert(now);
    }

    pub(super) fn make(&mut self, workload: &Workload, now: Instant) {
        self.made += 1;
        let number = self.made;
        let taken = |n: &u32| self.pods.iter().any(|p| ordinal(&p.view.name) == Some(*n));
        let name = match workload.leaving {
            LeavingOrder::Ordinal => (workload.first_ordinal..=workload.first_ordinal + number)
                .find(|n| !taken(n))
                .unwrap()
                .to_string(),
            _ => format!("{number}x"),
        };
        let (uid, name) = (format!("uid-{number}"), format!("flowers-{name}"));
        let view = samples::pod(&uid, &name, wall() - self.rounding);
        self.pods.push(Pod {
            view,
            made: now,
            start: self.start,
            ended: false,
            stuck: None,
            inside: 0,
            terminating_since: None,
            killed: None,
            silent: false,
            fits: true,
        });
    }
}
