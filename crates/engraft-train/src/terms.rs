//! What the losses of one optimiser step's micro-batches said.

use std::collections::BTreeMap;

use burn::tensor::Tensor;

use crate::{Loss, Terms};

/// Means over the micro-batches of a step; parts are read from the device only when wanted.
pub struct TermLog {
    want_parts: bool,
    losses: (f64, usize),
    parts: BTreeMap<&'static str, (f64, usize)>,
}

impl TermLog {
    pub fn new(want_parts: bool) -> Self {
        Self {
            want_parts,
            losses: (0.0, 0),
            parts: BTreeMap::new(),
        }
    }

    /// Reads the loss of one micro-batch and returns it.
    pub fn add(&mut self, terms: &Terms) -> f64 {
        let value = scalar(&terms.total);
        self.losses = (self.losses.0 + value, self.losses.1 + 1);
        if self.want_parts {
            for (name, part) in &terms.parts {
                self.add_part(name, scalar(part));
            }
        }
        value
    }

    /// Notes what a hook added to the loss.
    pub fn add_penalty(&mut self, penalty: &Tensor<1>) {
        if self.want_parts {
            self.add_part("penalty", scalar(penalty));
        }
    }

    fn add_part(&mut self, name: &'static str, value: f64) {
        let entry = self.parts.entry(name).or_default();
        *entry = (entry.0 + value, entry.1 + 1);
    }

    /// Mean of the losses, penalties left out.
    pub fn mean_loss(&self) -> f64 {
        self.losses.0 / self.losses.1.max(1) as f64
    }

    /// The mean of every part, and the loss's own scalars; what is not finite is left out.
    pub fn parts(&self, loss: &dyn Loss) -> BTreeMap<String, f64> {
        let means = self.parts.iter();
        let means = means.map(|(name, (sum, count))| (*name, sum / *count as f64));
        means
            .chain(loss.scalars())
            .filter(|(_, value)| value.is_finite())
            .map(|(name, value)| (name.to_owned(), value))
            .collect()
    }
}

fn scalar(tensor: &Tensor<1>) -> f64 {
    f64::from(tensor.clone().into_scalar::<f32>())
}
