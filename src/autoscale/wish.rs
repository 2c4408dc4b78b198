//! What an average asks for, within the limits on growing and shrinking.

use super::{Averages, Bound, Clamp, MetricReading, Seen, Spec};

/// What one average asks for, and what the limits on growing and shrinking make of it.
pub(super) struct Wish<'a> {
    pub(super) by: &'a MetricReading,
    pub(super) wanted: f64,
    pub(super) replicas: u32,
    pub(super) clamps: Vec<Clamp>,
}

impl<'a> Wish<'a> {
    /// Of all metrics the one that asks for most; the first of them, where several do.
    pub(super) fn largest(
        seen: &'a Seen,
        average: fn(&Averages) -> f64,
        spec: &Spec,
    ) -> Option<Self> {
        let wanted = |reading: &MetricReading| {
            let averages = reading.averages.as_ref()?;
            Some((average(averages) / reading.target).ceil())
        };
        let (mut most, mut by) = (f64::NEG_INFINITY, None);
        for reading in &seen.readings {
            if let Some(wanted) = wanted(reading).filter(|wanted| *wanted > most) {
                (most, by) = (wanted, Some(reading));
            }
        }
        by.map(|by| Self::new(by, most, seen.supply(), spec))
    }

    fn new(by: &'a MetricReading, wanted: f64, supply: f64, spec: &Spec) -> Self {
        let scaling = &spec.scaling;
        let up = (scaling.max_scale_up_rate * supply).ceil();
        let down = if spec.reachable {
            (supply / scaling.max_scale_down_rate).floor()
        } else {
            0.0
        };
        let mut wish = Self {
            by,
            wanted,
            replicas: whole(wanted),
            clamps: Vec::new(),
        };
        wish.bound(Bound::MaxScaleDownRate, whole(wanted.max(down)));
        wish.bound(Bound::MaxScaleUpRate, whole(wanted.max(down).min(up)));
        let at_once = scaling.activation_scale;
        if at_once > 1 && wanted > 0.0 {
            wish.bound(Bound::ActivationScale, wish.replicas.max(at_once));
        }
        wish
    }

    fn bound(&mut self, by: Bound, to: u32) {
        if self.replicas != to {
            let to = Some(to);
            let until = None;
            self.clamps.push(Clamp { by, to, until });
        }
        self.replicas = to;
    }
}

/// A whole number of replicas; what is below 0 is 0, what is too large is the largest.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the value is whole, and the cast saturates"
)]
pub(super) fn whole(replicas: f64) -> u32 {
    replicas as u32
}
