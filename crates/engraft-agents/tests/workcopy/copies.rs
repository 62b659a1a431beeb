//! What is copied, from every kind of folder.

use std::{fs, os::unix::ffi::OsStrExt, path::Path};

use engraft_agents::WorkCopy;

use crate::{everything, folder, git, names, put, repository};

#[test]
fn uncommitted_and_untracked_files_come_along_and_ignored_ones_do_not() {
    let user = repository(&[("a.py", "a\n"), ("b.py", "b\n"), (".gitignore", "*.log\n")]);
    put(user.path(), "a.py", "changed\n");
    put(user.path(), "new.py", "new\n");
    put(user.path(), "old.log", "ignored\n");
    put(user.path(), ".git/info/exclude", "private\n");
    put(user.path(), "private", "ignored too\n");
    fs::remove_file(user.path().join("b.py")).unwrap();
    let before = everything(user.path());

    let copy = WorkCopy::of(user.path()).unwrap();
    assert_eq!(names(&copy), [".gitignore", "a.py", "new.py"]);
    assert_eq!(copy.read(Path::new("a.py")).unwrap(), "changed\n");
    assert_eq!(
        copy.diff().unwrap(),
        "",
        "all of it is where the repair starts"
    );
    let head = git(user.path(), &["rev-parse", "HEAD"]);
    assert_eq!(copy.head(), Some(head.trim()));

    copy.write(Path::new("a.py"), "repaired\n").unwrap();
    put(copy.folder(), "private", "ignored as before\n");
    assert_eq!(names(&copy), [".gitignore", "a.py", "new.py"]);
    drop(copy);
    assert_eq!(
        everything(user.path()),
        before,
        "the user's folder is as it was"
    );
}

#[test]
fn a_folder_without_git_and_a_repository_without_commits_do_as_well() {
    let plain = folder(&[
        ("a.py", "a\n"),
        ("sub/b.py", "b\n"),
        ("sub/__pycache__/b.pyc", "x"),
    ]);
    let empty = folder(&[("a.py", "a\n"), ("sub/b.py", "b\n")]);
    git(empty.path(), &["init", "-q"]);
    for user in [plain, empty] {
        let before = everything(user.path());
        let copy = WorkCopy::of(user.path()).unwrap();
        assert_eq!(names(&copy), ["a.py", "sub/b.py"]);
        assert_eq!(copy.head(), None);
        copy.write(Path::new("sub/b.py"), "c\n").unwrap();
        assert!(copy.diff().unwrap().contains("-b\n+c\n"));
        assert_eq!(everything(user.path()), before);
    }
}

#[test]
fn nothing_at_all_is_a_work_copy_too() {
    let user = folder(&[]);
    let copy = WorkCopy::of(user.path()).unwrap();
    assert!(names(&copy).is_empty());
    copy.write(Path::new("first.py"), "x = 1\n").unwrap();
    assert!(copy.diff().unwrap().contains("+x = 1\n"));
}

#[test]
fn a_folder_within_a_repository_is_copied_by_itself_and_one_that_it_ignores_too() {
    let user = repository(&[
        ("top.py", ""),
        ("sub/a.py", "a\n"),
        (".gitignore", "own/\n"),
    ]);
    put(user.path(), "own/b.py", "b\n");
    let copy = WorkCopy::of(&user.path().join("sub")).unwrap();
    assert_eq!(names(&copy), ["a.py"]);
    let copy = WorkCopy::of(&user.path().join("own")).unwrap();
    assert_eq!(names(&copy), ["b.py"]);
}

#[test]
fn the_files_of_submodules_are_copied_and_their_changes_apply_to_the_original() {
    let library = repository(&[("lib.py", "one\n"), (".gitignore", "*.tmp\n")]);
    let user = repository(&[("a.py", "a\n")]);
    let address = library.path().to_str().unwrap();
    git(
        user.path(),
        &["submodule", "--quiet", "add", address, "vendor/lib"],
    );
    git(user.path(), &["commit", "-q", "-m", "second"]);
    put(user.path(), "vendor/lib/x.tmp", "ignored");
    let copy = WorkCopy::of(user.path()).unwrap();
    let expected = [
        ".gitmodules",
        "a.py",
        "vendor/lib/.gitignore",
        "vendor/lib/lib.py",
    ];
    assert_eq!(names(&copy), expected);
    copy.write(Path::new("vendor/lib/lib.py"), "two\n").unwrap();
    engraft_agents::apply_to_user_tree(user.path(), &copy.diff().unwrap()).unwrap();
    let lib = fs::read_to_string(user.path().join("vendor/lib/lib.py")).unwrap();
    assert_eq!(lib, "two\n");
}

#[test]
fn links_are_copied_as_links_and_never_followed() {
    let outside = folder(&[("secret", "secret"), ("sub/other", "other")]);
    let user = repository(&[("a.py", "a\n")]);
    let link = |target: &Path, name: &str| {
        std::os::unix::fs::symlink(target, user.path().join(name)).unwrap();
    };
    link(&outside.path().join("secret"), "file");
    link(outside.path(), "folder");
    link(Path::new("a.py"), "inner");
    git(user.path(), &["add", "-A"]);
    let copy = WorkCopy::of(user.path()).unwrap();
    let target = fs::read_link(copy.folder().join("folder")).unwrap();
    assert_eq!(target, outside.path());
    assert_eq!(names(&copy), ["a.py"]);
    assert_eq!(copy.read(Path::new("inner")).unwrap(), "a\n");
    for path in ["file", "folder/secret", "folder/new", "folder/sub/other"] {
        let path = Path::new(path);
        let unread = copy.read(path).unwrap_err().to_string();
        assert!(unread.contains("leads out"), "{unread}");
        copy.write(path, "x").unwrap_err();
    }
    assert_eq!(everything(outside.path()).len(), 2);
    assert_eq!(
        fs::read_to_string(outside.path().join("secret")).unwrap(),
        "secret"
    );
}

