//! KID — pushes the model towards the facts of documents before every token.
//!
//! # What it does
//! Nouns of the text so far are looked up among short keys made of the documents' nouns; the words
//! found are wanted next. Before each token a few gradient steps change the cached keys and values so
//! that the wanted words become likelier, while the distribution stays near the model's own.
//!
//! # When to use it, when not
//! For free answers about known documents, where mentioning their words counts. At the default step the
//! effect is small; `step_size` 0.03 with `gamma` 1 moves more. Each token costs a forward and a
//! backward pass a step and two more forward passes. Adding a constant to the logits of the wanted
//! words is the baseline to beat.
//!
//! # How
//! With the wanted tokens `K`, the model's own `q` and the shifted `p`, the loss is
//! `-ln(sum p[K]) + kl_scale · KL(p || q)`; `kid_steps` times, the shift of a block's cache moves by
//! `-step_size · g / G^gamma`, where `G` is the largest norm its gradient `g` has had. Then
//! `f = p^gm_scale · q^(1 - gm_scale)` after a ban of repeated n-grams on both, the `top_k` and `top_p`
//! of it, normalised; the next token is drawn from `f`.
//!
//! # Where paper and code differ and which we follow
//! Only the abstract and the code could be read; formulas and defaults are the code's. The code feeds
//! the last token again although the cache holds it; here the cache ends before it. Its ban also hits
//! the ids 0, 1, 2, ..., its nucleus takes a softmax of probabilities, and its lookup finds "drugstore"
//! for "drug": `ban_positions`, `softmax_top_p` and `character_prefixes` bring those back. Steps longer
//! than `max_step` are cut. Keys come from a noun finder of rules instead of parsers, and wanted words
//! are spelled as the documents spell them.
//!
//! # Evidence
//! Parity with the official code: `parity/kid`, kinds `policy_update`, `fuse` and `prefix_lookup`.
//!
//! # Reference
//! Liu et al. Knowledge Infused Decoding. ICLR 2022, arXiv 2204.03084.

mod answer;
mod check;
mod fusion;
mod nouns;
mod policy;
mod toy;
mod trie;

use clap::Args;
use engraft_method::parity::Check;
use serde::{Deserialize, Serialize};

use crate::{DecodeMethod, Target, Way, prompt::Text};

pub use trie::Trie;

/// Settings of `kid`.
#[derive(Clone, Debug, Serialize, Deserialize, Args)]
#[serde(default)]
pub struct Kid {
    /// Text file of the documents.
    #[arg(long, default_value_t = Self::default().documents)]
    pub documents: String,
    /// Gradient steps before each token; with 0 the model's own distribution is drawn from, after the
    /// bans and filters.
    #[arg(long, default_value_t = Self::default().kid_steps)]
    pub kid_steps: usize,
    /// Length of a step.
    #[arg(long, default_value_t = Self::default().step_size)]
    pub step_size: f32,
    /// Power of the gradient's norm that divides it.
    #[arg(long, default_value_t = Self::default().gamma)]
    pub gamma: f32,
    /// Longest step of a block, in step sizes.
    #[arg(long, default_value_t = Self::default().max_step)]
    pub max_step: f32,
    /// Weight of the distance from the model's own distribution.
    #[arg(long, default_value_t = Self::default().kl_scale)]
    pub kl_scale: f32,
    /// How often the words found are looked up in turn.
    #[arg(long, default_value_t = Self::default().max_hops)]
    pub max_hops: usize,
    /// Weight of the changed distribution against the model's own, from 0 to 1.
    #[arg(long, default_value_t = Self::default().gm_scale)]
    pub gm_scale: f32,
    /// So many of the most probable tokens stay.
    #[arg(long, default_value_t = Self::default().top_k)]
    pub top_k: usize,
    /// Of those, the smallest set stays that has this probability.
    #[arg(long, default_value_t = Self::default().top_p)]
    pub top_p: f32,
    /// No sequence of so many tokens comes twice; 0 is off.
    #[arg(long, default_value_t = Self::default().banned_ngram_size)]
    pub banned_ngram_size: usize,
    /// Makes tokens that were already there less likely; 1 is off.
    #[arg(long, default_value_t = Self::default().repetition_penalty)]
    pub repetition_penalty: f32,
    /// Always take the most probable token instead of drawing one.
    #[arg(long)]
    pub greedy: bool,
    /// Ban as the official code does: also the ids 0, 1, 2, ..., one for each banned token.
    #[arg(long)]
    pub ban_positions: bool,
    /// Choose the nucleus as the official code does: by a softmax of the probabilities.
    #[arg(long)]
    pub softmax_top_p: bool,
    /// Look up as the official code does: keys that begin with the letters of a noun.
    #[arg(long)]
    pub character_prefixes: bool,
}

