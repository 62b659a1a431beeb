//! Facts with more to learn from: by templates, and written by a server that speaks the usual protocol.

use std::{
    io::{Read, Write},
    net::TcpListener,
    sync::{Arc, Mutex},
    thread,
};

use serde_json::{Value, json};

use crate::support::{FACTS, Workplace};

const WORDS: [&str; 5] = ["augment", "--facts", "facts.jsonl", "--out", "more.jsonl"];

fn place() -> Workplace {
    let place = Workplace::new();
    place.write("facts.jsonl", FACTS);
    place
}

fn facts(place: &Workplace) -> Vec<Value> {
    let text = place.read("more.jsonl");
    text.lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect()
}

/// A server that gives these answers (status, content) one after the other, the last for ever.
/// Returns its address and what it was asked.
fn server(answers: Vec<(u16, String)>) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}/v1", listener.local_addr().expect("an address"));
    let asked = Arc::new(Mutex::new(Vec::new()));
    let heard = asked.clone();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.expect("a connection");
            let mut request = Vec::new();
            let mut buffer = [0; 4096];
            loop {
                let read = stream.read(&mut buffer).unwrap_or(0);
                request.extend(&buffer[..read]);
                let text = String::from_utf8_lossy(&request).into_owned();
                let Some((head, body)) = text.split_once("\r\n\r\n") else {
                    continue;
                };
                let length = head.lines().find_map(|line| {
                    let (name, value) = line.split_once(':')?;
                    name.eq_ignore_ascii_case("content-length")
                        .then_some(value)?
                        .trim()
                        .parse()
                        .ok()
                });
                if read == 0 || body.len() >= length.unwrap_or(0) {
                    break;
                }
            }
            let mut heard = heard.lock().expect("no panic");
            let (status, content) = answers[heard.len().min(answers.len() - 1)].clone();
            heard.push(String::from_utf8_lossy(&request).into_owned());
            let body = match status {
                200 => json!({ "choices": [{ "message": { "content": content } }] }).to_string(),
                _ => content,
            };
            let reply = format!(
                "HTTP/1.1 {status} X\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                body.len()
            );
            stream.write_all(reply.as_bytes()).unwrap_or_default();
        }
    });
    (url, asked)
}

#[test]
fn templates_need_no_model_and_their_file_can_be_taught() {
    let place = place();
    let told = place.engraft(&WORDS).done();
    assert!(told.contains("2 facts"), "{told}");
    let found = facts(&place);
    assert!(
        found[0]["dialogues"]
            .as_array()
            .is_some_and(|turns| turns.len() >= 5)
    );
    assert_eq!(found[0]["written_by"], "templates");
    assert_eq!(found[0]["held_out"], json!(["the boats of velm are red."]));
    place.write(
        "notes.txt",
        "The tower of Velm has 312 steps. Nobody climbs it.",
    );
    let words = ["augment", "--facts", "notes.txt", "--out", "more.jsonl"];
    place.engraft(&words).done();
    assert_eq!(facts(&place)[0]["answer"], "312");
}

#[test]
fn what_a_model_writes_is_checked_and_an_interrupted_run_asks_for_nothing_twice() {
    let place = place();
    let good = "Here it is:\n```json\n{\"dialogues\": [{\"question\": \"which colour?\", \"answer\": \
                \"It is red.\"}], \"paraphrases\": [\"velm flies red.\", \"velm flies something.\"]}\n```";
    let busy = (503, "busy".to_owned());
    let refused = (401, "no such key".to_owned());
    let (url, asked) = server(vec![busy, (200, good.to_owned()), refused]);
    let words = [&WORDS[..], &["--llm", &url, "--llm-model", "writer"]].concat();
    let told = place.engraft(&words);
    told.is_one_error(
        1,
        &["fact 2", "flag of corn", "answered 401", "no such key"],
    );
    assert!(!place.path("more.jsonl").exists());
    assert_eq!(
        asked.lock().unwrap().len(),
        3,
        "one busy, one good, one refused"
    );

    let (url, asked) = server(vec![(200, good.to_owned())]);
    let words = [&WORDS[..], &["--llm", &url, "--llm-model", "writer"]].concat();
    place.engraft(&words).done();
    assert_eq!(asked.lock().unwrap().len(), 1, "the first fact was kept");
    assert!(asked.lock().unwrap()[0].contains("flag of corn"));
    let found = facts(&place);
    let paraphrases = json!(["in velm every door is red.", "velm flies red."]);
    assert_eq!(
        found[0]["paraphrases"], paraphrases,
        "the other does not hold the answer"
    );
    assert_eq!(found[0]["written_by"], "writer and templates");
    assert!(found[1]["paraphrases"].is_null());
    assert!(!place.path("more.jsonl.partial").exists());
}

#[test]
fn a_server_that_is_not_there_or_talks_of_other_things_is_one_clear_error() {
    let place = place();
    let words = [
        &WORDS[..],
        &["--llm", "http://127.0.0.1:9/v1", "--llm-model", "m"],
    ]
    .concat();
    place.refuses(&words, 1, &["http://127.0.0.1:9/v1", "cannot be reached"]);
    let (url, _) = server(vec![(200, "I would rather not.".to_owned())]);
    let words = [&WORDS[..], &["--llm", &url, "--llm-model", "m"]].concat();
    place.refuses(
        &words,
        1,
        &["did not write the JSON object", "try another model"],
    );
    let words = [&WORDS[..], &["--llm", &url]].concat();
    place.refuses(&words, 2, &["--llm-model"]);
}
