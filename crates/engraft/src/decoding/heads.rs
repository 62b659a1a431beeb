//! Which heads carry memory and which the context, and what it does to silence them beside random ones.

use engraft_decode::{
    Go, Pasts, Way,
    heads::HeadScores,
    methods::ph3::{Conflict as Pair, Measure, score_heads, silenced},
};
use engraft_runtime::CausalLm;
use rand::{SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;

use super::{
    Asked, Bounds, Decoder,
    conflicts::{Conflict, Template},
};

/// A conflict as one template asks it, with the first tokens of its answers.
struct Question {
    asked: Asked,
    /// The same without the context.
    alone: Asked,
    memory: u32,
    context: u32,
}

/// How often the first token is memory's, the context's or neither.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Shares {
    pub memory: f64,
    pub context: f64,
    pub neither: f64,
    /// Memory's share of the questions without any context: what silencing costs.
    pub alone: f64,
}

/// What was silenced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    Nothing,
    Memory,
    Context,
    /// Mean of so many draws.
    Random(usize),
}

/// A row of the table.
#[derive(Clone, Debug)]
pub struct Trial {
    pub template: String,
    pub group: Group,
    pub k: usize,
    pub shares: Shares,
    /// How far apart random draws are, where there are several.
    pub spread: Option<Spread>,
}

/// Of the shares of several draws, each figure for itself.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    pub deviation: Shares,
    pub least: Shares,
    pub most: Shares,
}

/// How heads are looked for and tried.
pub struct Search<'a> {
    pub decoder: &'a Decoder,
    pub templates: &'a [Template],
    pub measure: Measure,
    /// How many heads are silenced together.
    pub k: &'a [usize],
    /// Random choices of as many heads.
    pub draws: usize,
    pub seed: u64,
}

impl Search<'_> {
    /// Scores `[blocks, heads]` of all heads: means over conflicts and templates. The corrupted prompt
    /// of a conflict is the next conflict's.
    ///
    /// # Errors
    /// A prompt that does not fit the model, or fewer than two conflicts.
    pub fn score(&self, conflicts: &[Conflict]) -> anyhow::Result<HeadScores> {
        anyhow::ensure!(
            conflicts.len() >= 2,
            "heads are scored on two or more conflicts, of which the model knows {}; give more",
            conflicts.len()
        );
        let shape = self.decoder.model.shape();
        let mut scores = vec![0.0; shape.blocks * shape.heads];
        for template in self.templates {
            let questions = self.questions(template, conflicts)?;
            let next = questions.iter().cycle().skip(1);
            let pairs: Vec<Pair<'_>> = questions
                .iter()
                .zip(next)
                .map(|(one, other)| Pair {
                    clean: one.asked.tokens(),
                    corrupted: other.asked.tokens(),
                    memory: one.memory,
                    context: one.context,
                })
                .collect();
            let found = score_heads(&self.decoder.model, &pairs, self.measure)?;
            for (score, found) in scores.iter_mut().zip(found) {
                *score += found / self.templates.len() as f64;
            }
        }
        let questions = conflicts.iter().map(|conflict| conflict.question.clone());
        let scores = HeadScores::new(self.decoder.hash()?, shape.heads, &scores);
        Ok(scores.on(questions.collect()))
    }

    /// The conflicts whose remembered answer the model gives without the context, in every template.
    ///
    /// # Errors
    /// A prompt that does not fit the model.
    pub fn known(&self, conflicts: Vec<Conflict>) -> anyhow::Result<Vec<Conflict>> {
        let mut known = Vec::new();
        'next: for conflict in conflicts {
            for template in self.templates {
                for question in self.questions(template, std::slice::from_ref(&conflict))? {
                    if question.memory == question.context
                        || self.first(&question.alone, &[])? != question.memory
                    {
                        continue 'next;
                    }
                }
            }
            known.push(conflict);
        }
        Ok(known)
    }

    /// Silences the strongest heads of both sides, and random ones, and counts.
    ///
    /// # Errors
    /// A prompt that does not fit the model.
    pub fn try_out(
        &self,
        scores: &HeadScores,
        conflicts: &[Conflict],
    ) -> anyhow::Result<Vec<Trial>> {
        let shape = self.decoder.model.shape();
        let all: Vec<(usize, usize)> = (0..shape.blocks)
            .flat_map(|block| (0..shape.heads).map(move |head| (block, head)))
            .collect();
        let mut trials = Vec::new();
        for template in self.templates {
            let questions = self.questions(template, conflicts)?;
            let mut trial = |group, k, choices: Vec<Vec<(usize, usize)>>| -> anyhow::Result<()> {
                let drawn = choices.iter().map(|heads| self.shares(&questions, heads));
                let drawn = drawn.collect::<anyhow::Result<Vec<Shares>>>()?;
                trials.push(Trial {
                    template: template.name.clone(),
                    group,
                    k,
                    shares: mean(&drawn),
                    spread: spread(&drawn),
                });
                Ok(())
            };
            trial(Group::Nothing, 0, vec![Vec::new()])?;
            for &k in self.k {
                trial(Group::Memory, k, vec![scores.of_memory(k)])?;
                trial(Group::Context, k, vec![scores.of_context(k)])?;
                let draw = |draw: usize| {
                    let mut random = ChaCha8Rng::seed_from_u64(self.seed.wrapping_add(draw as u64));
                    let mut heads = all.clone();
                    heads.shuffle(&mut random);
                    heads.truncate(k);
                    heads
                };
                let draws = (0..self.draws).map(draw).collect();
                trial(Group::Random(self.draws), k, draws)?;
            }
        }
        Ok(trials)
    }

    fn shares(&self, questions: &[Question], heads: &[(usize, usize)]) -> anyhow::Result<Shares> {
        let mut all = Shares::default();
        let part = 1.0 / questions.len().max(1) as f64;
        for question in questions {
            let first = self.first(&question.asked, heads)?;
            let alone = self.first(&question.alone, heads)?;
            let of = |is: bool| f64::from(is);
            let found = Shares {
                memory: of(first == question.memory),
                context: of(first == question.context),
                neither: of(first != question.memory && first != question.context),
                alone: of(alone == question.memory),
            };
            all = all.with(found, |all, found| all + part * found);
        }
        Ok(all)
    }

    /// The first token of the answer while these heads are silent.
    fn first(&self, asked: &Asked, heads: &[(usize, usize)]) -> anyhow::Result<u32> {
        let bounds = Bounds {
            tokens: 1,
            alternatives: 0,
            seed: 0,
        };
        let mut way: Way = silenced(heads.to_vec());
        let mut first = self.decoder.tokenizer.end_of_text();
        let mut tell = |chosen: engraft_decode::Chosen| {
            first = chosen.token;
            Go::Stop
        };
        let mut pasts = Pasts::default();
        self.decoder
            .answer(asked, &mut way, &mut pasts, &bounds, &mut tell)?;
        Ok(first)
    }

    fn questions(
        &self,
        template: &Template,
        conflicts: &[Conflict],
    ) -> anyhow::Result<Vec<Question>> {
        let tokenizer = &self.decoder.tokenizer;
        let question = |conflict: &Conflict| {
            let asked = template.ask(conflict, tokenizer)?;
            let glued = asked.ends_a_line();
            let first = |answers: &[String]| {
                let answer = answers.first().map_or("", String::as_str);
                let text = match glued {
                    true => answer.to_owned(),
                    false => format!(" {answer}"),
                };
                let tokens = tokenizer.encode(&text);
                tokens.first().copied().ok_or_else(|| {
                    anyhow::anyhow!("`{}` has no memory or no answer", conflict.question)
                })
            };
            Ok(Question {
                memory: first(&conflict.memory.0)?,
                context: first(&conflict.answer.0)?,
                alone: asked.alone(),
                asked,
            })
        };
        conflicts.iter().map(question).collect()
    }
}

