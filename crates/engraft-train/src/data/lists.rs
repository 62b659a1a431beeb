//! The words of synthetic people: lists of known length, their values and their vocabulary.
//!
//! All words are our own inventions or plain English, and each is one word without spaces: a
//! word-level vocabulary gives every name part and every value but the birth date one token.

use std::{collections::HashMap, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::{
    data::{DataError, Encoder, Marks, biographies::template_words},
    key::Permutation,
};

/// What is known of every person, besides the name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Attribute {
    /// Day, month and year: three words.
    BirthDate,
    BirthCity,
    University,
    Major,
    Employer,
}

impl Attribute {
    pub const ALL: [Self; 5] = [
        Self::BirthDate,
        Self::BirthCity,
        Self::University,
        Self::Major,
        Self::Employer,
    ];

    /// As tables show it.
    pub fn label(self) -> &'static str {
        match self {
            Self::BirthDate => "birth date",
            Self::BirthCity => "birth city",
            Self::University => "university",
            Self::Major => "major",
            Self::Employer => "employer",
        }
    }
}

/// How many words each list holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Lists {
    pub first_names: usize,
    pub middle_names: usize,
    pub last_names: usize,
    /// At most 28.
    pub days: usize,
    /// At most 12.
    pub months: usize,
    /// At most 500.
    pub years: usize,
    pub cities: usize,
    pub universities: usize,
    pub majors: usize,
    pub employers: usize,
}

impl Default for Lists {
    /// Small enough that a network of 0.1 M parameters is not mostly embedding.
    fn default() -> Self {
        Self {
            first_names: 30,
            middle_names: 30,
            last_names: 40,
            days: 28,
            months: 12,
            years: 40,
            cities: 40,
            universities: 30,
            majors: 24,
            employers: 30,
        }
    }
}

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const MAJORS: [&str; 24] = [
    "Physics",
    "Chemistry",
    "Biology",
    "Mathematics",
    "History",
    "Philosophy",
    "Economics",
    "Law",
    "Medicine",
    "Music",
    "Painting",
    "Geology",
    "Astronomy",
    "Botany",
    "Zoology",
    "Statistics",
    "Linguistics",
    "Architecture",
    "Nursing",
    "Forestry",
    "Journalism",
    "Sociology",
    "Logic",
    "Dance",
];
const ONSETS: &[u8; 16] = b"bdfghjklmnprstvz";
const VOWELS: &[u8; 5] = b"aeiou";
const SYLLABLES: usize = ONSETS.len() * VOWELS.len();
/// Invented stems of two syllables: the longest a list of invented words can be.
const STEMS: usize = SYLLABLES * SYLLABLES;

/// An invented word; `purpose` decides the order in which a list uses the stems.
fn invented(purpose: &str, index: usize, ending: &str) -> String {
    let stem = Permutation::new(0, purpose, 0, STEMS as u64).at(index as u64) as usize;
    let mut word = String::new();
    for syllable in [stem / SYLLABLES, stem % SYLLABLES] {
        word.push(char::from(ONSETS[syllable / VOWELS.len()]));
        word.push(char::from(VOWELS[syllable % VOWELS.len()]));
    }
    word[..1].make_ascii_uppercase();
    word + ending
}

impl Lists {
    pub(crate) fn first_name(&self, index: usize) -> String {
        invented("first names", index, "")
    }

    pub(crate) fn middle_name(&self, index: usize) -> String {
        invented("middle names", index, "n")
    }

    pub(crate) fn last_name(&self, index: usize) -> String {
        invented("last names", index, "sen")
    }

    fn day(&self, index: usize) -> String {
        (index + 1).to_string()
    }

    fn month(&self, index: usize) -> String {
        MONTHS[index].to_owned()
    }

    fn year(&self, index: usize) -> String {
        (1960 + index).to_string()
    }

    fn city(&self, index: usize) -> String {
        invented("cities", index, "ville")
    }

    fn university(&self, index: usize) -> String {
        invented("universities", index, "College")
    }

    fn major(&self, index: usize) -> String {
        match MAJORS.get(index) {
            Some(major) => (*major).to_owned(),
            None => invented("majors", index, "logy"),
        }
    }

    fn employer(&self, index: usize) -> String {
        invented("employers", index, "Corp")
    }

    /// Refuses lists that are empty or longer than there are words.
    pub fn validate(&self) -> Result<(), DataError> {
        let lists = [
            ("first_names", self.first_names, STEMS),
            ("middle_names", self.middle_names, STEMS),
            ("last_names", self.last_names, STEMS),
            ("days", self.days, 28),
            ("months", self.months, MONTHS.len()),
            ("years", self.years, 500),
            ("cities", self.cities, STEMS),
            ("universities", self.universities, STEMS),
            ("majors", self.majors, STEMS),
            ("employers", self.employers, STEMS),
        ];
        for (key, length, most) in lists {
            if !(1..=most).contains(&length) {
                let problem = format!("{length} must be from 1 to {most}");
                return Err(DataError::setting(key, problem));
            }
        }
        Ok(())
    }

    /// Number of possible names, N_0.
    pub fn names(&self) -> u64 {
        [self.first_names, self.middle_names, self.last_names]
            .map(|length| length as u64)
            .iter()
            .product()
    }

