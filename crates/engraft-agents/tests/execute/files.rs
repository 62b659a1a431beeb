//! Nothing outside the work copy can be written, and nothing secret read.

use std::{fs, path::PathBuf};

use engraft_agents::{Executor, Limits};
use tempfile::TempDir;

use crate::{Place, place};

/// A folder beside the work copy's, and one in the home: both with a file that must not be seen.
struct Secrets {
    folders: Vec<TempDir>,
}

impl Secrets {
    fn new() -> Self {
        let home = PathBuf::from(std::env::var_os("HOME").unwrap());
        let mut folders = vec![tempfile::tempdir().unwrap()];
        match tempfile::tempdir_in(&home) {
            Ok(folder) => folders.push(folder),
            Err(error) => println!("{}: not tested: {error}", home.display()),
        }
        for folder in &folders {
            fs::write(folder.path().join("key"), "secret").unwrap();
        }
        Self { folders }
    }

    fn paths(&self) -> Vec<String> {
        let text = |folder: &TempDir| folder.path().to_str().unwrap().to_owned();
        self.folders.iter().map(text).collect()
    }

    fn assert_untouched(&self) {
        for folder in &self.folders {
            let names: Vec<_> = fs::read_dir(folder.path()).unwrap().flatten().collect();
            assert_eq!(names.len(), 1, "{names:?}");
            let content = fs::read_to_string(folder.path().join("key")).unwrap();
            assert_eq!(content, "secret");
        }
    }
}

fn cannot_read(place: &Place, path: &str) {
    let outcome = place.run(&["cat", path]);
    assert_ne!(outcome.code, 0, "{path}: {}", outcome.stdout);
    assert_eq!(outcome.stdout, "", "{path}");
}

#[test]
fn files_outside_can_be_neither_read_nor_written_nor_made() {
    let Some(place) = place(Limits::default()) else {
        return;
    };
    let secrets = Secrets::new();
    for folder in secrets.paths() {
        cannot_read(&place, &format!("{folder}/key"));
        cannot_read(&place, &format!("/tmp/../{folder}/key"));
        place.sh(&format!(
            "mkdir -p {folder}; echo x > {folder}/key; echo x > {folder}/new"
        ));
    }
    secrets.assert_untouched();
}

#[test]
fn a_folder_that_the_caller_shows_can_be_read_and_not_written() {
    let Some(place) = place(Limits::default()) else {
        return;
    };
    let secrets = Secrets::new();
    for folder in secrets.paths() {
        let sandbox = place.sandbox.clone().readable(&folder);
        let script =
            format!("cat {folder}/key; echo x > {folder}/key; rm {folder}/key; touch {folder}/new");
        let outcome = sandbox.run(place.path(), &["sh", "-c", &script]).unwrap();
        assert_eq!(outcome.stdout, "secret");
    }
    secrets.assert_untouched();
}

#[test]
fn links_lead_nowhere() {
    let Some(place) = place(Limits::default()) else {
        return;
    };
    let secrets = Secrets::new();
    for (index, folder) in secrets.paths().iter().enumerate() {
        let link = place.path().join(format!("link{index}"));
        std::os::unix::fs::symlink(folder, &link).unwrap();
        let link = format!("link{index}");
        cannot_read(&place, &format!("{link}/key"));
        place.sh(&format!(
            "echo x > {link}/key; echo x > {link}/new; cp -r {link}/. copy; ln {link}/key hard"
        ));
        place.sh(&format!(
            "ln -s {folder}/key made; echo x > made; ln -s ../../../.. up; echo x > up/{folder}/key"
        ));
    }
    secrets.assert_untouched();
}

#[test]
fn the_parent_folder_is_not_that_of_the_machine() {
    let Some(place) = place(Limits::default()) else {
        return;
    };
    let marker = tempfile::Builder::new()
        .prefix("beside-")
        .tempfile_in(place.path().parent().unwrap())
        .unwrap();
    let outcome = place.sh("ls ..; echo x > ../escaped");
    let name = marker.path().file_name().unwrap().to_str().unwrap();
    assert!(!outcome.stdout.contains(name), "{}", outcome.stdout);
    assert!(!place.path().parent().unwrap().join("escaped").exists());
}

