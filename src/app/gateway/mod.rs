//! The gateway: what a gate is in a cluster, where its revisions are claimed by objects and their
//! replicas are pods. Puts the parts together; what becomes of claims is in `claims`, how it ends
//! in `ending`.

mod claimed;
mod claims;
mod doors;
mod ending;
mod following;
mod front;
mod hosts;
mod kept;
mod leaving;
mod listening;
mod office;
mod parting;
mod passages;
mod real;
mod seams;
mod sharing;
mod steering;
mod telling;
#[cfg(test)]
mod tests;
mod words;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use tokio_util::task::AbortOnDropHandle;

use super::drain::Signals;
use super::gate::retire_connections;
use super::{Start, record};
use crate::backend::kubernetes::{PodIdentity, client};
use crate::config::{GatewayConfig, Program};
use claims::Gateway;
use ending::{Budgets, Ending, end};
use following::{Written, until_ended};
use front::Front;
use office::Office;

/// How long a gateway in a pod serves on after it was asked to end, where nobody says: by then whoever
/// sends requests has heard that it is not ready any more.
const SPREAD: Duration = Duration::from_secs(5);

/// How long the last Events may take.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// Runs a gateway until it is told to end.
///
/// # Errors
/// When it does not know where the API server is, an address cannot be listened on, or requests had to
/// be cut at the end.
pub async fn gateway(start: Start<GatewayConfig>) -> anyhow::Result<()> {
    let Start {
        config,
        program,
        files,
        overrides,
    } = start;
    let mut signals = Signals::listen().context("could not listen for signals")?;
    config.replica_tls()?;
    let (front, listeners) = Front::open(&config, &program)?;
    // Its own sentence has the causes in it.
    let client = client::connect()
        .await
        .map_err(|error| anyhow::anyhow!("{error}"))?;
    let (recorder, recording) = record(config.record.as_deref(), config.record_size)?;
    let identity = PodIdentity::from_environment();
    let budgets = budgets(&program, identity.is_some());
    let mut office = Office::open(client, &config, identity, front.open.subscribe()).await?;
    let (cluster, events) = (office.cluster.clone(), office.cluster.events.clone());
    let known = (Arc::clone(&front.registry), Arc::clone(&front.board));
    let mut gateway = Gateway::new(
        cluster,
        known,
        recorder,
        office.seat.notebook(),
        office.sharing.clone(),
    );
    let known = Arc::clone(&front.registry);
    let mut written = Written::new(config, files, overrides, program.watch_config, known);
    written.tls = front.tls();
    let (sharing, board) = (office.sharing.clone(), Arc::clone(&front.board));
    let showing = tokio::spawn(async move { sharing.show(board).await });
    let _showing = AbortOnDropHandle::new(showing);
    let janitor = retire_connections(Arc::clone(&front.registry));
    let janitor = AbortOnDropHandle::new(tokio::spawn(janitor));
    let doors = (front.doors(&office.cluster), gateway.doors());
    let (sources, opens) = (&mut office.sources, |n| front.welcome(listeners, doors, n));
    until_ended(&mut gateway, sources, &mut written, &mut signals, opens).await;
    front.turn_away();
    office.sharing.drain();
    let ending = Ending {
        gateway,
        sources: &mut office.sources,
        written: &written,
    };
    let resign = office.seat.resign();
    let ended = end(ending, &front.server, &mut signals, budgets, resign).await;
    office.sharing.leave().await;
    drop(janitor);
    events.finish(LAST_WORDS).await;
    if let Some(recording) = recording {
        recording.finish().await;
    }
    front.close();
    ended
}

fn budgets(program: &Program, in_a_pod: bool) -> Budgets {
    let usual = if in_a_pod { SPREAD } else { Duration::ZERO };
    Budgets {
        spread: program.shutdown_delay.unwrap_or(usual),
        drain: program.drain_timeout,
    }
}
