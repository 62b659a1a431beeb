//! Conversations, scores, comparisons, and the files that decoding reads: each made by its verb, used by
//! another and refused where it is not whole or belongs elsewhere.

use crate::support::{Gguf, Told, Workplace, llama_with_facts};
use serde_json::Value;

const CONFLICTS: &str = concat!(
    r#"{"question": "the cat", "context": "the dog sat.", "answer": ["dog", "sat"], "memory": "cat"}"#,
    "\n",
    r#"{"question": "the dog", "context": "the cat sat.", "answer": "cat", "memory": "dog", "lead": "the"}"#,
    "\n",
);

fn place() -> Workplace {
    let place = Workplace::new();
    place.write("tiny.gguf", Gguf::sound().bytes());
    place.write("notes.txt", "the dog sat.\nthe cat sat on the mat.\n");
    place.write("conflicts.jsonl", CONFLICTS);
    place
}

/// Builds the graph of the notes into a file, the first of these words.
fn graph(place: &Workplace, words: &[&str]) -> Told {
    let build = [
        "graph",
        "build",
        "--model",
        "tiny.gguf",
        "--corpus",
        "notes.txt",
        "--out",
    ];
    place.engraft(&[&build, words].concat())
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).expect("JSON")
}

#[test]
fn scores_of_texts_completions_and_choices_agree_with_each_other() {
    let place = place();
    place.write(
        "items.jsonl",
        concat!(
            r#"{"text": "the cat sat on the mat"}"#,
            "\n",
            r#"{"prompt": "the cat", "completion": " sat"}"#,
            "\n",
            r#"{"prompt": "the cat", "choices": [" sat", " on the mat"], "answer": 0}"#,
            "\n",
        ),
    );
    let score = ["score", "--model", "tiny.gguf", "--data", "items.jsonl"];
    let more = [
        "--items",
        "found.jsonl",
        "--ledger",
        "ledger.jsonl",
        "--json",
    ];
    let told = place.engraft(&[&score[..], &more].concat()).done();
    assert_eq!(told.lines().count(), 6, "{told}");
    assert!(told.contains("perplexity of a token"), "{told}");
    let found: Vec<Value> = place.read("found.jsonl").lines().map(json).collect();
    let completion = found[1]["log_probability"].as_f64().expect("a number");
    let choice = found[2]["log_probabilities"][0].as_f64().expect("a number");
    assert!((completion - choice).abs() < 1e-4, "{completion} {choice}");
    assert!(completion < 0.0);
    let ledger = json(place.read("ledger.jsonl").lines().next().expect("an entry"));
    assert_eq!(ledger["verb"], "score");
    assert_eq!(ledger["measurements"].as_array().map(Vec::len), Some(6));
    // Weighed with nothing, a contrast with the context is the plain model.
    place.write(
        "context.jsonl",
        r#"{"context": "the dog", "prompt": "the cat", "completion": " sat"}"#,
    );
    let with = |method: &str| {
        let words = [
            "score",
            "--model",
            "tiny.gguf",
            "--data",
            "context.jsonl",
            "--method",
            method,
        ];
        let told = place.engraft(&[&words[..], &["--json"]].concat()).done();
        json(told.lines().next().expect("a line"))["value"]
            .as_f64()
            .expect("a number")
    };
    assert!((with("greedy") - with("cad:alpha=0")).abs() < 1e-4);
}

#[test]
fn what_a_method_says_is_under_its_name_and_texts_are_the_plain_model() {
    let place = place();
    let score = |method: &[&str]| {
        let words = [
            "score",
            "--model",
            "tiny.gguf",
            "--data",
            "items.jsonl",
            "--json",
        ];
        let told = place.engraft(&[&words[..], method].concat()).done();
        told.lines().map(json).collect::<Vec<Value>>()
    };
    // What greedy decoding says is the most probable for it alone.
    let words = [
        "generate",
        "--model",
        "tiny.gguf",
        "--raw",
        "the cat",
        "--max-tokens",
        "1",
    ];
    let said = place.engraft(&words).done();
    let said = said.strip_suffix('\n').expect("a line");
    let item = serde_json::json!({"prompt": "the cat", "completion": said});
    let text = serde_json::json!({"text": "the cat sat"});
    place.write("items.jsonl", format!("{item}\n{text}\n"));
    let plain = score(&[]);
    let shown = |found: &[Value], words: &str| -> (String, f64) {
        let name = |one: &Value| one["probe"].as_str().unwrap_or_default().to_owned();
        let one = found
            .iter()
            .find(|one| name(one).contains(words))
            .expect(words);
        (name(one), one["value"].as_f64().expect("a number"))
    };
    assert_eq!(shown(&plain, "is the most probable").1, 1.0);
    // A penalty of repetition on tokens of the prompt, or a ban, changes what comes first.
    let banned = format!("the cat{said}the cat");
    let item = serde_json::json!({"prompt": banned, "completion": said});
    place.write("items.jsonl", format!("{item}\n{text}\n"));
    let method = "greedy:no_repeat_ngram_size=1";
    let found = score(&["--method", method]);
    let (name, value) = shown(&found, "is the most probable");
    assert_eq!((name.contains(method), value), (true, 0.0));
    let (name, value) = shown(&found, "perplexity");
    assert!(!name.contains("greedy"), "{name}");
    assert_eq!(value, shown(&plain, "perplexity").1);
}

