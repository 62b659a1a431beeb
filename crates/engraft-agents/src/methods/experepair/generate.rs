//! The coder: patches, tried on the script, reviewed, mended by advice; correct ones get siblings.

use engraft_memory::episodic::PatchAttempt;
use serde::{Deserialize, Serialize};

use super::{
    Candidate, ExpeRepair, Localised, Ran, Reproduced,
    candidate::{distinct, patch_of, shown},
    recall::{Experience, Pair},
    script, siblings, stage,
};
use crate::{
    Desk, DeskError,
    compose::Slots,
    desk::Who,
    edits::Outcome,
    locate,
    record::as_lines,
    replies::{self, Advice},
};

/// What the coder left.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Generated {
    /// All distinct patches that could be applied, in order of appearance.
    pub pool: Vec<Candidate>,
    /// The chosen patch of each round after that of the round before.
    pub attempts: Vec<PatchAttempt>,
    /// How each answer went, worst first in the order of [`Outcome`].
    pub outcomes: Vec<Outcome>,
}

/// How often patches are asked for until one can be applied.
const PATCH_TRIES: usize = 3;
const REVIEW_TRIES: usize = 5;
/// Who gives each piece of advice.
const ADVISERS: [Who; 4] = [Who::Main, Who::Second, Who::Second, Who::Main];

pub(super) fn generate(
    desk: &Desk<'_>,
    settings: &ExpeRepair,
    experience: &Experience<'_>,
    (reproduced, localised): (&Reproduced, &Localised),
    made: &mut Generated,
) -> Result<(), DeskError> {
    let coder = Coder {
        desk,
        settings,
        experience,
        accepted: reproduced.accepted.as_ref(),
        places: locate::listing(&localised.snippets),
    };
    let mut candidates = Vec::new();
    let worked = coder.work(&mut candidates, made);
    // Where a budget ended the work, what was on its way counts too.
    pool(&mut made.pool, candidates);
    worked?;
    coder.run_differential(&mut made.pool, &reproduced.differential)?;
    coder.record(made, reproduced.differential.len())
}

/// The coder with what it knows of the issue.
pub(super) struct Coder<'a> {
    pub desk: &'a Desk<'a>,
    pub settings: &'a ExpeRepair,
    pub experience: &'a Experience<'a>,
    pub accepted: Option<&'a (String, Ran)>,
    pub places: String,
}

/// The patch of the last round that is to be mended.
struct Failed {
    patch: String,
    result: Option<Ran>,
}

