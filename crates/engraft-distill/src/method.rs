//! What a distillation method declares, and the registry entry made from it.

use clap::{ArgMatches, Args, Command};
use engraft_method::{Method, Need, Settings, parity::Check};
use serde_json::Value;

use crate::{Objective, Run};

/// A distillation method: settings that build an objective.
pub trait DistillMethod: Settings {
    /// As recipes and flags write it.
    const NAME: &'static str;
    /// What it cannot do without.
    const NEEDS: &'static [Need];
    /// The reference cases it answers for.
    const CHECKS: &'static [Check];

    /// Whether settings that parsed also make sense; one sentence if not.
    fn check(&self) -> Result<(), String> {
        Ok(())
    }

    fn objective(&self, run: &Run) -> Box<dyn Objective>;
}

/// Builds an objective from settings as a recipe writes them.
type Build = fn(&Value, &Run) -> Result<Box<dyn Objective>, String>;

/// A registered method.
#[derive(Clone, Copy)]
pub struct Entry {
    pub method: Method,
    normalise: fn(&Value) -> Result<Value, String>,
    build: Build,
    flags: fn(Command) -> Command,
    from_flags: fn(&ArgMatches) -> Result<Value, String>,
}

impl Entry {
    /// Registers a method; `source` is its whole file.
    pub fn of<M: DistillMethod>(source: &'static str) -> Self {
        Self {
            method: Method {
                name: M::NAME,
                verb: "distill",
                source,
                needs: M::NEEDS,
                fields: M::fields,
                checks: M::CHECKS,
            },
            normalise: |value| {
                let settings = M::from_recipe(value)?;
                settings.check()?;
                settings.as_written()
            },
            build: |value, run| {
                let settings = M::from_recipe(value)?;
                settings.check()?;
                Ok(settings.objective(run))
            },
            flags: <M as Args>::augment_args,
            from_flags: M::from_flags,
        }
    }

    /// Settings with every default filled in, or what is wrong with them.
    pub fn normalise(&self, settings: &Value) -> Result<Value, String> {
        (self.normalise)(settings)
    }

    pub fn objective(&self, settings: &Value, run: &Run) -> Result<Box<dyn Objective>, String> {
        (self.build)(settings, run)
    }

    /// Adds the method's settings as flags.
    pub fn flags(&self, command: Command) -> Command {
        (self.flags)(command)
    }

    /// Settings from the flags that [`Entry::flags`] added.
    pub fn from_flags(&self, matches: &ArgMatches) -> Result<Value, String> {
        (self.from_flags)(matches)
    }
}
