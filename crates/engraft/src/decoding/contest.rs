//! Decoding methods side by side on conflicts of memory and context, template by template.

use std::time::Instant;

use engraft_decode::Pasts;
use engraft_probe::{Measurement, bootstrap, measurement::Unit};
use serde::Serialize;

use super::{
    Answered, Bounds, Choice, Decoder,
    conflicts::{Conflict, Side, Template},
};

/// What is compared on what.
pub struct Contest<'a> {
    pub conflicts: &'a [Conflict],
    pub templates: &'a [Template],
    /// The first is the baseline.
    pub methods: &'a [Choice],
    pub bounds: Bounds,
    pub stops: &'a [String],
}

/// An answer of one method.
#[derive(Clone, Debug, Serialize)]
pub struct Given {
    pub template: String,
    pub method: String,
    /// Place of the conflict in its file, from 0.
    pub row: usize,
    pub text: String,
    pub side: &'static str,
    pub tokens: usize,
    pub seconds: f64,
}

/// One line of the table: a method on a template, or on all of them.
#[derive(Clone, Debug, Serialize)]
pub struct Line {
    /// Nothing for all templates together.
    pub template: Option<String>,
    pub method: String,
    pub memory: Measurement,
    pub context: Measurement,
    pub neither: Measurement,
    /// By how much the context wins more often than with the baseline, row by row.
    pub against_first: Option<Measurement>,
    pub milliseconds_a_token: f64,
}

impl Contest<'_> {
    /// Asks every method every question; `told` is called after each.
    ///
    /// # Errors
    /// A method that cannot answer with this model.
    pub fn run(&self, decoder: &Decoder, told: &mut dyn FnMut()) -> anyhow::Result<Vec<Given>> {
        let mut all = Vec::new();
        for template in self.templates {
            for (row, conflict) in self.conflicts.iter().enumerate() {
                let asked = template.ask(conflict, &decoder.tokenizer)?;
                for method in self.methods {
                    let settings = method.on(&conflict.stated);
                    let mut way = decoder.way(&method.entry, &settings)?;
                    let mut answered = Answered::new(&decoder.tokenizer, self.stops);
                    let started = Instant::now();
                    let mut tell = |chosen: engraft_decode::Chosen| answered.push(chosen.token).1;
                    let done = decoder.answer(
                        &asked,
                        &mut way,
                        &mut Pasts::default(),
                        &self.bounds,
                        &mut tell,
                    );
                    done.map_err(|problem| {
                        anyhow::anyhow!("item {}: {}: {problem}", row + 1, method.name)
                    })?;
                    let seconds = started.elapsed().as_secs_f64();
                    let text = answered.whole();
                    all.push(Given {
                        template: template.name.clone(),
                        method: method.name.clone(),
                        row,
                        side: match conflict.side(&text) {
                            Side::Memory => "memory",
                            Side::Context => "context",
                            Side::Neither => "neither",
                        },
                        text,
                        tokens: answered.tokens().len(),
                        seconds,
                    });
                    told();
                }
            }
        }
        Ok(all)
    }

    /// The table: all templates together first, then each.
    pub fn lines(&self, given: &[Given]) -> Vec<Line> {
        let each = self.templates.iter().map(|one| Some(one.name.as_str()));
        let together = (self.templates.len() > 1).then_some(None);
        let mut lines = Vec::new();
        for template in together.into_iter().chain(each) {
            for method in self.methods {
                lines.push(self.line(template, &method.name, given));
            }
        }
        lines
    }

    fn line(&self, template: Option<&str>, method: &str, given: &[Given]) -> Line {
        let of = |method: &str| -> Vec<&Given> {
            let of_method = given.iter().filter(|one| one.method == method);
            of_method
                .filter(|one| template.is_none_or(|template| one.template == template))
                .collect()
        };
        let own = of(method);
        let probe =
            |side: &str| format!("{side}, {method}, {}", template.unwrap_or("all templates"));
        let share = |side: &'static str| {
            let values: Vec<(usize, f64)> = own
                .iter()
                .map(|one| (one.row, f64::from(one.side == side)))
                .collect();
            Measurement::mean(probe(side), Unit::Share, &values)
        };
        let first = &self.methods[0].name;
        let against_first = (method != first).then(|| {
            let wins = |one: &Given| f64::from(one.side == "context");
            let pairs = own.iter().zip(of(first));
            let values: Vec<(usize, f64)> = pairs
                .map(|(one, other)| (one.row, wins(one) - wins(other)))
                .collect();
            let probe = probe("context against the first");
            let mean = values.iter().map(|(_, value)| value).sum::<f64>() / values.len() as f64;
            Measurement {
                value: mean,
                n: values.len(),
                interval: bootstrap(&values, &probe),
                unit: Unit::Points,
                on_training_data: false,
                probe,
            }
        });
        let seconds: f64 = own.iter().map(|one| one.seconds).sum();
        let tokens: usize = own.iter().map(|one| one.tokens).sum();
        Line {
            template: template.map(str::to_owned),
            method: method.to_owned(),
            memory: share("memory"),
            context: share("context"),
            neither: share("neither"),
            against_first,
            milliseconds_a_token: 1000.0 * seconds / tokens.max(1) as f64,
        }
    }
}

/// The lines for people.
pub fn table(lines: &[Line]) -> String {
    let width = lines
        .iter()
        .map(|line| line.method.len())
        .max()
        .unwrap_or(0)
        .max(6);
    let mut out = String::new();
    let mut template = None;
    for line in lines {
        if template != Some(&line.template) {
            template = Some(&line.template);
            let name = line.template.as_deref().unwrap_or("all templates");
            out.push_str(&format!(
                "\n{name}\n  {:<width$}  {:<24} {:<24} {:<9} {:<28} {:>8}\n",
                "method", "context", "memory", "neither", "context, against the first", "ms/token"
            ));
        }
        let cell = |found: &Measurement| match found.interval {
            Some(range) => format!(
                "{:.1} % ({:.1} to {:.1})",
                100.0 * found.value,
                100.0 * range.low,
                100.0 * range.high
            ),
            None => found.shown(),
        };
        let against = line
            .against_first
            .as_ref()
            .map_or_else(String::new, |found| {
                let range = found.interval.map_or_else(String::new, |range| {
                    format!(" ({:+.1} to {:+.1})", 100.0 * range.low, 100.0 * range.high)
                });
                format!("{:+.1} pp{range}", 100.0 * found.value)
            });
        out.push_str(&format!(
            "  {:<width$}  {:<24} {:<24} {:<9} {:<28} {:>8.1}\n",
            line.method,
            cell(&line.context),
            cell(&line.memory),
            line.neither.shown(),
            against,
            line.milliseconds_a_token
        ));
    }
    out
}
