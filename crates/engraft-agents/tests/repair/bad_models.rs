//! Models that answer nothing of use: the work ends by itself, with an account, after a known number of
//! requests, and a better model can go on from there.

use std::{collections::BTreeMap, sync::Mutex};

use engraft_agents::{
    ChatError,
    methods::experepair::{Effort, ExpeRepair, stage},
};

use crate::{
    policy::{Scripted, edit, good, task},
    run::{Bench, ISSUE, Prints, adder, job, put, sentence},
};

/// The most requests that a stage may send with these settings, whatever is answered.
fn most(settings: &ExpeRepair) -> BTreeMap<&'static str, u64> {
    let Effort {
        scripts,
        candidates,
        rounds,
        differential,
        siblings,
        ..
    } = settings.effort;
    let first = 3 * candidates;
    let reviews = 5 * (rounds + 1);
    let mended = rounds * candidates * (5 + 3);
    let sibling = candidates * 2 * siblings * (1 + 3);
    let bounds = [
        (stage::REPRODUCE, scripts * (1 + 3) + differential),
        // Files, skeletons, places in at most four files, the choice among them.
        (stage::LOCALIZE, 3 + 3 + 4 * 3 + 3),
        (stage::GENERATE, first + reviews + mended + sibling),
        (stage::VALIDATE, 3 + 3 * differential),
        // One for each role.
        (stage::SUMMARISE, 2),
    ];
    bounds.map(|(stage, most)| (stage, most as u64)).into()
}

/// Runs a model that should neither panic nor fail nor ask without end.
fn is_survived(what: &str, model: &Scripted) {
    is_survived_on(&Bench::new(), what, model);
}

fn is_survived_on(bench: &Bench, what: &str, model: &Scripted) {
    let user = adder();
    let done = bench.one(model, user.path(), ISSUE);
    assert!(done.result.is_ok(), "{what}: {}", sentence(&done));
    for (stage, most) in most(&bench.settings) {
        let calls = done.spent.get(stage).map_or(0, |spent| spent.calls);
        assert!(
            calls <= most,
            "{what}: {calls} requests in {stage}, {most} were thought the most"
        );
    }
    let sent: u64 = done.spent.values().map(|spent| spent.calls).sum();
    assert_eq!(sent as usize, model.asked().len(), "{what}");
    assert!(
        bench.account("calc-1").contains("## What it took"),
        "{what}"
    );
}

/// Answers of every form that nothing can be made of, or only part.
fn useless() -> Vec<(&'static str, String)> {
    let fenced = |text: &str| format!("```python\n{text}\n```\n");
    let mut answers = vec![
        ("nothing", String::new()),
        ("white space", " \n\t\u{2028}\u{a0}\n".to_owned()),
        ("the same sentence", "I cannot help with that.".to_owned()),
        ("wrong tags", "<verdict>YES</verdict><patch>[0]</patch>".to_owned()),
        ("an open fence", "```python\nprint(1)\n".to_owned()),
        ("fences only", "```\n```\n```\n```\n```".to_owned()),
        ("a block of nothing", fenced("")),
        ("a script", fenced("print(1)")),
        ("a script with NUL", fenced("print('\0')")),
        ("a path that leaves", fenced("../../etc/passwd\n/etc/passwd")),
        ("an edit of nothing", "```\n<file></file><original></original><patched></patched>\n```".to_owned()),
        ("an edit outside", edit("x").replace("calc.py", "../../../etc/passwd")),
        ("an edit of git", edit("x").replace("calc.py", ".git/config")),
        ("numbers out of reach", "<rank_patch>[99999999999999999999, -1, 7]</rank_patch><correct_patch>[7, 7]</correct_patch>".to_owned()),
        ("rules with NUL", "ADD 1: Never\0 print.\nEDIT 9: x\nREMOVE 0: y\nAGREE -1: z".to_owned()),
        ("an odd number of lines", "ADD 99999999999999999999999: a rule.".to_owned()),
    ];
    let open = [
        "test_analysis",
        "test_correct",
        "test_advice",
        "patch_analysis",
        "patch_advice",
        "analysis",
        "advice",
        "rank_patch",
        "correct_patch",
        "correct_group",
        "location",
        "class",
        "method",
        "file",
        "path",
        "original",
        "patched",
    ];
    answers.push((
        "tags without end",
        open.map(|tag| format!("<{tag}>")).concat(),
    ));
    answers.push((
        "ends without tags",
        open.map(|tag| format!("</{tag}>")).concat(),
    ));
    answers
}