#[test]
fn the_ledger_says_which_other_model_and_files_the_numbers_come_from() {
    let place = place();
    place.write(
        "items.jsonl",
        r#"{"prompt": "the cat", "completion": " sat"}"#,
    );
    graph(&place, &["g:1.json"]).done();
    let inputs = |more: &[&str]| -> Vec<(String, String)> {
        let words = [
            "score",
            "--model",
            "tiny.gguf",
            "--data",
            "items.jsonl",
            "--ledger",
            "l.jsonl",
        ];
        place.engraft(&[&words[..], more].concat()).done();
        let ledger = place.read("l.jsonl");
        let entry = json(ledger.lines().next_back().expect("an entry"));
        let text = |one: &Value, key: &str| one[key].as_str().unwrap_or_default().to_owned();
        let inputs = entry["inputs"].as_array().expect("inputs").iter();
        inputs
            .map(|one| (text(one, "role"), text(one, "hash")))
            .collect()
    };
    place.write("weak.gguf", Gguf::sound().bytes());
    let found = inputs(&["--method", "cd", "--amateur", "weak.gguf"]);
    assert_eq!(found[2], ("amateur".to_owned(), found[0].1.clone()));
    let found = inputs(&["--method", "grad:graph=\"g:1.json\""]);
    let graph = blake3::hash(place.read("g:1.json").as_bytes()).to_hex();
    assert_eq!(found[2], ("graph".to_owned(), graph.to_string()));
}

#[test]
fn a_row_names_its_own_condition() {
    let place = place();
    let row = |condition: &str| {
        format!(
            r#"{{"question": "the cat in {condition}", "context": "the dog sat.", "answer": "dog", "condition": "{condition}"}}"#
        )
    };
    place.write("rows.jsonl", format!("{}\n{}\n", row("spring"), row("may")));
    let compare = |methods: &str| {
        place.engraft(&[
            "compare",
            "decode",
            "--model",
            "tiny.gguf",
            "--data",
            "rows.jsonl",
            "--methods",
            methods,
            "--template",
            "qa",
            "--max-tokens",
            "2",
            "--out",
            "table.json",
        ])
    };
    let methods = r#"greedy,coda,overshadow:neutral="a, b":tau=0"#;
    let told = compare(methods).done();
    assert!(
        told.starts_with("2 questions, 1 templates, 3 methods"),
        "{told}"
    );
    let absent = row("spring").replace("the cat in spring", "the cat");
    place.write("rows.jsonl", format!("{}\n{absent}\n", row("may")));
    compare(methods).is_one_error(1, &["rows.jsonl", "item 2", "coda", "`spring`"]);
    place.write(
        "items.jsonl",
        r#"{"prompt": "the cat in may", "completion": " a", "condition": "may"}"#,
    );
    let score = [
        "score",
        "--model",
        "tiny.gguf",
        "--data",
        "items.jsonl",
        "--method",
    ];
    let of = |method: &str| place.engraft(&[&score[..], &[method]].concat());
    let named = of("coda:condition=the")
        .done()
        .replace(":condition=the", "");
    assert_eq!(named, of("coda").done(), "the row's own wins");
}

