//! On which ports a process group listens, where the machine tells without special rights.

/// The ports, sorted; empty where this cannot be known.
#[cfg(target_os = "linux")]
pub(super) fn ports_of(group: i32) -> Vec<u16> {
    use std::collections::{BTreeSet, HashSet};

    let sockets: HashSet<String> = linux::members(group)
        .flat_map(|process| linux::sockets(&process))
        .collect();
    ["/proc/net/tcp", "/proc/net/tcp6"]
        .into_iter()
        .filter_map(|table| std::fs::read_to_string(table).ok())
        .flat_map(|table| {
            let ours = |line| linux::listener(line).filter(|(inode, _)| sockets.contains(*inode));
            table
                .lines()
                .filter_map(ours)
                .map(|(_, port)| port)
                .collect::<Vec<_>>()
        })
        .collect::<BTreeSet<_>>()
        .into_iter()
        .collect()
}

/// The ports, sorted; empty where this cannot be known.
#[cfg(not(target_os = "linux"))]
pub(super) fn ports_of(_group: i32) -> Vec<u16> {
    Vec::new()
}

/// See proc(5).
#[cfg(target_os = "linux")]
mod linux {
    use std::fs::{read_dir, read_link, read_to_string};
    use std::path::{Path, PathBuf};

    /// The folders of the group's processes.
    pub(super) fn members(group: i32) -> impl Iterator<Item = PathBuf> {
        let processes = read_dir("/proc").into_iter().flatten().flatten();
        processes.map(|entry| entry.path()).filter(move |process| {
            let is_process = process.join("stat");
            read_to_string(is_process).is_ok_and(|stat| group_of(&stat) == Some(group))
        })
    }

    /// The name stands in brackets and may hold anything; then come state, parent and group.
    pub(super) fn group_of(stat: &str) -> Option<i32> {
        let (_, rest) = stat.rsplit_once(')')?;
        rest.split_whitespace().nth(2)?.parse().ok()
    }

    /// The inodes of the sockets a process has open.
    pub(super) fn sockets(process: &Path) -> impl Iterator<Item = String> + use<> {
        let files = read_dir(process.join("fd")).into_iter().flatten().flatten();
        files.filter_map(|file| {
            let target = read_link(file.path()).ok()?;
            let inode = target
                .to_str()?
                .strip_prefix("socket:[")?
                .strip_suffix(']')?;
            Some(inode.to_owned())
        })
    }

    /// Inode and port of a line that describes a listening socket.
    pub(super) fn listener(line: &str) -> Option<(&str, u16)> {
        const LISTEN: &str = "0A";
        let mut words = line.split_whitespace();
        let (_, port) = words.nth(1)?.rsplit_once(':')?;
        let state = words.nth(1)?;
        let inode = words.nth(5)?;
        let port = u16::from_str_radix(port, 16).ok()?;
        (state == LISTEN).then_some((inode, port))
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn the_ports_of_our_own_group_are_found() {
        let v4 = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = v4.local_addr().unwrap().port();
        let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
        let group = linux::group_of(&stat).unwrap();

        assert!(ports_of(group).contains(&port));
        assert!(ports_of(i32::MAX).is_empty());
    }

    #[test]
    fn a_name_with_brackets_does_not_hide_the_group() {
        assert_eq!(linux::group_of("42 (a) b (c)) S 1 4711 42 0"), Some(4711));
    }
}
