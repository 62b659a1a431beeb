//! Texts and questions as the server's index of words takes them.
//!
//! Words are told apart here and not by the server: its parser takes `os.path` for a host and `a/b` for a
//! file, and what it does with letters that have accents depends on how it was installed. The rule is that
//! of memories in files: letters and numbers make words, without case and accents.

use std::collections::{BTreeMap, HashSet};

use unicode_normalization::UnicodeNormalization;

/// More words than a question needs; a whole page as a question is cut here.
const MOST_WORDS: usize = 512;
/// The server's limits: bytes of a word, places of one word, the last place, bytes of all words.
const WORD: usize = 2046;
const PLACES: usize = 255;
const LAST_PLACE: u16 = 16_383;
const BYTES: usize = 1 << 20;
/// Bytes that the server keeps with each word and each place, at most.
const PER_WORD: usize = 8;
const PER_PLACE: usize = 2;

/// The words of a text with their places, as the server reads a `tsvector`. Of a text that holds too many
/// different words the last ones are left out, as are words that are no words by their length.
pub(super) fn vector(text: &str) -> String {
    let mut places: BTreeMap<String, Vec<u16>> = BTreeMap::new();
    let mut room = BYTES - 1;
    for (place, word) in words(text).enumerate() {
        if word.len() > WORD {
            continue;
        }
        let place = u16::try_from(place + 1).map_or(LAST_PLACE, |place| place.min(LAST_PLACE));
        let new = match places.contains_key(&word) {
            true => PER_PLACE,
            false => word.len() + PER_WORD + PER_PLACE,
        };
        let known = places.get(&word).map_or(0, Vec::len);
        if new > room || known == PLACES {
            continue;
        }
        room -= new;
        places.entry(word).or_default().push(place);
    }
    let words = places.into_iter().map(|(word, places)| {
        let places: Vec<String> = places.iter().map(u16::to_string).collect();
        format!("'{word}':{}", places.join(","))
    });
    words.collect::<Vec<_>>().join(" ")
}

/// What holds one of a question's words or more, as the server reads a `tsquery`; `None` for a question
/// without words. What is one word to a person and several to the index, such as `a-b`, is meant in a row.
pub(super) fn question(question: &str) -> Option<String> {
    let mut seen = HashSet::new();
    let mut left = MOST_WORDS;
    let mut asked = Vec::new();
    for spaced in question.split(|c: char| c.is_whitespace() || c == '\0') {
        let row: Vec<String> = words(spaced).take(left).collect();
        let known = row.iter().all(|word| word.len() <= WORD);
        if row.is_empty() || !known || !seen.insert(row.clone()) {
            continue;
        }
        left -= row.len();
        let row: Vec<String> = row.iter().map(|word| format!("'{word}'")).collect();
        asked.push(row.join(" <-> "));
    }
    (!asked.is_empty()).then(|| asked.join(" | "))
}

/// The words of a text in order. They hold letters and numbers only, so none has to be quoted further.
fn words(text: &str) -> impl Iterator<Item = String> {
    let accent = |character: &char| ('\u{300}'..='\u{36f}').contains(character);
    let plain: String = text.nfd().filter(|c| !accent(c)).nfc().collect();
    let lower = plain.to_lowercase();
    let parts = lower.split(|character: char| !character.is_alphanumeric());
    let words: Vec<String> = parts
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect();
    words.into_iter()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_letters_and_numbers_without_case_and_accents() {
        let found: Vec<String> = words("Ärger in os.path: naïve_Été 3×4 がく").collect();
        let wanted = [
            "arger", "in", "os", "path", "naive", "ete", "3", "4", "がく",
        ];
        assert_eq!(found, wanted);
    }

    #[test]
    fn a_text_is_its_words_with_their_places() {
        assert_eq!(vector("b a b' \\ a-c"), "'a':2,4 'b':1,3 'c':5");
        assert_eq!(vector("* ? !"), "");
    }

    #[test]
    fn a_question_means_any_of_its_words_and_words_in_a_row_where_nothing_is_between() {
        assert_eq!(
            question("b a-b' | b & !"),
            Some("'b' | 'a' <-> 'b'".to_owned())
        );
        assert_eq!(question("a\0b"), Some("'a' | 'b'".to_owned()));
        assert_eq!(question("* ( -"), None);
        let page: String = (0..20_000).map(|word| format!("w{word} ")).collect();
        assert_eq!(question(&page).unwrap().split(" | ").count(), MOST_WORDS);
    }

    #[test]
    fn a_text_of_any_size_stays_within_what_the_server_takes() {
        let many: String = (0..200_000).map(|word| format!("{word} ")).collect();
        assert!(vector(&many).len() < 4 * BYTES);
        assert!(vector(&many).contains("'1':2"));
        let often = vector(&"again ".repeat(100_000));
        assert_eq!(often.split(',').count(), PLACES);
        assert_eq!(vector(&"x".repeat(1 << 20)), "");
    }
}
