//! A beat finer than tokio's millisecond timer: without it a fixed rate would be measured as up
//! to a millisecond of latency that nobody caused.

use std::io;
use std::time::Duration;

#[cfg(target_os = "linux")]
pub(super) use self::linux::Pacer;
#[cfg(not(target_os = "linux"))]
pub(super) use self::portable::Pacer;

#[cfg(target_os = "linux")]
mod linux {
    use std::os::fd::OwnedFd;

    use rustix::time::{
        Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
        timerfd_settime,
    };
    use tokio::io::Interest;
    use tokio::io::unix::AsyncFd;

    use super::{Duration, io};

    /// Beats once a period, on the kernel's own timer.
    pub(crate) struct Pacer(AsyncFd<OwnedFd>);

    impl Pacer {
        /// The first beat is one period from now.
        #[allow(
            deprecated,
            reason = "unsound only with descriptors that are not owned; the new way is unsafe code"
        )]
        pub(crate) fn new(period: Duration) -> io::Result<Self> {
            let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
            let timer = timerfd_create(TimerfdClockId::Monotonic, flags)?;
            let beat = Timespec {
                tv_sec: period.as_secs().try_into().map_err(io::Error::other)?,
                tv_nsec: period.subsec_nanos().into(),
            };
            let beats = Itimerspec {
                it_interval: beat,
                it_value: beat,
            };
            timerfd_settime(&timer, TimerfdTimerFlags::empty(), &beats)?;
            Ok(Self(AsyncFd::with_interest(timer, Interest::READABLE)?))
        }

        /// Waits for a beat; how many there were since the last call.
        pub(crate) async fn beats(&mut self) -> io::Result<u64> {
            let mut count = [0; 8];
            loop {
                let mut ready = self.0.readable().await?;
                let read = ready.try_io(|timer| Ok(rustix::io::read(timer, &mut count)?));
                if let Ok(read) = read {
                    read?;
                    return Ok(u64::from_ne_bytes(count));
                }
            }
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod portable {
    use tokio::time::{Instant, Interval, interval_at};

    use super::{Duration, io};

    /// Beats once a period, on tokio's timer: latencies have a millisecond of its own in them.
    pub(crate) struct Pacer(Interval);

    impl Pacer {
        /// The first beat is one period from now.
        pub(crate) fn new(period: Duration) -> io::Result<Self> {
            Ok(Self(interval_at(Instant::now() + period, period)))
        }

        /// Waits for a beat; how many there were since the last call.
        pub(crate) async fn beats(&mut self) -> io::Result<u64> {
            self.0.tick().await;
            Ok(1)
        }
    }
}
