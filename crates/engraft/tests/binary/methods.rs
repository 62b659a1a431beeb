//! The registry of methods, on the screen and as pages of the book.

use std::{fs, io::Read, process::Stdio};

use crate::support::Workplace;

#[test]
fn every_method_is_listed_with_its_source_and_shown_with_its_settings() {
    let place = Workplace::new();
    let table = place.engraft(&["methods"]).done();
    for method in ["kl", "reverse-kl", "jsd", "taid", "dkd", "capacity"] {
        assert!(
            table
                .lines()
                .any(|line| line.split_whitespace().next() == Some(method)),
            "{table}"
        );
    }
    let methods = table.matches("      source: ").count();
    assert!(
        methods > 15 && methods == table.matches("      evidence: ").count(),
        "{table}"
    );
    let page = place.engraft(&["methods", "show", "taid"]).done();
    for part in [
        "# ",
        "## What it does",
        "## When to use",
        "## Reference",
        "t_start",
        "arXiv",
    ] {
        assert!(page.contains(part), "{part}: {page}");
    }
    place.refuses(
        &["methods", "show", "tiad"],
        1,
        &["`tiad`", "did you mean `taid`?"],
    );
}

#[test]
fn the_book_is_written_and_a_stale_page_is_named() {
    let place = Workplace::new();
    place.engraft(&["methods", "book", "pages"]).done();
    let page = place.engraft(&["methods", "show", "jsd"]).done();
    assert_eq!(place.read("pages/jsd.md"), page);
    let check = ["methods", "book", "pages", "--check"];
    place.engraft(&check).done();
    place.write("pages/jsd.md", page + "\nby hand\n");
    place.refuses(
        &check,
        1,
        &["pages/jsd.md is stale", "engraft methods book pages"],
    );
    place.engraft(&["methods", "book", "pages"]).done();
    place.engraft(&check).done();
    fs::remove_file(place.path("pages/taid.md")).unwrap();
    place.refuses(&check, 1, &["pages/taid.md is stale"]);
    place.refuses(
        &["methods", "book", "pages/kl.md"],
        1,
        &["pages/kl.md", "cannot make"],
    );
}

#[test]
fn a_reader_who_leaves_early_breaks_nothing() {
    let place = Workplace::new();
    let mut child = place
        .command(&["methods"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // `engraft methods | head -0`
    drop(child.stdout.take());
    let mut err = String::new();
    child
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut err)
        .unwrap();
    assert_eq!((child.wait().unwrap().code(), err.as_str()), (Some(0), ""));
}
