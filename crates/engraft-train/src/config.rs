//! The settings of a training run, as recipes and flags write them.

use burn::tensor::{DType, Device};
use clap::{Args, ValueEnum};
use engraft_nets::{Network, Role};
use serde::{Deserialize, Serialize};

use crate::{Schedule, TrainError};

/// Which rule turns gradients into updates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Rule {
    /// Adam with decoupled weight decay (Loshchilov, Hutter 2019).
    #[default]
    Adamw,
    /// Stochastic gradient descent with momentum; weight decay is added to the gradient.
    Sgd,
}

/// The number format of the run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    #[default]
    F32,
    /// Forward and backward in bf16; weights, losses, norms and the optimiser's state stay f32.
    Bf16,
}

impl Precision {
    /// The format of forward and backward.
    pub fn dtype(self) -> DType {
        match self {
            Self::F32 => DType::F32,
            Self::Bf16 => DType::BF16,
        }
    }
}

macro_rules! shown_as_written {
    ($($name:ty),*) => {$(
        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                let value = self.to_possible_value().expect("no variant is hidden");
                f.write_str(value.get_name())
            }
        }
    )*};
}
shown_as_written!(Rule, Precision);

/// Other settings for the parameters whose name fits a pattern. The first group that fits counts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ParameterGroup {
    /// Whole parameter name; `*` stands for any run of characters: `transformer.h.0.*`.
    pub pattern: String,
    /// Factor on the learning rate.
    #[serde(default = "one")]
    pub lr_scale: f64,
    /// Weight decay in place of the run's (biases and norms included, since they are named here).
    #[serde(default)]
    pub weight_decay: Option<f64>,
    /// No gradient, no update.
    #[serde(default)]
    pub freeze: bool,
}

fn one() -> f64 {
    1.0
}

impl std::str::FromStr for ParameterGroup {
    type Err = String;

    /// From a flag: the JSON of a group, or only a pattern, which freezes what fits.
    fn from_str(text: &str) -> Result<Self, String> {
        if text.starts_with('{') {
            return serde_json::from_str(text).map_err(|error| error.to_string());
        }
        Ok(Self {
            pattern: text.to_owned(),
            lr_scale: 1.0,
            weight_decay: None,
            freeze: true,
        })
    }
}

/// Settings of a training run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Args)]
#[serde(default, deny_unknown_fields)]
pub struct TrainConfig {
    /// Optimiser steps.
    #[arg(long, default_value_t = Self::default().steps)]
    pub steps: usize,
    /// Sequences or images a micro-batch.
    #[arg(long, default_value_t = Self::default().batch)]
    pub batch: usize,
    /// Peak learning rate.
    #[arg(long, default_value_t = Self::default().lr)]
    pub lr: f64,
    /// Steps over which the rate rises to its peak.
    #[arg(long, default_value_t = Self::default().warmup)]
    pub warmup: usize,
    /// How the rate falls after the warm-up.
    #[arg(long, value_enum, default_value_t = Self::default().schedule)]
    pub schedule: Schedule,
    /// Smallest rate, as a share of the peak.
    #[arg(long, default_value_t = Self::default().min_lr)]
    pub min_lr: f64,
    /// Update rule.
    #[arg(long, value_enum, default_value_t = Self::default().optimizer)]
    pub optimizer: Rule,
    /// Weight decay; biases, norms and statistics have none unless a group names them.
    #[arg(long, default_value_t = Self::default().weight_decay)]
    pub weight_decay: f64,
    /// AdamW's decay of the first moment.
    #[arg(long, default_value_t = Self::default().beta_1)]
    pub beta_1: f64,
    /// AdamW's decay of the second moment.
    #[arg(long, default_value_t = Self::default().beta_2)]
    pub beta_2: f64,
    /// AdamW's smallest divisor.
    #[arg(long, default_value_t = Self::default().eps)]
    pub eps: f64,
    /// SGD's momentum; 0 is plain SGD.
    #[arg(long, default_value_t = Self::default().momentum)]
    pub momentum: f64,
    /// Largest norm of the whole gradient; 0 does not clip.
    #[arg(long, default_value_t = Self::default().clip)]
    pub clip: f64,
    /// Micro-batches whose gradients are averaged into one step.
    #[arg(long, default_value_t = Self::default().accumulate)]
    pub accumulate: usize,
    /// Number format of forward and backward: f32, or bf16 where the device has it (on the CPU it is
    /// slower than f32).
    #[arg(long, value_enum, default_value_t = Self::default().precision)]
    pub precision: Precision,
    /// Seed of the data order and of everything else that is drawn.
    #[arg(long, default_value_t = Self::default().seed)]
    pub seed: u64,
    /// Steps between checkpoints; 0 writes one only when the run is stopped.
    #[arg(long, default_value_t = Self::default().checkpoint_every)]
    pub checkpoint_every: usize,
    /// Steps between points of the loss curve; a point is the mean since the one before.
    #[arg(long, default_value_t = Self::default().log_every)]
    pub log_every: usize,
    /// Steps between measurements on held-out batches, where the run has some; 0 never measures.
    #[arg(long, default_value_t = Self::default().eval_every)]
    pub eval_every: usize,
    /// Held-out batches a measurement.
    #[arg(long, default_value_t = Self::default().eval_batches)]
    pub eval_batches: usize,
    /// Put rows of similar length into one batch, so that less is padded (text rows of unequal length).
    #[arg(long)]
    pub group_by_length: bool,
    /// Activation checkpointing: keep only the input of every block and compute the rest again on the
    /// way back. Saves memory, costs a forward pass (Llama-family models).
    #[arg(long)]
    pub recompute: bool,
    /// Other rates, weight decay or no training for parameters by name, one group a flag: a name
    /// pattern (frozen), or JSON `{"pattern": "*.bias", "lr_scale": 2}`.
    #[arg(long)]
    pub groups: Vec<ParameterGroup>,
}

