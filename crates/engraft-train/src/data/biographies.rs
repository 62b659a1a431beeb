//! Texts about synthetic people: a biography in other words and another order at every exposure,
//! and questions with their answers.

use std::{collections::BTreeSet, ops::Range};

use rand::{Rng, seq::SliceRandom};

use crate::{
    data::{
        Encoder,
        lists::{Attribute, Lists},
        people::Person,
    },
    key,
};

/// What a stretch of a biography tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fact {
    /// The first mention of the name.
    Name,
    Value(Attribute),
}

/// Where a fact stands in a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    pub fact: Fact,
    /// Bytes of the text.
    pub bytes: Range<usize>,
}

/// A text about one person that starts with the name, and where its facts stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Biography {
    pub person: usize,
    pub text: String,
    /// In the order of the text, the name first.
    pub spans: Vec<Span>,
}

/// What stands between the name and the value; every sentence starts with the full name.
fn templates(attribute: Attribute) -> &'static [&'static str] {
    match attribute {
        Attribute::BirthDate => &[
            "was born on",
            "first cried on",
            "has the birthday",
            "arrived on",
        ],
        Attribute::BirthCity => &["was born in", "comes from", "is a native of", "grew up in"],
        Attribute::University => &["studied at", "graduated from", "went to", "was taught at"],
        Attribute::Major => &["majored in", "learned", "has a degree in", "is trained in"],
        Attribute::Employer => &["works for", "is employed by", "has a job at", "is paid by"],
    }
}

/// The question about an attribute, before and after the name.
fn question_words(attribute: Attribute) -> (&'static str, &'static str) {
    match attribute {
        Attribute::BirthDate => ("When was", "born"),
        Attribute::BirthCity => ("In which city was", "born"),
        Attribute::University => ("Which university did", "attend"),
        Attribute::Major => ("Which subject did", "study"),
        Attribute::Employer => ("Which company employs", ""),
    }
}

/// All words of biographies and questions but names and values.
pub(crate) fn template_words() -> BTreeSet<&'static str> {
    let mut words: BTreeSet<&str> = [".", "?", ":", "Question", "Answer"].into();
    for attribute in Attribute::ALL {
        let (before, after) = question_words(attribute);
        let texts = templates(attribute).iter().copied().chain([before, after]);
        words.extend(texts.flat_map(str::split_whitespace));
    }
    words
}

impl Person {
    /// The biography of one exposure: the key decides the words of every sentence and the order of
    /// the sentences.
    pub fn biography(&self, exposure: u64) -> Biography {
        let mut rng = key::rng(exposure, "biography", self.id as u64);
        let mut attributes = Attribute::ALL;
        attributes.shuffle(&mut rng);
        let mut text = String::new();
        let mut spans = vec![Span {
            fact: Fact::Name,
            bytes: 0..self.name.len(),
        }];
        for attribute in attributes {
            if !text.is_empty() {
                text.push(' ');
            }
            let choices = templates(attribute);
            let words = choices[rng.random_range(0..choices.len())];
            text += &format!("{} {words} ", self.name);
            let start = text.len();
            text += self.value(attribute);
            spans.push(Span {
                fact: Fact::Value(attribute),
                bytes: start..text.len(),
            });
            text += " .";
        }
        Biography {
            person: self.id,
            text,
            spans,
        }
    }

    /// A question and its answer; the answer starts with a space, so that the two can be joined.
    pub fn question(&self, attribute: Attribute) -> (String, String) {
        let (before, after) = question_words(attribute);
        let space = if after.is_empty() { "" } else { " " };
        let name = &self.name;
        (
            format!("Question : {before} {name}{space}{after} ? Answer :"),
            format!(" {}", self.value(attribute)),
        )
    }
}

/// The most tokens that a biography drawn from these lists has, and that a question with its answer
/// has, for tokenizers that split at spaces first.
pub fn longest(lists: &Lists, encode: &Encoder) -> (usize, usize) {
    // A word at the beginning of a text has no space before it, the others have one.
    let word = |word: &str| encode(word).len().max(encode(&format!(" {word}")).len());
    let words = |text: &str| -> usize { text.split_whitespace().map(word).sum() };
    let name = lists.longest_name(&words);
    let told = |attribute: Attribute| {
        let told = templates(attribute).iter().map(|text| words(text));
        name + told.max().unwrap_or(0) + lists.longest_value(attribute, &words) + words(".")
    };
    let asked = |attribute: Attribute| {
        let (before, after) = question_words(attribute);
        words("Question : ? Answer :")
            + words(before)
            + name
            + words(after)
            + lists.longest_value(attribute, &words)
    };
    let questions = Attribute::ALL.into_iter().map(asked);
    (
        Attribute::ALL.into_iter().map(told).sum(),
        questions.max().unwrap_or(0),
    )
}