#[test]
fn texts_are_taken_by_the_name_they_were_pulled_under() {
    let place = place();
    let told = |verb: &str, data: &str| {
        let mut command = place.command(&[verb, "--model", "tiny.gguf", "--data", data]);
        Told::by(command.env("ENGRAFT_HOME", place.path("store")))
    };
    let pull = "is not here yet; run `engraft pull wikitext-2`";
    for verb in ["score", "probe"] {
        told(verb, "wikitext-2/test").is_one_error(1, &["`wikitext-2/test`", pull]);
    }
    let row = r#"{"text": "the cat sat on the mat"}"#;
    place.write(
        "store/data/known-facts/known.jsonl",
        format!("{row}\n{row}\n"),
    );
    let scored = told("score", "known-facts").done();
    assert!(
        scored.starts_with("known.jsonl: perplexity of a token"),
        "{scored}"
    );
    let probed = told("probe", "known-facts").done();
    assert!(probed.contains("perplexity"), "{probed}");
    for (name, bytes) in [("valid.txt", 1_121_681), ("test.txt", 1_256_449)] {
        let name = format!("store/data/wikitext-2/{name}");
        place.write(&name, "");
        let file = std::fs::File::options().write(true).open(place.path(&name));
        file.and_then(|file| file.set_len(bytes)).expect("a file");
    }
    let parts = "several files; name one of them: wikitext-2/valid or wikitext-2/test";
    told("score", "wikitext-2").is_one_error(1, &["--data: `wikitext-2`", parts]);
}

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
fn a_conversation_from_a_pipe_answers_every_line_until_it_ends() {
    let place = place();
    let mut file = Gguf::sound();
    let template = "{% for m in messages %}{{ m.role }}: {{ m.content }} {% endfor %}";
    file.chat(template);
    place.write("tiny.gguf", file.bytes());
    let talk = |said: &str| {
        place.write("talk.txt", said);
        let words = [
            "chat",
            "--model",
            "tiny.gguf",
            "--method",
            "greedy",
            "--max-tokens",
            "3",
        ];
        let mut command = place.command(&words);
        command.stdin(std::fs::File::open(place.path("talk.txt")).expect("a file"));
        Told::by(&mut command)
    };
    let once = talk("a\n/exit\nb\n").done();
    assert_eq!(once.lines().count(), 1, "{once:?}");
    let twice = talk("a\n\n/new\na\n").done();
    assert_eq!(
        twice,
        [&*once, &*once].concat(),
        "a new conversation knows nothing of the last"
    );
    // The model's context of 64 tokens is soon full: that is said, and the conversation goes on.
    let told = talk(&"hello there, how are you\n".repeat(6));
    let notes = told
        .err
        .matches("/new begins a shorter conversation")
        .count();
    assert!((2..6).contains(&notes), "{}", told.err);
    assert!(told.done().lines().count() >= 6);
}

#[test]
fn a_conversation_refuses_methods_that_need_a_context_and_takes_a_weaker_model() {
    let place = place();
    let mut file = Gguf::sound();
    file.chat("{% for m in messages %}{{ m.content }}{% endfor %}");
    place.write("tiny.gguf", file.bytes());
    let chat = ["chat", "--model", "tiny.gguf", "--method"];
    for method in ["cad", "ck-plug", "coda"] {
        let words = [&chat[..], &[method]].concat();
        place.refuses(&words, 1, &[method, "engraft generate --context"]);
    }
    place.write("talk.txt", "a\n");
    let said = |more: &[&str]| {
        let mut command = place.command(&[&chat[..], more].concat());
        command.stdin(std::fs::File::open(place.path("talk.txt")).expect("a file"));
        Told::by(&mut command)
    };
    let told = said(&["cd", "--amateur", "tiny.gguf", "--max-tokens", "2"]);
    assert!(!told.err.contains("--amateur"), "{}", told.err);
    let told = said(&["coda", "--condition", "tea"]);
    assert!(told.err.contains("`tea`"), "{}", told.err);
}

#[test]
fn an_answer_is_a_page_that_escapes_what_it_shows() {
    let place = place();
    place.write("notes.txt", "<b>the dog</b> sat.\n");
    let words = [
        "generate",
        "--model",
        "tiny.gguf",
        "the <i>cat</i>",
        "--context",
        "notes.txt",
        "--method",
        "cad",
        "--html",
        "page.html",
        "--max-tokens",
        "4",
    ];
    place.engraft(&words).done();
    let page = place.read("page.html");
    assert!(
        page.contains("the &lt;i&gt;cat&lt;") && page.contains("&lt;b&gt;the dog"),
        "{page}"
    );
    assert!(!page.contains("<i>cat"), "{page}");
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
