//! Where the Python that `PATH` names has its files: a sandbox that hides the user's home has to show
//! these folders again.

use std::{
    env,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// Prints the folders of the environment, of the installation below it, and of the programs' links.
const ASK: &str = "\
import os, sys
base = getattr(sys, '_base_executable', None) or sys.executable
for path in (sys.prefix, sys.exec_prefix, sys.base_prefix, os.path.dirname(os.path.dirname(base))):
    print(path)
    print(os.path.realpath(path))
";

/// Folders outside `/usr` that `python3` needs, the environment's own first; none without Python.
/// A folder that holds the user's home is never one of them.
pub(super) fn prefixes() -> Vec<PathBuf> {
    let mut ask = Command::new("python3");
    ask.args(["-I", "-S", "-c", ASK]).stdin(Stdio::null());
    let Ok(answer) = ask.output() else {
        return Vec::new();
    };
    let home = env::var_os("HOME").map(PathBuf::from);
    let mut prefixes: Vec<PathBuf> = Vec::new();
    for line in String::from_utf8_lossy(&answer.stdout).lines() {
        let path = PathBuf::from(line);
        let known = prefixes.contains(&path);
        if !known && path.is_absolute() && path.is_dir() && is_apart(&path, home.as_deref()) {
            prefixes.push(path);
        }
    }
    prefixes
}

/// Neither what is shown anyway nor so high up that it would show secrets too.
fn is_apart(path: &Path, home: Option<&Path>) -> bool {
    !path.starts_with("/usr") && path.components().count() > 2 && !holds(path, home)
}

fn holds(path: &Path, home: Option<&Path>) -> bool {
    home.is_some_and(|home| home.starts_with(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_that_holds_the_home_is_not_shown() {
        let home = Some(Path::new("/home/user"));
        assert!(is_apart(Path::new("/home/user/project/.venv"), home));
        assert!(is_apart(Path::new("/opt/python"), home));
        for path in ["/", "/home", "/home/user", "/usr", "/usr/local"] {
            assert!(!is_apart(Path::new(path), home), "{path}");
        }
    }
}
