//! The tester: a script that shows the issue, judged by the second model.

use engraft_memory::episodic::{TestAttempt, Verdict};
use serde::{Deserialize, Serialize};

use super::{
    Channels, ExpeRepair, Ran, Selection, differential, places::existing_test, recall::Experience,
    script, stage,
};
use crate::{
    Desk, DeskError,
    desk::Who,
    record::as_lines,
    replies::{self, TestVerdict},
};

/// What the tester left.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Reproduced {
    /// The script that was accepted, with what it printed on the repository as it is.
    pub accepted: Option<(String, Ran)>,
    /// All executed attempts, in order.
    pub attempts: Vec<TestAttempt>,
    /// Scripts with other inputs.
    pub differential: Vec<String>,
}

/// How often one verdict is asked for until it can be read.
const VERDICT_TRIES: usize = 3;

pub(super) fn reproduce(
    desk: &Desk<'_>,
    settings: &ExpeRepair,
    experience: &Experience<'_>,
    made: &mut Reproduced,
) -> Result<(), DeskError> {
    attempts(desk, settings, experience, made)?;
    // Only the panel looks at what they print.
    if settings.effort.selection == Selection::Panel {
        made.differential =
            differential::write(desk, settings, experience, made.accepted.as_ref())?;
    }
    record(desk, made)
}

/// Without memory there is one attempt less, as in the released code.
fn tries(settings: &ExpeRepair) -> usize {
    match settings.memory {
        Channels::None => settings.effort.scripts.saturating_sub(1).max(1),
        _ => settings.effort.scripts,
    }
}

fn attempts(
    desk: &Desk<'_>,
    settings: &ExpeRepair,
    experience: &Experience<'_>,
    made: &mut Reproduced,
) -> Result<(), DeskError> {
    let existing = existing_test(desk)?;
    let mut last: Option<(String, Ran, TestVerdict)> = None;
    for attempt in 0..tries(settings) {
        let shown = match &last {
            None => experience.first_test(desk.task)?,
            Some((test, ran, _)) => experience.next_test(desk.task, test, ran)?,
        };
        desk.meter
            .recalled(stage::REPRODUCE, usize::from(shown.is_some()));
        let slots = desk.slots().maybe("existing_test", existing.clone());
        let slots = experience.with_rules(desk, stage::REPRODUCE, "tester", slots)?;
        let slots = match &last {
            None => slots.maybe("example", shown.map(|pair| pair.right)),
            Some((test, ran, verdict)) => {
                let (wrong, right) = shown.map(|pair| (pair.wrong, pair.right)).unzip();
                slots
                    .text("last_script", test)
                    .text("stdout", &ran.stdout)
                    .text("stderr", &ran.stderr)
                    .text("analysis", &verdict.analysis)
                    .text("advice", &verdict.advice)
                    .maybe("wrong_script", wrong)
                    .maybe("right_script", right)
            }
        };
        let answer = desk.ask(stage::REPRODUCE, Who::Main, "reproduce", slots, 0.0)?;
        desk.record.write(
            stage::REPRODUCE,
            &format!("reproduce_raw_{attempt}.md"),
            &answer,
        )?;
        let Some(test) = script::of(&answer) else {
            continue;
        };
        let ran = script::run(desk, None, test)?;
        let verdict = judge(desk, test, &ran)?;
        desk.record
            .write(stage::REPRODUCE, &format!("reproducer_{attempt}.py"), test)?;
        let accepted = verdict.accepts();
        made.attempts
            .push(attempted(last.as_ref(), test, &ran, &verdict));
        if accepted {
            made.accepted = Some((test.to_owned(), ran));
            return Ok(());
        }
        last = Some((test.to_owned(), ran, verdict));
    }
    Ok(())
}

/// The second model's verdict; one that could never be read is a NO.
fn judge(desk: &Desk<'_>, test: &str, ran: &Ran) -> Result<TestVerdict, DeskError> {
    let slots = desk
        .slots()
        .text("script", test)
        .text("stdout", &ran.stdout)
        .text("stderr", &ran.stderr);
    let verdict = desk.ask_until(
        stage::REPRODUCE,
        Who::Second,
        "judge",
        &slots,
        (0.0, VERDICT_TRIES),
        replies::test_verdict,
    )?;
    Ok(verdict.unwrap_or_else(|| TestVerdict {
        analysis: "The verdict could not be read.".to_owned(),
        correct: "NO".to_owned(),
        advice: String::new(),
    }))
}

fn attempted(
    last: Option<&(String, Ran, TestVerdict)>,
    test: &str,
    ran: &Ran,
    verdict: &TestVerdict,
) -> TestAttempt {
    let old = last.map(|(test, ran, verdict)| (test.clone(), ran, remembered(verdict)));
    TestAttempt {
        old_test: old
            .as_ref()
            .map(|(test, _, _)| test.clone())
            .unwrap_or_default(),
        old_exec_result: old
            .as_ref()
            .map(|(_, ran, _)| ran.text())
            .unwrap_or_default(),
        old_returncode: old.as_ref().map(|(_, ran, _)| ran.code.into()),
        old_check_repro: old.map(|(_, _, verdict)| verdict),
        new_test: test.to_owned(),
        new_exec_result: ran.text(),
        new_returncode: ran.code.into(),
        new_check_repro: remembered(verdict),
    }
}

/// A verdict as memory keeps it.
fn remembered(verdict: &TestVerdict) -> Verdict {
    let reproduces = if verdict.accepts() { "YES" } else { "NO" };
    Verdict {
        analysis: verdict.analysis.clone(),
        reproduces: reproduces.to_owned(),
        advice: verdict.advice.clone(),
    }
}

/// The files that people and other tools know from such runs.
fn record(desk: &Desk<'_>, made: &Reproduced) -> Result<(), DeskError> {
    for (number, test) in made.differential.iter().enumerate() {
        desk.record.write(
            stage::REPRODUCE,
            &format!("verified_test_{number}.py"),
            test,
        )?;
    }
    let experience = serde_json::json!({
        "time": desk.task.created,
        "issue_description": desk.task.issue,
        "exps": made.attempts,
    });
    desk.record.write(
        stage::REPRODUCE,
        "reproduce_experiences.jsonl",
        &as_lines(&[experience]),
    )?;
    let (test, ran) = made.accepted.clone().unwrap_or_default();
    let output = serde_json::json!({
        "instance_id": desk.task.id,
        "test_content": test,
        "reproduce_stdout": ran.stdout,
        "reproduce_stderr": ran.stderr,
        "returncode": ran.code,
        "reproduced": made.accepted.is_some(),
    });
    desk.record.write(
        stage::REPRODUCE,
        "reproduce_outputs.jsonl",
        &as_lines(&[output]),
    )?;
    Ok(())
}
