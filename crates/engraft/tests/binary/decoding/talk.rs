//! `chat` from a pipe, and an answer as a page.

use super::place;
use crate::support::{Gguf, Told};

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
