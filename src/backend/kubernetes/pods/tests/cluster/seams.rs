//! The cluster as the actor meets it: an API server, somebody to tell, and pods to look at.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::{Cluster, at};
use crate::backend::kubernetes::look::{Echo, Look, Patience};
use crate::backend::kubernetes::objects::{PodView, Workload};
use crate::backend::kubernetes::pods::member::MARK;
use crate::backend::kubernetes::seams::{Announcer, Api, ApiError, Notice};
use crate::tls::ReplicaTls;

/// A call to the API server.
const CALL: Duration = Duration::from_millis(3);

impl Api for Cluster {
    async fn scale(&self, workload: &Workload, replicas: u32) -> Result<(), ApiError> {
        let began = Instant::now();
        sleep(CALL).await;
        let mut inside = self.0.lock();
        inside.calls.push((began, replicas));
        if !inside.up || inside.mute {
            return Err(ApiError::Unreachable("connection refused".into()));
        }
        if let Some(error) = inside.answers.pop_front() {
            return Err(error);
        }
        if let Some(slow) = inside.slow {
            let (cluster, workload) = (self.clone(), workload.clone());
            tokio::spawn(async move {
                sleep(slow).await;
                cluster.0.lock().put(&workload, replicas).ok();
                cluster.1.notify_one();
            });
            return Err(ApiError::Unreachable("no answer within 3s".into()));
        }
        let put = inside.put(workload, replicas);
        self.1.notify_one();
        put
    }

    async fn set_deletion_cost(
        &self,
        namespace: &str,
        pod: &PodView,
        cost: Option<i32>,
    ) -> Result<(), ApiError> {
        assert_eq!(namespace, "default");
        self.0.lock().begin_marking();
        sleep(CALL).await;
        let mut inside = self.0.lock();
        inside.marking -= 1;
        if !inside.up || inside.mute {
            return Err(ApiError::Unreachable("connection refused".into()));
        }
        let name = pod.name.to_string();
        inside.marks.push((name, cost.map(|cost| cost - MARK)));
        let lost = inside.lost_marks > 0;
        inside.lost_marks -= u32::from(lost);
        let Some(pod) = inside
            .pods
            .iter_mut()
            .find(|known| known.view.uid == pod.uid)
        else {
            return Err(ApiError::Gone);
        };
        if !lost {
            pod.view.deletion_cost = cost;
        }
        inside.version += 1;
        self.1.notify_one();
        Ok(())
    }
}

impl Announcer for Cluster {
    fn announce(&self, notice: Notice) {
        assert_eq!(notice.about, at());
        self.0.lock().notices.push(notice);
    }
}

impl Look for Cluster {
    async fn ask(
        &self,
        address: SocketAddr,
        _path: Option<(&str, Option<&ReplicaTls>)>,
        patience: Patience,
    ) -> Echo {
        let mut inside = self.0.lock();
        inside.looks += 1;
        inside.hurried += u32::from(patience.hurried);
        let is_shut = inside.shut_port == Some(address.port());
        match inside.listening(address.ip()) {
            Some(_) if !is_shut => Echo::Open,
            _ => Echo::Nobody,
        }
    }
}
