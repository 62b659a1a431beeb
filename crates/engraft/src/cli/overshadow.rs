//! `engraft overshadow`: which conditions of prompts a model probably ignores.

use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use engraft_decode::{
    DecodeMethod, choosable,
    conditions::Conditions,
    methods::overshadow::{Finding, Overshadow, Report},
};
use engraft_runtime::{Ask, Blind, CausalLm, Feed};
use serde::Deserialize;

use crate::{
    decoding::{Asked, Decoder, ModelFlags, rows::rows},
    say::say,
};

#[derive(Args)]
pub(super) struct Guard {
    #[command(flatten)]
    model: ModelFlags,
    /// JSONL of {"prompt", "condition"}: words of the prompt that may be ignored, several conditions
    /// separated by `|`. With "ignored" (true
    /// or false) the alarm is judged; with "ratio" too, the law of popularity is fitted.
    #[arg(long, value_name = "FILE")]
    prompts: PathBuf,
    /// The report to write, for `generate --method overshadow --report`.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// What stands where a condition is taken out; a line may have a "neutral" of its own.
    #[arg(long, default_value = "")]
    neutral: String,
    /// A token is plausible at this many times the probability of the most probable one.
    #[arg(long, default_value_t = Overshadow::default().alpha)]
    alpha: f32,
    /// The alarm's threshold where the file does not say what was ignored, in nats.
    #[arg(long, default_value_t = Overshadow::default().tau)]
    tau: f32,
    /// Leave the model's chat template out.
    #[arg(long)]
    raw: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    prompt: String,
    condition: String,
    #[serde(default)]
    neutral: Option<String>,
    #[serde(default)]
    ignored: Option<bool>,
    #[serde(default)]
    ratio: Option<f64>,
}

impl Guard {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let settings = Overshadow {
            alpha: self.alpha,
            tau: self.tau,
            ..Overshadow::default()
        };
        settings.check().map_err(anyhow::Error::msg)?;
        let rows: Vec<Row> = rows(&self.prompts)?;
        let decoder = Decoder::load(&self.model)?;
        let mut findings = Vec::new();
        for (at, row) in rows.into_iter().enumerate() {
            let place = || format!("{}, item {}", self.prompts.display(), at + 1);
            findings.extend(self.find(&decoder, &row).with_context(place)?);
        }
        let report = Report::of(decoder.hash()?, findings, &settings);
        report.write(&self.out)?;
        for found in &report.findings {
            let verdict = match found.reaction <= report.tau {
                true => "probably ignored",
                false => "heard",
            };
            say(&format!(
                "{verdict:<17} reaction {:>7.3}  entropy {:>6.3}  `{}` in {:?}\n",
                found.reaction, found.entropy, found.condition, found.prompt
            ));
        }
        if let (Some(auroc), Some(f1)) = (report.auroc, report.best_f1) {
            let confidence = report.auroc_of_confidence.unwrap_or(f64::NAN);
            say(&format!(
                "\nAUROC {auroc:.3} (confidence alone {confidence:.3}), best F1 {f1:.3} at a reaction of {:.3} nats; the \
                 threshold was chosen on these prompts\n",
                report.tau
            ));
        }
        if let Some(law) = &report.law {
            say(&format!(
                "ignored = {:.3} · ln(ratio) {:+.3}, R² {:.3}, none below a ratio of {:.2}\n",
                law.slope, law.intercept, law.r2, law.critical
            ));
        }
        say(&format!("written  {}\n", self.out.display()));
        Ok(())
    }

    /// What is found of every condition, on the very prompts that `generate --method overshadow` compares.
    fn find(&self, decoder: &Decoder, row: &Row) -> anyhow::Result<Vec<Finding>> {
        anyhow::ensure!(
            !row.condition.trim().is_empty(),
            "`condition` is empty; copy the words from the prompt"
        );
        let asked = Asked::question(&decoder.tokenizer, &row.prompt, None, self.raw)?;
        let text = asked.text(&decoder.tokenizer);
        let prompt = asked.prompt(&text);
        let neutral = row.neutral.as_deref().unwrap_or(&self.neutral);
        let mut conditions = Conditions::named(&row.condition, neutral);
        conditions.find(&prompt)?;
        let full = logits(decoder, asked.tokens())?;
        let without = conditions.views().into_iter().skip(1).enumerate();
        without
            .map(|(index, view)| {
                let reduced = logits(decoder, &view.tokens(&prompt)?)?;
                let condition = conditions.name(index).to_owned();
                let found = Finding::of(row.prompt.clone(), condition, &full, &reduced, self.alpha);
                Ok(Finding {
                    ignored: row.ignored,
                    ratio: row.ratio,
                    ..found
                })
            })
            .collect()
    }
}

fn logits(decoder: &Decoder, tokens: &[u32]) -> anyhow::Result<Vec<f32>> {
    let mut stream = decoder.model.stream();
    let feed = Feed {
        stream: &mut stream,
        tokens,
        ask: Ask::Last,
    };
    let logits = decoder.model.forward(&mut [feed], &mut Blind)?;
    choosable(&logits)?;
    Ok(logits)
}
