//! More scripts on the same issue, so that patches that look alike can be told apart.

use super::{ExpeRepair, Ran, recall::Experience, script, stage};
use crate::{Desk, DeskError, desk::Who};

/// Writes the scripts; one that could not be read is left out.
pub(super) fn write(
    desk: &Desk<'_>,
    settings: &ExpeRepair,
    experience: &Experience<'_>,
    accepted: Option<&(String, Ran)>,
) -> Result<Vec<String>, DeskError> {
    let mut scripts = Vec::new();
    for sample in 0..settings.effort.differential {
        let mut slots = experience.with_rules(desk, stage::REPRODUCE, "tester", desk.slots())?;
        if let Some((test, ran)) = accepted {
            slots = slots
                .text("script", test)
                .text("stdout", &ran.stdout)
                .text("stderr", &ran.stderr);
        }
        let temperature = settings.effort.temperature_of(sample);
        let answer = desk.ask(
            stage::REPRODUCE,
            Who::Main,
            "differential",
            slots,
            temperature,
        )?;
        scripts.extend(script::of(&answer).map(str::to_owned));
    }
    Ok(scripts)
}
