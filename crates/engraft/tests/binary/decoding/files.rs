//! The files that decoding reads: each made by its verb, used by another and refused where it is not whole or belongs elsewhere.

use serde_json::Value;

use super::{CONFLICTS, graph, json, place};
use crate::support::{Gguf, llama_with_facts};

#[test]
fn heads_are_scored_tried_and_silenced() {
    let place = place();
    llama_with_facts(&place);
    // After every line's end this model begins an answer with a capital A.
    let row = |question: &str| {
        format!(
            r#"{{"question": "{question}", "context": "the cat sat", "answer": "bad", "memory": "Answer"}}"#
        )
    };
    let questions = ["what is the dog?", "is the dog?", "the dog?"].map(row);
    place.write("facts.jsonl", questions.join("\n"));
    let template = "{context}\\nQuestion: {question}\\n";
    let heads = [
        "heads",
        "--model",
        "base",
        "--facts",
        "facts.jsonl",
        "--out",
        "heads.json",
        "--template",
        template,
        "--score-on",
        "2",
        "--k",
        "1",
        "--draws",
        "2",
    ];
    let told = place.engraft(&heads).done();
    assert!(
        told.contains("memory heads") && told.contains("scored on      2 facts"),
        "{told}"
    );
    let mean = told.split("1 random heads, mean of 2").nth(1).expect(&told);
    let named: Vec<&str> = mean.lines().skip(1).map(str::trim_start).collect();
    for (line, name) in named.iter().zip(["standard deviation", "least", "most"]) {
        assert!(line.starts_with(name), "{told}");
        assert_eq!(line.matches(" %").count(), 4, "{told}");
    }
    let scored = json(&place.read("heads.json"))["scored_on"].clone();
    assert_eq!(
        scored,
        serde_json::json!(["what is the dog?", "is the dog?"])
    );
    let ask = [
        "generate",
        "--model",
        "base",
        "Question: what is the dog?\n",
        "--raw",
        "--explain",
    ];
    let plain = place.engraft(&ask).done();
    let silenced = place.engraft(&[&ask[..], &["--prune", "heads.json", "--k", "8"]].concat());
    assert_ne!(silenced.done(), plain, "all heads are silent");
    for (flag, said) in [("--draws", "0"), ("--score-on", "1")] {
        place.refuses(&[&heads[..7], &[flag, said]].concat(), 2, &[flag, said]);
    }
}

#[test]
fn methods_are_compared_on_every_template_and_the_answers_are_kept() {
    let place = place();
    let compare = [
        "compare",
        "decode",
        "--model",
        "tiny.gguf",
        "--data",
        "conflicts.jsonl",
        "--methods",
        "greedy,cad:alpha=0,beam:num_beams=2",
        "--template",
        "qa",
        "--template",
        "{context}\\n{question} is",
        "--out",
        "table.json",
    ];
    let told = place.engraft(&compare).done();
    assert!(
        told.starts_with("2 questions, 2 templates, 3 methods"),
        "{told}"
    );
    assert!(
        told.contains("all templates") && told.contains("cad:alpha=0"),
        "{told}"
    );
    let table = json(&place.read("table.json"));
    let answers = table["answers"].as_array().expect("answers");
    assert_eq!(answers.len(), 12);
    for answer in answers.iter().filter(|one| one["method"] == "cad:alpha=0") {
        let same = |other: &&Value| {
            other["method"] == "greedy"
                && other["row"] == answer["row"]
                && other["template"] == answer["template"]
        };
        let greedy = answers.iter().find(same).expect("the baseline's answer");
        assert_eq!(greedy["text"], answer["text"]);
    }
    for line in table["lines"].as_array().expect("lines") {
        let share = |side: &str| line[side]["value"].as_f64().expect("a share");
        let all = share("memory") + share("context") + share("neither");
        assert!((all - 1.0).abs() < 1e-9, "{line}");
    }
}

