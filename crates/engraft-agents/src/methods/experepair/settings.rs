//! Settings of the method, for flags and recipes.

use std::fmt;

use clap::{Args, ValueEnum};
use serde::{Deserialize, Serialize};

/// Settings of `experepair`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Args)]
#[serde(default)]
pub struct ExpeRepair {
    /// What is shown of earlier issues.
    #[arg(long, value_enum, default_value_t = Self::default().memory)]
    pub memory: Channels,
    /// Draws the demonstration of `--memory random`.
    #[arg(long, default_value_t = Self::default().memory_seed)]
    pub memory_seed: u64,
    #[command(flatten)]
    #[serde(flatten)]
    pub effort: Effort,
}

impl Default for ExpeRepair {
    fn default() -> Self {
        Self {
            memory: Channels::Both,
            memory_seed: 0,
            effort: Effort::default(),
        }
    }
}

/// How much is tried, whatever is remembered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Args)]
#[serde(default)]
pub struct Effort {
    /// Attempts at the script that shows the issue.
    #[arg(long, default_value_t = Self::default().scripts)]
    pub scripts: usize,
    /// Patches of the first round, and how many are mended in each later one.
    #[arg(long, default_value_t = Self::default().candidates)]
    pub candidates: usize,
    /// Rounds of mending.
    #[arg(long, default_value_t = Self::default().rounds)]
    pub rounds: usize,
    /// How the patch is chosen: by reviews, or as the repair that was written most often.
    #[arg(long, value_enum, default_value_t = Self::default().selection)]
    pub selection: Selection,
    /// Scripts with other inputs that the panel compares patches on.
    #[arg(long, default_value_t = Self::default().differential)]
    pub differential: usize,
    /// Pieces of advice for each way (completer, simpler) to write a sibling of a correct patch; 0 writes none.
    #[arg(long, default_value_t = Self::default().siblings)]
    pub siblings: usize,
    /// Temperature of all samples but the first.
    #[arg(long, default_value_t = Self::default().temperature)]
    pub temperature: f64,
    /// Most rules a role.
    #[arg(long, default_value_t = Self::default().insights)]
    pub insights: usize,
}

impl Default for Effort {
    fn default() -> Self {
        Self {
            scripts: 4,
            candidates: 4,
            rounds: 3,
            selection: Selection::Panel,
            differential: 3,
            siblings: 3,
            temperature: 0.8,
            insights: 15,
        }
    }
}

impl Effort {
    /// Whether settings that parsed also make sense; one sentence if not.
    pub fn check(&self) -> Result<(), String> {
        for (name, value, most) in [
            ("scripts", self.scripts, 100),
            ("candidates", self.candidates, 100),
            ("insights", self.insights, 100),
        ] {
            if value == 0 || value > most {
                return Err(format!("{name} is {value}; it takes 1 to {most}"));
            }
        }
        if !(0.0..=2.0).contains(&self.temperature) {
            return Err(format!(
                "temperature is {}; it takes 0 to 2",
                self.temperature
            ));
        }
        Ok(())
    }

    /// The temperature of a sample.
    pub(super) fn temperature_of(&self, sample: usize) -> f64 {
        if sample == 0 { 0.0 } else { self.temperature }
    }
}

/// Which memory is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Channels {
    /// Nothing.
    None,
    /// A demonstration drawn at random: what any demonstration does, whatever it shows.
    Random,
    /// Demonstrations that fit the attempt.
    Episodic,
    /// The rules.
    Semantic,
    /// Demonstrations that fit, and the rules.
    Both,
}

impl Channels {
    /// As flags and recipes write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Random => "random",
            Self::Episodic => "episodic",
            Self::Semantic => "semantic",
            Self::Both => "both",
        }
    }

    pub(super) fn demonstrations(self) -> bool {
        matches!(self, Self::Random | Self::Episodic | Self::Both)
    }

    pub(super) fn rules(self) -> bool {
        matches!(self, Self::Semantic | Self::Both)
    }
}

impl fmt::Display for Channels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Who chooses the patch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Selection {
    /// The second model, by what scripts print with each patch.
    Panel,
    /// No model: the repair that was written most often.
    Vote,
}

impl Selection {
    /// As flags and recipes write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Panel => "panel",
            Self::Vote => "vote",
        }
    }
}

impl fmt::Display for Selection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