impl Default for TrainConfig {
    fn default() -> Self {
        Self {
            steps: 1000,
            batch: 32,
            lr: 1e-3,
            warmup: 50,
            schedule: Schedule::Cosine,
            min_lr: 0.1,
            optimizer: Rule::Adamw,
            weight_decay: 0.01,
            beta_1: 0.9,
            beta_2: 0.999,
            eps: 1e-8,
            momentum: 0.9,
            clip: 1.0,
            accumulate: 1,
            precision: Precision::F32,
            seed: 0,
            checkpoint_every: 200,
            log_every: 10,
            eval_every: 0,
            eval_batches: 8,
            group_by_length: false,
            recompute: false,
            groups: Vec::new(),
        }
    }
}

/// What the update of one parameter uses.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Treatment {
    pub lr_scale: f64,
    pub weight_decay: f64,
    pub freeze: bool,
}

impl TrainConfig {
    /// Refuses settings that cannot train, before anything runs.
    pub fn validate(&self) -> Result<(), TrainError> {
        let at_least_one = [
            ("steps", self.steps),
            ("batch", self.batch),
            ("accumulate", self.accumulate),
            ("log_every", self.log_every),
        ];
        for (key, value) in at_least_one {
            if value == 0 {
                return Err(TrainError::setting(key, "0 must be 1 or more"));
            }
        }
        if self.eval_every > 0 && self.eval_batches == 0 {
            return Err(TrainError::setting(
                "eval_batches",
                "0 must be 1 or more while `eval_every` is set",
            ));
        }
        let not_negative = [
            ("lr", self.lr),
            ("weight_decay", self.weight_decay),
            ("clip", self.clip),
        ];
        for (key, value) in not_negative {
            if !(value.is_finite() && value >= 0.0) {
                return Err(TrainError::setting(
                    key,
                    format!("{value} must be a number of 0 or more"),
                ));
            }
        }
        let below_one = [
            ("beta_1", self.beta_1),
            ("beta_2", self.beta_2),
            ("momentum", self.momentum),
        ];
        for (key, value) in below_one {
            if !(0.0..1.0).contains(&value) {
                let problem = format!("{value} must be 0 or more and below 1");
                return Err(TrainError::setting(key, problem));
            }
        }
        if !(0.0..=1.0).contains(&self.min_lr) {
            let problem = format!("{} is a share of `lr`, from 0 to 1", self.min_lr);
            return Err(TrainError::setting("min_lr", problem));
        }
        if !(self.eps.is_finite() && self.eps > 0.0) {
            let problem = format!("{} must be above 0", self.eps);
            return Err(TrainError::setting("eps", problem));
        }
        Ok(())
    }

    /// Refuses a number format that the device cannot train in.
    pub fn validate_device(&self, device: &Device) -> Result<(), TrainError> {
        if device.supports_dtype(self.precision.dtype()) {
            return Ok(());
        }
        let problem = format!("{device:?} does not compute in bf16; set `precision: f32`");
        Err(TrainError::setting("precision", problem))
    }