#[test]
fn the_system_is_read_only_and_holds_no_password_hashes() {
    let Some(place) = place(Limits::default()) else {
        return;
    };
    for path in [
        "/etc/shadow",
        "/etc/gshadow",
        "/etc/sudoers",
        "/root/.bashrc",
        "/proc/kcore",
    ] {
        cannot_read(&place, path);
    }
    let script = r#"
import os
for folder in ('/', '/usr', '/usr/bin', '/etc', '/dev', '/proc', '/proc/sys', '/home', '/var', '/run', '/root', '/sys'):
    try:
        open(os.path.join(folder, 'planted'), 'w').close()
        print('wrote in', folder)
    except OSError:
        pass
for path in ('/etc/passwd', '/etc/ld.so.cache', '/usr/bin/env', '/proc/sys/vm/swappiness',
             '/proc/sys/kernel/core_pattern', '/proc/sysrq-trigger', '/proc/self/oom_score_adj'):
    try:
        open(path, 'r+').close()
        print('opened', path)
    except OSError:
        pass
"#;
    assert_eq!(place.python(script).stdout, "");
}

#[test]
fn the_interpreter_s_folders_are_read_only() {
    let Some(place) = place(Limits::default()) else {
        return;
    };
    let script = "import os, sys; open(os.path.join(sys.base_prefix, 'planted'), 'w')";
    let outcome = place.python(script);
    assert_ne!(outcome.code, 0);
    assert!(outcome.stderr.contains("Error"), "{}", outcome.stderr);
}

#[test]
fn mounts_cannot_be_changed_and_no_new_namespace_helps() {
    let Some(place) = place(Limits::default()) else {
        return;
    };
    let secrets = Secrets::new();
    let key = format!("{}/key", secrets.paths()[0]);
    let script = format!(
        "mount -o remount,rw /; umount -l .git; umount -l /tmp; mount -t tmpfs none /usr; \
         unshare -Ur mount -t tmpfs none /tmp && echo nested; chroot / true && echo changed; cat {key}"
    );
    let outcome = place.sh(&script);
    assert_eq!(outcome.stdout, "", "{}", outcome.stderr);
}

#[test]
fn other_processes_roots_are_not_reachable_through_proc() {
    let Some(place) = place(Limits::default()) else {
        return;
    };
    let secrets = Secrets::new();
    let key = format!("{}/key", secrets.paths()[0]);
    let script = format!(
        "for id in /proc/[0-9]*; do cat $id/root{key} $id/cwd/../{key}; cat $id/environ; done; \
         ls -l /proc/[0-9]*/fd/ 2>/dev/null | grep -c '{key}'"
    );
    let outcome = place.sh(&script);
    assert!(!outcome.stdout.contains("secret"), "{}", outcome.stdout);
    assert!(!outcome.stdout.contains("CARGO_"), "{}", outcome.stdout);
}

#[test]
fn descriptors_that_were_left_open_are_closed() {
    use std::os::fd::AsFd;
    let Some(place) = place(Limits::default()) else {
        return;
    };
    if !std::path::Path::new("/bin/bash").exists() {
        println!("did not run: there is no bash");
        return;
    }
    let secrets = Secrets::new();
    let folder = fs::File::open(&secrets.paths()[0]).unwrap();
    // As if whoever started us had left this folder open for us.
    rustix::io::fcntl_setfd(folder.as_fd(), rustix::io::FdFlags::empty()).unwrap();
    let outcome = place.python(
        "import os\nfor fd in range(3, 1000):\n    try: print(os.readlink(f'/proc/self/fd/{fd}'))\n    except OSError: pass",
    );
    assert_eq!(outcome.stdout, "");
}
