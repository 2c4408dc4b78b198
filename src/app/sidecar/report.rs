//! Tells a gateway how busy the door is: each second while something is here, at once when the first
//! request comes and when the last one has gone. Whoever is told may be away: then what it was not told
//! is lost, and it is tried less often.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};
use tokio_util::task::AbortOnDropHandle;

use super::line::Line;
use crate::app::circle::Circle;
use crate::config::SidecarConfig;
use crate::counting::count;
use crate::loads::{Load, Pod, Rates};
use crate::ports::Occupancy as _;
use crate::proxy::Throttler;
use crate::proxy::beside::Porter;

/// Between two reports while something is here.
const EVERY: Duration = Duration::from_secs(1);
/// Between two reports while nothing is, so that who is told knows that we are here.
const IDLE_EVERY: Duration = Duration::from_secs(2);
/// The longest one may take.
const LONGEST: Duration = Duration::from_secs(2);
/// From the door to the line.
const A_MOMENT: Duration = Duration::from_millis(5);
/// The longest pause after failures.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Who we are, as Kubernetes or Knative has told us.
#[derive(Clone, Debug, Default)]
pub(super) struct Identity(Pod);

impl Identity {
    pub(super) fn from_environment(said: &dyn Fn(&str) -> Option<String>) -> Self {
        let first = |names: &[&str]| {
            let mut said = names.iter().filter_map(|name| said(name));
            said.find(|text| !text.is_empty()).unwrap_or_default()
        };
        Self(Pod {
            uid: first(&["POD_UID"]),
            namespace: first(&["SERVING_NAMESPACE", "POD_NAMESPACE"]),
            name: first(&["SERVING_POD", "POD_NAME"]),
        })
    }

    /// What the pod is called, if this is one.
    pub(super) fn name(&self) -> Option<Arc<str>> {
        let name = &self.0.name;
        (!name.is_empty()).then(|| name.as_str().into())
    }
}

/// Begins to report, if somebody wants to be told.
pub(super) fn begin(
    config: &SidecarConfig,
    identity: Identity,
    circle: &Circle,
    door: &Arc<Porter>,
) -> Option<AbortOnDropHandle<()>> {
    let to = config.report_to.clone()?;
    let Identity(mut pod) = identity;
    if pod.uid.is_empty() && pod.name.is_empty() {
        tracing::warn!("reports name no pod: neither POD_UID nor SERVING_POD nor POD_NAME is set");
        config.spec.id.as_str().clone_into(&mut pod.name);
    }
    let reporter = Reporter {
        pod,
        throttler: Arc::clone(circle.throttler()),
        door: Arc::clone(door),
        began: Instant::now(),
        last: Instant::now(),
    };
    let line = Line::new(to, config.report_token.clone(), Arc::clone(door));
    Some(AbortOnDropHandle::new(tokio::spawn(reporter.run(line))))
}

/// What is told.
struct Reporter {
    pod: Pod,
    throttler: Arc<Throttler>,
    door: Arc<Porter>,
    began: Instant,
    last: Instant,
}

impl Reporter {
    async fn run(mut self, mut line: Line) {
        self.throttler.tell_idle(true);
        let mut failures = 0_u32;
        loop {
            let load = self.load();
            let is_idle = load.in_flight + load.queued == 0;
            match timeout(LONGEST, line.tell(&load)).await {
                Ok(Ok(())) => {
                    if failures > 0 {
                        tracing::info!("reports are taken again");
                    }
                    failures = 0;
                }
                failed => {
                    line.hang_up();
                    if failures == 0 {
                        let why = match failed {
                            Ok(failed) => failed.err().unwrap_or_default(),
                            Err(_) => "it takes too long".to_owned(),
                        };
                        tracing::warn!(%why, "a report was not taken");
                    }
                    failures += 1;
                }
            }
            let pause = pause(failures, is_idle);
            if failures > 0 || !is_idle {
                self.quiet_within(pause, failures > 0).await;
            } else {
                self.woken_within(pause).await;
            }
        }
    }

    fn load(&mut self) -> Load {
        let (sample, proxied) = (self.throttler.sample(), self.door.proxied());
        let (reading, wanted) = (self.throttler.read(), self.throttler.glance().in_flight);
        let here = reading.running.saturating_add(count(reading.waiting));
        // A gateway whose client has left is gone, and the model server may still work for it.
        let unwanted = here.saturating_sub(wanted);
        let now = Instant::now();
        let period = now.saturating_duration_since(self.last);
        self.last = now;
        Load {
            pod: self.pod.clone(),
            uptime_seconds: now.saturating_duration_since(self.began).as_secs_f64(),
            in_flight: reading.running,
            queued: count(reading.waiting),
            proxied: self.door.proxied_now().saturating_add(unwanted),
            rates: Rates::over(period, sample.report, proxied),
        }
    }

    /// Waits, and less if the last request goes.
    async fn quiet_within(&self, pause: Duration, is_away: bool) {
        let quiet = async {
            if is_away {
                std::future::pending::<()>().await;
            }
            let mut vacancies = self.throttler.vacancies();
            while self.throttler.glance().in_flight > 0 {
                if vacancies.changed().await.is_err() {
                    std::future::pending::<()>().await;
                }
            }
        };
        tokio::select! {
            () = quiet => {}
            () = sleep(pause) => {}
        }
    }

    /// Waits, and less if somebody comes.
    async fn woken_within(&self, pause: Duration) {
        let woken = async {
            self.door.woken().await;
            // Who has come to the door is counted in a moment.
            sleep(A_MOMENT).await;
        };
        tokio::select! {
            () = woken => {}
            () = sleep(pause) => {}
        }
    }
}

fn pause(failures: u32, is_idle: bool) -> Duration {
    match failures {
        0 if is_idle => IDLE_EVERY,
        0 => EVERY,
        n => EVERY.saturating_mul(1 << (n - 1).min(8)).min(LONGEST_PAUSE),
    }
}