impl Coder<'_> {
    /// Works through the rounds; `candidates` are those of the round that is on.
    fn work(&self, candidates: &mut Vec<Candidate>, made: &mut Generated) -> Result<(), DeskError> {
        self.first(candidates, made)?;
        let Some((test, before)) = self.accepted else {
            // Nothing shows the issue: every distinct patch gets siblings, and all are compared.
            let first = distinct(std::mem::take(candidates));
            pool(&mut made.pool, first.clone());
            for candidate in &first {
                let more = siblings::write(self, &candidate.patch, made)?;
                pool(&mut made.pool, more);
            }
            return Ok(());
        };
        let mut previous = String::new();
        for round in 0..=self.settings.effort.rounds {
            for candidate in candidates.iter_mut() {
                candidate.reproduction =
                    Some(script::run(self.desk, Some(&candidate.patch), test)?);
            }
            let Some(best) = self.review(test, before, candidates)? else {
                return Ok(());
            };
            let chosen = candidates[best].clone();
            // Of equal patches the review may name one, and not the first.
            let (correct, other): (Vec<_>, Vec<_>) = std::mem::take(candidates)
                .into_iter()
                .partition(|candidate| candidate.correct);
            let correct = distinct(correct);
            pool(&mut made.pool, correct.clone());
            pool(&mut made.pool, other);
            made.attempts.push(PatchAttempt {
                old_patch: previous,
                old_result: false,
                new_patch: chosen.patch.clone(),
                new_result: chosen.correct,
            });
            if chosen.correct {
                for candidate in &correct {
                    let mut more = siblings::write(self, &candidate.patch, made)?;
                    for sibling in &mut more {
                        sibling.reproduction =
                            Some(script::run(self.desk, Some(&sibling.patch), test)?);
                    }
                    pool(&mut made.pool, more);
                }
                return Ok(());
            }
            if round == self.settings.effort.rounds {
                return Ok(());
            }
            previous = chosen.patch.clone();
            let failed = Failed {
                patch: chosen.patch,
                result: chosen.reproduction,
            };
            self.mend(round + 1, &failed, candidates, made)?;
        }
        Ok(())
    }

    /// What every prompt of the coder holds.
    pub(super) fn slots(&self) -> Result<Slots, DeskError> {
        let slots = self.desk.slots().text("places", &self.places);
        let slots = self
            .experience
            .with_rules(self.desk, stage::GENERATE, "coder", slots)?;
        Ok(match self.accepted {
            None => slots,
            Some((test, ran)) => slots
                .text("script", test)
                .text("stdout", &ran.stdout)
                .text("stderr", &ran.stderr),
        })
    }

    /// Patches from the issue alone.
    fn first(
        &self,
        candidates: &mut Vec<Candidate>,
        made: &mut Generated,
    ) -> Result<(), DeskError> {
        let shown = self.experience.patch(self.desk.task, "")?;
        self.desk
            .meter
            .recalled(stage::GENERATE, usize::from(shown.is_some()));
        let slots = with_pair(self.slots()?, shown);
        for _ in 0..PATCH_TRIES {
            for sample in 0..self.settings.effort.candidates {
                let temperature = self.settings.effort.temperature_of(sample);
                let origin = format!("round 0, sample {sample}");
                candidates.extend(self.patch("patch", slots.clone(), temperature, origin, made)?);
            }
            if !candidates.is_empty() {
                break;
            }
        }
        Ok(())
    }

    /// Asks for one patch; `None` if it cannot be applied.
    pub(super) fn patch(
        &self,
        prompt: &str,
        slots: Slots,
        temperature: f64,
        origin: String,
        made: &mut Generated,
    ) -> Result<Option<Candidate>, DeskError> {
        let answer = self
            .desk
            .ask(stage::GENERATE, Who::Main, prompt, slots, temperature)?;
        let number = made.outcomes.len();
        self.desk
            .record
            .write(stage::GENERATE, &format!("patch_{number}_raw.md"), &answer)?;
        let found = patch_of(self.desk, &answer)?;
        made.outcomes.push(found.outcome);
        // Spaces alone are no patch.
        if found.patch.trim().is_empty() {
            return Ok(None);
        }
        self.desk.record.write(
            stage::GENERATE,
            &format!("extracted_patch_{number}.diff"),
            &found.patch,
        )?;
        Ok(Some(Candidate::new(found, origin)))
    }

    /// The second model's review: marks the correct ones and names the one to go on with, the best-ranked of
    /// the correct, or of all. `None` without candidates. A review that could never be read counts none as
    /// correct.
    fn review(
        &self,
        test: &str,
        before: &Ran,
        candidates: &mut [Candidate],
    ) -> Result<Option<usize>, DeskError> {
        if candidates.is_empty() {
            return Ok(None);
        }
        let patches = shown(candidates.iter().map(|candidate| {
            let results = candidate.reproduction.iter().map(|ran| ("The script", ran));
            (candidate.patch.as_str(), results.collect())
        }));
        let slots = self
            .desk
            .slots()
            .text("script", test)
            .text("stdout", &before.stdout)
            .text("stderr", &before.stderr)
            .text("patches", patches);
        let known = candidates.len();
        let read = |answer: &str| {
            let lists = replies::selection(answer, &["rank_patch", "correct_patch"]).ok()?;
            let mut lists = lists.into_iter().map(|list| {
                let numbers = list
                    .into_iter()
                    .filter_map(|number| usize::try_from(number).ok());
                numbers.filter(|number| *number < known).collect::<Vec<_>>()
            });
            lists.next().zip(lists.next())
        };
        let review = self.desk.ask_until(
            stage::GENERATE,
            Who::Second,
            "review",
            &slots,
            (0.0, REVIEW_TRIES),
            read,
        )?;
        let (ranked, correct) = review.unwrap_or_default();
        for &number in &correct {
            candidates[number].correct = true;
        }
        let best = ranked
            .iter()
            .copied()
            .find(|number| correct.contains(number));
        Ok(best
            .or(correct.first().copied())
            .or(ranked.first().copied())
            .or(Some(0)))
    }

    /// A patch for each piece of advice on the one that failed.
    fn mend(
        &self,
        round: usize,
        failed: &Failed,
        candidates: &mut Vec<Candidate>,
        made: &mut Generated,
    ) -> Result<(), DeskError> {
        let result = failed.result.as_ref().map(Ran::text).unwrap_or_default();
        for number in 0..self.settings.effort.candidates {
            let Some(advice) = self.advice(ADVISERS[number % ADVISERS.len()], failed, &result)?
            else {
                continue;
            };
            let shown = self.experience.patch(self.desk.task, &failed.patch)?;
            self.desk
                .meter
                .recalled(stage::GENERATE, usize::from(shown.is_some()));
            let slots = with_pair(self.slots()?, shown)
                .text("last_patch", &failed.patch)
                .text("result", &result)
                .text("analysis", advice.analysis)
                .text("advice", advice.advice);
            for attempt in 0..PATCH_TRIES {
                let origin = format!("round {round}, advice {number}");
                let temperature = self.settings.effort.temperature_of(attempt);
                if let Some(candidate) =
                    self.patch("patch", slots.clone(), temperature, origin, made)?
                {
                    candidates.push(candidate);
                    break;
                }
            }
        }
        Ok(())
    }

    fn advice(&self, who: Who, failed: &Failed, after: &str) -> Result<Option<Advice>, DeskError> {
        let before = self.accepted.map(|(_, ran)| ran.text()).unwrap_or_default();
        let slots = self
            .slots()?
            .text("before", before)
            .text("patch", &failed.patch)
            .text("after", after);
        let tries = (0.0, REVIEW_TRIES);
        self.desk.ask_until(
            stage::GENERATE,
            who,
            "advice",
            &slots,
            tries,
            replies::review_advice,
        )
    }

    fn run_differential(&self, pool: &mut [Candidate], tests: &[String]) -> Result<(), DeskError> {
        for candidate in pool {
            for test in tests.iter().skip(candidate.differential.len()) {
                let ran = script::run(self.desk, Some(&candidate.patch), test)?;
                candidate.differential.push((test.clone(), ran));
            }
        }
        Ok(())
    }

    /// The files that people and other tools know from such runs.
    fn record(&self, made: &Generated, tests: usize) -> Result<(), DeskError> {
        let record = self.desk.record;
        let rows: Vec<_> = made
            .pool
            .iter()
            .map(|candidate| {
                let ran = candidate.reproduction.clone().unwrap_or_default();
                let differential: Vec<_> = candidate
                    .differential
                    .iter()
                    .map(|(test, ran)| serde_json::json!({ "test": test, "stdout": ran.stdout, "stderr": ran.stderr }))
                    .collect();
                serde_json::json!({
                    "patch_content": candidate.patch,
                    "repro_stdout": ran.stdout,
                    "repro_stderr": ran.stderr,
                    "differential_test": differential,
                })
            })
            .collect();
        let name = format!("result_{}_patch_{tests}_test.jsonl", made.pool.len());
        record.rows(stage::GENERATE, &name, &rows)?;
        let experience = serde_json::json!({
            "time": self.desk.task.created,
            "issue_description": self.desk.task.issue,
            "exps": made.attempts,
        });
        record.rows(stage::GENERATE, "patch_experiences.jsonl", &[experience])?;
        record.write(
            stage::GENERATE,
            "problem_statement.txt",
            &self.desk.task.issue,
        )?;
        record.write(
            stage::GENERATE,
            "extract_status.json",
            &as_lines(&[&made.outcomes]),
        )?;
        for (number, candidate) in made.pool.iter().enumerate() {
            record.write(
                stage::GENERATE,
                &format!("final_patch_{number}.diff"),
                &candidate.patch,
            )?;
        }
        Ok(())
    }
}

fn with_pair(slots: Slots, pair: Option<Pair>) -> Slots {
    match pair {
        None => slots,
        Some(pair) => slots
            .text("wrong_patch", pair.wrong)
            .text("right_patch", pair.right),
    }
}

/// Adds the patches that are not there yet.
fn pool(pool: &mut Vec<Candidate>, more: Vec<Candidate>) {
    pool.extend(more);
    *pool = distinct(std::mem::take(pool));
}
