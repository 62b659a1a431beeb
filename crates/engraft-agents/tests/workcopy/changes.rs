//! Patches: what they hold, what they leave out, and that they apply where they came from.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
};

use engraft_agents::WorkCopy;
use proptest::prelude::*;

use crate::{everything, folder, put, repository};

/// Plain `git apply`, as a user would call it outside of any repository.
fn apply_by_hand(folder: &Path, patch: &str) {
    let beside = tempfile::tempdir().unwrap();
    let file = beside.path().join("patch");
    fs::write(&file, patch).unwrap();
    let output = Command::new("git")
        .current_dir(folder)
        .env("GIT_CEILING_DIRECTORIES", folder.parent().unwrap())
        .arg("apply")
        .arg(&file)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}\n{patch}");
}

#[test]
fn a_patch_names_the_files_as_git_does() {
    let user = repository(&[("a.py", "one\ntwo\n"), ("gone.py", "x\n")]);
    let copy = WorkCopy::of(user.path()).unwrap();
    copy.write(Path::new("a.py"), "one\nthree\n").unwrap();
    copy.write(Path::new("deep/new.py"), "new\n").unwrap();
    fs::remove_file(copy.folder().join("gone.py")).unwrap();
    let patch = copy.diff().unwrap();
    for part in [
        "diff --git a/a.py b/a.py\n",
        "--- a/a.py\n+++ b/a.py\n@@ -1,2 +1,2 @@\n one\n-two\n+three\n",
        "--- /dev/null\n+++ b/deep/new.py\n",
        "--- a/gone.py\n+++ /dev/null\n",
    ] {
        assert!(patch.contains(part), "{patch}");
    }
    apply_by_hand(user.path(), &patch);
    assert_eq!(
        fs::read_to_string(user.path().join("a.py")).unwrap(),
        "one\nthree\n"
    );
    assert!(user.path().join("deep/new.py").exists());
    assert!(!user.path().join("gone.py").exists());
}

