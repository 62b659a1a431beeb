//! One line of the ledger.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Measurement, capacity::Bits};

/// A model or data set that went in or came out.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Artifact {
    /// `model`, `teacher`, `data`, `replay`.
    pub role: String,
    pub name: String,
    /// Of the contents: weights or records.
    pub hash: String,
}

/// What a step did.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Entry {
    /// Format of the line, now 1.
    pub version: u32,
    /// Hash of everything that decides the result.
    pub id: String,
    /// Seconds since 1970.
    pub time: u64,
    /// Name of the recipe.
    pub run: String,
    pub step: String,
    pub verb: String,
    /// What was done, in one clause.
    pub what: String,
    /// Method, its settings and those of the training.
    pub config: Value,
    pub seed: u64,
    pub inputs: Vec<Artifact>,
    pub output: Option<Artifact>,
    /// On what was to be learned.
    pub gain: Option<Measurement>,
    /// On what was known before.
    pub kept: Option<Measurement>,
    /// `kept` of the model before the step.
    pub kept_before: Option<Measurement>,
    /// The largest loss on anything that was to be kept, in nats: of a token in texts, of an answer in
    /// completions.
    pub lost: Option<Measurement>,
    /// Of what was learned, where it does not belong.
    pub spill: Option<Measurement>,
    /// Everything that was measured after the step.
    pub measurements: Vec<Measurement>,
    /// The same probes on the model before the step, where they were measured.
    pub before: Vec<Measurement>,
    /// What the method has to say about itself: energies, factors, scores of single facts.
    pub report: Value,
    pub bits: Option<Bits>,
    pub parameters: u64,
    /// Numbers that had a gradient.
    pub trained_parameters: u64,
    pub trained_seconds: f64,
    pub measured_seconds: f64,
    pub peak_memory: Option<u64>,
    pub tokens: u64,
    /// Device and instruction set.
    pub machine: String,
}
