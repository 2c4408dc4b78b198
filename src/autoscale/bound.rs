//! What can change a number or keep it from coming true: one word each, for reports and metrics.

/// What keeps replicas that are wanted from being started.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Shortage {
    /// Every device is in use.
    NoFreeGpu,
    /// So many processes run as may.
    MaxProcesses,
    /// No machine has room for them.
    NoNode,
    /// Their owner may not have more.
    Quota,
    /// A policy does not let them be made.
    Refused,
}

impl Shortage {
    /// What is the matter, in words: "no free GPU".
    #[must_use]
    pub const fn told(self) -> &'static str {
        match self {
            Self::NoFreeGpu => "no free GPU",
            Self::MaxProcesses => "as many processes run as may (--max-processes)",
            Self::NoNode => "no node has room for more",
            Self::Quota => "a quota allows no more",
            Self::Refused => "its controller may not make more",
        }
    }

    /// What brings more, in words: "a GPU is free".
    #[must_use]
    pub const fn ends_when(self) -> &'static str {
        match self {
            Self::NoFreeGpu => "a GPU is free",
            Self::MaxProcesses => "another process has ended (--max-processes)",
            Self::NoNode => "a node has room",
            Self::Quota => "the quota allows it",
            Self::Refused => "they may be made",
        }
    }

    /// Others have what is wanted: it goes to whoever needs it most, and comes back when they need it no
    /// more. Otherwise it comes from outside.
    pub(super) const fn is_shared_out(self) -> bool {
        matches!(self, Self::NoFreeGpu | Self::MaxProcesses)
    }
}

/// What can change the number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Bound {
    /// Nothing did.
    None,
    /// Something was not measured within the stable window.
    NoData,
    /// Another gateway answers requests and says nothing of them.
    UnheardGateway,
    /// It may not grow faster.
    MaxScaleUpRate,
    /// It may not shrink faster.
    MaxScaleDownRate,
    /// From zero, it starts with more.
    ActivationScale,
    /// Nothing shrinks in panic.
    Panic,
    /// Nothing shrinks in the first window after a restart, or after a workload was taken over.
    Restart,
    /// Nothing shrinks for a window after all metrics have been replaced.
    NewMetrics,
    /// More was wanted a short while ago.
    ScaleDownDelay,
    /// A new revision begins with more.
    InitialScale,
    /// As many replicas are answering something.
    Busy,
    /// Never fewer.
    MinReplicas,
    /// Never fewer at this hour.
    Schedule,
    /// Nobody would notice who comes.
    Path,
    /// Never more.
    MaxReplicas,
    /// No more may start at once.
    MaxStarting,
    /// Replicas are wanted, but a device or a place for them is not there.
    Shortage(Shortage),
    /// A request is being answered or waits.
    InFlight,
    /// It is still starting.
    Activating,
    /// It has not been active for a whole stable window.
    StableWindow,
    /// The last replica stays for the grace period.
    ScaleToZeroGrace,
    /// The last replica stays for its retention, which is longer than the grace period.
    Retention,
    /// The last replica goes, or stays, by the time since the last request.
    StopAfterIdle,
}

impl Bound {
    /// The word in reports and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::NoData => "no_data",
            Self::UnheardGateway => "unheard_gateway",
            Self::MaxScaleUpRate => "max_scale_up_rate",
            Self::MaxScaleDownRate => "max_scale_down_rate",
            Self::ActivationScale => "activation_scale",
            Self::Panic => "panic",
            Self::Restart => "restart",
            Self::NewMetrics => "new_metrics",
            Self::ScaleDownDelay => "scale_down_delay",
            Self::InitialScale => "initial_scale",
            Self::Busy => "busy",
            Self::MinReplicas => "min_replicas",
            Self::Schedule => "schedule",
            Self::Path => "path",
            Self::MaxReplicas => "max_replicas",
            Self::MaxStarting => "max_starting",
            Self::Shortage(Shortage::NoFreeGpu) => "no_free_gpu",
            Self::Shortage(Shortage::MaxProcesses) => "max_processes",
            Self::Shortage(Shortage::NoNode) => "unschedulable",
            Self::Shortage(Shortage::Quota) => "quota",
            Self::Shortage(Shortage::Refused) => "refused",
            Self::InFlight => "in_flight",
            Self::Activating => "activating",
            Self::StableWindow => "stable_window",
            Self::ScaleToZeroGrace => "scale_to_zero_grace",
            Self::Retention => "scale_to_zero_pod_retention",
            Self::StopAfterIdle => "stop_after_idle",
        }
    }

    /// Somebody wrote it, or could.
    pub(super) const fn is_setting(self) -> bool {
        !matches!(
            self,
            Self::None
                | Self::NoData
                | Self::UnheardGateway
                | Self::Panic
                | Self::Restart
                | Self::NewMetrics
                | Self::Busy
                | Self::InFlight
                | Self::Activating
                | Self::Shortage(Shortage::NoFreeGpu | Shortage::NoNode | Shortage::Refused)
        )
    }

    /// The setting behind it, as a person writes it; for what has none, what it is.
    #[must_use]
    pub const fn cause(self) -> &'static str {
        match self {
            Self::None => "nothing",
            Self::NoData => "missing data",
            Self::UnheardGateway => "a gateway that is not heard",
            Self::MaxScaleUpRate => "maxScaleUpRate",
            Self::MaxScaleDownRate => "maxScaleDownRate",
            Self::ActivationScale => "activationScale",
            Self::Panic => "panic",
            Self::Restart => "the first window",
            Self::NewMetrics => "a recent change of metrics",
            Self::ScaleDownDelay => "scaleDownDelay",
            Self::InitialScale => "initialScale",
            Self::Busy => "busy replicas",
            Self::MinReplicas => "minReplicas",
            Self::Schedule => "schedule",
            Self::Path => "path",
            Self::MaxReplicas => "maxReplicas",
            Self::MaxStarting => "maxStarting",
            Self::Shortage(Shortage::NoFreeGpu) => "no free GPU",
            Self::Shortage(Shortage::MaxProcesses) => "--max-processes",
            Self::Shortage(Shortage::NoNode) => "no node",
            Self::Shortage(Shortage::Quota) => "a quota",
            Self::Shortage(Shortage::Refused) => "a policy of the cluster",
            Self::InFlight => "a request that is here",
            Self::Activating => "a start under way",
            Self::StableWindow => "stableWindow",
            Self::ScaleToZeroGrace => "scaleToZeroGracePeriod",
            Self::Retention => "scaleToZeroPodRetentionPeriod",
            Self::StopAfterIdle => "stopAfterIdle",
        }
    }
}
