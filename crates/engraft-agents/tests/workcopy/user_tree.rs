//! Bringing a patch home: wholly or not at all, and nothing but the files it names.

use std::{fs, path::Path};

use engraft_agents::{WorkCopy, apply_to_user_tree};

use crate::{everything, folder, git, put, repository};

fn patch_of(user: &Path, files: &[(&str, &str)]) -> String {
    let copy = WorkCopy::of(user).unwrap();
    for (name, content) in files {
        copy.write(Path::new(name), content).unwrap();
    }
    copy.diff().unwrap()
}

#[test]
fn a_patch_reaches_folders_with_and_without_git_and_leaves_the_index_alone() {
    let files = [("a.py", "one\n"), ("sub/b.py", "one\n")];
    for user in [folder(&files), repository(&files)] {
        let patch = patch_of(user.path(), &[("a.py", "two\n"), ("new/c.py", "new\n")]);
        apply_to_user_tree(user.path(), &patch).unwrap();
        assert_eq!(
            fs::read_to_string(user.path().join("a.py")).unwrap(),
            "two\n"
        );
        assert_eq!(
            fs::read_to_string(user.path().join("new/c.py")).unwrap(),
            "new\n"
        );
        if user.path().join(".git").exists() {
            let status = git(user.path(), &["status", "--short"]);
            assert_eq!(status, " M a.py\n?? new/\n");
        }
    }
}

#[test]
fn a_patch_for_a_folder_within_a_repository_lands_in_that_folder() {
    let user = repository(&[("sub/a.py", "one\n"), ("a.py", "one\n")]);
    let sub = user.path().join("sub");
    apply_to_user_tree(&sub, &patch_of(&sub, &[("a.py", "two\n")])).unwrap();
    assert_eq!(fs::read_to_string(sub.join("a.py")).unwrap(), "two\n");
    assert_eq!(
        fs::read_to_string(user.path().join("a.py")).unwrap(),
        "one\n"
    );
}

#[test]
fn uncommitted_work_elsewhere_in_the_folder_stays() {
    let user = repository(&[("a.py", "one\n"), ("b.py", "one\n")]);
    put(user.path(), "b.py", "my own work\n");
    let patch = patch_of(user.path(), &[("a.py", "two\n")]);
    apply_to_user_tree(user.path(), &patch).unwrap();
    assert_eq!(
        fs::read_to_string(user.path().join("b.py")).unwrap(),
        "my own work\n"
    );
}

#[test]
fn a_patch_that_fits_only_in_part_changes_nothing() {
    let user = folder(&[("a.py", "one\n"), ("b.py", "one\n")]);
    let patch = patch_of(
        user.path(),
        &[("a.py", "two\n"), ("b.py", "two\n"), ("c.py", "new\n")],
    );
    put(user.path(), "b.py", "changed meanwhile\n");
    let before = everything(user.path());
    let refused = apply_to_user_tree(user.path(), &patch)
        .unwrap_err()
        .to_string();
    assert!(
        refused.contains("nothing was changed") && refused.contains("b.py"),
        "{refused}"
    );
    assert_eq!(everything(user.path()), before);
}

#[test]
fn patches_that_would_leave_the_folder_or_plant_something_are_refused() {
    let outside = folder(&[("key", "secret\n")]);
    let user = repository(&[("a.py", "one\n")]);
    std::os::unix::fs::symlink(outside.path(), user.path().join("out")).unwrap();
    std::os::unix::fs::symlink(outside.path().join("key"), user.path().join("link")).unwrap();
    let before = everything(user.path());
    let added = |path: &str| format!("--- /dev/null\n+++ b/{path}\n@@ -0,0 +1 @@\n+x\n");
    let changed = |path: &str| format!("--- a/{path}\n+++ b/{path}\n@@ -1 +1 @@\n-secret\n+x\n");
    let link = "diff --git a/l b/l\nnew file mode 120000\n--- /dev/null\n+++ b/l\n@@ -0,0 +1 @@\n+/etc/passwd\n\\ No newline at end of file\n";
    let rename =
        "diff --git a/a.py b/b.py\nsimilarity index 100%\nrename from a.py\nrename to b.py\n";
    for patch in [
        added("../escaped"),
        added(".git/hooks/pre-commit"),
        added("out/new"),
        added("/tmp/absolute"),
        changed("out/key"),
        changed("link"),
        link.to_owned(),
        rename.to_owned(),
        String::new(),
    ] {
        let refused = apply_to_user_tree(user.path(), &patch)
            .unwrap_err()
            .to_string();
        assert!(refused.contains("nothing was changed"), "{refused}");
    }
    assert_eq!(everything(user.path()), before);
    assert_eq!(everything(outside.path()).len(), 1);
    assert_eq!(
        fs::read_to_string(outside.path().join("key")).unwrap(),
        "secret\n"
    );
}

#[test]
fn the_user_s_own_filters_do_not_run() {
    let user = repository(&[("a.py", "one\n"), (".gitattributes", "* filter=x\n")]);
    let mark = user.path().join(".git/ran");
    let run = format!("touch {}; cat", mark.display());
    git(user.path(), &["config", "filter.x.smudge", &run]);
    git(user.path(), &["config", "filter.x.clean", &run]);
    let patch = patch_of(user.path(), &[("a.py", "two\n")]);
    apply_to_user_tree(user.path(), &patch).unwrap();
    assert!(!mark.exists());
}