impl Default for Kid {
    fn default() -> Self {
        Self {
            documents: String::new(),
            kid_steps: 3,
            step_size: 0.01,
            gamma: 1.5,
            max_step: 10.0,
            kl_scale: 0.01,
            max_hops: 1,
            gm_scale: 0.99,
            top_k: 20,
            top_p: 0.92,
            banned_ngram_size: 2,
            repetition_penalty: 1.0,
            greedy: false,
            ban_positions: false,
            softmax_top_p: false,
            character_prefixes: false,
        }
    }
}

/// The method with the keys of its documents, at work on answers.
#[derive(Clone, Debug)]
pub struct Infusion {
    pub settings: Kid,
    pub trie: Trie,
}

impl Infusion {
    /// The tokens wanted after others, one for each word found; the end of the text if none was found.
    pub fn wanted(&self, tokens: &[u32], text: &dyn Text) -> Vec<u32> {
        let settings = &self.settings;
        let entities = nouns::nouns(&text.decode(tokens));
        let words = self
            .trie
            .words(&entities, settings.max_hops, settings.character_prefixes);
        // Within a text, a word begins with a space.
        let first = |word: &String| {
            let tokens = text.encode(&format!(" {}", self.trie.spelling(word)));
            tokens.first().copied()
        };
        let found: Vec<u32> = words.iter().filter_map(first).collect();
        match found.is_empty() {
            true => vec![text.end()],
            false => found,
        }
    }
}

impl DecodeMethod for Kid {
    const NAME: &'static str = "kid";
    const FILES: &'static [&'static str] = &["documents"];
    const CHECKS: &'static [Check] = &[
        Check {
            slug: "kid",
            kind: "policy_update",
            run: check::policy_update,
        },
        Check {
            slug: "kid",
            kind: "fuse",
            run: check::fuse,
        },
        Check {
            slug: "kid",
            kind: "prefix_lookup",
            run: check::prefix_lookup,
        },
    ];

    fn check(&self) -> Result<(), String> {
        let above_0 = [
            ("step_size", self.step_size),
            ("max_step", self.max_step),
            ("repetition_penalty", self.repetition_penalty),
        ];
        for (name, number) in above_0 {
            if !(number.is_finite() && number > 0.0) {
                return Err(format!("{name} is {number}; it must be above 0"));
            }
        }
        for (name, number) in [("gamma", self.gamma), ("kl_scale", self.kl_scale)] {
            if !(number.is_finite() && number >= 0.0) {
                return Err(format!("{name} is {number}; it must be 0 or more"));
            }
        }
        if !(0.0..=1.0).contains(&self.gm_scale) {
            let scale = self.gm_scale;
            return Err(format!("gm_scale is {scale}; it must be from 0 to 1"));
        }
        if !(self.top_p > 0.0 && self.top_p <= 1.0) {
            let mass = self.top_p;
            return Err(format!("top_p is {mass}; it must be above 0 and at most 1"));
        }
        if self.top_k == 0 {
            return Err("top_k is 0; at least one token must stay".to_owned());
        }
        Ok(())
    }

    fn start(&self, _model: &Target<'_>) -> Result<Way, String> {
        if self.documents.is_empty() {
            return Err("`documents` names no file; give a text file of documents".to_owned());
        }
        let text = std::fs::read_to_string(&self.documents)
            .map_err(|error| format!("{}: cannot be read: {error}", self.documents))?;
        let trie = Trie::of_documents(&text);
        match trie.is_empty() {
            true => Err(format!("{}: holds no nouns to look up", self.documents)),
            false => Ok(Way::Kid(Infusion {
                settings: self.clone(),
                trie,
            })),
        }
    }
}
