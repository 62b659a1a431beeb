//! How a method takes part in decoding, token by token.

use engraft_runtime::Site;

use crate::{AnswerError, Prompt, conditions::Conditions, logits::argmax};

/// A prompt that is decoded beside the others, fed with the same answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum View {
    /// Everything: context and question. Always the first.
    Full,
    /// The question without the context.
    NoContext,
    /// Everything, with other tokens, or none, instead of those in this range of the full prompt.
    Instead(std::ops::Range<usize>, Vec<u32>),
    /// Everything, read by the amateur model.
    Amateur,
}

impl View {
    /// Its tokens.
    ///
    /// # Errors
    /// A prompt without a context, or one of which nothing is left.
    pub fn tokens(&self, prompt: &Prompt<'_>) -> Result<Vec<u32>, AnswerError> {
        let tokens = match self {
            Self::Full | Self::Amateur => prompt.full.to_vec(),
            Self::NoContext => prompt.question.ok_or(AnswerError::NoContext)?.to_vec(),
            Self::Instead(place, tokens) => {
                let (before, after) = (&prompt.full[..place.start], &prompt.full[place.end..]);
                [before, tokens, after].concat()
            }
        };
        match tokens.is_empty() {
            true => Err(AnswerError::NothingLeft),
            false => Ok(tokens),
        }
    }
}

/// Early-exit logits of residual states, `[rows, width]` to `[rows, vocab]`.
pub type Lens<'a> = &'a dyn Fn(&[f32]) -> Vec<f32>;

/// What a method sees before a token is chosen.
pub struct Step<'a> {
    /// Raw logits `[vocab]` of every view, in the order of [`Steering::views`].
    pub logits: &'a [&'a [f32]],
    /// Prompt and answer so far, in the first view.
    pub tokens: &'a [u32],
    /// How many of them are prompt.
    pub prompt: usize,
    /// The values at the sites it asked for, at the last position of the first view, in the order of
    /// [`Steering::sites`].
    pub states: &'a [Vec<f32>],
    /// Final norm and head.
    pub lens: Lens<'a>,
    /// The head alone, without the final norm.
    pub head: Lens<'a>,
}

/// Where a token came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The model alone would have said it.
    Model,
    /// What it remembers won over the context.
    Memory,
    /// The context won over what it remembers.
    Context,
    /// An edge of a knowledge graph or a wanted word.
    Knowledge,
    /// An earlier layer.
    Layer(usize),
}

impl Source {
    /// Who said the highest-scored token: the context if the question alone would not have, the
    /// memory if the context would not have, the model if both would.
    pub fn of(scores: &[f32], context: &[f32], question: &[f32]) -> Self {
        let chosen = argmax(scores);
        match (argmax(context) == chosen, argmax(question) == chosen) {
            (_, false) => Self::Context,
            (true, true) => Self::Model,
            (false, true) => Self::Memory,
        }
    }
}

/// What a method has to say about a step, for `--explain`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Told {
    pub source: Option<Source>,
    /// Named measurements: `("confidence gain", 0.4)`.
    pub numbers: Vec<(&'static str, f64)>,
    /// Key and next token of the graph's edge that was followed.
    pub edge: Vec<u32>,
    /// Anything else in words: the condition, what was searched again.
    pub note: Option<String>,
}

/// A method at work on one answer.
pub trait Steering {
    /// The prompts it needs side by side.
    fn views(&self) -> Vec<View> {
        vec![View::Full]
    }

    /// Conditions of the prompt that it wants to have found before [`Steering::views`] is asked.
    fn conditions(&mut self) -> Option<&mut Conditions> {
        None
    }

    /// What it reads inside the model.
    fn sites(&self) -> Vec<Site> {
        Vec::new()
    }

    /// Heads (block, head) that are silenced in all passes.
    fn silenced(&self) -> &[(usize, usize)] {
        &[]
    }

    /// Writes the scores of the next token over a copy of the first view's logits. What is left
    /// untouched decodes as the plain model does; what must not come is `-inf`.
    fn scores(&mut self, step: &Step<'_>, scores: &mut [f32]) -> Told;

    /// Whether the next token is drawn by the probabilities of the scores; if not, the first of the
    /// highest is taken.
    fn draws(&self) -> bool {
        false
    }
}
