//! One tensor as it lies in its file.

use std::{ops::Range, path::Path};

use memmap2::Mmap;

use crate::{Format, safetensors::WeightsError};

/// A tensor of a file: shape, number format and bytes, unread.
#[derive(Clone, Copy, Debug)]
pub struct Stored<'a> {
    pub path: &'a Path,
    /// The name it has in the file.
    pub name: &'a str,
    /// Row-major.
    pub shape: &'a [usize],
    pub format: Format,
    pub bytes: &'a [u8],
    /// With so many heads: the rows that rotary positions turn together stand side by side (`2i` and
    /// `2i + 1`) where everything here expects them half a head apart.
    pub pairs: Option<usize>,
}

impl Stored<'_> {
    /// The same, if it has this shape.
    pub fn with_shape(self, shape: &[usize]) -> Result<Self, WeightsError> {
        if self.shape == shape {
            return Ok(self);
        }
        Err(self.fail(format!(
            "has shape {:?}, the model needs {shape:?}; check that config.json belongs to it",
            self.shape
        )))
    }

    /// Rows: the first dimension, or 1 for a vector.
    pub fn rows(&self) -> usize {
        match self.shape {
            [] | [_] => 1,
            [rows, ..] => *rows,
        }
    }

    /// Which row of the file is row `row` of the tensor.
    pub fn row_in_file(&self, row: usize) -> usize {
        let Some(heads) = self.pairs else { return row };
        let rows = match self.shape {
            [rows, ..] => *rows,
            [] => return row,
        };
        let width = rows / heads.max(1);
        let (head, at) = (row / width, row % width);
        let half = width / 2;
        head * width + 2 * (at % half) + at / half
    }

    /// The bytes of one row of a matrix.
    pub fn row(&self, row: usize) -> &[u8] {
        let length = self.bytes.len() / self.rows().max(1);
        let at = match self.shape.len() {
            0 | 1 => 0,
            _ => self.row_in_file(row),
        };
        &self.bytes[at * length..(at + 1) * length]
    }

    /// All its numbers, in the order of the tensor.
    ///
    /// # Errors
    /// The first that is not finite.
    pub fn numbers(&self) -> Result<Vec<f32>, WeightsError> {
        let mut numbers = self.format.numbers(self.bytes);
        if self.pairs.is_some() {
            let rows = self.shape.first().copied().unwrap_or(1);
            let length = numbers.len() / rows.max(1);
            let file = std::mem::take(&mut numbers);
            for row in 0..rows {
                let at = self.row_in_file(row) * length;
                numbers.extend_from_slice(&file[at..at + length]);
            }
        }
        match numbers.iter().position(|number| !number.is_finite()) {
            Some(at) => Err(self.fail(format!(
                "holds {} at place {at}; the training that made it diverged",
                numbers[at]
            ))),
            None => Ok(numbers),
        }
    }

    /// An error about this tensor.
    pub fn fail(&self, problem: impl Into<String>) -> WeightsError {
        WeightsError::Tensor {
            path: self.path.to_owned(),
            tensor: self.name.to_owned(),
            problem: problem.into(),
        }
    }
}

/// Gives back the memory of a part of a file that was read and is not needed soon.
#[cfg(unix)]
pub(crate) fn let_go(map: &Mmap, part: Range<usize>) {
    use memmap2::UncheckedAdvice::DontNeed;
    // SAFETY: maps are only read here, so the pages come back from the file as they were. A system that
    // does not listen keeps them.
    let _ = unsafe { map.unchecked_advise_range(DontNeed, part.start, part.len()) };
}

/// Nothing can be given back here.
#[cfg(not(unix))]
pub(crate) fn let_go(_map: &Mmap, _part: Range<usize>) {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_become_halves_head_by_head() {
        let rows: Vec<u8> = (0..8).flat_map(|row| (row as f32).to_le_bytes()).collect();
        let stored = Stored {
            path: Path::new("x.gguf"),
            name: "blk.0.attn_q.weight",
            shape: &[8, 1],
            format: Format::F32,
            bytes: &rows,
            pairs: Some(2),
        };
        let wanted = [0.0, 2.0, 1.0, 3.0, 4.0, 6.0, 5.0, 7.0];
        assert_eq!(stored.numbers().unwrap(), wanted);
        for (row, number) in wanted.into_iter().enumerate() {
            assert_eq!(Format::F32.numbers(stored.row(row)), [number]);
        }
    }
}
