//! Which earlier layers are candidates: a rule, or their numbers.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// Candidate layers; 0 are the embeddings, n is what block n gives.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Layers {
    /// Every second one of the lower half, from 2: below that, a model whose head is its embedding
    /// only says its last word again.
    Low,
    /// Every second one of the upper half.
    High,
    Numbers(Vec<usize>),
}

/// In deeper models the rules take this many layers from the bottom or the top instead of a half.
const HALF_AT_MOST: usize = 20;

impl Layers {
    /// The candidates in a model of so many blocks, as transformers 4.49 chooses them.
    ///
    /// # Errors
    /// A number that is not below the last layer, in one sentence.
    pub fn of(&self, blocks: usize) -> Result<Vec<usize>, String> {
        let first = match blocks {
            0 | 1 => 0,
            2 => 1,
            _ => 2,
        };
        let half = (blocks / 2).min(HALF_AT_MOST);
        match self {
            Self::Low if first >= half => Ok(vec![first]),
            Self::Low => Ok((first..half).step_by(2).collect()),
            Self::High => {
                let from = match blocks > 2 * HALF_AT_MOST {
                    true => blocks - HALF_AT_MOST,
                    false => blocks / 2,
                };
                Ok((from..blocks).step_by(2).collect())
            }
            Self::Numbers(numbers) => match numbers.iter().find(|&&number| number >= blocks) {
                None => Ok(numbers.clone()),
                Some(number) => Err(format!(
                    "layer {number} is not an earlier one: the model has {blocks} blocks"
                )),
            },
        }
    }
}

impl fmt::Display for Layers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Low => f.write_str("low"),
            Self::High => f.write_str("high"),
            Self::Numbers(numbers) => {
                let numbers: Vec<String> = numbers.iter().map(usize::to_string).collect();
                f.write_str(&numbers.join(","))
            }
        }
    }
}

impl FromStr for Layers {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "low" => Ok(Self::Low),
            "high" => Ok(Self::High),
            numbers => numbers
                .split(',')
                .map(|number| number.trim().parse())
                .collect::<Result<_, _>>()
                .map(Self::Numbers)
                .map_err(|_| {
                    format!("layers are `low`, `high` or numbers like 2,4,6, not `{text}`")
                }),
        }
    }
}

impl TryFrom<String> for Layers {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Layers> for String {
    fn from(layers: Layers) -> Self {
        layers.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn candidate_layers_are_those_of_the_rules() {
        let low = |blocks| Layers::Low.of(blocks).unwrap();
        assert_eq!(low(30), [2, 4, 6, 8, 10, 12, 14]);
        assert_eq!(low(4), [2]);
        assert_eq!(low(2), [1]);
        assert_eq!(low(1), [0]);
        assert_eq!(low(48).last(), Some(&18));
        let high = |blocks| Layers::High.of(blocks).unwrap();
        assert_eq!(high(6), [3, 5]);
        assert_eq!(high(48).first(), Some(&28));
    }

    #[test]
    fn candidate_layers_are_written_as_they_are_read() {
        for text in ["low", "high", "0,3,5"] {
            assert_eq!(text.parse::<Layers>().unwrap().to_string(), text);
        }
        assert!("middle".parse::<Layers>().is_err());
        assert!("".parse::<Layers>().is_err());
        assert!(Layers::Numbers(vec![3, 6]).of(6).is_err());
        assert_eq!(Layers::Numbers(vec![3, 5]).of(6).unwrap(), [3, 5]);
    }
}
