//! What a decoding method declares, and the registry entry made from it.

use clap::{ArgMatches, Args, Command};
use engraft_method::{Method, Need, Settings, parity::Check};
use engraft_runtime::Shape;
use serde_json::Value;

use crate::{
    Steering, View,
    beam::Beam,
    graph::Reader,
    methods::{kid::Infusion, opera::Opera},
};

/// The model that a method is set to work on.
pub struct Target<'a> {
    pub shape: Shape,
    /// Who reads with it: hashes of weights and tokenizer, or why there are none.
    pub reader: &'a dyn Fn() -> Result<Reader, String>,
}

impl Target<'_> {
    /// A model of that shape that nobody made files with.
    pub fn of(shape: Shape) -> Self {
        Self {
            shape,
            reader: &|| Ok(Reader::default()),
        }
    }
}

/// How a method, once set to work, decodes an answer.
pub enum Way {
    /// Token by token, by scores that the method writes.
    Steer(Box<dyn Steering>),
    /// Several answers side by side.
    Beam(Beam),
    /// Several answers side by side, with a way back.
    Opera(Opera),
    /// Token by token, with a cache that is changed before each.
    Kid(Infusion),
}

impl Way {
    /// Whether the prompt is compared with itself without its context.
    pub fn needs_context(&self) -> bool {
        matches!(self, Self::Steer(steering) if steering.views().contains(&View::NoContext))
    }
}

/// A method that decides how an answer is decoded.
pub trait DecodeMethod: Settings {
    /// As recipes and flags write it.
    const NAME: &'static str;
    /// What it cannot do without.
    const NEEDS: &'static [Need] = &[];
    /// The settings that name files.
    const FILES: &'static [&'static str] = &[];
    /// The reference cases it answers for.
    const CHECKS: &'static [Check];

    /// Whether settings that parsed also make sense; one sentence if not.
    fn check(&self) -> Result<(), String> {
        Ok(())
    }

    /// Sets it to work on one answer of a model.
    ///
    /// # Errors
    /// A model that lacks what the settings name, in one sentence.
    fn start(&self, model: &Target<'_>) -> Result<Way, String>;
}

/// A registered method.
#[derive(Clone, Copy)]
pub struct DecodeEntry {
    pub method: Method,
    /// The settings that name files.
    pub files: &'static [&'static str],
    normalise: fn(&Value) -> Result<Value, String>,
    start: fn(&Value, &Target<'_>) -> Result<Way, String>,
    flags: fn(Command) -> Command,
    from_flags: fn(&ArgMatches) -> Result<Value, String>,
}

impl DecodeEntry {
    /// Registers a method; `source` is its whole file.
    pub fn of<M: DecodeMethod>(source: &'static str) -> Self {
        Self {
            method: Method {
                name: M::NAME,
                verb: "generate",
                source,
                needs: M::NEEDS,
                fields: M::fields,
                checks: M::CHECKS,
            },
            files: M::FILES,
            normalise: |value| checked::<M>(value)?.as_written(),
            start: |value, model| checked::<M>(value)?.start(model),
            flags: <M as Args>::augment_args,
            from_flags: M::from_flags,
        }
    }

    /// Settings with every default filled in, or what is wrong with them.
    pub fn normalise(&self, settings: &Value) -> Result<Value, String> {
        (self.normalise)(settings)
    }

    pub fn start(&self, settings: &Value, model: &Target<'_>) -> Result<Way, String> {
        (self.start)(settings, model)
    }

    /// Adds the method's settings as flags.
    pub fn flags(&self, command: Command) -> Command {
        (self.flags)(command)
    }

    /// Settings from the flags that [`DecodeEntry::flags`] added.
    pub fn from_flags(&self, matches: &ArgMatches) -> Result<Value, String> {
        (self.from_flags)(matches)
    }
}

fn checked<M: DecodeMethod>(value: &Value) -> Result<M, String> {
    let settings = M::from_recipe(value)?;
    settings.check()?;
    Ok(settings)
}
