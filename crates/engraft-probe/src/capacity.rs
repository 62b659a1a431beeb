//! Capacity — count how many bits of fact a set of weights really holds.
//!
//! # What it does
//! Turns a model's losses on exactly the fact tokens of data whose information content is known into
//! a lower bound of the bits stored in its weights; bits by parameters is the capacity ratio.
//!
//! # When to use it, when not
//! For synthetic people (the quickstart prints it), or for real facts with a stated candidate set a
//! relation. Not on facts whose candidates nobody can list: the number would mean nothing.
//!
//! # How
//! Losses in nats, summed over the tokens of a span, then averaged: `p1` names, `p2` values, `p3`
//! first chunks. People with attributes from known lists: `names = N (lg N0 - p1 / ln 2)`,
//! `values = N (lg S0 - p2 / ln 2)`, `R = (names + values) / P`, at most
//! `(N lg(N0 / N) + N lg S0) / P`. Random strings add a term for the list itself; see the code.
//! Negative bits stay negative.
//!
//! # Where paper and code differ and which we follow
//! The official repository holds the generator only; everything here is from the paper's
//! definitions 4.1 and 4.3.
//!
//! # Evidence
//! Parity with the paper's definitions in double precision: `parity/capacity`, kinds `bios_ratio`,
//! `biod_ratio` and `token_losses`. Quickstart: `docs/evidence.md`.
//!
//! # Reference
//! Allen-Zhu, Li. Physics of Language Models: Part 3.3, Knowledge Capacity Scaling Laws. 2024,
//! arXiv 2404.05405.

use std::f64::consts::LN_2;

use engraft_method::{
    Method,
    parity::{Case, Check, ParityError},
};
use serde::{Deserialize, Serialize};

/// The registry entry.
pub const METHOD: Method = Method {
    name: "capacity",
    verb: "probe",
    source: include_str!("capacity.rs"),
    needs: &[],
    fields: Vec::new,
    checks: &[
        Check {
            slug: "capacity",
            kind: "bios_ratio",
            run: bios_parity,
        },
        Check {
            slug: "capacity",
            kind: "biod_ratio",
            run: biod_parity,
        },
        Check {
            slug: "capacity",
            kind: "token_losses",
            run: token_parity,
        },
    ],
};

/// Bits found in a model, and how many the data holds at most.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Bits {
    pub names: f64,
    pub values: f64,
    /// Bits about which strings are values at all; 0 where the lists are taken as known.
    pub diversity: f64,
    /// All bits by the number of parameters.
    pub ratio: f64,
    /// What a perfect model of that size would have.
    pub max_ratio: f64,
    pub parameters: f64,
}

/// People whose attributes come from known lists.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct People {
    /// Number of people.
    pub people: f64,
    /// Number of possible names.
    pub names: f64,
    /// log2 of the number of possible attribute combinations of one person.
    pub log2_values: f64,
}

impl People {
    /// `p1`: mean over people of the summed loss of the name tokens, the name first in the text;
    /// `p2`: mean over people of the loss summed over all attributes. Nats.
    pub fn bits(&self, p1: f64, p2: f64, parameters: f64) -> Bits {
        let names = self.people * (self.names.log2() - p1 / LN_2);
        let values = self.people * (self.log2_values - p2 / LN_2);
        let most = self.people * ((self.names / self.people).log2() + self.log2_values);
        Bits {
            names,
            values,
            diversity: 0.0,
            ratio: (names + values) / parameters,
            max_ratio: most / parameters,
            parameters,
        }
    }
}

/// People whose attributes are random strings: `chunks` chunks, each one of `diversity` strings of
/// `length` tokens out of `tokens`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RandomStrings {
    pub people: f64,
    pub names: f64,
    pub attributes: f64,
    pub chunks: f64,
    pub diversity: f64,
    pub length: f64,
    pub tokens: f64,
}

impl RandomStrings {
    /// `p1` as in [`People::bits`]; `p2`, `p3`: mean over (person, attribute) of the summed loss of
    /// the whole value and of its first chunk. Nats.
    pub fn bits(&self, p1: f64, p2: f64, p3: f64, parameters: f64) -> Bits {
        let Self {
            people,
            names: possible,
            attributes,
            chunks,
            diversity,
            length,
            tokens,
        } = *self;
        let strings = length * tokens.log2() - diversity.log2();
        let names = people * (possible.log2() - p1 / LN_2);
        let values = people * attributes * (chunks * diversity.log2() - p2 / LN_2);
        let lists = attributes * diversity * (strings - p3 / LN_2);
        let most = people * (possible / people).log2()
            + people * attributes * chunks * diversity.log2()
            + attributes * diversity * strings;
        Bits {
            names,
            values,
            diversity: lists,
            ratio: (names + values + lists) / parameters,
            max_ratio: most / parameters,
            parameters,
        }
    }
}

