//! Synthetic people: names and facts drawn uniformly from lists of known length, so that the bits
//! of what there is to know are known (after Allen-Zhu, Li 2024, arXiv 2404.05405, bioS).

use std::ops::Range;

use rand::Rng;

use crate::{
    data::{
        DataError,
        lists::{Attribute, Lists},
    },
    key::{self, Permutation},
};

/// A person and all there is to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    pub id: usize,
    /// First, middle and last name.
    pub name: String,
    /// In the order of [`Attribute::ALL`].
    pub values: [String; 5],
}

impl Person {
    pub fn value(&self, attribute: Attribute) -> &str {
        &self.values[attribute as usize]
    }
}

/// A range of people. A person is a function of (lists, seed, id) alone, and no two ids share a
/// name, so people of disjoint ranges are strangers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct People {
    pub lists: Lists,
    pub seed: u64,
    pub people: Vec<Person>,
}

impl People {
    /// The people with these ids.
    ///
    /// # Errors
    /// Lists without words; more ids than there are names.
    pub fn generate(lists: &Lists, seed: u64, ids: Range<usize>) -> Result<Self, DataError> {
        lists.validate()?;
        if ids.is_empty() {
            return Err(DataError::setting("people", "0 must be 1 or more"));
        }
        if ids.end as u64 > lists.names() {
            let problem = format!(
                "{} people need as many names, but the lists give {}; lengthen them",
                ids.end,
                lists.names()
            );
            return Err(DataError::setting("people", problem));
        }
        let names = Permutation::new(seed, "names", 0, lists.names());
        let people = ids.map(|id| person(lists, seed, id, names.at(id as u64) as usize));
        Ok(Self {
            lists: lists.clone(),
            seed,
            people: people.collect(),
        })
    }

    /// Those about whom training asks questions, and those about whom it does not: answers about
    /// the latter measure knowledge that can be used.
    pub fn asked(&self, share: f64) -> (&[Person], &[Person]) {
        let count = (self.people.len() as f64 * share.clamp(0.0, 1.0)).round() as usize;
        self.people.split_at(count)
    }
}

fn person(lists: &Lists, seed: u64, id: usize, name: usize) -> Person {
    let (first, rest) = (name % lists.first_names, name / lists.first_names);
    let (middle, last) = (rest % lists.middle_names, rest / lists.middle_names);
    let mut rng = key::rng(seed, "facts", id as u64);
    Person {
        id,
        name: format!(
            "{} {} {}",
            lists.first_name(first),
            lists.middle_name(middle),
            lists.last_name(last)
        ),
        values: Attribute::ALL.map(|attribute| {
            let index = rng.random_range(0..lists.choices(attribute)) as usize;
            lists.value(attribute, index)
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::{BTreeMap, BTreeSet};

    #[test]
    fn people_of_disjoint_ids_are_strangers_and_a_person_does_not_depend_on_the_range() {
        let lists = Lists::default();
        let all = People::generate(&lists, 7, 0..250).unwrap();
        let new = People::generate(&lists, 7, 200..250).unwrap();
        assert_eq!(all.people[200..], new.people);
        let names: BTreeSet<&String> = all.people.iter().map(|person| &person.name).collect();
        assert_eq!(names.len(), 250);
        let other = People::generate(&lists, 8, 0..250).unwrap();
        assert_ne!(all.people[0].name, other.people[0].name);
    }

    #[test]
    fn values_are_drawn_evenly() {
        let people = People::generate(&Lists::default(), 1, 0..4000).unwrap();
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for person in &people.people {
            *counts
                .entry(person.value(Attribute::BirthCity))
                .or_default() += 1;
        }
        assert_eq!(counts.len(), 40);
        // 100 expected of each; five standard deviations of a binomial.
        assert!(
            counts.values().all(|&count| (50..150).contains(&count)),
            "{counts:?}"
        );
    }

    #[test]
    fn more_people_than_names_and_empty_lists_are_refused() {
        let tiny = Lists {
            first_names: 2,
            middle_names: 2,
            last_names: 2,
            ..Lists::default()
        };
        assert!(People::generate(&tiny, 0, 0..8).is_ok());
        let error = People::generate(&tiny, 0, 0..9).unwrap_err().to_string();
        assert!(error.contains("the lists give 8"), "{error}");
        let none = Lists {
            cities: 0,
            ..Lists::default()
        };
        let error = People::generate(&none, 0, 0..2).unwrap_err().to_string();
        assert!(error.contains("`cities`"), "{error}");
    }
}
