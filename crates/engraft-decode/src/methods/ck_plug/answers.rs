//! Whole answers beside the official code's.

use engraft_method::parity::{Case, ParityError};

use super::{Adaptive, CkPlug};
use crate::{Models, Pasts, Session, logits::argmax, reference};

/// Below such a difference between the two best scores, the best one is not the same on every machine.
const TOO_CLOSE: f64 = 0.02;

/// What a row of the case has for every step.
#[derive(Default)]
struct Answer {
    tokens: Vec<f64>,
    entropy_context: Vec<f64>,
    entropy_question: Vec<f64>,
    adjusted: Vec<f64>,
    margin: Vec<f64>,
}

/// An answer for each fixed weight and one for the adaptive weights of the code.
pub(super) fn parity(case: &mut Case) -> Result<(), ParityError> {
    let base = CkPlug {
        top_k: case.number("select_top")? as usize,
        relative_top: case.number("relative_top")? as f32,
        kappa: -case.number("e")? as f32,
        entropy_eps: case.number("entropy_eps")? as f32,
        ..CkPlug::default()
    };
    let fixed = case.input("alphas")?.f32().into_iter();
    let mut settings: Vec<CkPlug> = fixed
        .map(|alpha| CkPlug {
            alpha,
            ..base.clone()
        })
        .collect();
    settings.push(CkPlug {
        adaptive: Adaptive::Code,
        ..base
    });
    let wanted = |name: &str| {
        let tensor = case.wanted(name);
        let tensor = tensor.ok_or_else(|| ParityError::MissingInput(name.to_owned()));
        tensor.map(|tensor| tensor.values.clone())
    };
    let (tokens, margins) = (wanted("gen")?, wanted("margin")?);
    let (full, question) = (
        reference::ids(case, "ctx_ids")?,
        reference::ids(case, "par_ids")?,
    );
    let steps = tokens.len() / settings.len();
    let mut all = Answer::default();
    for (row, mut settings) in settings.into_iter().enumerate() {
        let steps = row * steps..(row + 1) * steps;
        follow(
            &mut settings,
            &full,
            &question,
            &tokens[steps.clone()],
            &margins[steps],
            &mut all,
        )?;
    }
    case.output("gen", all.tokens);
    case.output("entropy_ctx", all.entropy_context);
    case.output("entropy_par", all.entropy_question);
    case.output("is_adjust", all.adjusted);
    case.output("margin", all.margin);
    Ok(())
}

/// Decodes along the reference answer, so that a close call does not spoil what comes after it.
fn follow(
    settings: &mut CkPlug,
    full: &[u32],
    question: &[u32],
    tokens: &[f64],
    margins: &[f64],
    all: &mut Answer,
) -> Result<(), ParityError> {
    let models = Models {
        model: reference::model()?,
        amateur: None,
    };
    let failed = |problem: crate::AnswerError| ParityError::Computation(problem.to_string());
    let prompt = reference::prompt(full, Some(question));
    let mut session = Session::new(models, &prompt, settings, &Pasts::default()).map_err(failed)?;
    for (&token, &margin) in tokens.iter().zip(margins) {
        let next = session.scores().map_err(failed)?;
        let best = argmax(&next.scores);
        let number = |name: &str| {
            let mut numbers = next.told.numbers.iter();
            numbers
                .find(|(known, _)| *known == name)
                .map_or(f64::NAN, |(_, value)| *value)
        };
        let others = next.scores.iter().enumerate().filter(|(at, _)| *at != best);
        let second = others
            .map(|(_, &score)| score)
            .fold(f32::NEG_INFINITY, f32::max);
        all.tokens.push(match margin <= TOO_CLOSE {
            true => token,
            false => best as f64,
        });
        all.entropy_context.push(number("entropy with context"));
        all.entropy_question.push(number("entropy without context"));
        all.adjusted.push(f64::from(next.told.note.is_some()));
        all.margin.push(f64::from(next.scores[best] - second));
        session.push(token as u32);
    }
    Ok(())
}
