//! `engraft compare decode`: methods side by side on conflicts of memory and context.

use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use engraft_files::atomic::write_file;
use serde_json::json;

use crate::{
    decoding::{
        Bounds, Choices, Decoder, ModelFlags,
        conflicts::{Conflict, Template},
        contest::{Contest, table},
        rows::rows,
    },
    say::say,
    watch::Watch,
};

#[derive(Args)]
pub(in crate::cli) struct Decode {
    #[command(flatten)]
    model: ModelFlags,
    /// JSONL of {"question", "context", "answer", "memory"}: the context's answer and the remembered
    /// one, each a text or several; a "lead" begins the answer, a "condition" and a "neutral" are those
    /// of the methods that have such settings.
    #[arg(long, value_name = "FILE")]
    data: PathBuf,
    /// Methods with settings, the first as the baseline: `greedy,cad,ck-plug:alpha=0.25`. A value with
    /// a colon or a comma stands in quotes: `coda:condition="tea, hot"`.
    #[arg(long)]
    methods: Choices,
    /// A weaker model of the same tokenizer, for methods that compare with one.
    #[arg(long, value_name = "MODEL")]
    amateur: Option<PathBuf>,
    /// plain, qa, labelled, chat, or a text with {context}, {question} and {lead}; repeatable. All four
    /// where none is named: results depend on the template.
    #[arg(long, value_name = "TEMPLATE")]
    template: Vec<Template>,
    /// Most tokens of an answer.
    #[arg(long, default_value_t = 16)]
    max_tokens: usize,
    /// Stop before this text. Repeatable [default: a new line].
    #[arg(long, value_name = "TEXT")]
    stop: Vec<String>,
    /// Only so many lines of the file.
    #[arg(long, value_name = "N")]
    limit: Option<std::num::NonZeroUsize>,
    /// Of methods that draw.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Write table and answers as JSON.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

impl Decode {
    pub(in crate::cli) fn run(mut self) -> anyhow::Result<()> {
        let mut conflicts: Vec<Conflict> = rows(&self.data)?;
        conflicts.truncate(self.limit.map_or(usize::MAX, usize::from));
        if self.template.is_empty() {
            self.template = Template::all();
        }
        if self.stop.is_empty() {
            self.stop.push("\n".to_owned());
        }
        let Choices(methods) = &self.methods;
        for (at, method) in methods.iter().enumerate() {
            anyhow::ensure!(
                methods[..at].iter().all(|other| other.name != method.name),
                "--methods names `{}` twice; name every method once",
                method.name
            );
        }
        for (at, template) in self.template.iter().enumerate() {
            anyhow::ensure!(
                !self.template[..at].contains(template),
                "--template names `{}` twice; name every template once",
                template.name
            );
        }
        let decoder =
            Decoder::load(&self.model)?.with_amateur(self.amateur.as_deref(), &self.model)?;
        let contest = Contest {
            conflicts: &conflicts,
            templates: &self.template,
            methods,
            bounds: Bounds {
                tokens: self.max_tokens,
                alternatives: 0,
                seed: self.seed,
            },
            stops: &self.stop,
        };
        let answers = conflicts.len() * self.template.len() * methods.len();
        let mut watch = Watch::new("compare", "answers", answers);
        let given = contest.run(&decoder, &mut || watch.step());
        let given = given.with_context(|| self.data.display().to_string())?;
        watch.end();
        let lines = contest.lines(&given);
        say(&format!(
            "{} questions, {} templates, {} methods; 95 % bootstrap intervals over questions\n{}",
            conflicts.len(),
            self.template.len(),
            methods.len(),
            table(&lines)
        ));
        if let Some(path) = &self.out {
            let settings: Vec<_> = methods
                .iter()
                .map(|method| json!({ "method": method.name, "settings": method.settings }))
                .collect();
            let whole = json!({ "methods": settings, "lines": lines, "answers": given });
            write_file(path, &serde_json::to_vec_pretty(&whole)?)?;
            say(&format!("\nwritten  {}\n", path.display()));
        }
        Ok(())
    }
}