    /// Number of possible values of one attribute.
    pub fn choices(&self, attribute: Attribute) -> u64 {
        let choices = match attribute {
            Attribute::BirthDate => self.days * self.months * self.years,
            Attribute::BirthCity => self.cities,
            Attribute::University => self.universities,
            Attribute::Major => self.majors,
            Attribute::Employer => self.employers,
        };
        choices as u64
    }

    /// log2 of N_0, the number of possible names.
    pub fn log2_names(&self) -> f64 {
        (self.names() as f64).log2()
    }

    /// log2 of S_0, the number of possible sets of facts about one person.
    pub fn log2_values(&self) -> f64 {
        let bits = Attribute::ALL.map(|attribute| (self.choices(attribute) as f64).log2());
        bits.iter().sum()
    }

    /// Every value of an attribute, to rank an answer among.
    pub fn candidates(&self, attribute: Attribute) -> Vec<String> {
        (0..self.choices(attribute) as usize)
            .map(|index| self.value(attribute, index))
            .collect()
    }

    pub(crate) fn value(&self, attribute: Attribute, index: usize) -> String {
        match attribute {
            Attribute::BirthDate => {
                let (day, rest) = (index % self.days, index / self.days);
                let (month, year) = (rest % self.months, rest / self.months);
                format!(
                    "{} {} {}",
                    self.day(day),
                    self.month(month),
                    self.year(year)
                )
            }
            Attribute::BirthCity => self.city(index),
            Attribute::University => self.university(index),
            Attribute::Major => self.major(index),
            Attribute::Employer => self.employer(index),
        }
    }

    /// The largest of what `count` makes of a name.
    pub(crate) fn longest_name(&self, count: &dyn Fn(&str) -> usize) -> usize {
        largest(self.first_names, count, |index| self.first_name(index))
            + largest(self.middle_names, count, |index| self.middle_name(index))
            + largest(self.last_names, count, |index| self.last_name(index))
    }

    /// The largest of what `count` makes of a value.
    pub(crate) fn longest_value(
        &self,
        attribute: Attribute,
        count: &dyn Fn(&str) -> usize,
    ) -> usize {
        match attribute {
            Attribute::BirthDate => {
                largest(self.days, count, |index| self.day(index))
                    + largest(self.months, count, |index| self.month(index))
                    + largest(self.years, count, |index| self.year(index))
            }
            Attribute::BirthCity => largest(self.cities, count, |index| self.city(index)),
            Attribute::University => {
                largest(self.universities, count, |index| self.university(index))
            }
            Attribute::Major => largest(self.majors, count, |index| self.major(index)),
            Attribute::Employer => largest(self.employers, count, |index| self.employer(index)),
        }
    }

    /// All words of biographies and questions in the order of their ids, after the padding (0), the
    /// mark that stands before and after every text (1) and the unknown word (2).
    pub fn vocabulary(&self) -> Vec<String> {
        let mut words: Vec<String> = ["<pad>", "<end>", "<unk>"].map(str::to_owned).into();
        words.extend(template_words().into_iter().map(str::to_owned));
        words.extend((0..self.first_names).map(|i| self.first_name(i)));
        words.extend((0..self.middle_names).map(|i| self.middle_name(i)));
        words.extend((0..self.last_names).map(|i| self.last_name(i)));
        words.extend((0..self.days).map(|i| self.day(i)));
        words.extend((0..self.months).map(|i| self.month(i)));
        words.extend((0..self.years).map(|i| self.year(i)));
        words.extend((0..self.cities).map(|i| self.city(i)));
        words.extend((0..self.universities).map(|i| self.university(i)));
        words.extend((0..self.majors).map(|i| self.major(i)));
        words.extend((0..self.employers).map(|i| self.employer(i)));
        words
    }

    /// The marks of [`Lists::vocabulary`].
    pub fn marks(&self) -> Marks {
        Marks {
            start: Some(1),
            end: Some(1),
            padding: 0,
        }
    }

    /// One id a word, by [`Lists::vocabulary`].
    pub fn encoder(&self) -> Encoder {
        let words = self.vocabulary().into_iter().zip(0..);
        let ids: HashMap<String, u32> = words.collect();
        Arc::new(move |text: &str| {
            let words = text.split_whitespace();
            words
                .map(|word| ids.get(word).copied().unwrap_or(2))
                .collect()
        })
    }
}

fn largest(length: usize, count: &dyn Fn(&str) -> usize, word: impl Fn(usize) -> String) -> usize {
    (0..length)
        .map(|index| count(&word(index)))
        .max()
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn all_words_differ_and_long_lists_too() {
        let lists = Lists {
            majors: 100,
            cities: 3000,
            employers: 3000,
            ..Lists::default()
        };
        let words = lists.vocabulary();
        let distinct: BTreeSet<&String> = words.iter().collect();
        assert_eq!(distinct.len(), words.len());
        assert!(words.iter().all(|word| !word.contains(char::is_whitespace)));
    }

    #[test]
    fn the_bits_are_those_of_the_lists() {
        let lists = Lists::default();
        assert_eq!(lists.names(), 36_000);
        let values: f64 = (28.0f64 * 12.0 * 40.0) * 40.0 * 30.0 * 24.0 * 30.0;
        assert!((lists.log2_values() - values.log2()).abs() < 1e-12);
        let dates: BTreeSet<String> = lists.candidates(Attribute::BirthDate).into_iter().collect();
        assert_eq!(dates.len(), 28 * 12 * 40);
    }
}
