//! How long a request is worked on: always the same, or drawn from a lognormal distribution.

use std::f64::consts::TAU;
use std::time::Duration;

use parking_lot::Mutex;

/// The standard normal distribution's 99th percentile.
const Z_99: f64 = 2.326_347_874_040_841;

/// The service time of each next request.
#[derive(Debug)]
pub(super) enum ServiceTime {
    /// Always the same.
    Fixed(Duration),
    /// Half of them below the median, one in a hundred above the 99th percentile.
    LogNormal {
        /// In seconds.
        median: f64,
        /// Of the logarithm.
        sigma: f64,
        /// What is drawn next.
        random: Mutex<Random>,
    },
}

impl ServiceTime {
    /// Fixed without a 99th percentile, else lognormal. A percentile wants a median above zero.
    pub(super) fn new(median: Duration, p99: Option<Duration>, seed: u64) -> Self {
        match p99 {
            None => Self::Fixed(median),
            Some(p99) => Self::LogNormal {
                median: median.as_secs_f64(),
                sigma: (p99.as_secs_f64() / median.as_secs_f64()).ln() / Z_99,
                random: Mutex::new(Random::new(seed)),
            },
        }
    }

    /// The next request's.
    pub(super) fn draw(&self) -> Duration {
        match self {
            Self::Fixed(duration) => *duration,
            Self::LogNormal {
                median,
                sigma,
                random,
            } => {
                let normal = random.lock().normal();
                Duration::from_secs_f64(median * (sigma * normal).exp())
            }
        }
    }
}

/// A small seeded generator: `xorshift64*` (Vigna 2016). Service times need no better one.
#[derive(Debug)]
pub(super) struct Random(u64);

impl Random {
    fn new(seed: u64) -> Self {
        // Seeds are often small and neighbours: one step of splitmix64 spreads their bits, and the
        // lowest is set because zero would stay zero.
        let spread = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let spread = (spread ^ (spread >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        Self((spread ^ (spread >> 27)) | 1)
    }

    /// Above 0, at most 1: its logarithm is finite.
    fn uniform(&mut self) -> f64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let bits = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 32;
        (f64::from(u32::try_from(bits).expect("32 bits are left")) + 1.0) / 4_294_967_296.0
    }

    /// Standard normal, by Box and Muller; the second of the pair is not worth keeping.
    fn normal(&mut self) -> f64 {
        let radius = (-2.0 * self.uniform().ln()).sqrt();
        radius * (TAU * self.uniform()).cos()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MEDIAN: Duration = Duration::from_millis(20);
    const P99: Duration = Duration::from_millis(60);

    fn sorted_draws(seed: u64) -> Vec<Duration> {
        let service_time = ServiceTime::new(MEDIAN, Some(P99), seed);
        let mut drawn: Vec<_> = (0..20_000).map(|_| service_time.draw()).collect();
        drawn.sort();
        drawn
    }

    fn within(percent: u32, got: Duration, want: Duration) -> bool {
        got.abs_diff(want) * 100 <= want * percent
    }

    #[test]
    fn drawn_times_have_the_median_and_the_percentile_asked_for() {
        for seed in [0, 1, 2, u64::MAX] {
            let drawn = sorted_draws(seed);
            assert!(within(5, drawn[10_000], MEDIAN), "{:?}", drawn[10_000]);
            assert!(within(10, drawn[19_800], P99), "{:?}", drawn[19_800]);
        }
    }

    #[test]
    fn one_seed_draws_alike_and_two_do_not() {
        assert_eq!(sorted_draws(7), sorted_draws(7));
        assert_ne!(sorted_draws(7), sorted_draws(8));
    }

    #[test]
    fn without_a_percentile_every_request_takes_the_same() {
        let service_time = ServiceTime::new(MEDIAN, None, 1);
        assert_eq!(service_time.draw(), MEDIAN);
        assert_eq!(service_time.draw(), MEDIAN);
    }
}
