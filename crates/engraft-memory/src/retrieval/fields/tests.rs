//! Claims about search over several fields.

use proptest::prelude::*;

use super::*;
use crate::retrieval::tokens::tokens;

fn titled(titles: &[&str]) -> Fields<usize> {
    let mut fields = Fields::new(&["title", "body"], Okapi::default());
    for (key, title) in titles.iter().enumerate() {
        let words = tokens(title);
        let inserted = fields.insert(key, Group::of(title), &[("title", &words)]);
        inserted.unwrap();
    }
    fields
}

fn query(text: &str) -> [FieldQuery<'static>; 1] {
    [FieldQuery {
        field: "title",
        tokens: tokens(text),
        weight: 1.0,
    }]
}

fn keys<K>(hits: Vec<Hit<K>>) -> Vec<K> {
    hits.into_iter().map(|hit| hit.key).collect()
}

#[test]
fn documents_without_a_word_of_the_query_come_before_those_with_a_negative_score() {
    let fields = titled(&["a", "a", "", "a"]);
    let hits = fields.search(&query("a"), 3).unwrap();
    assert_eq!(keys(hits), [2, 0, 1]);
}

#[test]
fn a_changed_document_keeps_its_place_among_equals() {
    let mut fields = titled(&["a", "b", "c"]);
    let words = tokens("z");
    fields
        .insert(0, Group::of("z"), &[("title", &words)])
        .unwrap();
    assert_eq!(keys(fields.search(&query("none"), 9).unwrap()), [0, 1, 2]);
}

#[test]
fn one_of_each_group_is_shown() {
    let fields = titled(&["a b", " a b ", "b", "b c"]);
    let hits = fields.search(&query("none"), 10).unwrap();
    assert_eq!(keys(one_per_group(hits, 3)), [0, 2, 3]);
}

#[test]
fn an_unknown_field_is_named_with_the_known_ones() {
    let fields = titled(&["a"]);
    let asked = [FieldQuery {
        field: "titel",
        ..query("a")[0].clone()
    }];
    let error = fields.search(&asked, 1).unwrap_err().to_string();
    assert!(
        error.contains("`titel`") && error.contains("`title`"),
        "{error}"
    );
}

#[test]
fn gaps_are_closed_without_a_change_of_order() {
    let titles: Vec<String> = (0..3000).map(|number| format!("w{}", number % 7)).collect();
    let titles: Vec<&str> = titles.iter().map(String::as_str).collect();
    let mut fields = titled(&titles);
    for key in 0..3000 {
        if key % 5 != 3 {
            assert!(fields.remove(&key));
        }
    }
    assert!(fields.rows.len() < 3000, "gaps were closed");
    let mut anew = Fields::new(&["title", "body"], Okapi::default());
    for key in (3..3000).step_by(5) {
        let words = tokens(titles[key]);
        let group = Group::of(titles[key]);
        anew.insert(key, group, &[("title", &words)]).unwrap();
    }
    let asked = query("w1 w3");
    let all = fields.search(&asked, 600).unwrap();
    assert_eq!(all.len(), 600);
    assert_eq!(all, anew.search(&asked, 600).unwrap());
}

proptest! {
    #[test]
    fn the_best_are_those_of_all_documents_scored_and_sorted(
        texts in prop::collection::vec(("[ab ]{0,6}", "[bc ]{0,6}"), 1..30),
        asked in ("[abc ]{0,5}", "[abc ]{0,5}"),
        most in 1usize..12,
    ) {
        let mut fields = Fields::new(&["one", "two"], Okapi::default());
        for (key, (one, two)) in texts.iter().enumerate() {
            let (one, two) = (tokens(one), tokens(two));
            fields.insert(key, Group::of(""), &[("one", &one), ("two", &two)]).unwrap();
        }
        let queries = [("one", &asked.0, 0.6), ("two", &asked.1, 0.4)].map(
            |(field, text, weight)| FieldQuery { field, tokens: tokens(text), weight },
        );
        let mut sums = vec![0.0; texts.len()];
        for query in &queries {
            let scores = fields.field_scores(query.field, &query.tokens).unwrap();
            let scores: Vec<f64> = scores.into_iter().map(|(_, score)| score).collect();
            let least = scores.iter().copied().fold(f64::INFINITY, f64::min);
            let largest = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            for (sum, score) in sums.iter_mut().zip(scores) {
                *sum += query.weight * ((score - least) / (largest - least + 1e-8));
            }
        }
        let mut order: Vec<usize> = (0..texts.len()).collect();
        order.sort_by(|&a, &b| sums[b].total_cmp(&sums[a]));
        order.truncate(most);
        prop_assert_eq!(keys(fields.search(&queries, most).unwrap()), order);
    }
}
