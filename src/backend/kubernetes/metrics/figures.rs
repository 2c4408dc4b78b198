//! What the metrics API tells of the pods of one workload: asked for in a task of its own, and not more
//! often than it can know news.

use std::collections::HashMap;
use std::time::{Duration, Instant, SystemTime};

use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::Client;
use kube::api::ListParams;
use kube::core::Request;
use serde::Deserialize;
use tokio::time::sleep;
use tokio_util::task::AbortOnDropHandle;

use crate::backend::kubernetes::call::{Failure, in_time};
use crate::backend::kubernetes::objects::{Requirement, Selector};
use crate::backend::kubernetes::seams::ApiError;
use crate::backend::quantity::amount;
use crate::sync::now;

/// After an answer without news it is asked again so soon, and after none. So much sooner than news can
/// be there it is asked as well: they come at their own time, and would be seen a whole window late.
const AGAIN: Duration = Duration::from_secs(3);

/// So long an answer is waited for; one that takes longer is for the next second.
const PATIENCE: Duration = Duration::from_millis(400);

/// Between two measurements lies their window, 15 s as metrics-server usually is set; bounded, as it
/// is somebody else's word.
const BETWEEN: [Duration; 2] = [Duration::from_secs(5), Duration::from_secs(60)];

/// What was measured of one pod.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Figure {
    /// The moment the measurement ended.
    pub(super) at: SystemTime,
    /// How long it took: processor time is an average over that.
    pub(super) window: Duration,
    /// Cores that its containers used together.
    pub(super) cores: f64,
    /// Bytes that they used together.
    pub(super) bytes: f64,
}

/// Why there are no figures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// Somebody has to see to it.
    Missing(String),
    /// The API server is away, and with it everything else.
    Away(String),
}

/// The figures of the pods of one workload.
#[derive(Default)]
pub(super) struct Figures {
    of: HashMap<String, Figure>,
    /// Why the last question was not answered; `None` if it was.
    pub(super) trouble: Option<Trouble>,
    asking: Option<(Instant, AbortOnDropHandle<Answer>)>,
    /// Not before then it is asked again.
    next: Option<Instant>,
}

type Answer = Result<HashMap<String, Figure>, Failure>;

impl Figures {
    pub(super) fn of(&self, pod: &str) -> Option<&Figure> {
        self.of.get(pod)
    }

    /// Takes what has come, and asks if it is time to.
    pub(super) async fn refresh(&mut self, client: &Client, namespace: &str, selector: &Selector) {
        self.take(Duration::ZERO).await;
        let begun = now();
        if self.asking.is_none() && self.next.is_none_or(|next| next <= begun) {
            let asking = tokio::spawn(ask(client.clone(), namespace.to_owned(), text(selector)));
            self.asking = Some((begun, AbortOnDropHandle::new(asking)));
            self.take(PATIENCE).await;
        }
    }

    async fn take(&mut self, within: Duration) {
        let Some((begun, asking)) = &mut self.asking else {
            return;
        };
        let begun = *begun;
        let answer = tokio::select! {
            biased;
            answer = asking => answer,
            () = sleep(within) => return,
        };
        self.asking = None;
        let mut next = begun + AGAIN;
        match answer {
            Ok(Ok(figures)) => {
                let latest = |all: &HashMap<_, Figure>| all.values().map(|f| f.at).max();
                if latest(&figures) > latest(&self.of) {
                    let windows = figures.values().map(|figure| figure.window);
                    let [least, most] = BETWEEN;
                    let window = windows.min().unwrap_or(least).clamp(least, most);
                    next = begun + window.saturating_sub(AGAIN);
                }
                self.of = figures;
                self.trouble = None;
            }
            Ok(Err(failure)) => self.trouble = Some(Trouble::of(failure)),
            Err(error) => self.trouble = Some(Trouble::Missing(error.to_string())),
        }
        self.next = Some(next);
    }
}

impl Trouble {
    fn of(Failure { error, status, .. }: Failure) -> Self {
        const NOT_THERE: &str = "the metrics API (metrics.k8s.io) is not there";
        match (error, status) {
            (ApiError::Unreachable(why), _) => {
                Self::Away(format!("the API server does not answer: {why}"))
            }
            (ApiError::Gone, _) => Self::Missing(format!("{NOT_THERE}: install metrics-server")),
            (_, Some(503)) => Self::Missing(format!("{NOT_THERE}: metrics-server does not answer")),
            (error, _) => Self::Missing(format!("the metrics API (metrics.k8s.io): {error}")),
        }
    }
}

#[derive(Deserialize)]
struct List {
    items: Vec<PodMetrics>,
}

#[derive(Deserialize)]
struct PodMetrics {
    metadata: Metadata,
    timestamp: Time,
    window: kube::core::Duration,
    #[serde(default)]
    containers: Vec<ContainerMetrics>,
}

#[derive(Deserialize)]
struct Metadata {
    name: String,
}

#[derive(Deserialize)]
struct ContainerMetrics {
    usage: Usage,
}

#[derive(Deserialize)]
struct Usage {
    cpu: Quantity,
    memory: Quantity,
}

async fn ask(client: Client, namespace: String, selector: String) -> Answer {
    let path = format!("/apis/metrics.k8s.io/v1beta1/namespaces/{namespace}/pods");
    let list = ListParams::default().labels(&selector);
    let request = Request::new(path).list(&list);
    let asked = async {
        let request = request.map_err(kube::Error::BuildRequest)?;
        client.request::<List>(request).await
    };
    let pods = in_time(asked).await?.items;
    // A pod whose figures cannot be read has none.
    Ok(pods.into_iter().filter_map(figure).collect())
}

fn figure(pod: PodMetrics) -> Option<(String, Figure)> {
    let sum = |what: fn(&Usage) -> &Quantity| -> Option<f64> {
        let containers = pod.containers.iter();
        containers
            .map(|container| amount(&what(&container.usage).0))
            .sum()
    };
    let figure = Figure {
        at: SystemTime::from(pod.timestamp.0),
        window: pod.window.into(),
        cores: sum(|usage| &usage.cpu)?,
        bytes: sum(|usage| &usage.memory)?,
    };
    Some((pod.metadata.name, figure)).filter(|_| !pod.containers.is_empty())
}

/// A selector as queries have it.
fn text(selector: &Selector) -> String {
    let one = |requirement: &Requirement| match requirement {
        Requirement::In(name, values) => format!("{name} in ({})", values.join(",")),
        Requirement::NotIn(name, values) => format!("{name} notin ({})", values.join(",")),
        Requirement::Exists(name) => name.clone(),
        Requirement::Absent(name) => format!("!{name}"),
    };
    let all: Vec<String> = selector.0.iter().map(one).collect();
    all.join(",")
}
