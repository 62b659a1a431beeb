//! The order of a prompt's parts beside the official implementation's.

use engraft_method::parity::{Case, Check, Differences, ParityError};

use super::{Slots, compose};

pub const CHECKS: &[Check] = &[Check {
    slug: "experepair",
    kind: "prompt_slot_order",
    run: prompt_slot_order,
}];

fn prompt_slot_order(case: &mut Case) -> Result<(), ParityError> {
    let feedback = || {
        Slots::default()
            .text("repository", "r")
            .text("issue", "i")
            .text("last_script", "s")
            .text("stdout", "@OUT@")
            .text("stderr", "@ERR@")
            .text("analysis", "@ANALYSIS@")
            .text("advice", "@ADVICE@")
    };
    // Of two demonstrations that were retrieved the first is shown.
    let with_memory = feedback()
        .text("wrong_script", "@OLD0@")
        .text("right_script", "@NEW0@");
    let mut differences = Differences::exact();
    let document = case.document()?;
    for (key, slots) in [
        ("feedback_without_memory", feedback()),
        ("feedback_with_two_retrieved", with_memory),
    ] {
        let prompt = compose("reproduce", slots);
        let prompt = prompt.map_err(|error| ParityError::Computation(error.to_string()))?;
        let last = prompt
            .messages
            .last()
            .map(|message| message.content.as_str());
        differences.equal_json(key, &parts(last.unwrap_or_default()), &document[key]);
    }
    differences.told()
}

/// The marks in their order.
fn parts(message: &str) -> serde_json::Value {
    let marks = message.split('@').skip(1).step_by(2);
    marks.map(|mark| format!("@{mark}@")).collect()
}
