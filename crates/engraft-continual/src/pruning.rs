//! What is kept of an update after training: theta_after - theta_before, tensor by tensor.

use clap::{ArgMatches, Args, Command};
use engraft_method::{Method, Settings, parity::Check};
use serde_json::Value;

/// What training changed in one tensor.
#[derive(Clone, Debug, PartialEq)]
pub struct Update {
    /// The name of the parameter.
    pub name: String,
    /// After minus before, in the order of the tensor.
    pub change: Vec<f32>,
}

/// How well what was taught is known with an update in place of the whole one.
pub trait Recall {
    /// Mean log-probability of the taught answers.
    fn recall(&mut self, update: &[Update]) -> f64;
}

/// A rule that keeps a part of an update.
pub trait Pruning: Settings {
    /// As recipes and flags write it.
    const NAME: &'static str;
    /// The reference cases it answers for.
    const CHECKS: &'static [Check];

    /// Whether settings that parsed also make sense; one sentence if not.
    fn check(&self) -> Result<(), String>;

    /// Changes the update; random choices are keyed by `seed` and the tensor's name.
    fn prune(&self, update: &mut [Update], recall: &mut dyn Recall, seed: u64) -> Value;
}

type Prune = fn(&Value, &mut [Update], &mut dyn Recall, u64) -> Result<Value, String>;

/// A registered rule.
#[derive(Clone, Copy)]
pub struct PruneEntry {
    pub method: Method,
    normalise: fn(&Value) -> Result<Value, String>,
    prune: Prune,
    flags: fn(Command) -> Command,
    from_flags: fn(&ArgMatches) -> Result<Value, String>,
}

impl PruneEntry {
    /// Registers a rule; `source` is its whole file.
    pub fn of<P: Pruning>(source: &'static str) -> Self {
        Self {
            method: Method {
                name: P::NAME,
                verb: "prune",
                source,
                needs: &[],
                fields: P::fields,
                checks: P::CHECKS,
            },
            normalise: |value| checked::<P>(value)?.as_written(),
            prune: |value, update, recall, seed| {
                Ok(checked::<P>(value)?.prune(update, recall, seed))
            },
            flags: <P as Args>::augment_args,
            from_flags: P::from_flags,
        }
    }

    /// Settings with every default filled in, or what is wrong with them.
    pub fn normalise(&self, settings: &Value) -> Result<Value, String> {
        (self.normalise)(settings)
    }

    /// Prunes an update; returns what the rule has to report.
    pub fn prune(
        &self,
        settings: &Value,
        update: &mut [Update],
        recall: &mut dyn Recall,
        seed: u64,
    ) -> Result<Value, String> {
        (self.prune)(settings, update, recall, seed)
    }

    /// Adds the rule's settings as flags.
    pub fn flags(&self, command: Command) -> Command {
        (self.flags)(command)
    }

    /// Settings from the flags that [`PruneEntry::flags`] added.
    pub fn from_flags(&self, matches: &ArgMatches) -> Result<Value, String> {
        (self.from_flags)(matches)
    }
}

fn checked<P: Pruning>(value: &Value) -> Result<P, String> {
    let settings = P::from_recipe(value)?;
    settings.check()?;
    Ok(settings)
}
