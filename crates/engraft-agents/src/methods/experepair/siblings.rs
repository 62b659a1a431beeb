//! Other ways to write a patch that works: completer, and simpler.

use super::{
    Candidate,
    candidate::distinct,
    generate::{Coder, Generated},
    stage,
};
use crate::{DeskError, desk::Who, replies};

/// Who thinks about each sibling.
const THINKERS: [Who; 3] = [Who::Main, Who::Second, Who::Second];
const WRITE_TRIES: usize = 3;

/// The distinct siblings of a patch that can be applied; there may be none.
pub(super) fn write(
    coder: &Coder<'_>,
    patch: &str,
    made: &mut Generated,
) -> Result<Vec<Candidate>, DeskError> {
    let mut siblings = Vec::new();
    for prompt in ["flaws", "excess"] {
        for number in 0..coder.settings.effort.siblings {
            let thinker = THINKERS[number % THINKERS.len()];
            let temperature = coder.settings.effort.temperature_of(number);
            let slots = coder.slots()?.text("patch", patch);
            let answer =
                coder
                    .desk
                    .ask(stage::GENERATE, thinker, prompt, slots.clone(), temperature)?;
            let Some(advice) = replies::suggestion(&answer) else {
                continue;
            };
            // A conversation of its own for each piece of advice.
            let slots = slots
                .text("analysis", advice.analysis)
                .text("advice", advice.advice);
            for attempt in 0..WRITE_TRIES {
                let origin = format!("{prompt} {number}");
                let temperature = coder.settings.effort.temperature_of(attempt);
                if let Some(sibling) =
                    coder.patch("sibling", slots.clone(), temperature, origin, made)?
                {
                    siblings.push(sibling);
                    break;
                }
            }
        }
    }
    Ok(distinct(siblings))
}