    /// Refuses groups that fit no parameter: most likely a typo.
    pub fn validate_groups(&self, network: &dyn Network) -> Result<(), TrainError> {
        let names: Vec<String> = network
            .parameters()
            .iter()
            .map(|parameter| parameter.name.clone())
            .collect();
        for group in &self.groups {
            if !names.iter().any(|name| fits(&group.pattern, name)) {
                let problem = format!(
                    "pattern `{}` fits no parameter; the network's names look like `{}`",
                    group.pattern,
                    names.first().map_or("", String::as_str)
                );
                return Err(TrainError::setting("groups", problem));
            }
            let decay = group.weight_decay.unwrap_or(0.0);
            for (key, value) in [("lr_scale", group.lr_scale), ("weight_decay", decay)] {
                if !(value.is_finite() && value >= 0.0) {
                    let problem = format!("`{key}` {value} must be a number of 0 or more");
                    return Err(TrainError::setting("groups", problem));
                }
            }
        }
        Ok(())
    }

    /// The learning rate of step `step` before group factors.
    pub fn learning_rate(&self, step: usize) -> f64 {
        self.lr
            * self
                .schedule
                .factor(step, self.steps, self.warmup, self.min_lr)
    }

    /// How a parameter of this name and role is updated.
    pub fn treatment(&self, name: &str, role: Role) -> Treatment {
        let usual = match role {
            Role::Weight | Role::Embedding => self.weight_decay,
            Role::Bias | Role::Norm | Role::Statistic => 0.0,
        };
        match self.groups.iter().find(|group| fits(&group.pattern, name)) {
            Some(group) => Treatment {
                lr_scale: group.lr_scale,
                weight_decay: group.weight_decay.unwrap_or(usual),
                freeze: group.freeze,
            },
            None => Treatment {
                lr_scale: 1.0,
                weight_decay: usual,
                freeze: false,
            },
        }
    }
}

/// Whether a whole name fits a pattern in which `*` stands for any run of characters.
pub fn fits(pattern: &str, name: &str) -> bool {
    let Some((head, rest)) = pattern.split_once('*') else {
        return pattern == name;
    };
    let Some(mut name) = name.strip_prefix(head) else {
        return false;
    };
    let mut parts: Vec<&str> = rest.split('*').collect();
    let last = parts.pop().expect("split gives at least one part");
    for part in parts {
        let Some(found) = name.find(part) else {
            return false;
        };
        name = &name[found + part.len()..];
    }
    name.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_fit_whole_names() {
        assert!(fits("*", "anything"));
        assert!(fits("h.*.bias", "h.0.mlp.bias"));
        assert!(fits("h.0.*", "h.0.mlp.bias"));
        assert!(fits("*mlp*", "h.0.mlp.bias"));
        assert!(!fits("h.*.bias", "h.0.bias.weight"));
        assert!(!fits("mlp", "h.0.mlp"));
        assert!(!fits("ab*ba", "aba"));
    }

    #[test]
    fn biases_and_norms_have_no_weight_decay_unless_a_group_names_them() {
        let mut config = TrainConfig {
            weight_decay: 0.1,
            ..TrainConfig::default()
        };
        assert_eq!(config.treatment("a", Role::Weight).weight_decay, 0.1);
        assert_eq!(config.treatment("a", Role::Bias).weight_decay, 0.0);
        assert_eq!(config.treatment("a", Role::Norm).weight_decay, 0.0);
        config.groups =
            vec![serde_json::from_str(r#"{"pattern":"a","weight_decay":0.5}"#).unwrap()];
        assert_eq!(config.treatment("a", Role::Bias).weight_decay, 0.5);
        assert_eq!(config.treatment("b", Role::Bias).weight_decay, 0.0);
    }

    #[test]
    fn unknown_keys_and_values_that_cannot_train_are_refused_by_name() {
        let typo = serde_json::from_str::<TrainConfig>(r#"{"learning_rate": 1}"#);
        assert!(typo.unwrap_err().to_string().contains("learning_rate"));
        for (json, key) in [
            (r#"{"steps": 0}"#, "steps"),
            (r#"{"accumulate": 0}"#, "accumulate"),
            (r#"{"lr": -1}"#, "lr"),
            (r#"{"beta_2": 1}"#, "beta_2"),
            (r#"{"min_lr": 2}"#, "min_lr"),
        ] {
            let config: TrainConfig = serde_json::from_str(json).unwrap();
            let message = config.validate().unwrap_err().to_string();
            assert!(message.contains(&format!("`{key}`")), "{message}");
        }
    }

    #[test]
    fn a_device_is_asked_whether_it_computes_in_the_format() {
        let config: TrainConfig = serde_json::from_str(r#"{"precision": "bf16"}"#).unwrap();
        let able = Device::flex().supports_dtype(config.precision.dtype());
        assert_eq!(config.validate_device(&Device::flex()).is_ok(), able);
    }
}
