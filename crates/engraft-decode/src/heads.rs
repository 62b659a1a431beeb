//! What each head of a model carries in a conflict of memory and context: a small file that names the
//! heads to silence.

use std::path::Path;

use engraft_files::atomic::{WriteError, write_file};
use engraft_runtime::Shape;
use serde::{Deserialize, Serialize};

use crate::logits::Real;

/// How head files name themselves.
const FORMAT: &str = "engraft heads 1";

/// Why a head file could not be read, written or used.
#[derive(Debug, thiserror::Error)]
pub enum HeadsError {
    #[error(transparent)]
    Write(#[from] WriteError),
    #[error("{path}: {problem}")]
    File { path: String, problem: String },
    #[error("the heads were scored in the model {found}, not in {wanted}; score them in this one")]
    Foreign { found: String, wanted: String },
    #[error(
        "the heads were scored in a model of {blocks} blocks with {heads} heads, this one has \
         {wanted_blocks} with {wanted_heads}; score them in this one"
    )]
    Shape {
        blocks: usize,
        heads: usize,
        wanted_blocks: usize,
        wanted_heads: usize,
    },
}

/// The scores of all heads of a model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HeadScores {
    format: String,
    model_hash: String,
    blocks: usize,
    heads: usize,
    /// The questions that they were scored on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    scored_on: Vec<String>,
    /// `[blocks][heads]`: above 0 the head carries the context, below 0 memory.
    scores: Vec<Vec<f64>>,
}

/// All places of scores, the largest first; of equal ones the first.
pub fn ranking<F: Real>(scores: &[F]) -> Vec<usize> {
    let mut places: Vec<usize> = (0..scores.len()).collect();
    places.sort_by(|&a, &b| scores[b].double().total_cmp(&scores[a].double()));
    places
}

impl HeadScores {
    /// From scores `[blocks, heads]`.
    pub fn new(model_hash: String, heads: usize, scores: &[f64]) -> Self {
        let scores: Vec<Vec<f64>> = scores.chunks(heads.max(1)).map(<[f64]>::to_vec).collect();
        Self {
            format: FORMAT.to_owned(),
            model_hash,
            blocks: scores.len(),
            heads,
            scored_on: Vec::new(),
            scores,
        }
    }

    /// Notes on which questions the heads were scored.
    #[must_use]
    pub fn on(mut self, questions: Vec<String>) -> Self {
        self.scored_on = questions;
        self
    }

    /// The `count` heads (block, head) that carry the context most.
    pub fn of_context(&self, count: usize) -> Vec<(usize, usize)> {
        self.first(count, &self.scores.concat())
    }

    /// The `count` heads (block, head) that carry memory most.
    pub fn of_memory(&self, count: usize) -> Vec<(usize, usize)> {
        let opposite: Vec<f64> = self.scores.iter().flatten().map(|score| -score).collect();
        self.first(count, &opposite)
    }

    fn first(&self, count: usize, scores: &[f64]) -> Vec<(usize, usize)> {
        let places = ranking(scores).into_iter().take(count);
        places
            .map(|place| (place / self.heads, place % self.heads))
            .collect()
    }

    /// Whether the heads of a model of this shape are meant.
    pub fn fit(&self, shape: Shape) -> Result<(), HeadsError> {
        match (self.blocks, self.heads) == (shape.blocks, shape.heads) {
            true => Ok(()),
            false => Err(HeadsError::Shape {
                blocks: self.blocks,
                heads: self.heads,
                wanted_blocks: shape.blocks,
                wanted_heads: shape.heads,
            }),
        }
    }

    /// Whether they were scored in the model of this hash.
    pub fn are_of(&self, model_hash: &str) -> Result<(), HeadsError> {
        match self.model_hash == model_hash {
            true => Ok(()),
            false => Err(HeadsError::Foreign {
                found: self.model_hash.clone(),
                wanted: model_hash.to_owned(),
            }),
        }
    }

    /// As a file holds it.
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).expect("names and numbers have a JSON form")
    }

    /// Reads scores from what a file holds; what is wrong with it if there are none.
    pub fn from_json(text: &str) -> Result<Self, String> {
        let read: Self = serde_json::from_str(text)
            .map_err(|error| format!("is no file of heads ({error}); score the heads again"))?;
        if read.format != FORMAT {
            let format = read.format;
            return Err(format!(
                "is a `{format}`, not an `{FORMAT}`; score the heads again"
            ));
        }
        let whole = read.scores.iter().all(|heads| {
            let finite = heads.iter().all(|score| score.is_finite());
            finite && heads.len() == read.heads
        });
        match whole && read.scores.len() == read.blocks {
            true => Ok(read),
            false => Err(format!(
                "does not hold the scores of {} blocks with {} heads; score the heads again",
                read.blocks, read.heads
            )),
        }
    }

    /// Reads a head file.
    pub fn read(path: &Path) -> Result<Self, HeadsError> {
        let fail = |problem| HeadsError::File {
            path: path.display().to_string(),
            problem,
        };
        let text = std::fs::read_to_string(path)
            .map_err(|error| fail(format!("cannot be read: {error}")))?;
        Self::from_json(&text).map_err(fail)
    }

    /// Writes a head file.
    pub fn write(&self, path: &Path) -> Result<(), HeadsError> {
        Ok(write_file(path, self.to_json().as_bytes())?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scores() -> HeadScores {
        HeadScores::new("m".to_owned(), 2, &[0.5, -4.0, 0.5, 0.0, -1.0, 2.0])
    }

    #[test]
    fn heads_are_ranked_from_both_ends_and_equal_ones_in_order() {
        let heads = scores();
        assert_eq!(heads.of_context(3), [(2, 1), (0, 0), (1, 0)]);
        assert_eq!(heads.of_memory(2), [(0, 1), (2, 0)]);
        assert_eq!(heads.of_memory(99).len(), 6);
        assert!(heads.of_context(0).is_empty());
    }

    #[test]
    fn heads_come_back_from_their_file_and_damaged_files_say_so() {
        let json = scores().to_json();
        assert_eq!(HeadScores::from_json(&json).unwrap(), scores());
        assert!(!json.contains("scored_on"));
        let noted = scores().on(vec!["what?".to_owned()]);
        assert_eq!(HeadScores::from_json(&noted.to_json()).unwrap(), noted);
        let damaged = json.replace("\"blocks\": 3", "\"blocks\": 4");
        let said = HeadScores::from_json(&damaged).unwrap_err();
        assert!(said.contains("4 blocks"), "{said}");
        assert!(HeadScores::from_json("{").is_err());
        let newer = json.replace(FORMAT, "engraft heads 7");
        assert!(
            HeadScores::from_json(&newer)
                .unwrap_err()
                .contains("heads 7")
        );
    }

    #[test]
    fn heads_of_another_model_are_refused() {
        let shape = Shape {
            vocab: 10,
            blocks: 3,
            heads: 9,
            kv_heads: 3,
            head_width: 4,
            width: 36,
            context: 8,
        };
        let said = scores().fit(shape).unwrap_err().to_string();
        assert!(
            said.contains("2 heads") && said.contains("3 with 9"),
            "{said}"
        );
        assert!(scores().are_of("m").is_ok());
        let said = scores().are_of("other").unwrap_err().to_string();
        assert!(said.contains("other"), "{said}");
    }
}
