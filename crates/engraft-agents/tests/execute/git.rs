//! Nothing can be planted for the git of whoever looks at the work copy afterwards.

use std::{fs, path::Path, process::Command};

use engraft_agents::Limits;

use crate::place;

fn git(folder: &Path, arguments: &[&str]) -> String {
    let output = Command::new("git")
        .current_dir(folder)
        .args(["-c", "user.name=n", "-c", "user.email=e"])
        .args(arguments)
        .output()
        .unwrap();
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// A command that tries every way to be run by the next git.
const PLANT: &str = r#"
mark=$PWD/ran
chmod -R u+w .git
mkdir -p .git/hooks
for hook in pre-commit post-checkout post-index-change fsmonitor; do
    printf '#!/bin/sh\ntouch %s\n' "$mark" > .git/hooks/$hook
    chmod +x .git/hooks/$hook
done
printf '[core]\n\tfsmonitor = touch %s\n[filter "x"]\n\tclean = touch %s\n' "$mark" "$mark" >> .git/config
echo '* filter=x' > .gitattributes
mv .git old && mkdir .git
rm -rf .git
ln -s /tmp .git
git init -q . && git config core.fsmonitor "touch $mark"
true
"#;

#[test]
fn a_repository_keeps_its_hooks_and_settings() {
    let Some(place) = place(Limits::default()) else {
        return;
    };
    git(place.path(), &["init", "-q"]);
    fs::write(place.path().join("file"), "text\n").unwrap();
    git(place.path(), &["add", "file"]);
    git(place.path(), &["commit", "-q", "-m", "first"]);
    let config = fs::read_to_string(place.path().join(".git/config")).unwrap();
    let hooks = fs::read_dir(place.path().join(".git/hooks"))
        .unwrap()
        .count();

    let seen = place.sh("cat .git/config; ls -A .git");
    assert_eq!(seen.stdout, "", "credentials in the settings would show");
    place.sh(PLANT);

    let after = fs::read_to_string(place.path().join(".git/config")).unwrap();
    assert_eq!(after, config);
    let left = fs::read_dir(place.path().join(".git/hooks"))
        .unwrap()
        .count();
    assert_eq!(left, hooks);
    fs::write(place.path().join("file"), "changed\n").unwrap();
    assert!(git(place.path(), &["status", "--short"]).contains("file"));
    assert!(git(place.path(), &["diff"]).contains("changed"));
    assert!(!place.path().join("ran").exists());
}

#[test]
fn the_git_file_of_a_worktree_stays_what_it_is() {
    let Some(place) = place(Limits::default()) else {
        return;
    };
    let file = place.path().join(".git");
    fs::write(&file, "gitdir: /no/such/place\n").unwrap();
    place.sh(PLANT);
    let after = fs::read_to_string(&file).unwrap();
    assert_eq!(after, "gitdir: /no/such/place\n");
}

#[test]
fn where_there_was_no_repository_none_can_be_made() {
    let Some(place) = place(Limits::default()) else {
        return;
    };
    place.sh(PLANT);
    let left: Vec<_> = fs::read_dir(place.path().join(".git"))
        .unwrap()
        .flatten()
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn a_git_that_is_a_link_is_refused() {
    use engraft_agents::Executor;
    let Some(place) = place(Limits::default()) else {
        return;
    };
    std::os::unix::fs::symlink("/tmp", place.path().join(".git")).unwrap();
    let refused = place.sandbox.run(place.path(), &["true"]).unwrap_err();
    assert!(refused.to_string().contains("is a link"), "{refused}");
}
