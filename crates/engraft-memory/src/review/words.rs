//! The words of a text by what they do: they say what it is about, deny it, or count.

use std::collections::BTreeSet;

/// In what two items differ that say nearly the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Difference {
    /// Numbers that only the older, and only the newer one has.
    Numbers(Vec<String>, Vec<String>),
    /// Only one of them denies.
    Negation,
    /// Words that only the older, and only the newer one has.
    Words(Vec<String>, Vec<String>),
}

/// Words of so many texts that they tell nothing about one.
const COMMON: &[&str] = &[
    "a", "an", "and", "are", "as", "at", "be", "been", "but", "by", "can", "could", "did", "do",
    "does", "for", "from", "had", "has", "have", "he", "her", "his", "how", "i", "if", "in",
    "into", "is", "it", "its", "may", "might", "must", "of", "on", "or", "our", "she", "should",
    "so", "some", "such", "than", "that", "the", "their", "them", "then", "there", "these", "they",
    "this", "those", "to", "was", "we", "were", "what", "when", "where", "which", "while", "who",
    "will", "with", "would", "you", "your",
];

/// Words that turn a statement into its opposite.
const DENYING: &[&str] = &[
    "avoid", "cannot", "disable", "disabled", "except", "false", "neither", "never", "no", "none",
    "nor", "not", "nothing", "off", "stop", "unless", "without",
];

/// The words of one text.
pub(super) struct Words {
    /// All of them in order of the alphabet, each as often as it is there.
    pub all: Vec<String>,
    pub content: BTreeSet<String>,
    pub numbers: BTreeSet<String>,
    /// How many deny. Two may cancel out; that is for the reader.
    pub denials: usize,
}

impl Words {
    pub fn of(text: &str) -> Self {
        let text = text.to_lowercase().replace('\u{2019}', "'");
        let split = |c: char| !c.is_alphanumeric() && c != '\'' && c != '.' && c != '_';
        let trimmed = text.split(split).map(|word| word.trim_matches(['\'', '.']));
        let mut all: Vec<String> = trimmed
            .filter(|word| !word.is_empty())
            .map(str::to_owned)
            .collect();
        all.sort();
        let denies = |word: &str| DENYING.contains(&word) || word.ends_with("n't");
        let counts = |word: &str| word.contains(|c: char| c.is_numeric());
        let (mut content, mut numbers) = (BTreeSet::new(), BTreeSet::new());
        for word in &all {
            if counts(word) {
                numbers.insert(word.clone());
            } else if !denies(word) && !COMMON.contains(&word.as_str()) {
                content.insert(word.clone());
            }
        }
        let denials = all.iter().filter(|word| denies(word)).count();
        Self {
            all,
            content,
            numbers,
            denials,
        }
    }

    /// What these words and those of a newer text differ in. Words are named only where `few` differ or
    /// fewer: texts that differ in more are about something else.
    pub fn differences(&self, newer: &Self, few: usize) -> Vec<Difference> {
        let only = |a: &BTreeSet<String>, b: &BTreeSet<String>| -> Vec<String> {
            a.difference(b).cloned().collect()
        };
        let both = |a, b| (only(a, b), only(b, a));
        let mut differences = Vec::new();
        let (older, later) = both(&self.numbers, &newer.numbers);
        if !(older.is_empty() && later.is_empty()) {
            differences.push(Difference::Numbers(older, later));
        }
        if (self.denials == 0) != (newer.denials == 0) {
            differences.push(Difference::Negation);
        }
        let (older, later) = both(&self.content, &newer.content);
        if (1..=few).contains(&(older.len() + later.len())) {
            differences.push(Difference::Words(older, later));
        }
        differences
    }
}
