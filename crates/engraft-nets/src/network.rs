//! The one trait of all networks, and the taps that read and replace what flows inside.

use std::collections::BTreeMap;

use burn::tensor::{DType, Tensor};

use crate::{Batch, Linear, Logits, Parameter, Role, Value};

/// Whether a pass trains (batch statistics, dropout) or measures (running statistics).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    Train,
    Eval,
}

/// What a network can give and take; a plan refuses what does not fit before anything runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// Predicts a token at every position (otherwise one class an input).
    pub causal_lm: bool,
    pub attention_maps: bool,
    pub pooled_features: bool,
    /// Number of blocks that taps can address.
    pub blocks: usize,
    /// Attention heads a block.
    pub heads: usize,
    /// Width of the hidden states.
    pub width: usize,
    /// Vocabulary or number of classes.
    pub classes: usize,
    /// Longest input in tokens, where there is a limit.
    pub context: Option<usize>,
}

/// Wishes for one forward pass, and what was collected.
///
/// Hidden states are `[batch * tokens, width]` for language models and `[batch, width]` for MLPs;
/// index 0 is the input of block 0, index `i + 1` the output of block `i`. Image networks give
/// `[batch, channels, height, width]`.
#[derive(Default)]
pub struct Taps {
    /// Collect these hidden states.
    pub want_hidden: Vec<usize>,
    /// Collect the attention maps of these blocks, `[batch, heads, tokens, tokens]`.
    pub want_attention: Vec<usize>,
    /// Collect what every head of these blocks adds before the output projection,
    /// `[batch, heads, tokens, head_width]`.
    pub want_heads: Vec<usize>,
    /// Replace hidden state `i` before it flows on.
    pub replace_hidden: BTreeMap<usize, Value>,
    /// Silence heads: (block, head).
    pub silence: Vec<(usize, usize)>,
    /// Run only these blocks: start at block `from` with `replace_hidden[from]` as input.
    pub from: Option<usize>,
    /// Stop before block `to`: the signals then hold no meaningful logits, the taps hold
    /// hidden state `to`.
    pub to: Option<usize>,

    pub hidden: BTreeMap<usize, Value>,
    pub attention: BTreeMap<usize, Tensor<4>>,
    pub heads: BTreeMap<usize, Tensor<4>>,
}

impl Taps {
    /// No wishes: costs nothing.
    pub fn none() -> Self {
        Self::default()
    }

    /// Whether anything is wished of what happens inside a block.
    pub(crate) fn inside_blocks(&self) -> bool {
        !(self.want_attention.is_empty() && self.want_heads.is_empty() && self.silence.is_empty())
    }
}

/// What a forward pass gives.
pub struct Signals {
    /// One row a position (`[batch * tokens, vocab]`) or an input (`[batch, classes]`).
    pub logits: Logits,
    /// Pooled features `[batch, width]` before the classifier, where the network has them.
    pub features: Option<Tensor<2>>,
    /// New running statistics (name, value), for the training loop to store.
    pub statistics: Vec<(String, Value)>,
}

/// A network whose inner signals can be read and replaced.
pub trait Network: Send {
    fn capabilities(&self) -> Capabilities;

    fn forward(&self, batch: &Batch, mode: Mode, taps: &mut Taps) -> Signals;

    /// All parameters in the order of the file.
    fn parameters(&self) -> Vec<&Parameter>;

    fn parameters_mut(&mut self) -> Vec<&mut Parameter>;

    /// The linear layers that deltas can be attached to, in the order of the file.
    fn linears_mut(&mut self) -> Vec<&mut Linear>;

    /// `config.json` as Hugging Face writes it (own `model_type` for our own nets).
    fn config(&self) -> serde_json::Value;

    /// Turns activation checkpointing on or off: with it, training keeps only the input of every
    /// block and computes the rest again on the way back. Returns whether the network can.
    fn recomputes(&mut self, _on: bool) -> bool {
        false
    }

    fn boxed_clone(&self) -> Box<dyn Network>;
}

impl dyn Network + '_ {
    /// Number of trained or trainable numbers, running statistics left out.
    pub fn parameter_count(&self) -> usize {
        self.parameters()
            .iter()
            .filter(|p| p.role != Role::Statistic)
            .map(|p| p.value.len())
            .sum()
    }

    /// A copy (sharing memory until written) on the plain device: a teacher, or a model to measure.
    pub fn detached(&self) -> Box<dyn Network> {
        let mut copy = self.boxed_clone();
        for parameter in copy.parameters_mut() {
            parameter.value = crate::map_rank!(parameter.value.clone(), t => t.inner());
        }
        copy
    }

    /// A copy on the differentiating device, trainable parameters tracked.
    pub fn tracked(&self) -> Box<dyn Network> {
        self.tracked_in(DType::F32)
    }

    /// The same with its numbers in another format, for mixed precision.
    pub fn tracked_in(&self, dtype: DType) -> Box<dyn Network> {
        let mut copy = self.boxed_clone();
        for parameter in copy.parameters_mut() {
            let trainable = parameter.trainable;
            // Gradients of a frequent token add up over a batch: too many for a few digits.
            let whole = matches!(parameter.role, Role::Statistic | Role::Embedding);
            let dtype = if whole { DType::F32 } else { dtype };
            parameter.value = crate::map_rank!(parameter.value.clone(), t =>
                t.inner().cast(dtype).autodiff().set_require_grad(trainable));
        }
        copy
    }
}
