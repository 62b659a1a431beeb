//! What goes into a network: plain numbers, independent of any device.

/// Label of a row that does not count.
pub const IGNORE: i64 = -100;

/// The input of one forward pass.
#[derive(Clone, Debug, PartialEq)]
pub enum Input {
    /// Token ids, row-major `[batch, tokens]`; shorter sequences are padded on the right (any id).
    Tokens { ids: Vec<u32>, shape: [usize; 2] },
    /// Pixels, `[batch, channels, height, width]`, already normalised.
    Images { pixels: Vec<f32>, shape: [usize; 4] },
    /// Plain features, `[batch, width]`.
    Features { values: Vec<f32>, shape: [usize; 2] },
}

/// Inputs with one label a row (`[batch * tokens]` for token inputs, `[batch]` otherwise).
///
/// For tokens the label at a position is the id that follows it (already shifted), or [`IGNORE`].
#[derive(Clone, Debug, PartialEq)]
pub struct Batch {
    pub input: Input,
    pub labels: Vec<i64>,
    /// Where each sample came from in its data set; `[batch]`.
    pub samples: Vec<usize>,
}

impl Batch {
    /// Number of sequences or images.
    pub fn len(&self) -> usize {
        match &self.input {
            Input::Tokens { shape, .. } => shape[0],
            Input::Images { shape, .. } => shape[0],
            Input::Features { shape, .. } => shape[0],
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Number of rows whose label counts.
    pub fn labelled(&self) -> usize {
        self.labels.iter().filter(|&&label| label != IGNORE).count()
    }
}