impl Shares {
    fn with(self, other: Self, of: impl Fn(f64, f64) -> f64) -> Self {
        Self {
            memory: of(self.memory, other.memory),
            context: of(self.context, other.context),
            neither: of(self.neither, other.neither),
            alone: of(self.alone, other.alone),
        }
    }
}

fn mean(drawn: &[Shares]) -> Shares {
    let part = 1.0 / drawn.len().max(1) as f64;
    let add = |all: Shares, one: &Shares| all.with(*one, |all, one| all + part * one);
    drawn.iter().fold(Shares::default(), add)
}

/// Nothing for fewer than two.
fn spread(drawn: &[Shares]) -> Option<Spread> {
    let (&first, rest) = drawn.split_first()?;
    if rest.is_empty() {
        return None;
    }
    let mean = mean(drawn);
    let part = 1.0 / rest.len() as f64;
    let variance = drawn.iter().fold(Shares::default(), |all, one| {
        let square = one.with(mean, |one, mean| (one - mean).powi(2));
        all.with(square, |all, square| all + part * square)
    });
    let fold = |of: fn(f64, f64) -> f64| rest.iter().fold(first, |all, one| all.with(*one, of));
    Some(Spread {
        deviation: variance.with(variance, |variance, _| variance.sqrt()),
        least: fold(f64::min),
        most: fold(f64::max),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_have_a_mean_a_deviation_and_two_ends_figure_by_figure() {
        let draw = |memory, context| Shares {
            memory,
            context,
            ..Shares::default()
        };
        let drawn = [draw(0.25, 0.5), draw(0.5, 0.5), draw(0.75, 0.0)];
        let near = |one: f64, other: f64| assert!((one - other).abs() < 1e-12, "{one} {other}");
        near(mean(&drawn).memory, 0.5);
        near(mean(&drawn).context, 1.0 / 3.0);
        let found = spread(&drawn).unwrap();
        // Divided by one less than there are draws.
        near(found.deviation.memory, 0.25);
        near(found.deviation.context, (1.0f64 / 12.0).sqrt());
        near(found.deviation.alone, 0.0);
        assert_eq!(
            (found.least, found.most),
            (draw(0.25, 0.0), draw(0.75, 0.5))
        );
        assert_eq!((spread(&drawn[..1]), spread(&[])), (None, None));
    }
}
