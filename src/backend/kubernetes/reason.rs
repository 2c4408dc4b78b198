//! Why an Event is sent: the one word of it that people filter by. All of them, and how bad each is;
//! `deploy/README.md` has a row for each.

use std::fmt;

use super::seams::Gravity;

macro_rules! reasons {
    ($($(#[$about:meta])* $name:ident: $gravity:ident,)*) => {
        /// Why an Event is sent.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Reason {
            $($(#[$about])* $name,)*
        }

        impl Reason {
            /// Every one there is.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The word.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => stringify!($name),)*
                }
            }

            /// How bad it is.
            #[must_use]
            pub const fn gravity(self) -> Gravity {
                match self {
                    $(Self::$name => Gravity::$gravity,)*
                }
            }
        }
    };
}

reasons! {
    // Of what is ours to scale, and what is not.
    /// A workload is ours from now on.
    Managed: Normal,
    /// Its owner stopped it.
    Stopped: Normal,
    /// `KServe` scales it.
    AutoscalerClass: Normal,
    /// It runs in another mode of `KServe`.
    DeploymentMode: Normal,
    /// Another goes by its name.
    NameTaken: Warning,
    /// Another scales it.
    SteeredByHorizontalPodAutoscaler: Warning,
    /// KEDA scales it.
    SteeredByScaledObject: Warning,
    /// Knative scales it.
    SteeredByPodAutoscaler: Warning,
    /// Somebody else scales it.
    SteeredByAnother: Warning,
    // Of what is written.
    /// Settings cannot be understood.
    InvalidSettings: Warning,
    /// Settings may not do what their writer thinks.
    OddSettings: Warning,
    /// A host leads to another.
    HostTaken: Warning,
    /// A model's name leads to another.
    ModelTaken: Warning,
    /// A route gives up before a cold start is over.
    RouteTimeout: Warning,
    /// A gateway does not listen where callers of a Service are to come in.
    DoorClosed: Warning,
    // Of what happens.
    /// More replicas were asked for.
    ScaledUp: Normal,
    /// Fewer were asked for.
    ScaledDown: Normal,
    /// A replica takes requests.
    ReplicaReady: Normal,
    /// A replica does not answer.
    ReplicaStuck: Warning,
    /// No replica can come.
    ColdStartFailed: Warning,
    /// A node is on its way for pods that have none.
    WaitingForNode: Normal,
    /// No node comes for them.
    Unschedulable: Warning,
    /// Its owner may not have more pods.
    QuotaExceeded: Warning,
    /// A policy does not let its pods be made.
    PodsRefused: Warning,
    /// A rollout does not go on.
    RolloutStuck: Warning,
    /// Something that scaling takes could not be written.
    ScaleFailed: Warning,
    /// Somebody else changed the number.
    Overruled: Warning,
    // Of callers who know a Service by its own name.
    /// All of them pass the gate.
    PathTaken: Normal,
    /// They do not, though they should.
    PathNotTaken: Warning,
    /// They still do, though they should not.
    PathNotGivenBack: Warning,
    /// Their requests are not seen, and nothing else says whether there are any.
    PathUnmeasured: Warning,
    /// cpu and memory are not known.
    MetricsMissing: Warning,
    /// They are again.
    MetricsBack: Normal,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
