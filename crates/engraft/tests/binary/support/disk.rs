//! A disk that is soon full.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

/// A file system of its own, gone with the value.
pub struct Disk(PathBuf);

impl Disk {
    /// Says so and gives `None` where mounting one is not allowed.
    pub fn of_one_megabyte(folder: PathBuf) -> Option<Self> {
        std::fs::create_dir(&folder).expect("a folder");
        let mounted = mount("size=1m", &folder);
        if !mounted {
            eprintln!("NOT RUN: mounting a small disk needs root");
        }
        mounted.then_some(Self(folder))
    }

    pub fn grow(&self) {
        assert!(mount("remount,size=64m", &self.0), "a tmpfs can grow");
    }
}

fn mount(options: &str, folder: &Path) -> bool {
    let mut mount = Command::new("mount");
    mount
        .args(["-t", "tmpfs", "-o", options, "tmpfs"])
        .arg(folder);
    mount.output().is_ok_and(|told| told.status.success())
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).status();
    }
}