fn columns(case: &Case, names: &[&str]) -> Result<Vec<Vec<f64>>, ParityError> {
    names
        .iter()
        .map(|name| Ok(case.input(name)?.values.clone()))
        .collect()
}

fn answer(case: &mut Case, rows: &[Bits], with_diversity: bool) {
    let mut column = |name: &str, of: fn(&Bits) -> f64| case.output(name, rows.iter().map(of));
    column("name_bits", |bits| bits.names);
    column("value_bits", |bits| bits.values);
    column("ratio", |bits| bits.ratio);
    column("max_ratio", |bits| bits.max_ratio);
    if with_diversity {
        column("diversity_bits", |bits| bits.diversity);
    }
}

fn bios_parity(case: &mut Case) -> Result<(), ParityError> {
    let (names, values) = (case.number("N0")?, case.number("S0")?);
    let c = columns(case, &["N", "p1", "p2", "P"])?;
    let rows: Vec<Bits> = (0..c[0].len())
        .map(|i| {
            let people = People {
                people: c[0][i],
                names,
                log2_values: values.log2(),
            };
            people.bits(c[1][i], c[2][i], c[3][i])
        })
        .collect();
    answer(case, &rows, false);
    Ok(())
}

fn biod_parity(case: &mut Case) -> Result<(), ParityError> {
    let names = case.number("N0")?;
    let c = columns(case, &["N", "K", "C", "D", "L", "T", "p1", "p2", "p3", "P"])?;
    let rows: Vec<Bits> = (0..c[0].len())
        .map(|i| {
            let data = RandomStrings {
                people: c[0][i],
                names,
                attributes: c[1][i],
                chunks: c[2][i],
                diversity: c[3][i],
                length: c[4][i],
                tokens: c[5][i],
            };
            data.bits(c[6][i], c[7][i], c[8][i], c[9][i])
        })
        .collect();
    answer(case, &rows, true);
    Ok(())
}

fn token_parity(case: &mut Case) -> Result<(), ParityError> {
    let data = RandomStrings {
        people: case.number("N")?,
        names: case.number("N0")?,
        attributes: case.number("K")?,
        chunks: case.number("C")?,
        diversity: case.number("D")?,
        length: case.number("L")?,
        tokens: case.number("T")?,
    };
    let parameters = case.number("P")?;
    let logits = case.input("logits")?;
    let vocabulary = logits.rows()[1];
    let targets = case.input("targets")?.i64();
    let losses: Vec<f64> = logits
        .values
        .chunks_exact(vocabulary)
        .zip(&targets)
        .map(|(row, &target)| {
            let most = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let sum: f64 = row.iter().map(|x| (x - most).exp()).sum();
            most + sum.ln() - row[target as usize]
        })
        .collect();
    let kinds = case.input("kind")?.i64();
    let summed = |wanted: &[i64]| -> f64 {
        let tokens = losses
            .iter()
            .zip(&kinds)
            .filter(|(_, kind)| wanted.contains(kind));
        tokens.map(|(loss, _)| loss).sum()
    };
    let p1 = summed(&[1]) / data.people;
    let p2 = summed(&[2, 3]) / (data.people * data.attributes);
    let p3 = summed(&[2]) / (data.people * data.attributes);
    case.output("nll", losses);
    for (name, value) in [("p1", p1), ("p2", p2), ("p3", p3)] {
        case.output(name, [value]);
    }
    answer(case, &[data.bits(p1, p2, p3, parameters)], true);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_perfect_model_reaches_the_maximum_and_an_untrained_one_goes_below_zero() {
        let data = People {
            people: 256.0,
            names: 65536.0,
            log2_values: 10.0,
        };
        let perfect = data.bits(256f64.ln(), 0.0, 1000.0);
        assert!((perfect.ratio - perfect.max_ratio).abs() < 1e-12);
        assert!((perfect.names + perfect.values - 256.0 * 18.0).abs() < 1e-9);
        let untrained = data.bits(65536f64.ln() + 3.0, 10.0, 1000.0);
        assert!(untrained.ratio < 0.0);
    }
}
