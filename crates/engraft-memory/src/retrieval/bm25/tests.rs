//! Claims about BM25 and its index.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

const WORDS: [&str; 6] = ["cache", "leaks", "router", "drops", "stale", "token"];

fn all(index: &Bm25, query: &[&str], documents: u32) -> Vec<f64> {
    let mut scores = Scores::default();
    index.scores(query, &mut scores);
    (0..documents)
        .map(|document| scores.get(document))
        .collect()
}

#[test]
fn a_word_that_most_documents_hold_counts_a_part_of_the_mean() {
    let mut index = Bm25::default();
    index.add(0, &["cache", "leaks"]);
    index.add(1, &["cache", "drops"]);
    index.add(2, &["cache"]);
    let rare = 2.5f64.ln() - 1.5f64.ln();
    let common = 0.5f64.ln() - 3.5f64.ln();
    let mean = (common + rare + rare) / 3.0;
    assert!((index.mean_idf() - mean).abs() < 1e-12);
    assert_eq!(index.idf("cache"), Some(0.25 * index.mean_idf()));
}

#[test]
fn words_that_no_document_holds_and_empty_documents_score_nothing() {
    let mut index = Bm25::default();
    index.add::<&str>(0, &[]);
    assert_eq!(all(&index, &["cache"], 1), [0.0]);
    assert_eq!(index.idf("cache"), None);
}

proptest! {
    #[test]
    fn an_index_after_changes_scores_as_one_built_anew(
        changes in prop::collection::vec(
            (0u32..12, prop::option::of(prop::collection::vec(0usize..6, 0..8))),
            1..60,
        ),
        query in prop::collection::vec(0usize..6, 0..6),
    ) {
        let mut changed = Bm25::default();
        let mut texts: BTreeMap<u32, Vec<&str>> = BTreeMap::new();
        for (document, words) in changes {
            match words {
                Some(words) => {
                    let words: Vec<&str> = words.into_iter().map(|word| WORDS[word]).collect();
                    changed.add(document, &words);
                    texts.insert(document, words);
                }
                None => prop_assert_eq!(
                    changed.remove(document),
                    texts.remove(&document).is_some()
                ),
            }
        }
        let mut anew = Bm25::default();
        for (&document, words) in &texts {
            anew.add(document, words);
        }
        let query: Vec<&str> = query.into_iter().map(|word| WORDS[word]).collect();
        let pairs = all(&changed, &query, 12).into_iter().zip(all(&anew, &query, 12));
        for (got, want) in pairs {
            prop_assert!((got - want).abs() < 1e-9, "{got} {want}");
        }
        prop_assert_eq!(changed.len(), anew.len());
        prop_assert!((changed.mean_idf() - anew.mean_idf()).abs() < 1e-9);
    }
}
