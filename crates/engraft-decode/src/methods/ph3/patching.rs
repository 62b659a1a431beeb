//! Path patching: what changes when one head gives what it gives in another prompt.
//!
//! With all other heads as they were, no information moves between positions. So the last position is
//! enough, and every head is one row of a batch that needs no attention.

use engraft_runtime::{Ask, CausalLm, Feed, Probe, Row, RuntimeError, Site};

use crate::logits::{Real, log_softmax};

/// Variants of the last position that go through the blocks together.
const BATCH: usize = 64;

/// A prompt in which memory and context disagree, and one about other things.
#[derive(Clone, Copy, Debug)]
pub struct Conflict<'a> {
    pub clean: &'a [u32],
    pub corrupted: &'a [u32],
    /// First token of the answer that the model remembers.
    pub memory: u32,
    /// First token of the answer that the context gives.
    pub context: u32,
}

/// In what the preference for memory's answer is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    Logits,
    /// Dominated by prompts where one answer is certain already.
    Probabilities,
}

/// What the heads give at the last position of two prompts, `[blocks][heads * head_width]`.
#[derive(Clone, Debug)]
pub struct Outputs<F> {
    pub clean: Vec<Vec<F>>,
    pub corrupted: Vec<Vec<F>>,
    pub head_width: usize,
}

/// Which head (block, head) a variant exchanges; none in the variant that shows what was.
pub type Variant = Option<(usize, usize)>;

impl Measure {
    /// By how much memory's answer is preferred, from logits `[vocab]`.
    pub fn of<F: Real>(self, logits: &[F], memory: u32, context: u32) -> F {
        let difference = |values: &[F]| values[memory as usize] - values[context as usize];
        match self {
            Self::Logits => difference(logits),
            Self::Probabilities => {
                let logs = log_softmax(logits);
                logs[memory as usize].exp() - logs[context as usize].exp()
            }
        }
    }
}

/// The unchanged variant, then one for each head, block by block.
pub fn variants(blocks: usize, heads: usize) -> Vec<Variant> {
    let of_block = |block: usize| (0..heads).map(move |head| Some((block, head)));
    std::iter::once(None)
        .chain((0..blocks).flat_map(of_block))
        .collect()
}

impl<F: Real> Outputs<F> {
    /// Writes what the heads of a block give in each variant, `[variants, heads * head_width]`.
    pub fn fill(&self, block: usize, variants: &[Variant], out: &mut [F]) {
        let (clean, corrupted) = (&self.clean[block], &self.corrupted[block]);
        for (variant, out) in variants.iter().zip(out.chunks_exact_mut(clean.len())) {
            out.copy_from_slice(clean);
            if let Some((_, head)) = variant.filter(|(of, _)| *of == block) {
                let place = head * self.head_width..(head + 1) * self.head_width;
                out[place.clone()].copy_from_slice(&corrupted[place]);
            }
        }
    }
}

/// Scores of all heads, `[blocks, heads]`, as means over the conflicts: by how much the preference for
/// memory's answer rises when the head is exchanged.
///
/// # Errors
/// A prompt that does not fit the model.
pub fn score_heads<M: CausalLm>(
    model: &M,
    conflicts: &[Conflict<'_>],
    measure: Measure,
) -> Result<Vec<f64>, RuntimeError> {
    let shape = model.shape();
    let mut scores = vec![0.0; shape.blocks * shape.heads];
    for conflict in conflicts {
        let preferences = preferences(model, conflict, measure)?;
        let (clean, patched) = preferences.split_at(1);
        for (score, patched) in scores.iter_mut().zip(patched) {
            *score += (patched - clean[0]) / conflicts.len() as f64;
        }
    }
    Ok(scores)
}

/// The preference in every variant, in the order of [`variants`].
fn preferences<M: CausalLm>(
    model: &M,
    conflict: &Conflict<'_>,
    measure: Measure,
) -> Result<Vec<f64>, RuntimeError> {
    let shape = model.shape();
    let clean = Tap::of(model, conflict.clean)?;
    let outputs = Outputs {
        clean: clean.heads,
        corrupted: Tap::of(model, conflict.corrupted)?.heads,
        head_width: shape.head_width,
    };
    let mut found = Vec::new();
    for variants in variants(shape.blocks, shape.heads).chunks(BATCH) {
        let embeddings = clean.embedding.repeat(variants.len());
        let logits = model.replay(&embeddings, &mut |block, out| {
            outputs.fill(block, variants, out);
        })?;
        let rows = logits.chunks_exact(shape.vocab);
        found.extend(rows.map(|row| {
            let preference = measure.of(row, conflict.memory, conflict.context);
            f64::from(preference)
        }));
    }
    Ok(found)
}

/// What enters the first block and what the heads give, at the last position of a prompt.
struct Tap {
    embedding: Vec<f32>,
    heads: Vec<Vec<f32>>,
}

impl Tap {
    fn of<M: CausalLm>(model: &M, prompt: &[u32]) -> Result<Self, RuntimeError> {
        let shape = model.shape();
        let mut tap = Self {
            embedding: vec![0.0; shape.width],
            heads: vec![vec![0.0; shape.heads * shape.head_width]; shape.blocks],
        };
        let feed = Feed {
            stream: &mut model.stream(),
            tokens: prompt,
            ask: Ask::Nothing,
        };
        model.forward(&mut [feed], &mut tap)?;
        Ok(tap)
    }
}

impl Probe for Tap {
    fn wants(&self, site: Site) -> bool {
        matches!(site, Site::Embeddings | Site::Heads(_))
    }

    fn at(&mut self, site: Site, rows: &[Row], values: &mut [f32]) {
        let Some(last) = rows.iter().position(|row| row.last) else {
            return;
        };
        let width = values.len() / rows.len();
        let kept = &values[last * width..(last + 1) * width];
        match site {
            Site::Heads(block) => self.heads[block].copy_from_slice(kept),
            _ => self.embedding.copy_from_slice(kept),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ph3_a_variant_exchanges_one_head_of_one_block() {
        let outputs = Outputs {
            clean: vec![vec![1.0, 2.0, 3.0, 4.0], vec![5.0, 6.0, 7.0, 8.0]],
            corrupted: vec![vec![-1.0, -2.0, -3.0, -4.0], vec![-5.0, -6.0, -7.0, -8.0]],
            head_width: 2,
        };
        let variants = variants(2, 2);
        assert_eq!(variants.len(), 5);
        let mut out = vec![0.0; 5 * 4];
        outputs.fill(1, &variants, &mut out);
        let rows: Vec<&[f64]> = out.chunks_exact(4).collect();
        let clean = [5.0, 6.0, 7.0, 8.0];
        assert_eq!(rows[..3], [clean; 3]);
        assert_eq!(rows[3], [-5.0, -6.0, 7.0, 8.0]);
        assert_eq!(rows[4], [5.0, 6.0, -7.0, -8.0]);
    }

    #[test]
    fn ph3_probabilities_of_far_logits_stay_numbers() {
        let logits = [900.0f32, -900.0, 0.0];
        assert_eq!(Measure::Logits.of(&logits, 0, 1), 1800.0);
        assert_eq!(Measure::Probabilities.of(&logits, 0, 1), 1.0);
    }
}
