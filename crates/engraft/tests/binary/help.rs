//! Words for those who do not know the words yet.

use crate::support::Workplace;

const VERBS: [&str; 18] = [
    "run",
    "train",
    "distill",
    "teach",
    "prune",
    "augment",
    "compare",
    "probe",
    "generate",
    "chat",
    "score",
    "heads",
    "overshadow",
    "graph",
    "methods",
    "ledger",
    "pull",
    "models",
];

#[test]
fn every_verb_explains_itself() {
    let place = Workplace::new();
    let whole = place.engraft(&["--help"]).done();
    for verb in VERBS {
        assert!(whole.contains(&format!("\n  {verb} ")), "{verb}: {whole}");
        let told = place.engraft(&[verb, "--help"]).done();
        assert!(told.contains(&format!("Usage: engraft {verb}")), "{told}");
        let undescribed = told.lines().zip(told.lines().skip(1)).find(|(line, next)| {
            // A flag's own line, then its description further to the right.
            line.trim_start().starts_with("--") && !line.contains("  ") && next.trim().is_empty()
        });
        assert_eq!(undescribed, None, "{told}");
    }
    assert!(place.files().is_empty());
}

#[test]
fn distill_shows_the_settings_of_the_method_that_was_chosen() {
    let place = Workplace::new();
    let usual = place.engraft(&["distill", "--help"]).done();
    assert!(usual.starts_with("Distil a teacher"), "{usual}");
    assert!(
        usual.contains("Settings of kl:") && !usual.contains("--t-start"),
        "{usual}"
    );
    let taid = place
        .engraft(&["distill", "--method", "taid", "--help"])
        .done();
    assert!(
        taid.contains("Settings of taid:") && taid.contains("--t-start"),
        "{taid}"
    );
    let wrong = ["distill", "--method", "tiad", "--help"];
    place.refuses(&wrong, 2, &["`tiad`", "did you mean `taid`?"]);
}

#[test]
fn the_version_is_the_packages() {
    let place = Workplace::new();
    let told = place.engraft(&["--version"]).done();
    assert_eq!(
        told.trim(),
        format!("engraft {}", env!("CARGO_PKG_VERSION"))
    );
}

#[test]
fn wrong_usage_ends_with_code_2_and_one_error() {
    let place = Workplace::with_small_recipe();
    for (words, said) in [
        (&["trian"][..], "train"),
        (&["run"], "<RECIPE>"),
        (&["run", "small.yaml", "--dryrun"], "--dry-run"),
        (&["run", "small.yaml", "--set", "steps"], "no `=`"),
        (&["train", "--model", "m"], "--data"),
        (
            &[
                "distill",
                "--teacher",
                "t",
                "--student",
                "s",
                "--data",
                "d",
                "--steps",
                "many",
            ],
            "many",
        ),
        (&["ledger", "tell"], "tell"),
    ] {
        place.refuses(words, 2, &[said]);
    }
    let nothing = place.engraft(&[]);
    assert_eq!(nothing.code, Some(2));
    assert!(nothing.err.contains("Usage: engraft"), "{}", nothing.err);
}
