//! What the server uses beside its work: processor time, memory and a number on its metrics page,
//! all to order (`POST /use?cpu=50&memory=250&gauge=12`), so that what a gate measures of its
//! replicas can be checked. Each order holds until the next one about the same thing.

use std::str::FromStr;
use std::time::Duration;

use anyhow::{Context, bail};
use parking_lot::Mutex;
use rustix::time::{ClockId, clock_gettime};
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep_until};
use tokio_util::task::AbortOnDropHandle;

/// The share of processor time holds for every such period.
const PERIOD: Duration = Duration::from_millis(100);

/// What it uses at present.
#[derive(Debug, Default)]
pub(super) struct Appetite {
    /// Burns; absent while nothing is to be burnt.
    burning: Mutex<Option<AbortOnDropHandle<()>>>,
    held: Mutex<Vec<u8>>,
    gauge: Mutex<f64>,
}

/// What was ordered; what was not named stays as it is.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Order {
    /// Percent of one core, at most 100.
    cpu: Option<u32>,
    /// Mebibytes.
    memory: Option<usize>,
    gauge: Option<f64>,
}

impl Order {
    /// From the query of the request.
    pub(super) fn read(query: &str) -> anyhow::Result<Self> {
        let mut order = Self::default();
        for pair in query.split('&') {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            match name {
                "cpu" => order.cpu = Some(number::<u32>(name, value)?.min(100)),
                "memory" => order.memory = Some(number(name, value)?),
                "gauge" => order.gauge = Some(number(name, value)?),
                _ => bail!("wanted cpu, memory or gauge, not {name}"),
            }
        }
        Ok(order)
    }
}

fn number<N: FromStr>(name: &str, value: &str) -> anyhow::Result<N>
where
    N::Err: std::error::Error + Send + Sync + 'static,
{
    value.parse().with_context(|| format!("{name}={value}"))
}

impl Appetite {
    /// The number on the metrics page.
    pub(super) fn gauge(&self) -> f64 {
        *self.gauge.lock()
    }

    /// Obeys; returns when the memory is there.
    pub(super) async fn obey(&self, order: Order) {
        if let Some(percent) = order.cpu {
            let burning = (percent > 0).then(|| tokio::spawn(burn(percent)));
            *self.burning.lock() = burning.map(AbortOnDropHandle::new);
        }
        if let Some(gauge) = order.gauge {
            *self.gauge.lock() = gauge;
        }
        if let Some(mebibytes) = order.memory {
            // What is not written to takes no memory.
            let hold = move || vec![1; mebibytes << 20];
            *self.held.lock() = Vec::new();
            *self.held.lock() = spawn_blocking(hold).await.unwrap_or_default();
        }
    }
}

/// By the processor's clock and not the one on the wall: a busy machine makes it no cheaper.
async fn burn(percent: u32) {
    let share = PERIOD * percent / 100;
    loop {
        let next = Instant::now() + PERIOD;
        let spent = spawn_blocking(move || {
            let begun = processor_time();
            while processor_time().saturating_sub(begun) < share {
                std::hint::spin_loop();
            }
        });
        if spent.await.is_err() {
            return;
        }
        sleep_until(next).await;
    }
}

fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::try_from(time).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_names_what_it_changes() {
        let order = Order::read("cpu=50&gauge=1.5").expect("it is an order");
        let want = Order {
            cpu: Some(50),
            gauge: Some(1.5),
            memory: None,
        };
        assert_eq!(order, want);
        for wrong in ["", "cpu", "cpu=a", "gpu=1", "memory=-1"] {
            assert!(Order::read(wrong).is_err(), "{wrong}");
        }
    }

    #[tokio::test]
    async fn memory_is_held_until_another_order() {
        let appetite = Appetite::default();
        appetite.obey(Order::read("memory=3").expect("read")).await;
        appetite.obey(Order::read("gauge=7").expect("read")).await;
        assert_eq!(
            (appetite.held.lock().len(), appetite.gauge()),
            (3 << 20, 7.0)
        );
        appetite.obey(Order::read("memory=0").expect("read")).await;
        assert_eq!(appetite.held.lock().len(), 0);
    }
}
