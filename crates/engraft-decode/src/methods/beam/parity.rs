//! The search beside that of transformers, on a written-down model.

use engraft_method::parity::{Case, ParityError};

use super::{Beam, EarlyStopping, bigram::Bigram};
use crate::{
    beam::{Task, beam_search as search},
    reference,
};

pub(super) fn beam_search(case: &mut Case) -> Result<(), ParityError> {
    let wrong = |reason: String| ParityError::Computation(reason);
    let num_beams = case.number("num_beams")? as usize;
    let limit = case.number("max_new_tokens")? as usize;
    let eos = case.number("eos")? as u32;
    // A padding of 0 counts as unset there, and rows are filled up with the end instead.
    let pad = match case.number("pad")? as u32 {
        0 => eos,
        pad => pad,
    };
    let stops = case.json("early_stopping")?.as_array();
    let stops: Vec<(String, EarlyStopping)> = stops
        .into_iter()
        .flatten()
        .map(|stop| match stop.as_str() {
            Some("False") => Ok(("False".to_owned(), EarlyStopping::Heuristic)),
            Some("True") => Ok(("True".to_owned(), EarlyStopping::Full)),
            Some("never") => Ok(("never".to_owned(), EarlyStopping::Never)),
            _ => Err(wrong(format!("early_stopping is {stop}"))),
        })
        .collect::<Result<_, _>>()?;

    let [_, vocab] = case.input("table")?.rows();
    let (table, places) = (case.input("table")?.f32(), case.input("pos")?.f32());
    let prompt = case.input("prompt")?.i64();
    let prompt: Vec<u32> = prompt.into_iter().map(|token| token as u32).collect();
    let model = Bigram::new(table, places, vocab);
    for length_penalty in case.numbers("length_penalties")? {
        for (name, early_stopping) in &stops {
            let settings = Beam {
                num_beams,
                length_penalty,
                early_stopping: *early_stopping,
            };
            let task = Task {
                prompt: &prompt,
                ends: &[eos],
                limit,
                stopped: &|| false,
            };
            let found = search(&model, &task, &settings);
            let found = found.map_err(|error| wrong(error.to_string()))?;
            let width = found.iter().map(|answer| answer.tokens.len()).max();
            let rows = found.iter().flat_map(|answer| {
                let missing = width.unwrap_or(0) - answer.tokens.len();
                let whole = prompt.iter().chain(&answer.tokens).copied();
                whole.chain(std::iter::repeat_n(pad, missing))
            });
            let run = format!("lp{length_penalty:?}_es{name}");
            case.output(format!("{run}_seq"), rows.map(f64::from));
            case.output(
                format!("{run}_score"),
                found.iter().map(|answer| answer.score),
            );
        }
    }
    Ok(())
}

/// The search on the reference model.
pub(super) fn answers(case: &mut Case) -> Result<(), ParityError> {
    let settings = Beam {
        num_beams: case.number("num_beams")? as usize,
        length_penalty: case.number("length_penalty")?,
        ..Beam::default()
    };
    let model = reference::model()?;
    let prompt = reference::ids(case, "p0")?;
    let task = Task {
        prompt: &prompt,
        ends: &[reference::END],
        limit: 8,
        stopped: &|| false,
    };
    let found = search(model, &task, &settings)
        .map_err(|problem| ParityError::Computation(problem.to_string()))?;
    let rows = found
        .iter()
        .flat_map(|one| prompt.iter().chain(&one.tokens));
    case.output("beam3_seq", rows.map(|&token| f64::from(token)));
    case.output("beam3_score", found.iter().map(|one| one.score));
    Ok(())
}
