//! Recipes with mistakes in them: all are said at once, each with its place and its way out.

use crate::support::Workplace;

/// The small recipe with these changes has exactly these complaints.
#[track_caller]
fn complains(changes: &[&str], complaints: &[&[&str]]) {
    let place = Workplace::with_small_recipe();
    let mut words = vec!["run", "small.yaml", "--out", "out"];
    words.extend(changes.iter().flat_map(|change| ["--set", change]));
    let err = place.refuses(&words, 1, &["the recipe small.yaml cannot run:"]);
    let said: Vec<&str> = err
        .lines()
        .filter_map(|line| line.strip_prefix("  - "))
        .collect();
    assert_eq!(said.len(), complaints.len(), "{changes:?}\n{err}");
    for (said, words) in said.iter().zip(complaints) {
        for word in *words {
            assert!(said.contains(word), "{changes:?}: no `{word}` in\n{err}");
        }
    }
}

#[test]
fn a_mistyped_key_gets_the_nearest_one_wherever_it_stands() {
    for (change, place, nearest) in [
        ("sed=3", "recipe: ", "`seed`"),
        ("data.people.biografies=3", "data.people: ", "`biographies`"),
        (
            "data.people.biographies.peple=3",
            "data.people.biographies: ",
            "`people`",
        ),
        (
            "data.people.biographies.lists.ctiies=3",
            "data.people.biographies.lists: ",
            "`cities`",
        ),
        (
            "models.teacher.gpt.widht=3",
            "models.teacher: gpt: ",
            "`width`",
        ),
        ("models.teacher.wieghts=3", "models.teacher: ", "`weights`"),
        ("steps.0.train.lrr=3", "steps.0.train: ", "`lr`"),
        ("steps.1.distill.methd=kl", "steps.1.distill: ", "`method`"),
        (
            "steps.1.distill.method=reverse-lk",
            "steps.1.distill: ",
            "`reverse-kl`",
        ),
        (
            "steps.2.distill.method={taid: {t_strat: 0.1}}",
            "steps.2.distill.method.taid: ",
            "`t_start`",
        ),
        (
            "steps.0.train.model=techer",
            "steps.0.train: model `techer`",
            "`teacher`",
        ),
        (
            "steps.0.train.on=poeple",
            "steps.0.train: on `poeple`",
            "`people`",
        ),
        (
            "steps.3={trian: {model: student, on: people}}",
            "steps.3: unknown step `trian`",
            "`train`",
        ),
    ] {
        complains(&[change], &[&[place, &format!("did you mean {nearest}?")]]);
    }
}

#[test]
fn a_key_of_a_llama_is_checked_although_its_config_files_hold_more() {
    let llama = "{hidden_size: 8, intermediate_size: 8, num_hidden_layers: 1, \
                 num_attention_heads: 2, rope_teta: 1e4}";
    let change = format!("models.student={{llama: {llama}}}");
    complains(
        &[&change],
        &[&[
            "models.student: llama: ",
            "`rope_teta`",
            "did you mean `rope_theta`?",
        ]],
    );
}

#[test]
fn several_mistakes_are_said_at_once_and_none_of_their_consequences() {
    complains(
        &[
            "data.people.biographies.people=1",
            "models.student.gpt.heads=5",
            "steps.1.distill.lr=-1",
            "steps.4.teach.name=teacher",
            "steps.5.teach.replay_share=1.5",
        ],
        &[
            &["data.people.biographies: people must be 2 or more"],
            &["models.student: width is 16, which 5 heads do not divide"],
            &[
                "steps.1.distill: ",
                "`lr`: -1 must be a number of 0 or more",
            ],
            &[
                "steps.4: the name `teacher` is taken",
                "give this one a `name`",
            ],
            &["steps.5.teach: replay_share is 1.5", "from 0 to below 1"],
        ],
    );
    complains(
        &["steps.0.train.steps=0"],
        &[&["steps.0.train: ", "`steps`: 0 must be 1 or more"]],
    );
    complains(
        &["data.newcomers=null"],
        &[&["data.newcomers: must have exactly one of the keys"]],
    );
    complains(
        &["models.teacher=null"],
        &[&["models.teacher: must be a folder, or have exactly one"]],
    );
}

#[test]
fn values_out_of_range_are_refused_by_key() {
    for (change, said) in [
        ("seed=-1", "recipe.seed: `-1`"),
        ("steps=[]", "steps: the list is empty"),
        ("steps=3", "recipe.steps: `3`"),
        (
            "data.people.biographies.people=40000",
            "the lists give 36000; lengthen them",
        ),
        (
            "data.people.biographies.first=18446744073709551615",
            "too large together",
        ),
        (
            "data.people.biographies.question_share=2",
            "`question_share`: 2 must be from 0 to 1",
        ),
        (
            "data.people.biographies.lists.months=13",
            "`months`: 13 must be from 1 to 12",
        ),
        (
            "models.teacher.gpt.layers=0",
            "layers is 0, which must be 1 or more",
        ),
        (
            "models.teacher.gpt.width=-1",
            "models.teacher: gpt: invalid value",
        ),
        (
            "models.teacher.gpt.context=12",
            "data.people: its rows have up to 46 tokens, the context of `teacher` is 12; raise `context`",
        ),
        (
            "models.student={from: teacher, keep_layers: [7]}",
            "must name some of the blocks 0 to 1",
        ),
        (
            "models.student={from: studnet, keep_layers: half}",
            "from `studnet` is no model named before",
        ),
        ("steps.1.distill.teacher_weight=0", "one of them above 0"),
        ("steps.1.distill.label_weight=-1", "label_weight is -1"),
        (
            "steps.3.train.keep=people",
            "steps.3.train.keep: `\"people\"`",
        ),
        (
            "steps.4.teach.replay_share=0.5",
            "replay_share needs `replay`",
        ),
        (
            "steps.3.train.groups=[{pattern: nothing.*}]",
            "fits no parameter",
        ),
        ("steps.3.train.batch=many", "invalid type"),
        ("steps.3.train.precision=f16", "`f16`"),
    ] {
        complains(&[change], &[&[said]]);
    }
}

