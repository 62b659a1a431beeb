//! `engraft heads`: the heads that carry memory and context, and what silencing them does.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use engraft_decode::methods::ph3::Measure;

use crate::{
    decoding::{
        Decoder, ModelFlags,
        conflicts::{Conflict, Template},
        heads::{Group, Search, Shares, Trial},
        rows::rows,
    },
    say::{note, say},
};

/// In what the preference for an answer is measured.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Measured {
    Logits,
    Probabilities,
}

#[derive(Args)]
pub(super) struct Heads {
    #[command(flatten)]
    model: ModelFlags,
    /// JSONL of {"question", "context", "answer", "memory", "lead"}: conflicts of a context with facts
    /// that the model may know; those it does not know are left out.
    #[arg(long, value_name = "FILE")]
    facts: PathBuf,
    /// The head file to write, for `generate --prune`.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// plain, qa, labelled, chat, or a text with {context}, {question} and {lead}; repeatable [default:
    /// plain, qa and labelled].
    #[arg(long, value_name = "TEMPLATE")]
    template: Vec<Template>,
    /// Heads are scored on so many conflicts, two or more, and tried on the others.
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u32).range(2..))]
    score_on: u32,
    /// In what the preference for an answer is measured.
    #[arg(long, value_enum, default_value = "logits")]
    measure: Measured,
    /// How many heads are silenced together.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 3, 5, 7, 15])]
    k: Vec<usize>,
    /// Random choices of as many heads, for comparison.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..))]
    draws: u32,
    /// Of the random choices.
    #[arg(long, default_value_t = 0)]
    seed: u64,
}

impl Heads {
    pub(super) fn run(mut self) -> anyhow::Result<()> {
        let conflicts: Vec<Conflict> = rows(&self.facts)?;
        if self.template.is_empty() {
            self.template = Template::all();
            self.template.retain(|template| template.name != "chat");
        }
        let decoder = Decoder::load(&self.model)?;
        let search = Search {
            decoder: &decoder,
            templates: &self.template,
            measure: match self.measure {
                Measured::Logits => Measure::Logits,
                Measured::Probabilities => Measure::Probabilities,
            },
            k: &self.k,
            draws: self.draws as usize,
            seed: self.seed,
        };
        let asked = conflicts.len();
        let known = search.known(conflicts)?;
        note(&format!(
            "{} of {asked} facts are known in every template",
            known.len()
        ));
        let (score_on, rest) = known.split_at(known.len().min(self.score_on as usize));
        let scores = search.score(score_on)?;
        scores.write(&self.out)?;
        let names = |heads: Vec<(usize, usize)>| {
            let names = heads.iter().map(|(block, head)| format!("{block}.{head}"));
            names.collect::<Vec<_>>().join(" ")
        };
        say(&format!(
            "memory heads   {}\ncontext heads  {}\nscored on      {} facts, which the file names\nwritten        {}\n",
            names(scores.of_memory(5)),
            names(scores.of_context(5)),
            score_on.len(),
            self.out.display()
        ));
        if rest.is_empty() {
            note("no facts are left to try the heads on; give more than --score-on");
            return Ok(());
        }
        say(&format!(
            "\nfirst token of the answer, {} other facts\n",
            rest.len()
        ));
        let mut template = String::new();
        for trial in search.try_out(&scores, rest)? {
            if template != trial.template {
                template.clone_from(&trial.template);
                say(&format!(
                    "\n{template}\n  {:<32} {:>8} {:>8} {:>8}   {}\n",
                    "silenced", "memory", "context", "neither", "known without context"
                ));
            }
            say(&lines(&trial));
        }
        Ok(())
    }
}

/// A trial, and how far random draws are apart.
fn lines(trial: &Trial) -> String {
    let k = trial.k;
    let what = match trial.group {
        Group::Nothing => "nothing".to_owned(),
        Group::Memory => format!("{k} memory heads"),
        Group::Context => format!("{k} context heads"),
        Group::Random(draws) => format!("{k} random heads, mean of {draws}"),
    };
    let mut lines = line(&what, &trial.shares);
    if let Some(spread) = &trial.spread {
        lines += &line("  standard deviation", &spread.deviation);
        lines += &line("  least", &spread.least);
        lines += &line("  most", &spread.most);
    }
    lines
}

fn line(what: &str, shares: &Shares) -> String {
    let share = |share: f64| format!("{:.1} %", 100.0 * share);
    format!(
        "  {what:<32} {:>8} {:>8} {:>8}   {:>8}\n",
        share(shares.memory),
        share(shares.context),
        share(shares.neither),
        share(shares.alone)
    )
}
