//! Choosing the patch: by what the script prints, then by rankings over more scripts.

use serde::{Deserialize, Serialize};

use super::{Candidate, Ran, Reproduced, candidate::shown, stage};
use crate::{
    Desk, DeskError,
    desk::Who,
    replies,
    selection::{self, MissingRank},
};

/// What the panel or the vote left.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Validated {
    /// Patches from best to worst.
    pub ranked: Vec<String>,
}

const GROUP_TRIES: usize = 3;
const RANK_TRIES: usize = 3;

pub(super) fn validate(
    desk: &Desk<'_>,
    reproduced: &Reproduced,
    pool: &[Candidate],
    made: &mut Validated,
) -> Result<(), DeskError> {
    let pool = selection::deduplicate(pool.to_vec(), |candidate| &candidate.patch);
    let kept = right_groups(desk, reproduced, pool)?;
    let patches = |candidates: &[&Candidate]| -> Vec<String> {
        candidates
            .iter()
            .map(|candidate| candidate.patch.clone())
            .collect()
    };
    let all: Vec<&Candidate> = kept.iter().collect();
    desk.record.write(
        stage::VALIDATE,
        "select_patch_initial.json",
        &json(&patches(&all)),
    )?;
    let mut reviews = Vec::new();
    if kept.len() > 1 {
        for number in 0..reproduced.differential.len() {
            reviews.extend(ranking(desk, &kept, number)?);
        }
    }
    desk.record
        .rows(stage::VALIDATE, "select_patch_second.jsonl", &reviews)?;
    let order = order(&reviews, kept.len());
    let ranked: Vec<&Candidate> = order.into_iter().map(|index| &kept[index]).collect();
    made.ranked = patches(&ranked);
    desk.record
        .rows(stage::VALIDATE, "ranked_final_patch.jsonl", &made.ranked)?;
    Ok(())
}

/// The order without a panel: correct ones first, then as they came.
pub(super) fn without_ranking(pool: &[Candidate]) -> Vec<String> {
    let (correct, other): (Vec<_>, Vec<_>) = pool.iter().partition(|candidate| candidate.correct);
    let all = correct.into_iter().chain(other);
    all.map(|candidate| candidate.patch.clone()).collect()
}

/// All indices, by their mean rank; those that no review ranked keep their order at the end.
fn order(reviews: &[Vec<usize>], count: usize) -> Vec<usize> {
    let mut order: Vec<usize> = selection::mean_rank(reviews, MissingRank::default());
    order.extend(
        (0..count)
            .filter(|index| !order.contains(index))
            .collect::<Vec<_>>(),
    );
    order
}

/// The patches whose output is right by the second model; all if there is one output, or none is named.
fn right_groups(
    desk: &Desk<'_>,
    reproduced: &Reproduced,
    pool: Vec<Candidate>,
) -> Result<Vec<Candidate>, DeskError> {
    let Some((test, _)) = &reproduced.accepted else {
        return Ok(pool);
    };
    let output = |candidate: &Candidate| {
        candidate
            .reproduction
            .as_ref()
            .map(|ran| (ran.stdout.clone(), ran.stderr.clone()))
            .unwrap_or_default()
    };
    let outputs: Vec<(String, String)> = pool.iter().map(output).collect();
    let outputs = outputs
        .iter()
        .map(|(stdout, stderr)| (stdout.as_str(), stderr.as_str()));
    let groups = selection::group_by_output(outputs);
    if groups.len() < 2 {
        return Ok(pool);
    }
    let mut text = String::new();
    for (number, group) in groups.iter().enumerate() {
        text.push_str(&format!("Group {number}\n{}\n\n", group.output));
    }
    let slots = desk.slots().text("script", test).text("groups", text);
    let read = |answer: &str| {
        let named = replies::selection(answer, &["correct_group"]).ok()?.pop()?;
        let named = named
            .into_iter()
            .filter_map(|number| usize::try_from(number).ok());
        let named: Vec<usize> = named.filter(|number| *number < groups.len()).collect();
        (!named.is_empty()).then_some(named)
    };
    let named = desk.ask_until(
        stage::VALIDATE,
        Who::Second,
        "groups",
        &slots,
        (0.0, GROUP_TRIES),
        read,
    )?;
    let Some(named) = named else {
        return Ok(pool);
    };
    let mut kept: Vec<usize> = named
        .into_iter()
        .flat_map(|number| groups[number].members.clone())
        .collect();
    kept.sort_unstable();
    kept.dedup();
    Ok(kept.into_iter().map(|index| pool[index].clone()).collect())
}

/// One ranking of the patches by the script and one of the others; `None` if it could never be read.
fn ranking(
    desk: &Desk<'_>,
    kept: &[Candidate],
    number: usize,
) -> Result<Option<Vec<usize>>, DeskError> {
    let patches = shown(kept.iter().map(|candidate| {
        let own = candidate.reproduction.iter().map(|ran| ("The script", ran));
        let more = candidate
            .differential
            .get(number)
            .map(|(_, ran): &(String, Ran)| ("The other script", ran));
        (candidate.patch.as_str(), own.chain(more).collect())
    }));
    let slots = desk.slots().text("patches", patches);
    let read = |answer: &str| {
        let ranked = replies::selection(answer, &["rank_patch"]).ok()?.pop()?;
        let mut order: Vec<usize> = Vec::new();
        for number in ranked
            .into_iter()
            .filter_map(|number| usize::try_from(number).ok())
        {
            if number < kept.len() && !order.contains(&number) {
                order.push(number);
            }
        }
        (!order.is_empty()).then_some(order)
    };
    desk.ask_until(
        stage::VALIDATE,
        Who::Second,
        "rank",
        &slots,
        (0.0, RANK_TRIES),
        read,
    )
}

fn json<T: Serialize>(value: &T) -> String {
    serde_json::to_string_pretty(value).unwrap_or_default() + "\n"
}
