//! What process groups use of this machine: processor time since they began, and memory now.

use std::collections::HashMap;
use std::time::Duration;

#[cfg(not(target_os = "linux"))]
pub(super) use self::elsewhere::Meter;
#[cfg(target_os = "linux")]
pub(super) use self::linux::Meter;

/// What the processes of one group use together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Usage {
    /// Processor time, with that of the children they have waited for: what a short-lived child
    /// has used stays in the sum.
    pub(super) cpu: Duration,
    /// Resident memory in bytes, a shared page by the share of each process that has it (PSS), so
    /// that workers forked from one parent do not count its pages again and again. Where the
    /// system does not tell, the resident set (RSS). 0 where it was not asked for.
    pub(super) memory: u64,
}

/// By the numbers of the groups. A group of which nothing is left is missing.
pub(super) type Used = HashMap<i32, Usage>;

#[cfg(target_os = "linux")]
mod linux {
    use std::collections::HashMap;
    use std::time::{Duration, Instant};

    use procfs::process::{Process, Stat};
    use procfs::{page_size, ticks_per_second};

    use super::Used;
    use crate::backend::members::members;
    use crate::sync::now;

    /// To tell shares the system walks the page tables, 10 ms and more for each GiB: so much of the
    /// time goes by between two walks.
    const REST: u32 = 20;

    /// Reads processes. Between two walks, memory is what is resident by the share that was found
    /// on the last one.
    #[derive(Debug, Default)]
    pub(in super::super) struct Meter {
        shares: HashMap<Who, f64>,
        rested: Option<Instant>,
    }

    /// A process by its number and when it began: the number alone may come back.
    type Who = (i32, u64);

    impl Meter {
        /// What each of these groups uses; memory only where it is asked for.
        #[expect(clippy::unnecessary_wraps, reason = "other systems tell nothing")]
        pub(in super::super) fn read(
            &mut self,
            groups: &[i32],
            memory: bool,
        ) -> Result<Used, String> {
            let mut all = Used::new();
            let (mut shares, mut walked) = (HashMap::new(), Duration::ZERO);
            let rested = self.rested.is_none_or(|rested| now() >= rested);
            for (process, stat) in members(groups) {
                let group = all.entry(stat.pgrp).or_default();
                group.cpu += processor_time(&stat);
                if !memory {
                    continue;
                }
                let who = (stat.pid, stat.starttime);
                let known = self.shares.get(&who).filter(|_| !rested).copied();
                let share = known.unwrap_or_else(|| {
                    let begun = now();
                    let share = share(&process, &stat);
                    walked += now().saturating_duration_since(begun);
                    share
                });
                shares.insert(who, share);
                group.memory += part(stat.rss * page_size(), share);
            }
            self.shares = shares;
            if !walked.is_zero() {
                self.rested = Some(now() + walked * REST);
            }
            Ok(all)
        }
    }

    fn processor_time(stat: &Stat) -> Duration {
        let waited_for = [stat.cutime, stat.cstime].map(|ticks| u64::try_from(ticks).unwrap_or(0));
        let ticks = stat.utime + stat.stime + waited_for[0] + waited_for[1];
        let per_second = ticks_per_second().max(1);
        let (seconds, rest) = (ticks / per_second, ticks % per_second);
        Duration::from_secs(seconds) + Duration::from_nanos(rest * 1_000_000_000 / per_second)
    }

    /// How much of what is resident counts: all of it, where the system does not tell.
    #[expect(clippy::cast_precision_loss, reason = "memory is far below 2^52 bytes")]
    fn share(process: &Process, stat: &Stat) -> f64 {
        let resident = stat.rss * page_size();
        let shares = process.smaps_rollup().ok().and_then(|rollup| {
            let maps = rollup.memory_map_rollup.0.into_iter();
            let shares = maps.filter_map(|map| map.extension.map.get("Pss").copied());
            shares.reduce(|sum, share| sum + share)
        });
        match shares {
            Some(shares) if resident > 0 => shares as f64 / resident as f64,
            _ => 1.0,
        }
    }

    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "memory is far below 2^52 bytes, and a share not below 0"
    )]
    fn part(bytes: u64, share: f64) -> u64 {
        (bytes as f64 * share).round() as u64
    }
}

