//! What a way of teaching declares, and the registry entry made from it.

use clap::{ArgMatches, Args, Command};
use engraft_method::{Method, Need, Settings, parity::Check};
use engraft_nets::{Batch, Network};
use engraft_train::{CrossEntropy, Loss};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Which tokens of a taught text are to be predicted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Labels {
    /// Those of the answer.
    #[default]
    Answer,
    /// All of them.
    Text,
}

/// What a method is given before training.
pub struct Lesson<'a> {
    /// Sequences that stand for what the model knows, one a batch; empty where none were named.
    pub calibration: &'a [Batch],
    pub seed: u64,
}

/// A network ready to be trained, and how.
pub struct Prepared {
    pub network: Box<dyn Network>,
    pub loss: Box<dyn Loss>,
    /// What the method has to say about its preparations, for the ledger.
    pub report: Value,
    /// Sentences for the user.
    pub warnings: Vec<String>,
}

impl Prepared {
    /// Trained with cross-entropy, nothing to report.
    pub fn plain(network: Box<dyn Network>) -> Self {
        Self {
            network,
            loss: Box::new(CrossEntropy),
            report: Value::Null,
            warnings: Vec::new(),
        }
    }
}

/// A way of teaching: what is trained, from where, and by which loss.
pub trait TeachMethod: Settings {
    /// As recipes and flags write it.
    const NAME: &'static str;
    /// What it cannot do without.
    const NEEDS: &'static [Need];
    /// The reference cases it answers for.
    const CHECKS: &'static [Check];
    /// Which tokens it predicts where the user does not say.
    const LABELS: Labels = Labels::Answer;

    /// Peak learning rate suited to a few dozen facts.
    const RATE: f64;
    /// Whether what it trains is an adapter that can be saved by itself.
    const ADAPTER: bool = false;

    /// Whether settings that parsed also make sense; one sentence if not.
    fn check(&self) -> Result<(), String> {
        Ok(())
    }

    /// Whether the settings fit a network; one sentence if not. Computes nothing.
    fn fits(&self, network: &dyn Network) -> Result<(), String>;

    /// Freezes, attaches, measures: whatever comes before the first step.
    fn prepare(&self, network: Box<dyn Network>, lesson: &Lesson<'_>) -> Result<Prepared, String>;
}

type Fits = fn(&Value, &dyn Network) -> Result<(), String>;
type Prepare = fn(&Value, Box<dyn Network>, &Lesson<'_>) -> Result<Prepared, String>;

/// A registered way of teaching.
#[derive(Clone, Copy)]
pub struct TeachEntry {
    pub method: Method,
    pub labels: Labels,
    pub adapter: bool,
    /// Peak learning rate suited to a few dozen facts.
    pub rate: f64,
    normalise: fn(&Value) -> Result<Value, String>,
    fits: Fits,
    prepare: Prepare,
    flags: fn(Command) -> Command,
    from_flags: fn(&ArgMatches) -> Result<Value, String>,
}

impl TeachEntry {
    /// Registers a method; `source` is its whole file.
    pub fn of<M: TeachMethod>(source: &'static str) -> Self {
        Self {
            method: Method {
                name: M::NAME,
                verb: "teach",
                source,
                needs: M::NEEDS,
                fields: M::fields,
                checks: M::CHECKS,
            },
            labels: M::LABELS,
            adapter: M::ADAPTER,
            rate: M::RATE,
            normalise: |value| checked::<M>(value)?.as_written(),
            fits: |value, network| checked::<M>(value)?.fits(network),
            prepare: |value, network, lesson| checked::<M>(value)?.prepare(network, lesson),
            flags: <M as Args>::augment_args,
            from_flags: M::from_flags,
        }
    }

    /// Settings with every default filled in, or what is wrong with them.
    pub fn normalise(&self, settings: &Value) -> Result<Value, String> {
        (self.normalise)(settings)
    }

    pub fn fits(&self, settings: &Value, network: &dyn Network) -> Result<(), String> {
        (self.fits)(settings, network)
    }

    pub fn prepare(
        &self,
        settings: &Value,
        network: Box<dyn Network>,
        lesson: &Lesson<'_>,
    ) -> Result<Prepared, String> {
        (self.prepare)(settings, network, lesson)
    }

    /// Adds the method's settings as flags.
    pub fn flags(&self, command: Command) -> Command {
        (self.flags)(command)
    }

    /// Settings from the flags that [`TeachEntry::flags`] added.
    pub fn from_flags(&self, matches: &ArgMatches) -> Result<Value, String> {
        (self.from_flags)(matches)
    }
}

fn checked<M: TeachMethod>(value: &Value) -> Result<M, String> {
    let settings = M::from_recipe(value)?;
    settings.check()?;
    Ok(settings)
}
