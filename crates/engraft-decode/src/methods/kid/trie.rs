//! Strings of knowledge, found by how they begin.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Bound,
};

use super::nouns::{Noun, groups};

/// Keys of words joined by spaces, in alphabetical order, so that all with one beginning are
/// neighbours.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trie {
    keys: BTreeSet<String>,
    /// How documents spell a word that is not spelled as in the keys.
    spellings: BTreeMap<String, String>,
}

impl Trie {
    /// Of these keys.
    pub fn of_keys(keys: impl IntoIterator<Item = String>) -> Self {
        Self {
            keys: keys.into_iter().collect(),
            spellings: BTreeMap::new(),
        }
    }

    /// Of documents: for each two groups of nouns that follow each other in a sentence a key of the
    /// words of both, as of a subject and its object; a lone group is a key by itself.
    pub fn of_documents(text: &str) -> Self {
        let mut trie = Self::default();
        for sentence in groups(text) {
            for noun in sentence
                .iter()
                .flatten()
                .filter(|noun| noun.spelled != noun.lemma)
            {
                let entry = trie.spellings.entry(noun.lemma.clone());
                entry.or_insert_with(|| noun.spelled.clone());
            }
            let joined = |groups: &[Vec<Noun>]| {
                let words = groups.iter().flatten().map(|noun| noun.lemma.as_str());
                words.collect::<Vec<_>>().join(" ")
            };
            match sentence.len() {
                0 => {}
                1 => trie.keys.extend([joined(&sentence)]),
                _ => trie.keys.extend(sentence.windows(2).map(joined)),
            }
        }
        trie
    }

    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The keys that begin with these words, in alphabetical order; with `characters` those that begin
    /// with these letters.
    pub fn beginning_with<'a>(
        &'a self,
        prefix: &'a str,
        characters: bool,
    ) -> impl Iterator<Item = &'a str> {
        let from = (Bound::Included(prefix), Bound::Unbounded);
        let from = self.keys.range::<str, _>(from);
        let matching = from.take_while(move |key| key.starts_with(prefix));
        let whole = move |key: &&String| {
            let rest = &key[prefix.len()..];
            characters || rest.is_empty() || rest.starts_with(' ')
        };
        matching.filter(whole).map(String::as_str)
    }

    /// The words of all keys that begin with one of the entities, and with one of the words found, and
    /// so on, `hops` times.
    pub fn words(
        &self,
        entities: &BTreeSet<String>,
        hops: usize,
        characters: bool,
    ) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        let mut asked = entities.clone();
        for _ in 0..hops {
            let keys = asked
                .iter()
                .flat_map(|entity| self.beginning_with(entity, characters));
            let words: BTreeSet<String> = keys
                .flat_map(|key| key.split(' ').map(str::to_owned))
                .collect();
            found.extend(words.iter().cloned());
            asked = words;
        }
        found
    }

    /// How documents spell a word of a key.
    pub fn spelling<'a>(&'a self, word: &'a str) -> &'a str {
        self.spellings.get(word).map_or(word, String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drugs() -> Trie {
        let keys = [
            "drug driver ability",
            "drug",
            "drugstore owner",
            "driver license",
        ];
        Trie::of_keys(keys.map(str::to_owned))
    }

    #[test]
    fn kid_lookups_end_at_the_end_of_a_word() {
        let found = |prefix, characters| -> Vec<String> {
            let trie = drugs();
            let keys = trie.beginning_with(prefix, characters);
            keys.map(str::to_owned).collect()
        };
        assert_eq!(found("drug", false), ["drug", "drug driver ability"]);
        assert_eq!(found("drug", true).len(), 3);
        assert!(found("license", true).is_empty());
    }

    #[test]
    fn kid_a_second_hop_asks_for_what_the_first_found() {
        let asked = BTreeSet::from(["drug".to_owned()]);
        let words = |hops| drugs().words(&asked, hops, false);
        assert!(!words(1).contains("license"));
        assert!(words(2).contains("license"));
        assert!(words(0).is_empty());
    }

    #[test]
    fn kid_keys_of_documents_lead_from_subject_to_object() {
        let trie = Trie::of_documents("The capital of Belgium is Brussels. Dogs bark at cats.");
        let keys: Vec<&str> = trie.beginning_with("belgium", false).collect();
        assert_eq!(keys, ["belgium brussels"]);
        assert_eq!(trie.spelling("brussels"), "Brussels");
        assert_eq!(trie.spelling("cat"), "cat");
        assert!(Trie::of_documents("It was.").is_empty());
    }
}
