//! `engraft augment`: facts or documents in, facts with more to learn from out.

use std::path::PathBuf;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};

use crate::{
    augment::{augment, llm::Llm, read},
    say::say,
};

#[derive(Args)]
pub(super) struct Augment {
    /// JSONL of {"fact", "answer", ...}, or a text whose sentences become facts.
    #[arg(long, value_name = "FILE")]
    facts: PathBuf,
    /// The file to write, JSONL of facts.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// An OpenAI-compatible server: http://127.0.0.1:8080/v1. Without one, templates alone. The key,
    /// if it wants one, is read from ENGRAFT_LLM_KEY.
    #[arg(long, value_name = "URL", requires = "llm_model")]
    llm: Option<String>,
    /// The model to ask there.
    #[arg(long, value_name = "NAME")]
    llm_model: Option<String>,
    /// Dialogue turns a fact that the model is asked for.
    #[arg(long, default_value_t = 10)]
    turns: usize,
}

impl Augment {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let facts = read(&self.facts)?;
        let llm = self.llm.zip(self.llm_model).map(|(url, model)| Llm {
            url,
            model,
            key: std::env::var("ENGRAFT_LLM_KEY").ok(),
            turns: self.turns,
        });
        let bar = ProgressBar::new(facts.len() as u64).with_style(
            ProgressStyle::with_template("{wide_bar} {pos} of {len} facts, {eta} left")
                .expect("a template of known parts"),
        );
        let augmented = augment(&facts, llm.as_ref(), &self.out, |done| {
            bar.set_position(done as u64);
        });
        bar.finish_and_clear();
        let augmented = augmented?;
        let turns: usize = augmented.iter().map(|fact| fact.dialogues.len()).sum();
        let statements: usize = augmented.iter().map(|fact| fact.taught().count()).sum();
        say(&format!(
            "{} facts, {statements} statements and {turns} dialogue turns: {}\n",
            augmented.len(),
            self.out.display()
        ));
        Ok(())
    }
}