impl Biography {
    /// The tokens of the text, and those of each fact.
    ///
    /// The text is encoded piece by piece, cut before the space that comes before each fact and
    /// after it: the same tokens as in one go for every tokenizer that splits at spaces first.
    pub fn encode(&self, encode: &Encoder) -> (Vec<u32>, Vec<(Fact, Range<usize>)>) {
        let mut ids = Vec::new();
        let mut facts = Vec::new();
        let mut done = 0;
        for span in &self.spans {
            let space = self.text[..span.bytes.start].ends_with(' ');
            let cut = span.bytes.start - usize::from(space);
            if done < cut {
                ids.extend(encode(&self.text[done..cut]));
            }
            let first = ids.len();
            ids.extend(encode(&self.text[cut..span.bytes.end]));
            facts.push((span.fact, first..ids.len()));
            done = span.bytes.end;
        }
        if done < self.text.len() {
            ids.extend(encode(&self.text[done..]));
        }
        (ids, facts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Lists, People};

    fn people() -> People {
        People::generate(&Lists::default(), 3, 0..20).unwrap()
    }

    #[test]
    fn a_biography_starts_with_the_name_and_tells_every_fact_once() {
        for person in &people().people {
            let biography = person.biography(9);
            let text_of = |span: &Span| &biography.text[span.bytes.clone()];
            assert_eq!(text_of(&biography.spans[0]), person.name);
            let mut told: Vec<_> = biography.spans[1..]
                .iter()
                .map(|span| match span.fact {
                    Fact::Value(attribute) => (attribute, text_of(span)),
                    Fact::Name => panic!("the name is told once"),
                })
                .collect();
            told.sort();
            let known = Attribute::ALL.map(|attribute| (attribute, person.value(attribute)));
            assert_eq!(told, known);
        }
    }

    #[test]
    fn nothing_is_longer_than_the_longest_and_something_is_as_long() {
        let people = people();
        let encode = people.lists.encoder();
        let (biography, question) = longest(&people.lists, &encode);
        let person = &people.people[0];
        let lengths = (0..2000).map(|key| encode(&person.biography(key).text).len());
        assert_eq!(lengths.max(), Some(biography));
        let lengths = Attribute::ALL.map(|attribute| {
            let (prompt, answer) = person.question(attribute);
            encode(&prompt).len() + encode(&answer).len()
        });
        assert_eq!(lengths.into_iter().max(), Some(question));
    }

    #[test]
    fn exposures_differ_in_words_and_order_and_repeat_with_their_key() {
        let person = &people().people[0];
        assert_eq!(person.biography(4), person.biography(4));
        let texts: BTreeSet<String> = (0..50).map(|key| person.biography(key).text).collect();
        assert!(texts.len() > 45, "{}", texts.len());
        let orders: BTreeSet<Vec<Fact>> = (0..50)
            .map(|key| {
                person
                    .biography(key)
                    .spans
                    .iter()
                    .map(|span| span.fact)
                    .collect()
            })
            .collect();
        assert!(orders.len() > 20, "{}", orders.len());
    }

    #[test]
    fn tokens_of_the_facts_are_their_words_and_every_word_is_known() {
        let people = people();
        let (encode, words) = (people.lists.encoder(), people.lists.vocabulary());
        for person in &people.people {
            let biography = person.biography(1);
            let (ids, facts) = biography.encode(&encode);
            assert_eq!(ids, encode(&biography.text));
            assert!(ids.iter().all(|&id| id > 2), "{}", biography.text);
            for (span, (fact, tokens)) in biography.spans.iter().zip(facts) {
                let spelled: Vec<&str> = ids[tokens]
                    .iter()
                    .map(|&id| words[id as usize].as_str())
                    .collect();
                assert_eq!(
                    spelled.join(" "),
                    biography.text[span.bytes.clone()],
                    "{fact:?}"
                );
            }
            for attribute in Attribute::ALL {
                let (prompt, answer) = person.question(attribute);
                assert!(encode(&(prompt + &answer)).iter().all(|&id| id > 2));
            }
        }
    }

    #[test]
    fn questions_read_like_questions() {
        let person = Person {
            id: 0,
            name: "A B C".to_owned(),
            values: ["1 May 1990", "Xville", "YCollege", "Law", "ZCorp"].map(str::to_owned),
        };
        let (prompt, answer) = person.question(Attribute::BirthCity);
        assert_eq!(
            prompt + &answer,
            "Question : In which city was A B C born ? Answer : Xville"
        );
        let (prompt, _) = person.question(Attribute::Employer);
        assert_eq!(prompt, "Question : Which company employs A B C ? Answer :");
    }

    #[test]
    fn biographies_are_short_enough_for_a_quick_start() {
        let people = people();
        let encode = people.lists.encoder();
        let lengths = people.people.iter().flat_map(|person| {
            let encode = encode.clone();
            (0..20).map(move |key| encode(&person.biography(key).text).len())
        });
        let longest = lengths.max().unwrap();
        assert!((36..=46).contains(&longest), "{longest}");
    }
}
