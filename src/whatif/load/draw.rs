//! What chance decides: how long things take, and how far apart strangers come. The same seed
//! decides alike on every machine.

use std::time::Duration;

use rand::RngExt;
use rand_distr::{Distribution as _, Exp1, StandardNormal};
use rand_pcg::Pcg64Mcg;

use super::description::Distribution;

/// No draw is longer, however wide its distribution: instants are added to it.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// A source of chance of its own for everything that is drawn: what one thing draws more of leaves
/// the others as they were, so that two settings meet the same requests.
#[derive(Debug)]
pub(super) struct Dice(Pcg64Mcg);

impl Dice {
    /// The seed of a whole simulation, and what is drawn, as distinct numbers.
    pub(super) fn new(seed: u64, what: [u64; 2]) -> Self {
        let mixed = what.iter().fold(mix(seed), |mixed, part| mix(mixed ^ part));
        let state = (u128::from(mixed) << 64) | u128::from(mix(mixed));
        Self(Pcg64Mcg::new(state))
    }

    /// How far it is to the next of many strangers, in units of their mean distance.
    pub(super) fn gap(&mut self) -> f64 {
        Exp1.sample(&mut self.0)
    }

    /// Anything from 0 to 1, without 1.
    pub(super) fn part(&mut self) -> f64 {
        self.0.random()
    }
}

/// One step of splitmix64: neighbouring seeds have nothing in common.
const fn mix(seed: u64) -> u64 {
    let spread = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let spread = (spread ^ (spread >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let spread = (spread ^ (spread >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    spread ^ (spread >> 31)
}

impl Distribution {
    /// How long it takes this time.
    pub(super) fn draw(&self, dice: &mut Dice) -> Duration {
        let seconds = match *self {
            Self::Fixed(time) => return time,
            Self::LogNormal { median, sigma } => {
                let normal: f64 = StandardNormal.sample(&mut dice.0);
                median.as_secs_f64() * (sigma * normal).exp()
            }
            Self::Exponential { mean } => mean.as_secs_f64() * dice.gap(),
            Self::Uniform { from, to } => {
                return from.saturating_add((to.saturating_sub(from)).mul_f64(dice.part()));
            }
        };
        Duration::try_from_secs_f64(seconds).map_or(LONGEST, |time| time.min(LONGEST))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(seconds: f64) -> Duration {
        Duration::from_secs_f64(seconds)
    }

    /// The percentile of many draws, in seconds.
    fn drawn(distribution: Distribution, percentile: usize) -> f64 {
        let mut dice = Dice::new(1, [0, 0]);
        let mut all: Vec<_> = (0..100_000).map(|_| distribution.draw(&mut dice)).collect();
        all.sort_unstable();
        all[percentile * all.len() / 100].as_secs_f64()
    }

    fn check(distribution: Distribution, percentile: usize, want: f64) {
        let got = drawn(distribution, percentile);
        assert!(
            (got / want - 1.0).abs() < 0.03,
            "p{percentile}: {got} instead of {want}"
        );
    }

    #[test]
    fn draws_have_the_percentiles_of_what_was_asked_for() {
        let described = |text: &str| {
            let all = super::super::grammar::parse(&format!("service {text}")).expect("sound");
            all.common.service.expect("given")
        };
        let lognormal = described("lognormal p50=200ms p99=2s");
        check(lognormal, 50, 0.2);
        check(lognormal, 99, 2.0);
        check(described("lognormal p50=1s p90=3s"), 90, 3.0);
        check(described("lognormal p50=1s p95=3s"), 95, 3.0);
        let exponential = described("exponential mean=2s");
        check(exponential, 50, 2.0 * std::f64::consts::LN_2);
        check(exponential, 99, 2.0 * 100.0_f64.ln());
        let uniform = described("uniform 1s..3s");
        check(uniform, 50, 2.0);
        check(uniform, 99, 2.98);
        check(described("45s"), 50, 45.0);
    }

    #[test]
    fn nothing_takes_longer_than_instants_can_count() {
        let median = seconds(1e6);
        let wild = Distribution::LogNormal {
            median,
            sigma: 300.0,
        };
        let mut dice = Dice::new(3, [0, 0]);
        let longest = (0..1000).map(|_| wild.draw(&mut dice)).max();
        assert_eq!(longest, Some(LONGEST));
    }

    #[test]
    fn one_seed_draws_alike_and_everything_drawn_has_its_own() {
        let draw = |seed, what| Dice::new(seed, what).part().to_bits();
        assert_eq!(draw(7, [1, 2]), draw(7, [1, 2]));
        let all = [
            draw(7, [1, 2]),
            draw(8, [1, 2]),
            draw(7, [2, 1]),
            draw(7, [1, 1]),
        ];
        let distinct: std::collections::HashSet<u64> = all.into_iter().collect();
        assert_eq!(distinct.len(), all.len());
    }
}
