//! What a sandboxed command sees of the file system, as arguments of bubblewrap.

use std::{
    ffi::{OsStr, OsString},
    fs,
    path::{Path, PathBuf},
};

use super::{ExecuteError, Limits};

/// Programs and libraries; on most systems all but the first are links into it.
const PROGRAMS: [&str; 9] = [
    "/usr",
    "/bin",
    "/sbin",
    "/lib",
    "/lib32",
    "/lib64",
    "/libx32",
    "/nix/store",
    "/gnu/store",
];

/// Of `/etc` only what programs need and everybody may know: password hashes, host keys and the
/// credentials of services are not among it.
const SETTINGS: [&str; 23] = [
    "alternatives",
    "ca-certificates",
    "debian_version",
    "fonts",
    "group",
    "hosts",
    "ld.so.cache",
    "ld.so.conf",
    "ld.so.conf.d",
    "locale.alias",
    "locale.conf",
    "localtime",
    "magic",
    "mime.types",
    "nsswitch.conf",
    "os-release",
    "passwd",
    "pki/ca-trust",
    "protocols",
    "services",
    "ssl/certs",
    "ssl/openssl.cnf",
    "timezone",
];

/// The mounts for a command that may write in `folder` alone and read `readable` besides the system.
/// Order matters: what comes later lies over what came before.
///
/// # Errors
/// If the folder's `.git` cannot be hidden.
pub(super) fn mounts(
    folder: &Path,
    readable: &[PathBuf],
    limits: &Limits,
) -> Result<Vec<OsString>, ExecuteError> {
    let mut mounts = Mounts::default();
    for path in PROGRAMS {
        mounts.show_system(Path::new(path));
    }
    for name in SETTINGS {
        mounts.show(&Path::new("/etc").join(name));
    }
    for entry in fs::read_dir("/etc").into_iter().flatten().flatten() {
        // Start-up files of the system's Python.
        if entry.file_name().to_string_lossy().starts_with("python3") {
            mounts.show(&entry.path());
        }
    }
    mounts.add(["--dev", "/dev"]);
    mounts.memory("/dev/shm", limits);
    mounts.add(["--remount-ro", "/dev"]);
    // Read-only as a whole: some of its files would change the machine.
    mounts.add(["--proc", "/proc", "--remount-ro", "/proc"]);
    mounts.memory("/tmp", limits);
    for path in readable {
        mounts.show(path);
    }
    mounts.bind("--bind", folder);
    mounts.hide_git(folder)?;
    mounts.add(["--remount-ro", "/"]);
    Ok(mounts.arguments)
}

#[derive(Default)]
struct Mounts {
    arguments: Vec<OsString>,
}

impl Mounts {
    fn add<const N: usize>(&mut self, arguments: [&str; N]) {
        self.arguments.extend(arguments.map(OsString::from));
    }

    fn bind(&mut self, kind: &str, path: &Path) {
        let path = path.as_os_str();
        self.arguments
            .extend([OsStr::new(kind), path, path].map(OsStr::to_owned));
    }

    fn show(&mut self, path: &Path) {
        self.bind("--ro-bind-try", path);
    }

    /// A link stays a link, so that `/bin/sh` and `/usr/bin/sh` are one file inside too.
    fn show_system(&mut self, path: &Path) {
        match fs::read_link(path) {
            Ok(target) => {
                let link = [
                    OsStr::new("--symlink"),
                    target.as_os_str(),
                    path.as_os_str(),
                ];
                self.arguments.extend(link.map(OsStr::to_owned));
            }
            Err(_) => self.show(path),
        }
    }

    /// A folder in memory that everybody may write to, of limited size.
    fn memory(&mut self, path: &str, limits: &Limits) {
        let size = limits.temporary.to_string();
        self.add(["--perms", "1777", "--size", &size, "--tmpfs", path]);
    }

    /// An empty read-only folder or file lies over `.git`: what is planted there would be obeyed by
    /// the git of whoever looks at the folder afterwards.
    fn hide_git(&mut self, folder: &Path) -> Result<(), ExecuteError> {
        let git = folder.join(".git");
        let kind = fs::symlink_metadata(&git).map(|metadata| metadata.file_type());
        match kind {
            Ok(kind) if kind.is_symlink() => {
                return Err(ExecuteError::Failed(format!(
                    "{} is a link, which cannot be hidden from commands; use a work copy without it",
                    git.display()
                )));
            }
            Ok(kind) if !kind.is_dir() => {
                let cover = [
                    OsStr::new("--ro-bind"),
                    OsStr::new("/dev/null"),
                    git.as_os_str(),
                ];
                self.arguments.extend(cover.map(OsStr::to_owned));
            }
            // Where there is none, an empty folder is made and stays.
            Ok(_) | Err(_) => {
                for kind in ["--tmpfs", "--remount-ro"] {
                    let cover = [OsStr::new(kind), git.as_os_str()];
                    self.arguments.extend(cover.map(OsStr::to_owned));
                }
            }
        }
        Ok(())
    }
}
