//! On which ports a process group listens, where the machine tells without special rights.

/// The ports, sorted; empty where this cannot be known.
#[cfg(target_os = "linux")]
pub(super) fn ports_of(group: i32) -> Vec<u16> {
    use std::collections::{BTreeSet, HashSet};

    use procfs::net::{TcpState, tcp, tcp6};

    let groups = [group];
    let members = super::members::members(&groups);
    let ours: HashSet<u64> = members.flat_map(|(process, _)| sockets(&process)).collect();
    let tables = [tcp(), tcp6()].into_iter().flatten().flatten();
    tables
        .filter(|entry| entry.state == TcpState::Listen && ours.contains(&entry.inode))
        .map(|entry| entry.local_address.port())
        .collect::<BTreeSet<_>>()
        .into_iter()
        .collect()
}

/// The ports, sorted; empty where this cannot be known.
#[cfg(not(target_os = "linux"))]
pub(super) fn ports_of(_group: i32) -> Vec<u16> {
    Vec::new()
}

/// The inodes of the sockets a process has open.
#[cfg(target_os = "linux")]
fn sockets(process: &procfs::process::Process) -> Vec<u64> {
    use procfs::process::FDTarget;

    let files = process.fd().into_iter().flatten().flatten();
    files
        .filter_map(|file| match file.target {
            FDTarget::Socket(inode) => Some(inode),
            _ => None,
        })
        .collect()
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn the_ports_of_our_own_group_are_found() {
        let v4 = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = v4.local_addr().unwrap().port();
        let group = rustix::process::getpgrp().as_raw_nonzero().get();

        assert!(ports_of(group).contains(&port));
        assert!(ports_of(i32::MAX).is_empty());
    }
}