#[test]
fn names_of_any_kind_are_copied_and_come_out_in_patches() {
    let user = folder(&[]);
    let odd: [&[u8]; 5] = [
        b"line\nend.py",
        b"quote\"'.py",
        b"\xff\xfe.py",
        b"-rf",
        b"sp ace\t.py",
    ];
    let path = |name: &[u8]| Path::new(std::ffi::OsStr::from_bytes(name)).to_owned();
    for name in odd {
        fs::write(user.path().join(path(name)), "one\n").unwrap();
    }
    for git_too in [false, true] {
        if git_too {
            git(user.path(), &["init", "-q"]);
            git(user.path(), &["add", "-A"]);
        }
        let copy = WorkCopy::of(user.path()).unwrap();
        assert_eq!(copy.files().unwrap().len(), odd.len());
        for name in odd {
            copy.write(&path(name), "two\n").unwrap();
        }
        let fresh = WorkCopy::of(user.path()).unwrap();
        fresh.apply(&copy.diff().unwrap()).unwrap();
        for name in odd {
            assert_eq!(fresh.read(&path(name)).unwrap(), "two\n");
        }
    }
}

#[test]
fn binary_and_huge_files_are_copied_and_not_shown() {
    let user = folder(&[]);
    put(user.path(), "binary", b"a\xff\0b");
    put(user.path(), "huge", vec![b'x'; (1 << 20) + 1]);
    let copy = WorkCopy::of(user.path()).unwrap();
    assert_eq!(names(&copy), ["binary", "huge"]);
    assert_eq!(fs::read(copy.folder().join("binary")).unwrap(), b"a\xff\0b");
    let refused = copy.read(Path::new("huge")).unwrap_err().to_string();
    assert!(refused.contains("1048577"), "{refused}");
    assert!(copy.read(Path::new("binary")).is_err());
}

#[test]
fn a_fork_changes_by_itself_and_shares_the_base() {
    let user = repository(&[("a.py", "a\n"), ("run.sh", "#!/bin/sh\n")]);
    let first = WorkCopy::of(user.path()).unwrap();
    first.write(Path::new("a.py"), "b\n").unwrap();
    let second = first.fork().unwrap();
    assert_eq!(second.diff().unwrap(), first.diff().unwrap());
    second.write(Path::new("a.py"), "c\n").unwrap();
    assert_eq!(first.read(Path::new("a.py")).unwrap(), "b\n");
    assert_eq!(second.base(), first.base());
    drop(first);
    second.reset().unwrap();
    assert_eq!(second.read(Path::new("a.py")).unwrap(), "a\n");
    assert_eq!(second.diff().unwrap(), "");
}

#[test]
fn reset_puts_the_base_back_to_the_byte() {
    let user = folder(&[
        ("a.py", "a\r\n"),
        ("sub/b.py", "b"),
        (".gitignore", "*.log\n"),
    ]);
    put(user.path(), ".gitattributes", "* text eol=lf\n");
    put(user.path(), "binary", b"\0\r\n\xff");
    std::os::unix::fs::symlink("a.py", user.path().join("link")).unwrap();
    let copy = WorkCopy::of(user.path()).unwrap();
    let before = everything(copy.folder());
    put(copy.folder(), "a.py", "x");
    put(copy.folder(), "binary", "x");
    put(copy.folder(), "left.log", "ignored");
    put(copy.folder(), "new/file", "new");
    fs::remove_file(copy.folder().join("link")).unwrap();
    fs::remove_dir_all(copy.folder().join("sub")).unwrap();
    copy.reset().unwrap();
    assert_eq!(everything(copy.folder()), before);
}

#[test]
fn a_machine_without_git_is_told_what_to_install() {
    const NONE: &str = "NO_GIT_FOLDER";
    if let Some(user) = std::env::var_os(NONE) {
        println!("{}", WorkCopy::of(Path::new(&user)).unwrap_err());
        return;
    }
    // The same test once more, as a process that finds no git.
    let user = folder(&[("a.py", "a\n")]);
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "--nocapture"])
        .arg("copies::a_machine_without_git_is_told_what_to_install")
        .env("PATH", user.path())
        .env(NONE, user.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("install the package git"), "{said}");
}

#[test]
fn a_folder_that_is_not_there_or_is_broken_is_refused() {
    let refused = WorkCopy::of(Path::new("/no/such/folder")).unwrap_err();
    assert!(refused.to_string().contains("/no/such/folder"));
    let broken = folder(&[("a.py", "a\n"), (".git", "gitdir: /no/such/place\n")]);
    let refused = WorkCopy::of(broken.path()).unwrap_err().to_string();
    assert!(refused.contains("git refuses"), "{refused}");
}
