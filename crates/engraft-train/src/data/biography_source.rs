//! Batches of biographies and of questions about some of the people in them.

use engraft_nets::Batch;
use serde::{Deserialize, Serialize};

use crate::{
    BatchSource,
    data::{
        DataError, Encoder, Marks, Order, Sampling, Sequence,
        biographies::longest,
        lists::Attribute,
        pad,
        people::{People, Person},
    },
    key,
};

/// What rows of a batch are made of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BiographyOptions {
    /// Share of the rows that hold questions, 0 to 1; the others hold one biography each.
    pub question_share: f64,
    /// Share of the people about whom questions are asked, 0 to 1.
    pub asked_share: f64,
    /// Questions a row, one after the other, so that rows of both kinds are about equally long.
    pub questions_per_row: usize,
    /// Predict the words of questions too, not their answers alone.
    pub predict_questions: bool,
}

impl Default for BiographyOptions {
    fn default() -> Self {
        Self {
            question_share: 0.5,
            asked_share: 0.5,
            questions_per_row: 3,
            predict_questions: true,
        }
    }
}

impl BiographyOptions {
    /// Refuses shares outside 0 to 1 and rows of no question.
    pub fn validate(&self) -> Result<(), DataError> {
        for (key, share) in [
            ("question_share", self.question_share),
            ("asked_share", self.asked_share),
        ] {
            if !(0.0..=1.0).contains(&share) {
                return Err(DataError::setting(
                    key,
                    format!("{share} must be from 0 to 1"),
                ));
            }
        }
        if self.questions_per_row == 0 {
            return Err(DataError::setting(
                "questions_per_row",
                "0 must be 1 or more",
            ));
        }
        Ok(())
    }
}

/// Batches about people: the first rows are biographies, the last ones questions.
///
/// Every person's biography appears once before any appears again, each time in other words; the
/// same holds for questions. The sample id of a row is the id of its (first) person.
pub struct BiographySource {
    people: People,
    options: BiographyOptions,
    encode: Encoder,
    marks: Marks,
    seed: u64,
    biographies: Order,
    questions: Order,
}

impl BiographySource {
    /// # Errors
    /// Nobody to tell of, shares outside 0 to 1, rows of no question.
    pub fn new(
        people: People,
        options: BiographyOptions,
        encode: Encoder,
        marks: Marks,
        sampling: Sampling,
    ) -> Result<Self, DataError> {
        if people.people.is_empty() {
            return Err(DataError::setting("people", "0 must be 1 or more"));
        }
        options.validate()?;
        let asked = people.asked(options.asked_share).0.len();
        let question_rows = match asked {
            0 => 0,
            _ => (sampling.batch as f64 * options.question_share).round() as usize,
        };
        let biography_rows = sampling.batch - question_rows;
        let questions = asked * Attribute::ALL.len();
        let asked_per_batch = question_rows.saturating_mul(options.questions_per_row);
        Ok(Self {
            biographies: sampling.order("biographies", people.people.len(), biography_rows),
            questions: sampling.order("questions", questions, asked_per_batch),
            people,
            options,
            encode,
            marks,
            seed: sampling.seed,
        })
    }

    /// The most tokens that a row of any batch gives a model to read.
    pub fn longest_row(&self) -> usize {
        let (biography, question) = longest(&self.people.lists, &self.encode);
        let [start, end] =
            [self.marks.start, self.marks.end].map(|mark| usize::from(mark.is_some()));
        let questions = (question + end).saturating_mul(self.options.questions_per_row);
        // The last token of a row is only a label.
        start.saturating_add(questions.max(biography + end)) - 1
    }

    fn biography(&self, person: &Person, epoch: u64) -> Sequence {
        let exposure = key::bits(self.seed, "exposure", epoch);
        let ids = (self.encode)(&person.biography(exposure).text);
        let mut row = Sequence {
            sample: person.id,
            ..Sequence::default()
        };
        row.push(&self.marks.around(ids), true);
        row
    }

    fn question_row(&self, questions: &[(&Person, Attribute)]) -> Sequence {
        let mut row = Sequence {
            sample: questions.first().map_or(0, |(person, _)| person.id),
            ..Sequence::default()
        };
        row.push(self.marks.start.as_slice(), false);
        for (person, attribute) in questions {
            let (prompt, answer) = person.question(*attribute);
            row.push(&(self.encode)(&prompt), self.options.predict_questions);
            row.push(&(self.encode)(&answer), true);
            row.push(self.marks.end.as_slice(), true);
        }
        row
    }
}

