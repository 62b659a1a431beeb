//! A noun finder of rules: it stands in for a tagger and takes every word for a noun that nothing
//! speaks against.

use std::{collections::BTreeSet, sync::LazyLock};

/// A noun of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Noun {
    /// Lower case, singular.
    pub lemma: String,
    /// With the capitals it has inside a sentence.
    pub spelled: String,
}

/// Words that are no nouns, or hardly ever: function words, common verbs, adverbs and adjectives.
const OTHERS: &str = "a about above across after again against all almost along already also although \
    always am among an and another any anybody anyone anything are around as at away be became because \
    become becomes been before began behind being below beside between beyond big both bring brought but \
    by call called came can cannot come comes could did different do does done down during each either \
    else enough even ever every everybody everyone everything few find first for found from full gave \
    get gets give given gives go goes gone good got great had has have having he held help her here hers \
    herself high him himself his how however i if in into is it its itself just keep kept know known \
    knows large last later least left less let like likes little live lived lives long made make makes \
    many may me might mine more most much must my myself near need needs neither never new next no nobody \
    none nor not nothing now of off often old on once one only onto or other others our ours ourselves \
    out over own part perhaps put quite ran rather read run runs said same saw say says second see seem \
    seems seen several shall she should show shown since small so some somebody someone something \
    sometimes soon still such take taken takes tell than that the their theirs them themselves then there \
    these they thing things third this those though three through thus to together told too took toward \
    two under until up upon us use used uses very via want wants was we well went were what when where \
    whether which while who whom whose why will with within without would write written wrote yes yet \
    you your yours yourself";

/// Endings of words that are seldom nouns.
const ENDINGS: [&str; 5] = ["ly", "ing", "ed", "ous", "ful"];
/// Shorter words may have such an ending by chance: "king", "bed", "fly".
const LONG: usize = 6;

/// The nouns of a text as lemmas.
pub fn nouns(text: &str) -> BTreeSet<String> {
    let all = groups(text).into_iter().flatten().flatten();
    all.map(|noun| noun.lemma).collect()
}

/// For each sentence its groups of nouns that stand side by side.
pub fn groups(text: &str) -> Vec<Vec<Vec<Noun>>> {
    let sentences = text.split(['.', '!', '?', ';', ':', '\n']);
    let groups = sentences.map(groups_of_sentence);
    groups.filter(|groups| !groups.is_empty()).collect()
}

fn groups_of_sentence(sentence: &str) -> Vec<Vec<Noun>> {
    let mut groups: Vec<Vec<Noun>> = Vec::new();
    let mut open = false;
    for (place, piece) in sentence.split_whitespace().enumerate() {
        let word = piece.trim_matches(|c: char| !c.is_alphabetic());
        let word = word
            .strip_suffix("'s")
            .or(word.strip_suffix("’s"))
            .unwrap_or(word);
        let found = noun(word, place == 0);
        let goes_on = found.is_some() && piece.ends_with(char::is_alphabetic);
        match (found, groups.last_mut()) {
            (Some(noun), Some(group)) if open => group.push(noun),
            (Some(noun), _) => groups.push(vec![noun]),
            (None, _) => {}
        }
        open = goes_on;
    }
    groups
}

/// The noun that a word is, if it may be one. Capitals speak for a noun, but for the first word of a
/// sentence.
fn noun(word: &str, first: bool) -> Option<Noun> {
    static NONE: LazyLock<BTreeSet<&str>> = LazyLock::new(|| OTHERS.split_whitespace().collect());
    let lower = word.to_lowercase();
    let capital = word.starts_with(char::is_uppercase);
    let length = lower.chars().count();
    let ending = length >= LONG && ENDINGS.iter().any(|ending| lower.ends_with(ending));
    if length < 2 || NONE.contains(lower.as_str()) || (ending && !capital) {
        return None;
    }
    let lemma = if capital { lower } else { singular(lower) };
    Some(Noun {
        spelled: match capital && !first {
            true => word.to_owned(),
            false => lemma.clone(),
        },
        lemma,
    })
}

/// A noun without the endings of a plural.
fn singular(mut noun: String) -> String {
    let length = noun.len();
    let ends = |endings: &[&str]| endings.iter().any(|ending| noun.ends_with(ending));
    if length > 4 && ends(&["ies"]) {
        noun.truncate(length - 3);
        noun.push('y');
    } else if length > 4 && ends(&["sses", "shes", "ches", "xes"]) {
        noun.truncate(length - 2);
    } else if length > 3 && ends(&["s"]) && !ends(&["ss", "us", "is"]) {
        noun.truncate(length - 1);
    }
    noun
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lemmas(text: &str) -> Vec<String> {
        nouns(text).into_iter().collect()
    }

    #[test]
    fn kid_nouns_are_singular_and_names_stay_as_they_are() {
        assert_eq!(
            lemmas("What is the capital of Belgium? The cities of Athens' churches."),
            ["athens", "belgium", "capital", "church", "city"]
        );
        assert_eq!(
            lemmas("The bus and its glasses were quickly sold."),
            ["bus", "glass", "sold"]
        );
        assert!(lemmas("It was what they had. 42, a — !").is_empty());
        assert!(lemmas("").is_empty());
    }

    #[test]
    fn kid_groups_end_at_commas_and_words_that_are_no_nouns() {
        let groups = groups("Ada's alcohol blood level, doctors of Brussels");
        let lemmas: Vec<Vec<&str>> = groups[0]
            .iter()
            .map(|group| group.iter().map(|noun| noun.lemma.as_str()).collect())
            .collect();
        let first = ["ada", "alcohol", "blood", "level"];
        assert_eq!(lemmas, [&first[..], &["doctor"], &["brussels"]]);
        assert_eq!(groups[0][2][0].spelled, "Brussels");
    }
}
