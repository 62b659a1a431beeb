//! Work copies after a command that meant harm.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
};

use engraft_agents::{Executor, Limits, Sandbox, WorkCopy};

use crate::{folder, put, repository};

/// Settings that would run a command in every way git has.
fn planted(mark: &Path) -> String {
    let mark = mark.display();
    format!(
        "[core]\n\trepositoryformatversion = 0\n\tfsmonitor = touch {mark}; false\n\tpager = touch {mark}\n\
         [filter \"x\"]\n\tclean = touch {mark}\n\tsmudge = touch {mark}\n\
         [diff \"x\"]\n\tcommand = touch {mark}\n\ttextconv = touch {mark}\n\
         [diff]\n\texternal = touch {mark}\n"
    )
}

fn plant(repository: &Path, mark: &Path) {
    put(repository, "HEAD", "ref: refs/heads/main\n");
    put(repository, "config", planted(mark));
    fs::create_dir_all(repository.join("objects")).unwrap();
    fs::create_dir_all(repository.join("refs")).unwrap();
    for hook in [
        "post-index-change",
        "post-checkout",
        "reference-transaction",
    ] {
        put(
            repository,
            &format!("hooks/{hook}"),
            format!("#!/bin/sh\ntouch {}\n", mark.display()),
        );
        let hook = repository.join("hooks").join(hook);
        fs::set_permissions(hook, fs::Permissions::from_mode(0o755)).unwrap();
    }
}

#[test]
fn planted_repositories_filters_and_hooks_are_never_obeyed() {
    let user = repository(&[("a.py", "one\n"), ("sub/b.py", "one\n")]);
    let copy = WorkCopy::of(user.path()).unwrap();
    let outside = tempfile::tempdir().unwrap();
    let mark = outside.path().join("ran");
    // As an unsandboxed command could: in the folder's own .git, in a folder's, and in a new one.
    for place in [".git", "sub/.git", "new/.git"] {
        plant(&copy.folder().join(place), &mark);
    }
    put(copy.folder(), ".gitattributes", "* filter=x diff=x\n");
    put(copy.folder(), "a.py", "two\n");
    put(copy.folder(), "sub/b.py", "two\n");
    put(copy.folder(), "new/c.py", "new\n");

    // What is planted works: a git that looks for its repository obeys it.
    let status = Command::new("git")
        .current_dir(copy.folder())
        .arg("status")
        .output()
        .unwrap();
    assert!(mark.exists(), "{status:?}");
    fs::remove_file(&mark).unwrap();

    let changes = copy.changes().unwrap();
    assert!(changes.patch.contains("a/a.py") && changes.patch.contains("a/sub/b.py"));
    assert_eq!(changes.left_out, [PathBuf::from("new")]);
    copy.files().unwrap();
    copy.fork().unwrap().changes().unwrap();
    copy.reset().unwrap();
    copy.apply(&changes.patch).unwrap();
    assert!(!mark.exists());
}

#[test]
fn a_folder_that_became_a_link_shows_nothing_of_where_it_leads() {
    let outside = folder(&[("a.py", "secret\n")]);
    let user = folder(&[("src/a.py", "one\n"), ("b.py", "one\n")]);
    let copy = WorkCopy::of(user.path()).unwrap();
    fs::remove_dir_all(copy.folder().join("src")).unwrap();
    std::os::unix::fs::symlink(outside.path(), copy.folder().join("src")).unwrap();
    let changes = copy.changes().unwrap();
    assert!(!changes.patch.contains("secret"), "{}", changes.patch);
    assert!(copy.read(Path::new("src/a.py")).is_err());
    assert!(copy.write(Path::new("src/a.py"), "x").is_err());
    assert!(
        !copy
            .fork()
            .unwrap()
            .changes()
            .unwrap()
            .patch
            .contains("secret")
    );
    copy.reset().unwrap();
    assert_eq!(copy.read(Path::new("src/a.py")).unwrap(), "one\n");
    let kept = fs::read_to_string(outside.path().join("a.py")).unwrap();
    assert_eq!(kept, "secret\n");
}

#[test]
fn pipes_and_locked_folders_stop_nothing() {
    let user = folder(&[("a.py", "one\n"), ("b.py", "one\n"), ("sub/c.py", "one\n")]);
    let copy = WorkCopy::of(user.path()).unwrap();
    fs::remove_file(copy.folder().join("a.py")).unwrap();
    let mut pipes = Command::new("mkfifo");
    pipes.current_dir(copy.folder()).args(["a.py", "new"]);
    assert!(pipes.status().unwrap().success());
    for path in ["sub", "b.py"] {
        let path = copy.folder().join(path);
        fs::set_permissions(path, fs::Permissions::from_mode(0o0)).unwrap();
    }
    assert!(copy.read(Path::new("a.py")).is_err());
    assert!(copy.write(Path::new("a.py"), "x").is_err());
    let patch = copy.diff().unwrap();
    assert!(patch.contains("--- a/a.py\n+++ /dev/null"), "{patch}");
    assert_eq!(patch.matches("diff --git").count(), 1);
    copy.fork().unwrap();
    copy.reset().unwrap();
    assert_eq!(copy.diff().unwrap(), "");
}

#[test]
fn paths_that_leave_the_copy_are_refused() {
    let user = folder(&[("a.py", "one\n")]);
    let copy = WorkCopy::of(user.path()).unwrap();
    std::os::unix::fs::symlink(".git", copy.folder().join("link")).unwrap();
    for path in [
        "",
        "/etc/passwd",
        "../x",
        "sub/../../x",
        ".git/config",
        "sub/.GIT/hooks/x",
        "link/config",
    ] {
        let path = Path::new(path);
        assert!(copy.read(path).is_err(), "{path:?}");
        assert!(copy.write(path, "x").is_err(), "{path:?}");
    }
    let patch = "--- /dev/null\n+++ b/.git/config\n@@ -0,0 +1 @@\n+x\n";
    assert!(copy.apply(patch).is_err());
    let patch = "--- /dev/null\n+++ b/../x\n@@ -0,0 +1 @@\n+x\n";
    assert!(copy.apply(patch).is_err());
}

#[test]
fn in_a_sandbox_the_copy_is_all_that_there_is_to_change() {
    let sandbox = match Sandbox::new(Limits::default()) {
        Ok(sandbox) => sandbox,
        Err(error) => {
            println!("did not run: {error}");
            return;
        }
    };
    let user = repository(&[("a.py", "one\n")]);
    let copy = WorkCopy::of(user.path()).unwrap();
    let script = format!(
        "ls -A {}; ls -A ../..; ls -A .git; git init -q .; echo two > a.py; echo x > .git/config",
        user.path().display()
    );
    let outcome = sandbox.run(copy.folder(), &["sh", "-c", &script]).unwrap();
    // Of the folders above nothing but the way down.
    assert_eq!(outcome.stdout, "files\n", "{}", outcome.stderr);
    assert_eq!(fs::read_dir(copy.folder().join(".git")).unwrap().count(), 0);
    assert!(copy.diff().unwrap().contains("-one\n+two\n"));
}