#[test]
fn a_name_stands_once_even_where_a_step_only_measures() {
    let probe = "{probe: {name: measured, model: student-kl, on: people}}";
    let change = format!("steps.4={probe}");
    let again = format!("steps.5={probe}");
    complains(
        &[&change, &again],
        &[&["steps.5: the name `measured` is taken"]],
    );
}

#[test]
fn what_is_no_recipe_is_said_with_the_file() {
    let place = Workplace::new();
    let run = |name: &'static str| ["run", name, "--out", "out"];
    place.refuses(
        &run("nowhere.yaml"),
        1,
        &["nowhere.yaml", "No such file", "quickstart"],
    );
    for (name, content, said) in [
        ("torn.yaml", &b"steps: [\n"[..], "torn.yaml is not YAML"),
        ("list.yaml", b"- a\n- b\n", "list.yaml must be a mapping"),
        ("empty.yaml", b"", "empty.yaml must be a mapping"),
        ("twice.yaml", b"seed: 1\nsteps: []\nseed: 2\n", "duplicate"),
        ("latin.yaml", b"name: caf\xe9\n", "latin.yaml"),
        ("nothing.yaml", b"{}", "needs the key `steps`"),
        (
            "words.yaml",
            b"data: people\nsteps: [a]\n",
            "data: must be a mapping of keys",
        ),
        (
            "bare.yaml",
            b"steps: [{train: {model: m, on: d}}]",
            "`m` is no model and no earlier step; the recipe names none",
        ),
    ] {
        place.write(name, content);
        place.refuses(&run(name), 1, &[said]);
    }
    let deep = "[".repeat(100_000);
    place.write("deep.yaml", format!("steps: {deep}"));
    place.refuses(&run("deep.yaml"), 1, &["deep.yaml is not YAML"]);
}

#[test]
fn changes_that_lead_nowhere_are_refused() {
    let place = Workplace::with_small_recipe();
    for (change, said) in [
        ("steps.9.train.lr=1", "`9` is not a place in a list of 6"),
        ("seed.deep=1", "`deep` lies inside a plain value"),
    ] {
        place.refuses(
            &["run", "small.yaml", "--set", change],
            1,
            &["--set ", said],
        );
    }
}

#[test]
fn devices_that_this_build_has_not_are_refused_with_those_that_are_known() {
    let place = Workplace::with_small_recipe();
    for (device, said) in [
        ("gpu", "unknown device `gpu`; known: cpu, cuda:0, wgpu"),
        ("cuda:x", "`x` in `cuda:x` is not a device number"),
        #[cfg(not(feature = "cuda"))]
        ("cuda:0", "no CUDA; build with `--features cuda`"),
        #[cfg(not(feature = "wgpu"))]
        ("wgpu", "no wgpu; build with `--features wgpu`"),
    ] {
        let words = ["run", "small.yaml", "--out", "out", "--device", device];
        let err = place.refuses(&words, 1, &["--device: ", said]);
        assert_eq!(err.matches("\n  - ").count(), 1, "{err}");
    }
}

#[test]
fn training_that_diverges_ends_with_one_error_and_without_a_broken_model() {
    let place = Workplace::with_small_recipe();
    for (steps, said) in [("30", "the loss became "), ("1", "after the last step")] {
        let steps = format!("steps.0.train.steps={steps}");
        let rate = [
            "--set",
            "steps.0.train.lr=1e38",
            "--set",
            "steps.0.train.warmup=0",
        ];
        let words = ["run", "small.yaml", "--out", "out", "--set", &steps];
        let told = place.engraft(&[&words[..], &rate].concat());
        told.is_one_error(1, &["step `teacher`", said, "lower `lr`"]);
        assert!(!place.path("out/models/teacher").exists());
        assert!(!place.path("out/ledger.jsonl").exists());
    }
    place.engraft(&["run", "small.yaml", "--out", "out"]).done();
}

#[test]
fn shares_and_weights_below_zero_are_values_out_of_range_on_the_command_line_too() {
    let place = Workplace::new();
    crate::support::trained_model(&place, "model");
    place.write("new.jsonl", crate::support::records(6));
    let teach = [
        "teach",
        "--model",
        "model",
        "--data",
        "new.jsonl",
        "--out",
        "out",
    ];
    for (more, said) in [
        (
            &["--keep", "new.jsonl", "--replay-share", "-0.5"][..],
            "replay_share is -0.5",
        ),
        (
            &["--keep", "new.jsonl", "--replay-share", "1"],
            "replay_share is 1",
        ),
        (&["--replay-share", "0.5"], "--replay-share needs --keep"),
        (&["--lr", "-1"], "`lr`: -1 must be"),
    ] {
        place.refuses(&[&teach[..], more].concat(), 1, &[said]);
    }
}
