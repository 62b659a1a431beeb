//! The command line: what was typed becomes a recipe, a question to the registry or a look at a
//! ledger. Exit codes: 0 done, 1 failed, 2 wrong usage, 130 stopped by Ctrl-C.

mod augment;
mod chat;
mod compare;
mod generate;
mod graph;
mod heads;
mod ledger;
mod lines;
mod memory;
mod methods;
mod models;
mod overshadow;
mod probe;
mod pull;
mod recall;
mod remember;
mod repair;
mod score;
mod serve;
mod teach;
mod verbs;

use std::{path::PathBuf, process::ExitCode};

use clap::{ArgMatches, Args, Command, FromArgMatches, Parser, Subcommand};

use crate::{
    recipe::{Override, Recipe},
    run::{Options, was_stopped},
    say::{note, sentence},
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
    /// Run a recipe: a YAML file, or the embedded `quickstart` or `teach-smollm2`. Finished steps are
    /// skipped.
    Run(Run),
    /// Train a model on data: `engraft train --model MODEL --data FILE --out DIR`.
    Train(verbs::Train),
    /// Distil a teacher into a student: `engraft distill --teacher A --student B --data FILE`.
    Distill(verbs::Distill),
    /// Teach a model something new and measure what happened to what it knew.
    Teach(teach::Teach),
    /// Keep only a part of what teaching changed in a model, so that it spills less.
    Prune(teach::Prune),
    /// Turn facts or documents into more to learn from: dialogues, tasks, other words.
    Augment(augment::Augment),
    /// Compare methods over seeds under one budget, with paired differences and intervals.
    Compare(compare::Compare),
    /// Measure what a model knows of a file of facts or a text.
    Probe(probe::Probe),
    /// Answer a question, by a decoding method of your choice: `engraft generate --model M "Question"`.
    Generate(generate::Generate),
    /// Talk with a model in the terminal.
    Chat(chat::Chat),
    /// How probable a model finds texts, completions and choices; by log-probability, perplexity and
    /// multiple choice.
    Score(score::Score),
    /// Find the heads that carry memory and context, and see what silencing them does.
    Heads(heads::Heads),
    /// Find conditions of prompts that a model probably ignores.
    Overshadow(overshadow::Guard),
    /// Build graphs of what follows what in texts, for `generate --method grad`.
    Graph(graph::Graphs),
    /// Repair an issue of a repository, with a memory that grows: `engraft repair --repo DIR --issue FILE`.
    Repair(Box<repair::Repair>),
    /// Keep something for later: `engraft remember "Tests need Python 3.11"`.
    Remember(remember::Remember),
    /// Find what was kept: `engraft recall "which Python"`.
    Recall(recall::Recall),
    /// Read, edit, take away and compare what is remembered.
    Memory(memory::Memory),
    /// Offer the memory to other programs.
    Serve(serve::Serve),
    /// List every method, or show one: what it is for, its settings, its source, its evidence.
    Methods(methods::Methods),
    /// Look at what past runs gained, kept and spilled.
    Ledger(ledger::Ledger),
    /// Fetch a published model or data set, or put a copy that you have in its place.
    Pull(pull::Pull),
    /// List the models and data sets that are here, and those that can be pulled.
    Models(models::Models),
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
    /// Run the recipe's short form, where it has one.
    #[arg(long)]
    quick: bool,
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
    match dispatch(&matches, &typed) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if was_stopped(&error) => {
            note(&format!("{}.", sentence(&error)));
            ExitCode::from(130)
        }
        Err(error) => complain(&error, 1),
    }
}

/// The command, with the settings of the chosen method as flags of its verb.
fn command(typed: &[std::ffi::OsString]) -> anyhow::Result<Command> {
    let words = words(typed);
    let mut command = <Cli as clap::CommandFactory>::command();
    for verb in ["train", "distill", "teach", "prune", "generate", "chat"] {
        // `--lr -1` is a value out of range, not a flag nobody knows.
        command = command.mut_subcommand(verb, |verb| verb.allow_negative_numbers(true));
    }
    let Some(verb) = words.get(1) else {
        return Ok(command);
    };
    type Flags = Box<dyn Fn(Command) -> Command>;
    let (method, flags): (&str, Flags) = match *verb {
        "distill" => {
            let entry = verbs::known(verbs::method_among(&words).unwrap_or("kl"))?;
            (entry.method.name, Box::new(move |verb| entry.flags(verb)))
        }
        "teach" => {
            let entry = teach::way_among(&words)?;
            (entry.method.name, Box::new(move |verb| entry.flags(verb)))
        }
        "prune" => {
            let entry = teach::rule_among(&words)?;
            (entry.method.name, Box::new(move |verb| entry.flags(verb)))
        }
        "chat" => {
            let entry = chat::method_among(&words)?;
            (entry.method.name, Box::new(move |verb| entry.flags(verb)))
        }
        "generate" => {
            let entry = generate::method_among(&words)?;
            (entry.method.name, Box::new(move |verb| entry.flags(verb)))
        }
        _ => return Ok(command),
    };
    Ok(command.mut_subcommand(*verb, |verb| {
        let (about, long) = (verb.get_about().cloned(), verb.get_long_about().cloned());
        // The flags of a method bring its own words for the command; the verb keeps its own.
        let verb = flags(verb.next_help_heading(format!("Settings of {method}")));
        let verb = match about {
            Some(about) => verb.about(about),
            None => verb,
        };
        match long {
            Some(long) => verb.long_about(long),
            None => verb.long_about(None::<&'static str>),
        }
    }))
}

fn words(typed: &[std::ffi::OsString]) -> Vec<&str> {
    typed.iter().filter_map(|word| word.to_str()).collect()
}

fn dispatch(matches: &ArgMatches, typed: &[std::ffi::OsString]) -> anyhow::Result<()> {
    let cli = Cli::from_arg_matches(matches)?;
    let flags = matches.subcommand().expect("a verb is required").1;
    match cli.verb {
        Verb::Run(run) => {
            let mut recipe = Recipe::load(&run.recipe)?;
            if run.quick {
                recipe.quick()?;
            }
            for change in &run.set {
                recipe.set(change)?;
            }
            crate::run::execute(&recipe, &run.place.options()).map(drop)
        }
        Verb::Train(train) => train.run(),
        Verb::Distill(distill) => distill.run(flags),
        Verb::Teach(teach) => teach.run(flags),
        Verb::Prune(prune) => prune.run(flags),
        Verb::Augment(augment) => augment.run(),
        Verb::Compare(compare) => compare.run(),
        Verb::Probe(probe) => probe.run(),
        Verb::Generate(generate) => generate.run(flags, &words(typed)),
        Verb::Chat(chat) => chat.run(flags),
        Verb::Score(score) => score.run(),
        Verb::Heads(heads) => heads.run(),
        Verb::Overshadow(guard) => guard.run(),
        Verb::Graph(graph) => graph.run(),
        Verb::Repair(repair) => repair.run(),
        Verb::Remember(remember) => remember.run(),
        Verb::Recall(recall) => recall.run(),
        Verb::Memory(memory) => memory.run(),
        Verb::Serve(serve) => serve.run(),
        Verb::Methods(methods) => methods.run(),
        Verb::Ledger(ledger) => ledger.run(),
        Verb::Pull(pull) => pull.run(),
        Verb::Models(models) => models.run(),
    }
}

fn complain(error: &anyhow::Error, code: u8) -> ExitCode {
    let mut sentence = sentence(error);
    if !sentence.ends_with(['.', '?', '!']) {
        sentence.push('.');
    }
    note(&format!("error: {sentence}"));
    ExitCode::from(code)
}