#[test]
fn line_ends_and_missing_last_ends_survive_the_round_trip() {
    let cases = [
        ("a\r\nb\r\nc\r\n", "a\r\nx\r\nc\r\n"),
        ("a\r\nb\nc\r\n", "a\nb\r\nc\n"),
        ("a\nb", "a\nc"),
        ("a\nb", "a\nb\n"),
        ("a\r\nb\r\n", "a\r\nb"),
        ("a\rb\r", "a\rc\r"),
        ("", "a"),
        ("a  \n\t\n", "a \n\n"),
        (
            "+++ b/x\n--- a/x\ndiff --git a/x b/x\n",
            "diff --git a/y b/y\n",
        ),
    ];
    for (before, after) in cases {
        for attributes in [
            "",
            "* text eol=crlf\n",
            "* text=auto\n",
            "* binary\n",
            "*.py -diff ident\n",
        ] {
            let user = repository(&[("f.py", before), (".gitattributes", attributes)]);
            // As the user has it now, whatever git made of it.
            put(user.path(), "f.py", before);
            let copy = WorkCopy::of(user.path()).unwrap();
            copy.write(Path::new("f.py"), after).unwrap();
            let patch = copy.diff().unwrap();
            engraft_agents::apply_to_user_tree(user.path(), &patch).unwrap();
            let now = fs::read_to_string(user.path().join("f.py")).unwrap();
            assert_eq!(now, after, "{before:?} with {attributes:?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(30))]
    #[test]
    fn any_text_becomes_any_other(before in "[ab\r\n é]{0,30}", after in "[ab\r\n é]{0,30}") {
        let user = folder(&[("f", &before)]);
        let copy = WorkCopy::of(user.path()).unwrap();
        copy.write(Path::new("f"), &after).unwrap();
        let patch = copy.diff().unwrap();
        prop_assert_eq!(patch.is_empty(), before == after);
        if !patch.is_empty() {
            engraft_agents::apply_to_user_tree(user.path(), &patch).unwrap();
        }
        prop_assert_eq!(fs::read_to_string(user.path().join("f")).unwrap(), after);
    }
}

#[test]
fn what_no_patch_can_show_is_left_out_and_named() {
    let user = folder(&[("text", "one\n"), ("becomes_link", "x\n")]);
    put(user.path(), "latin", b"caf\xe9\n");
    put(user.path(), "binary", b"\0one");
    put(user.path(), "huge", vec![b'x'; 2 << 20]);
    let copy = WorkCopy::of(user.path()).unwrap();
    put(copy.folder(), "text", "two\n");
    put(copy.folder(), "latin", b"caf\xe8\n");
    put(copy.folder(), "binary", b"\0two");
    put(copy.folder(), "huge", vec![b'y'; 2 << 20]);
    put(copy.folder(), "new_huge", vec![b'y'; 2 << 20]);
    put(copy.folder(), "new_binary", b"\0");
    fs::remove_file(copy.folder().join("becomes_link")).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", copy.folder().join("becomes_link")).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", copy.folder().join("new_link")).unwrap();
    let changes = copy.changes().unwrap();
    let expected = [
        "becomes_link",
        "binary",
        "huge",
        "latin",
        "new_binary",
        "new_huge",
        "new_link",
    ];
    assert_eq!(changes.left_out, expected.map(PathBuf::from));
    assert_eq!(changes.patch.matches("diff --git").count(), 1);
    apply_by_hand(user.path(), &changes.patch);
    assert_eq!(
        fs::read_to_string(user.path().join("text")).unwrap(),
        "two\n"
    );
}

#[test]
fn the_right_to_execute_is_part_of_a_patch_and_writing_keeps_it() {
    let user = folder(&[("run.sh", "#!/bin/sh\n")]);
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o111;
    let copy = WorkCopy::of(user.path()).unwrap();
    let run = copy.folder().join("run.sh");
    fs::set_permissions(&run, fs::Permissions::from_mode(0o755)).unwrap();
    copy.write(Path::new("run.sh"), "#!/bin/bash\n").unwrap();
    assert_ne!(mode(&run), 0);
    engraft_agents::apply_to_user_tree(user.path(), &copy.diff().unwrap()).unwrap();
    assert_ne!(mode(&user.path().join("run.sh")), 0);
}

#[test]
fn comparing_twice_says_the_same_and_changes_nothing() {
    let user = folder(&[("a", "one\n")]);
    let copy = WorkCopy::of(user.path()).unwrap();
    put(copy.folder(), "a", "two\n");
    put(copy.folder(), "b", "new\n");
    let before = everything(copy.folder());
    let first = copy.changes().unwrap();
    assert_eq!(copy.changes().unwrap(), first);
    assert_eq!(everything(copy.folder()), before);
    put(copy.folder(), "a", "one\n");
    fs::remove_file(copy.folder().join("b")).unwrap();
    assert_eq!(copy.diff().unwrap(), "");
}

#[test]
fn a_patch_that_does_not_fit_is_refused_with_git_s_reason_and_changes_nothing() {
    let user = folder(&[("a", "one\n"), ("b", "one\n")]);
    let copy = WorkCopy::of(user.path()).unwrap();
    put(copy.folder(), "a", "two\n");
    put(copy.folder(), "b", "two\n");
    let patch = copy.diff().unwrap();
    copy.reset().unwrap();
    put(copy.folder(), "b", "else\n");
    let refused = copy.apply(&patch).unwrap_err().to_string();
    assert!(refused.contains("patch does not apply"), "{refused}");
    assert_eq!(copy.read(Path::new("a")).unwrap(), "one\n");
    copy.reset().unwrap();
    copy.apply(&patch).unwrap();
    assert_eq!(copy.diff().unwrap(), patch);
    assert!(copy.apply("no patch").is_err());
}
