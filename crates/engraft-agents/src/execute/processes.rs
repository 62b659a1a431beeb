//! The processes of a command, as `/proc` shows them from outside.

use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
};

use rustix::process::{Pid, Signal, kill_process};

/// What `/proc/PID/stat` says of one process.
struct Entry {
    id: i32,
    parent: i32,
    group: i32,
    threads: u64,
    pages: u64,
}

/// The processes that descend from a command or share its process group.
pub(super) struct Family {
    members: Vec<Entry>,
}

/// What the process that we started is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Root {
    /// The command itself: one of its family.
    Command,
    /// The sandbox around it: must not be signalled before its time, and counts for nothing.
    Sandbox,
}

impl Family {
    /// A process that leaves both its parent and its group is missed outside
    /// a sandbox; inside, such orphans fall to the sandbox's first process, which descends from the
    /// root.
    pub(super) fn of(root: i32, kind: Root) -> Self {
        let mut entries: HashMap<i32, Entry> = HashMap::new();
        for folder in fs::read_dir("/proc").into_iter().flatten().flatten() {
            if let Some(entry) = entry(&folder.path()) {
                entries.insert(entry.id, entry);
            }
        }
        let belongs = |entry: &Entry| {
            // No chain of parents is longer than there are processes.
            let mut at = entry;
            for _ in 0..entries.len() {
                if at.parent == root || at.group == root {
                    return true;
                }
                match entries.get(&at.parent) {
                    Some(parent) => at = parent,
                    None => return false,
                }
            }
            false
        };
        let ids: Vec<i32> = entries
            .values()
            .filter(|entry| match entry.id == root {
                true => kind == Root::Command,
                false => belongs(entry),
            })
            .map(|entry| entry.id)
            .collect();
        let members = ids.iter().filter_map(|id| entries.remove(id)).collect();
        Self { members }
    }

    /// Of files that they hold open.
    pub(super) fn descriptors(&self) -> impl Iterator<Item = PathBuf> {
        let folders = self.members.iter();
        let folders = folders.map(|member| format!("/proc/{}/fd", member.id));
        let entries = folders.flat_map(|folder| fs::read_dir(folder).into_iter().flatten());
        entries.flatten().map(|entry| entry.path())
    }

    pub(super) fn count(&self) -> u64 {
        self.members.len() as u64
    }

    pub(super) fn threads(&self) -> u64 {
        self.members.iter().map(|member| member.threads).sum()
    }

    /// Resident bytes of all together.
    pub(super) fn memory(&self) -> u64 {
        let pages: u64 = self.members.iter().map(|member| member.pages).sum();
        pages * rustix::param::page_size() as u64
    }

    pub(super) fn signal(&self, signal: Signal) {
        for member in &self.members {
            if let Some(id) = Pid::from_raw(member.id) {
                // One that ended meanwhile needs no signal.
                let _ = kill_process(id, signal);
            }
        }
    }
}

fn entry(folder: &Path) -> Option<Entry> {
    let id = folder.file_name()?.to_str()?.parse().ok()?;
    let stat = fs::read(folder.join("stat")).ok()?;
    parse(id, &String::from_utf8_lossy(&stat))
}

/// The name is in brackets and may hold brackets, spaces and line ends; fields are counted after it.
fn parse(id: i32, stat: &str) -> Option<Entry> {
    let fields: Vec<&str> = stat
        .get(stat.rfind(')')? + 1..)?
        .split_whitespace()
        .collect();
    Some(Entry {
        id,
        parent: fields.get(1)?.parse().ok()?,
        group: fields.get(2)?.parse().ok()?,
        threads: fields.get(17)?.parse().ok()?,
        pages: fields.get(21)?.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_brackets_does_not_shift_the_fields() {
        let stat = "7 (a) S 1 2 (b\n) S 5 6 7 0 -1 4 1 0 0 0 9 9 0 0 20 0 3 0 100 4096 42 1\n";
        let entry = parse(7, stat).unwrap();
        assert_eq!(
            (entry.parent, entry.group, entry.threads, entry.pages),
            (5, 6, 3, 42)
        );
    }

    #[test]
    fn a_child_is_of_the_family_and_the_sandbox_around_it_is_not() {
        let mut child = std::process::Command::new("sleep")
            .arg("20")
            .spawn()
            .unwrap();
        let root = i32::try_from(std::process::id()).unwrap();
        let id = i32::try_from(child.id()).unwrap();
        let ids = |kind| -> Vec<i32> {
            let family = Family::of(root, kind);
            family.members.iter().map(|member| member.id).collect()
        };
        let (around, of) = (ids(Root::Sandbox), ids(Root::Command));
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(around.contains(&id) && of.contains(&id));
        assert!(!around.contains(&root) && of.contains(&root));
    }
}
