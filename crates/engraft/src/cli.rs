//! The command line: what was typed becomes a recipe, a question to the registry or a look at a
//! ledger. Exit codes: 0 done, 1 failed, 2 wrong usage, 130 stopped by Ctrl-C.

mod compare;
mod ledger;
mod methods;
mod probe;
mod verbs;

use std::{path::PathBuf, process::ExitCode};

use clap::{ArgMatches, Args, Command, FromArgMatches, Parser, Subcommand};

use crate::{
    recipe::{Override, Recipe},
    run::{Options, was_stopped},
    say::note,
};

/// Accumulate knowledge in models, and measure what each step gained, kept and spilled.
///
/// Start with `engraft run quickstart`: it needs no download and takes a few minutes.
#[derive(Parser)]
#[command(
    name = "engraft",
    version,
    max_term_width = 100,
    subcommand_required = true
)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Run a recipe: a YAML file, or the embedded `quickstart`. Finished steps are skipped.
    Run(Run),
    /// Train a model on data: `engraft train --model MODEL --data FILE --out DIR`.
    Train(verbs::Train),
    /// Distil a teacher into a student: `engraft distill --teacher A --student B --data FILE`.
    Distill(verbs::Distill),
    /// Teach a model something new and measure what happened to what it knew.
    Teach(verbs::Teach),
    /// Compare methods over seeds under one budget, with paired differences and intervals.
    Compare(compare::Compare),
    /// Measure what a model knows of a file of facts or a text.
    Probe(probe::Probe),
    /// List every method, or show one: what it is for, its settings, its source, its evidence.
    Methods(methods::Methods),
    /// Look at what past runs gained, kept and spilled.
    Ledger(ledger::Ledger),
}

/// Where and how a recipe runs.
#[derive(Args, Clone)]
pub(crate) struct Place {
    /// Folder for models, ledger and report [default: runs/NAME].
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// cpu, cuda:0 or wgpu (GPU devices only in builds with that feature).
    #[arg(long, default_value = "cpu")]
    device: String,
    /// Print the plan with every default filled in, and stop.
    #[arg(long)]
    dry_run: bool,
}

impl Place {
    fn options(&self) -> Options {
        Options {
            out: self.out.clone(),
            device: self.device.clone(),
            dry_run: self.dry_run,
        }
    }
}

#[derive(Args)]
struct Run {
    /// A YAML file, or the name of an embedded recipe.
    recipe: String,
    /// Replace a value of the recipe: `--set steps.0.train.lr=0.001`. Repeatable.
    #[arg(long, value_name = "PATH=VALUE")]
    set: Vec<Override>,
    #[command(flatten)]
    place: Place,
}

/// Runs the program on the process's arguments.
pub fn main() -> ExitCode {
    crate::machine::join_pool();
    let typed: Vec<_> = std::env::args_os().collect();
    let command = match command(&typed) {
        Ok(command) => command,
        Err(error) => return complain(&error, 2),
    };
    let matches = match command.try_get_matches_from(&typed) {
        Ok(matches) => matches,
        Err(error) => {
            let code = u8::try_from(error.exit_code()).unwrap_or(2);
            // Printing can only fail where there is nowhere left to say so.
            let _ = error.print();
            return ExitCode::from(code);
        }
    };
    match dispatch(&matches) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if was_stopped(&error) => {
            note(&format!("{error:#}."));
            ExitCode::from(130)
        }
        Err(error) => complain(&error, 1),
    }
}

/// The command, with the settings of the chosen method as flags of `distill`.
fn command(typed: &[std::ffi::OsString]) -> anyhow::Result<Command> {
    let words: Vec<&str> = typed.iter().filter_map(|word| word.to_str()).collect();
    let mut command = <Cli as clap::CommandFactory>::command();
    for verb in ["train", "distill", "teach"] {
        // `--lr -1` is a value out of range, not a flag nobody knows.
        command = command.mut_subcommand(verb, |verb| verb.allow_negative_numbers(true));
    }
    if words.get(1) != Some(&"distill") {
        return Ok(command);
    }
    let entry = verbs::method_among(&words)?;
    Ok(command.mut_subcommand("distill", |distill| {
        let (about, long) = (
            distill.get_about().cloned(),
            distill.get_long_about().cloned(),
        );
        let heading = format!("Settings of {}", entry.method.name);
        // The flags of a method bring its own words for the command; the verb keeps its own.
        let distill = entry.flags(distill.next_help_heading(heading));
        let distill = match about {
            Some(about) => distill.about(about),
            None => distill,
        };
        match long {
            Some(long) => distill.long_about(long),
            None => distill.long_about(None::<&'static str>),
        }
    }))
}

fn dispatch(matches: &ArgMatches) -> anyhow::Result<()> {
    let cli = Cli::from_arg_matches(matches)?;
    match cli.verb {
        Verb::Run(run) => {
            let mut recipe = Recipe::load(&run.recipe)?;
            for change in &run.set {
                recipe.set(change)?;
            }
            crate::run::execute(&recipe, &run.place.options()).map(drop)
        }
        Verb::Train(train) => train.run(),
        Verb::Distill(distill) => {
            let flags = matches.subcommand().expect("distill was parsed").1;
            distill.run(flags)
        }
        Verb::Teach(teach) => teach.run(),
        Verb::Compare(compare) => compare.run(),
        Verb::Probe(probe) => probe.run(),
        Verb::Methods(methods) => methods.run(),
        Verb::Ledger(ledger) => ledger.run(),
    }
}

fn complain(error: &anyhow::Error, code: u8) -> ExitCode {
    let mut sentence = format!("{error:#}");
    if !sentence.ends_with(['.', '?', '!']) {
        sentence.push('.');
    }
    note(&format!("error: {sentence}"));
    ExitCode::from(code)
}