#[test]
fn graphs_heads_and_reports_are_made_used_and_belong_to_their_model() {
    let place = place();
    let built = graph(&place, &["graph.json"]);
    let edges = json(&place.read("graph.json"))["edges"].clone();
    let edges = edges.as_array().expect("edges");
    let mute = edges.iter().filter(|edge| edge[2] == 0.0).count();
    assert!(mute > 0, "the weights are drawn: some logits are negative");
    let said = format!("{mute} of {} edges have no weight", edges.len());
    assert!(built.err.contains(&said), "{said} {}", built.err);
    built.done();
    let negative = graph(&place, &["negative.json", "--negative"]);
    assert!(!negative.err.contains("no weight"), "{}", negative.err);
    negative.done();
    place
        .engraft(&[
            "graph",
            "merge",
            "graph.json",
            "graph.json",
            "--out",
            "both.json",
        ])
        .done();
    let ask = [
        "generate",
        "--model",
        "tiny.gguf",
        "the cat",
        "--raw",
        "--max-tokens",
        "3",
    ];
    let by = |more: &[&str]| place.engraft(&[&ask[..], more].concat()).done();
    let plain = by(&[]);
    let unweighed = ["--method", "grad", "--graph", "both.json", "--alpha", "0"];
    assert_eq!(by(&unweighed), plain);

    place.write(
        "facts.jsonl",
        [CONFLICTS, CONFLICTS]
            .concat()
            .replace("\"cat\"", "\"the\""),
    );
    let heads = [
        "heads",
        "--model",
        "tiny.gguf",
        "--facts",
        "facts.jsonl",
        "--out",
        "heads.json",
        "--template",
        "plain",
    ];
    // The weights of this model are drawn: it knows nothing of what the file says.
    place.refuses(
        &heads,
        1,
        &["two or more conflicts, of which the model knows"],
    );

    place.write(
        "prompts.jsonl",
        r#"{"prompt": "the cat sat", "condition": "cat"}"#,
    );
    let report = [
        "overshadow",
        "--model",
        "tiny.gguf",
        "--prompts",
        "prompts.jsonl",
        "--out",
        "o.json",
    ];
    let told = place.engraft(&report).done();
    assert!(told.contains("`cat` in"), "{told}");
    let found = json(&place.read("o.json"))["findings"][0].clone();
    let shown = ["--method", "overshadow", "--condition", "cat", "--explain"];
    let told = [&ask[..3], &["the cat sat", "--max-tokens", "1"], &shown].concat();
    let reaction = format!(
        "reaction {:.3},",
        found["reaction"].as_f64().expect("a number")
    );
    let told = place.engraft(&told).done();
    assert!(told.contains(&reaction), "{reaction} {told}");
    by(&[
        "--method",
        "overshadow",
        "--condition",
        "cat",
        "--report",
        "o.json",
    ]);

    let mut other = Gguf::sound();
    other.tensors[0].3[0] += 0.5;
    place.write("other.gguf", other.bytes());
    let foreign = r#"{"format": "engraft heads 1", "model_hash": "x", "blocks": 1, "heads": 2, "scores": [[1, -1]]}"#;
    place.write("foreign.json", foreign);
    let words = [
        "generate",
        "--model",
        "tiny.gguf",
        "the cat",
        "--prune",
        "foreign.json",
    ];
    place.refuses(&words, 1, &["foreign.json", "scored in the model x"]);
    for (method, file, said) in [
        ("grad", "graph.json", "--graph"),
        ("overshadow", "o.json", "--report"),
    ] {
        let words = [
            "generate",
            "--model",
            "other.gguf",
            "the cat",
            "--method",
            method,
            said,
            file,
        ];
        let condition = if method == "overshadow" {
            &["--condition", "cat"][..]
        } else {
            &[]
        };
        place.refuses(&[&words[..], condition].concat(), 1, &[file, "model"]);
    }
}

#[test]
fn what_the_verbs_cannot_use_is_one_error() {
    let place = place();
    place.write("bad.jsonl", "{\"question\": \"q\"}\n");
    place.write(
        "empty-choice.jsonl",
        r#"{"prompt": "a", "choices": ["b", "c"], "answer": 2}"#,
    );
    place.write("broken.json", "{");
    let model = ["--model", "tiny.gguf"];
    let decode = ["compare", "decode", "--model", "tiny.gguf", "--data"];
    let cases: [(Vec<&str>, &[&str]); 10] = [
        (
            [&decode[..], &["bad.jsonl", "--methods", "greedy"]].concat(),
            &["bad.jsonl", "line 1", "context"],
        ),
        (
            [&["score"], &model[..], &["--data", "empty-choice.jsonl"]].concat(),
            &["empty-choice.jsonl", "line 1", "none of 2 choices"],
        ),
        (
            [&["score"], &model[..], &["--data", "bad.jsonl"]].concat(),
            &["bad.jsonl", "line 1", "`text`"],
        ),
        (
            [&["score"], &model[..], &["--data", "none/at-all"]].concat(),
            &["none/at-all: cannot be read (", "check the path"],
        ),
        (
            [
                &["graph", "build"],
                &model[..],
                &["--corpus", "none", "--out", "g.json"],
            ]
            .concat(),
            &["none"],
        ),
        (
            [
                &["generate", "x"],
                &model[..],
                &["--method", "grad", "--graph", "broken.json"],
            ]
            .concat(),
            &["broken.json", "build it again"],
        ),
        (
            [&["generate", "x"], &model[..], &["--prune", "broken.json"]].concat(),
            &["broken.json", "score the heads again"],
        ),
        (
            [&["generate", "x"], &model[..], &["--method", "cd"]].concat(),
            &["--amateur"],
        ),
        (
            [&["generate", "x"], &model[..], &["--method", "kid"]].concat(),
            &["kid", "`documents`"],
        ),
        (
            ["chat", "--model", "tiny.gguf"].to_vec(),
            &["tiny.gguf", "chat template"],
        ),
    ];
    for (words, said) in cases {
        let told = place.refuses(&words, 1, said);
        assert!(told.matches("os error").count() < 2, "{told}");
    }
    let unknown = [&decode[..], &["conflicts.jsonl", "--methods", "gredy"]].concat();
    place.refuses(&unknown, 2, &["gredy", "greedy"]);
}