impl BatchSource for BiographySource {
    fn batch(&self, step: usize, micro: usize) -> Batch {
        let people = &self.people.people;
        let visits = self.biographies.visits(step, micro).into_iter();
        let mut rows: Vec<Sequence> = visits
            .map(|visit| self.biography(&people[visit.sample], visit.epoch))
            .collect();
        let kinds = Attribute::ALL.len();
        let visits = self.questions.visits(step, micro).into_iter();
        let questions: Vec<(&Person, Attribute)> = visits
            .map(|visit| {
                (
                    &people[visit.sample / kinds],
                    Attribute::ALL[visit.sample % kinds],
                )
            })
            .collect();
        let groups = questions.chunks(self.options.questions_per_row);
        rows.extend(groups.map(|group| self.question_row(group)));
        pad(&rows, self.marks.padding)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Lists;
    use engraft_nets::{IGNORE, Input};
    use std::collections::BTreeMap;

    fn source(options: BiographyOptions) -> BiographySource {
        let people = People::generate(&Lists::default(), 3, 10..30).unwrap();
        let (encode, marks) = (people.lists.encoder(), people.lists.marks());
        let sampling = Sampling {
            seed: 5,
            batch: 8,
            accumulate: 1,
            by_length: false,
        };
        BiographySource::new(people, options, encode, marks, sampling).unwrap()
    }

    /// The words of every row of a batch.
    fn rows(batch: &Batch) -> Vec<String> {
        let words = Lists::default().vocabulary();
        let Input::Tokens { ids, shape } = &batch.input else {
            panic!("people give tokens");
        };
        let row = |ids: &[u32]| {
            let spelled: Vec<&str> = ids.iter().map(|&id| words[id as usize].as_str()).collect();
            spelled.join(" ")
        };
        ids.chunks(shape[1]).map(row).collect()
    }

    #[test]
    fn no_row_is_longer_than_the_longest() {
        for (questions_per_row, slack) in [(1, 0), (3, 3)] {
            let source = source(BiographyOptions {
                questions_per_row,
                ..BiographyOptions::default()
            });
            let width = |step| match source.batch(step, 0).input {
                Input::Tokens { shape, .. } => shape[1],
                _ => panic!("people give tokens"),
            };
            let widest = (0..300).map(width).max().unwrap();
            let longest = source.longest_row();
            assert!(
                widest <= longest && longest <= widest + slack,
                "{widest} of {longest}"
            );
        }
    }

    #[test]
    fn half_of_the_rows_are_questions_and_only_about_those_who_are_asked() {
        let source = source(BiographyOptions::default());
        let (asked, silent) = source.people.asked(0.5);
        assert_eq!((asked.len(), silent.len()), (10, 10));
        let mut told: BTreeMap<usize, usize> = BTreeMap::new();
        for step in 0..25 {
            let batch = source.batch(step, 0);
            let rows = rows(&batch);
            assert_eq!(rows.len(), 8);
            for (row, sample) in rows[..4].iter().zip(&batch.samples) {
                assert!(!row.contains("Question"), "{row}");
                *told.entry(*sample).or_default() += 1;
            }
            for row in &rows[4..] {
                assert_eq!(row.matches("Question").count(), 3);
                assert!(
                    silent.iter().all(|person| !row.contains(&person.name)),
                    "{row}"
                );
            }
        }
        assert_eq!(told.len(), 20);
        assert!(
            told.values().all(|&count| count == 5),
            "100 rows over 20 people: {told:?}"
        );
    }

    #[test]
    fn a_batch_repeats_with_its_step_and_a_person_appears_in_other_words() {
        let source = source(BiographyOptions::default());
        assert_eq!(source.batch(3, 0), source.batch(3, 0));
        let mut texts: BTreeMap<usize, Vec<String>> = BTreeMap::new();
        for step in 0..10 {
            let batch = source.batch(step, 0);
            for (row, sample) in rows(&batch).into_iter().take(4).zip(&batch.samples) {
                texts.entry(*sample).or_default().push(row);
            }
        }
        let again = |texts: &&Vec<String>| texts.len() == 2 && texts[0] != texts[1];
        assert!(texts.values().filter(again).count() > 15);
    }

    #[test]
    fn labels_cover_biographies_whole_and_answers_alone_where_wished() {
        let source = source(BiographyOptions {
            predict_questions: false,
            questions_per_row: 1,
            ..BiographyOptions::default()
        });
        let batch = source.batch(0, 0);
        let words = Lists::default().vocabulary();
        let Input::Tokens { shape, .. } = batch.input else {
            panic!("people give tokens");
        };
        let labels: Vec<Vec<&str>> = batch
            .labels
            .chunks(shape[1])
            .map(|row| {
                let counted = row.iter().filter(|&&label| label != IGNORE);
                counted
                    .map(|&label| words[label as usize].as_str())
                    .collect()
            })
            .collect();
        for (row, sample) in labels[..4].iter().zip(&batch.samples) {
            let person = &source.people.people[sample - 10];
            let name: Vec<&str> = person.name.split(' ').collect();
            assert_eq!(row[..3], name, "the name is predicted from the start mark");
            assert_eq!(row.last(), Some(&"<end>"));
        }
        for (row, sample) in labels[4..].iter().zip(&batch.samples[4..]) {
            let person = &source.people.people[sample - 10];
            let answer = row[..row.len() - 1].join(" ");
            assert!(person.values.contains(&answer), "{row:?}");
            assert_eq!(row.last(), Some(&"<end>"));
        }
    }

    #[test]
    fn rows_of_both_kinds_are_about_equally_long() {
        let source = source(BiographyOptions::default());
        let (mut counted, mut all) = (0, 0);
        for step in 0..20 {
            let batch = source.batch(step, 0);
            counted += batch.labelled();
            all += batch.labels.len();
        }
        let filled = f64::from(counted as u32) / f64::from(all as u32);
        assert!(
            filled > 0.85,
            "only {filled:.2} of the positions are trained on"
        );
    }
}