#[test]
fn useless_answers_end_the_work_by_themselves() {
    for (what, text) in useless() {
        is_survived(what, &Scripted::always(text));
    }
}

#[test]
fn a_model_that_fails_at_one_task_only_is_survived_too() {
    let tasks = [
        "reproduce the issue",
        "mend your script",
        "test around the issue",
        "judge the script",
        "name the files",
        "choose among the files",
        "find places in a file",
        "choose the places",
        "repair the issue",
        "mend the patch",
        "write the better patch",
        "review the patches",
        "advise",
        "look for flaws",
        "look for excess",
        "choose the right outputs",
        "rank the patches",
        "learn from the attempts",
    ];
    for (row, (what, text)) in useless().into_iter().enumerate() {
        // Every fifth pair: each answer meets several tasks, and each task several answers.
        for bad in tasks.into_iter().skip(row % 5).step_by(5) {
            let text = text.clone();
            let model = Scripted::new(move |request| match task(request) == bad {
                true => text.clone(),
                false => good(request),
            });
            is_survived(&format!("{what}, to {bad:?}"), &model);
        }
    }
}

#[test]
fn a_review_that_names_the_second_of_two_equal_patches_means_both() {
    let user = adder();
    let model = Scripted::new(|request| match task(request) {
        "review the patches" => {
            "<rank_patch>[1, 0]</rank_patch><correct_patch>[1]</correct_patch>".to_owned()
        }
        _ => good(request),
    });
    let done = Bench::new().one(&model, user.path(), ISSUE).result.unwrap();
    let pool = &done.generated.pool;
    assert!(pool.len() == 1 && pool[0].correct, "{pool:?}");
    let asked = model.asked();
    assert!(
        asked
            .iter()
            .any(|request| task(request) == "look for flaws"),
        "what is correct gets siblings"
    );
}

/// The bounds are reached, not only kept: every answer that may be asked for again is of use the last time only.
#[test]
fn a_model_that_is_of_use_at_the_last_moment_takes_as_many_requests_as_are_allowed() {
    let user = adder();
    for number in 0..4 {
        put(
            user.path(),
            &format!("more_{number}.py"),
            "def add():\n    pass\n",
        );
    }
    let bench = Bench::new();
    let Effort {
        scripts,
        candidates,
        rounds,
        ..
    } = bench.settings.effort;
    let asked: Mutex<BTreeMap<String, usize>> = Mutex::default();
    let model = Scripted::new(move |request| {
        let heading = task(request);
        let number = {
            let mut asked = asked.lock().unwrap();
            let count = asked.entry(heading.to_owned()).or_default();
            *count += 1;
            *count
        };
        let patch = |number: usize| edit(&format!("return a - b - {number}"));
        match heading {
            "judge the script" if number == scripts * 3 => good(request),
            "repair the issue" if number > 2 * candidates => patch(number),
            "mend the patch" if number.is_multiple_of(3) => patch(100 + number),
            "review the patches" if number == 5 * (rounds + 1) => {
                "<rank_patch>[0, 1]</rank_patch><correct_patch>[0, 1]</correct_patch>".to_owned()
            }
            "review the patches" if number.is_multiple_of(5) => {
                "<rank_patch>[0]</rank_patch><correct_patch>[]</correct_patch>".to_owned()
            }
            "advise" if number.is_multiple_of(5) => good(request),
            "reproduce the issue"
            | "mend your script"
            | "test around the issue"
            | "look for flaws"
            | "look for excess"
            | "learn from the attempts" => good(request),
            _ => "?".to_owned(),
        }
    });
    let done = bench.one(&model, user.path(), ISSUE);
    assert!(done.result.is_ok(), "{}", sentence(&done));
    let calls = done
        .spent
        .iter()
        .map(|(stage, spent)| (stage.as_str(), spent.calls));
    assert_eq!(calls.collect::<BTreeMap<_, _>>(), most(&bench.settings));
}