#[cfg(not(target_os = "linux"))]
mod elsewhere {
    use super::Used;

    /// Reads nothing.
    #[derive(Debug, Default)]
    pub(in super::super) struct Meter;

    impl Meter {
        /// Says that it cannot.
        #[expect(
            clippy::unused_self,
            reason = "on other systems there is something to tell"
        )]
        pub(in super::super) fn read(
            &mut self,
            _groups: &[i32],
            _memory: bool,
        ) -> Result<Used, String> {
            Err("processor time and memory cannot be read on this system".to_owned())
        }
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    fn our_own(meter: &mut Meter, memory: bool) -> Usage {
        let group = rustix::process::getpgrp().as_raw_nonzero().get();
        let read = meter.read(&[group, i32::MAX], memory);
        read.expect("this system tells")[&group]
    }

    #[test]
    fn work_and_memory_of_our_own_group_are_seen() {
        const MIB: u64 = 1 << 20;
        let mut meter = Meter::default();
        let before = our_own(&mut meter, true);
        let hog = vec![1_u8; 64 << 20];
        while our_own(&mut meter, false).cpu < before.cpu + Duration::from_millis(50) {
            assert!(hog.iter().any(|&byte| byte > 0));
        }

        let after = our_own(&mut meter, true);

        assert!(
            hog.last() == Some(&1) && after.memory >= 64 * MIB,
            "{before:?} {after:?}"
        );
    }

    /// A shell's script in a group of its own, until it has become `sleep`.
    fn until_asleep(script: &str) -> (std::process::Child, i32) {
        use std::os::unix::process::CommandExt;

        let script = format!("{script}; exec sleep 60");
        let mut shell = std::process::Command::new("sh");
        let shell = shell.args(["-c", &script]).process_group(0).spawn();
        let shell = shell.expect("there is a shell");
        let group = i32::try_from(shell.id()).expect("a process id");
        let groups = [group];
        let is_asleep = || {
            let mut all = crate::backend::members::members(&groups);
            all.any(|(_, stat)| stat.pid == group && stat.comm == "sleep")
        };
        let begun = crate::sync::now();
        while !is_asleep() {
            assert!(begun.elapsed() < Duration::from_secs(30), "{script}");
            std::thread::yield_now();
        }
        (shell, group)
    }

    fn end(mut shell: std::process::Child) {
        let group = rustix::process::Pid::from_child(&shell);
        let killed = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        killed.expect("it is there");
        shell.wait().expect("it is our child");
    }

    #[test]
    fn what_a_child_has_used_stays_in_the_sum_when_it_has_ended() {
        let burnt = "(i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done)";
        let (shell, group) = until_asleep(burnt);
        let used = Meter::default().read(&[group], false);
        end(shell);
        let used = used.expect("this system tells")[&group];
        assert!(used.cpu >= Duration::from_millis(20), "{used:?}");
    }

    #[test]
    fn every_process_of_a_group_counts() {
        // Memory of their own: what they share with others, they share with whoever runs just now.
        let full = "(x=$(head -c 4000000 /dev/zero | tr '\\0' x); sleep 60; :) &";
        let alone = until_asleep(":");
        let three = until_asleep(&format!("{full} {full} true"));
        let begun = crate::sync::now();
        let one_and_all = || {
            let used = Meter::default().read(&[alone.1, three.1], true);
            let used = used.expect("this system tells");
            (used[&alone.1].memory, used[&three.1].memory)
        };
        while let (one, all) = one_and_all()
            && all < one + 7_000_000
        {
            assert!(
                begun.elapsed() < Duration::from_secs(30),
                "{one} and {all} bytes"
            );
            std::thread::yield_now();
        }
        end(alone.0);
        end(three.0);
    }

    #[test]
    fn a_group_of_which_nothing_is_left_is_missing() {
        let read = Meter::default().read(&[i32::MAX], true);
        assert_eq!(read, Ok(Used::new()));
    }
}