#[test]
fn ten_megabytes_are_an_answer_like_any_other() {
    let size = 10 << 20;
    let script = format!("```python\n{}\n```\n", "x = 1\n".repeat(size / 6));
    let grown = edit(&format!(
        "return a + b\n{}",
        "    # more\n".repeat(size / 11)
    ));
    let tags = "<test_analysis><patch_analysis><location><file><rank_patch>[".repeat(size / 60);
    let rules = format!("ADD 1: {}.", "word ".repeat(size / 5));
    for (what, bad, text) in [
        ("a script", "reproduce the issue", script.clone()),
        ("another script", "test around the issue", script),
        ("a patch", "repair the issue", grown),
        (
            "a sibling",
            "write the better patch",
            edit(&"x".repeat(size)),
        ),
        (
            "a verdict",
            "judge the script",
            format!(
                "<test_analysis>{}</test_analysis><test_correct>YES</test_correct><test_advice>a</test_advice>",
                "x".repeat(size)
            ),
        ),
        ("tags", "review the patches", tags.clone()),
        ("places", "find places in a file", tags),
        ("rules", "learn from the attempts", rules),
    ] {
        let model = Scripted::new(move |request| match task(request) == bad {
            true => text.clone(),
            false => good(request),
        });
        let mut bench = Bench::new();
        bench.settings.effort.candidates = 1;
        is_survived_on(&bench, what, &model);
    }
}

#[test]
fn what_a_failing_model_has_finished_is_kept_and_a_good_one_goes_on_from_there() {
    let user = adder();
    for (broken, finished) in [
        ("reproduce the issue", 0),
        ("name the files", 1),
        ("repair the issue", 2),
        ("choose the right outputs", 3),
        ("learn from the attempts", 4),
    ] {
        let bench = Bench::new();
        let count = std::sync::atomic::AtomicUsize::new(0);
        let policy = move |request: &engraft_agents::Request| match task(request) {
            // Two patches that differ, so that there is something to rank.
            "repair the issue" => {
                let number = count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                edit(&format!("return a + b + 0 * {number}"))
            }
            _ => good(request),
        };
        let policy = std::sync::Arc::new(policy);
        let well = policy.clone();
        let bad = Scripted::failing(move |request| match task(request) == broken {
            true => Err(ChatError::Failed("http://server: answered 500".to_owned())),
            false => Ok(policy(request)),
        });
        let done = bench.one(&bad, user.path(), ISSUE);
        assert!(
            sentence(&done).contains("http://server"),
            "{broken}: {}",
            sentence(&done)
        );
        assert_eq!(bench.finished("calc-1"), stage::ALL[..finished], "{broken}");

        let model = Scripted::new(move |request| well(request));
        let done = bench.one(&model, user.path(), ISSUE);
        assert!(
            done.result.unwrap().patch().contains("+    return a + b"),
            "{broken}"
        );
        assert_eq!(bench.finished("calc-1"), stage::ALL);
        let first = model.asked();
        assert_eq!(
            task(&first[0]),
            first_of(finished),
            "{broken}: nothing finished is done again"
        );
        assert!(bench.account("calc-1").contains("A patch was chosen"));
    }
}

#[test]
fn a_request_that_is_refused_costs_its_issue_and_a_server_that_fails_ends_the_run() {
    let user = adder();
    let jobs = [
        job("long-1", user.path(), "An issue that is too long."),
        job("calc-1", user.path(), ISSUE),
    ];
    let says_of_the_first = |error: ChatError| {
        Scripted::failing(
            move |request| match request.messages[1].content.contains("too long") {
                true => Err(error.clone()),
                false => Ok(good(request)),
            },
        )
    };
    let bench = Bench::new();
    let model = says_of_the_first(ChatError::Refused("http://server: answered 400".to_owned()));
    let done = bench.run((&model, &model), &Prints, &jobs).unwrap();
    assert!(sentence(&done[0]).contains("answered 400"));
    assert!(
        done[1]
            .result
            .as_ref()
            .unwrap()
            .patch()
            .contains("+    return a + b")
    );

    let bench = Bench::new();
    let model = says_of_the_first(ChatError::Failed("http://server: answered 500".to_owned()));
    let done = bench.run((&model, &model), &Prints, &jobs).unwrap();
    assert_eq!(done.len(), 1);
}

/// The first task of a stage.
fn first_of(stage: usize) -> &'static str {
    [
        "reproduce the issue",
        "name the files",
        "repair the issue",
        "choose the right outputs",
        "learn from the attempts",
    ][stage]
}
