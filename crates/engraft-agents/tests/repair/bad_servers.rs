//! Servers that break every rule: each request is sent a known number of times, and what is said in the end
//! names the server and what to do.

use std::{
    io::Write,
    net::TcpListener,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use engraft_agents::{
    ChatError, ChatModel, Request,
    chat::{Message, says, server::Server},
    methods::experepair::stage,
};
use serde_json::{Value, json};

use crate::{
    policy::good,
    run::{Bench, ISSUE, adder, held, sentence},
    wire::{Wire, content, http},
};

fn request() -> Request {
    Request {
        messages: vec![says("user", "hello")],
        temperature: 0.0,
        max_tokens: 5,
    }
}

/// The sentence of a server that gives no answer, after this many requests.
fn fails(what: &str, wire: &Wire, model: &Server, requests: usize) -> String {
    let began = Instant::now();
    let error = model.ask(&request()).expect_err(what);
    let (ChatError::Failed(problem) | ChatError::Refused(problem)) = error else {
        panic!("{what}: not a failure");
    };
    assert!(began.elapsed() < Duration::from_secs(20), "{what}");
    assert_eq!(wire.requests(), requests, "{what}: {problem}");
    assert!(problem.starts_with(&wire.url), "{what}: {problem}");
    assert!(
        !problem.contains("secret-key") && !problem.contains('\n'),
        "{what}: {problem}"
    );
    let advice = [
        "check",
        "look at",
        "give",
        "try again",
        "lower",
        "is this",
        "run it again",
        "see",
    ];
    assert!(
        advice.iter().any(|word| problem.contains(word)),
        "{what} says not what to do: {problem}"
    );
    problem
}

#[test]
fn no_text_is_an_empty_answer() {
    for body in [
        content(""),
        json!({"choices": [{"message": {"content": null}}]}).to_string(),
        json!({"choices": [{"message": {"role": "assistant", "tool_calls": []}}]}).to_string(),
    ] {
        let wire = Wire::says(http("200 OK", "", &body));
        assert_eq!(wire.model().ask(&request()).unwrap().text, "", "{body}");
        assert_eq!(wire.requests(), 1);
    }
}

#[test]
fn ten_megabytes_come_through_and_more_than_sixteen_mebibytes_are_refused_once() {
    let long = "x".repeat(10 << 20);
    let wire = Wire::says(http("200 OK", "", &content(&long)));
    assert_eq!(wire.model().ask(&request()).unwrap().text.len(), 10 << 20);

    let wire = Wire::says(http("200 OK", "", &content(&"x".repeat(17 << 20))));
    let problem = fails("17 MiB", &wire, &wire.model(), 1);
    assert!(problem.contains("16 MiB"), "{problem}");
}

#[test]
fn what_is_no_chat_server_is_asked_once() {
    for body in [
        "{}",
        "[]",
        "null",
        "3",
        "{\"choices\": []}",
        "{\"choices\": 3}",
        "{\"error\": {\"message\": \"no\"}}",
        "{\"choices\": [{\"message\": {\"content\": [1]}}]}",
    ] {
        let wire = Wire::says(http("200 OK", "", body));
        let problem = fails(body, &wire, &wire.model(), 1);
        assert!(problem.contains("OpenAI-compatible"), "{problem}");
    }
    for status in [
        "400 Bad Request",
        "401 Unauthorized",
        "404 Not Found",
        "422 Unprocessable",
    ] {
        let wire = Wire::says(http(status, "", "{\"error\": \"the reason\nof it\"}"));
        let problem = fails(status, &wire, &wire.model(), 1);
        assert!(
            problem.contains("the reason") && problem.contains(&status[..3]),
            "{problem}"
        );
    }
}

#[test]
fn what_may_pass_is_tried_again_as_often_as_allowed() {
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    let half = |body: &str| http("200 OK", "", body)[..100].to_owned();
    for (what, bytes) in [
        (
            "malformed JSON",
            http("200 OK", "", "{\"choices\": [").into_bytes(),
        ),
        ("a page", http("200 OK", "", "<html>").into_bytes()),
        (
            "no JSON in UTF-8",
            http("200 OK", "", "??").replace("??", "").into_bytes(),
        ),
        (
            "500",
            http("500 Internal Server Error", "", "out of memory").into_bytes(),
        ),
        (
            "503 without a word",
            http("503 Service Unavailable", "", "").into_bytes(),
        ),
        ("half a body", half(&content(&"x".repeat(500))).into_bytes()),
        ("half a head", b"HTTP/1.1 200 OK\r\nContent-Le".to_vec()),
        ("nothing", Vec::new()),
        ("no HTTP", b"SSH-2.0-OpenSSH_9.6\r\n".to_vec()),
        (
            "chunks of garbage",
            format!("{chunked}zz\r\nxxx\r\n").into_bytes(),
        ),
        (
            "a chunk that ends early",
            format!("{chunked}ffff\r\n{{\"choices\"").into_bytes(),
        ),
        (
            "an endless head",
            [b"HTTP/1.1 200 OK\r\nX: ".to_vec(), vec![b'x'; 1 << 20]].concat(),
        ),
    ] {
        let wire = Wire::says(bytes);
        fails(what, &wire, &wire.model(), 3);
    }
}

#[test]
fn a_server_that_is_not_there_is_named() {
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let wire = Wire::says("");
    let model = Server {
        url: format!("http://{port}/v1"),
        ..wire.model()
    };
    let problem = model.ask(&request()).unwrap_err().to_string();
    assert!(
        problem.contains(&model.url) && problem.contains("check the address"),
        "{problem}"
    );
}

#[test]
fn a_server_that_is_silent_or_drips_is_given_up() {
    let silent = Wire::start(|_, _, _| {
        thread::sleep(Duration::from_secs(5));
        Ok(())
    });
    let drips = Wire::start(|_, _, stream| {
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")?;
        for _ in 0..100 {
            stream.write_all(b"x")?;
            thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    });
    for (what, wire) in [("silent", silent), ("drips", drips)] {
        let mut model = wire.model();
        model.patience.answer = Duration::from_millis(300);
        let began = Instant::now();
        let problem = fails(what, &wire, &model, 3);
        assert!(began.elapsed() < Duration::from_secs(3), "{what}");
        assert!(problem.contains("timeout"), "{what}: {problem}");
    }
}

#[test]
fn a_redirect_is_not_followed_and_neither_key_nor_prompt_go_elsewhere() {
    let elsewhere = Wire::says(http("200 OK", "", &content("stolen")));
    for status in [
        "301 Moved Permanently",
        "302 Found",
        "303 See Other",
        "307 Temporary Redirect",
        "308 Permanent Redirect",
    ] {
        let place = format!("Location: {}/chat/completions\r\n", elsewhere.url);
        let wire = Wire::says(http(status, &place, ""));
        let problem = fails(status, &wire, &wire.model(), 1);
        assert!(problem.contains(&elsewhere.url), "says where to: {problem}");
        assert_eq!(elsewhere.requests(), 0, "{status}");
    }
}

/// How long a server waited for the second request.
fn waited(wire: &Wire) -> Duration {
    let came = held(&wire.came);
    came[1].0 - came[0].0
}

#[test]
fn a_server_that_asks_to_wait_is_believed_up_to_a_bound() {
    let busy_at_first = |wait: &str| {
        let wait = format!("Retry-After: {wait}\r\n");
        Wire::start(move |number, _, stream| {
            let busy = http("429 Too Many Requests", &wait, "slow down");
            let reply = if number == 0 {
                busy
            } else {
                http("200 OK", "", &content("yes"))
            };
            stream.write_all(reply.as_bytes())
        })
    };
    let wire = busy_at_first("1");
    let mut model = wire.model();
    model.patience.longest_wait = Duration::from_secs(5);
    assert_eq!(model.ask(&request()).unwrap().text, "yes");
    assert!(
        (1000..3000).contains(&waited(&wire).as_millis()),
        "{:?}",
        waited(&wire)
    );

    for odd in [
        "3600",
        "99999999999999999999",
        "-1",
        "soon",
        "Wed, 21 Oct 2099 07:28:00 GMT",
    ] {
        let wire = busy_at_first(odd);
        assert_eq!(wire.model().ask(&request()).unwrap().text, "yes");
        assert!(waited(&wire) < Duration::from_secs(1), "{odd}");
    }
    let wire = Wire::says(http("429 Too Many Requests", "", "slow down"));
    fails("429 for ever", &wire, &wire.model(), 3);
}

#[test]
fn a_stop_ends_the_wait_for_another_try_within_a_second() {
    let wire = Wire::says(http(
        "429 Too Many Requests",
        "Retry-After: 60\r\n",
        "slow down",
    ));
    let user = adder();
    let bench = Bench::new();
    let mut model = wire.model();
    model.stop = bench.stop.clone();
    model.patience.longest_wait = Duration::from_secs(60);
    let stop: Arc<AtomicBool> = bench.stop.clone();
    let came = wire.came.clone();
    let stopped = thread::spawn(move || {
        while held(&came).is_empty() {
            thread::sleep(Duration::from_millis(5));
        }
        thread::sleep(Duration::from_millis(100));
        stop.store(true, Ordering::Relaxed);
        Instant::now()
    });
    let done = bench.one(&model, user.path(), ISSUE);
    assert!(stopped.join().unwrap().elapsed() < Duration::from_secs(1));
    assert_eq!(sentence(&done), "stopped");
    assert_eq!(wire.requests(), 1);
}

/// A server that answers as it should, up to some request.
fn good_until(end: usize) -> Wire {
    Wire::start(move |number, body, stream| {
        let reply = if number < end {
            http("200 OK", "", &content(&good(&asked(body))))
        } else {
            http("500 Internal Server Error", "", "out of memory")
        };
        stream.write_all(reply.as_bytes())
    })
}

fn asked(body: &Value) -> Request {
    let messages = body["messages"].as_array().unwrap().iter();
    let message = |message: &Value| Message {
        role: message["role"].as_str().unwrap().to_owned(),
        content: message["content"].as_str().unwrap().to_owned(),
    };
    Request {
        messages: messages.map(message).collect(),
        temperature: body["temperature"].as_f64().unwrap(),
        max_tokens: body["max_tokens"].as_u64().unwrap(),
    }
}

#[test]
fn a_run_whose_server_breaks_down_goes_on_where_it_was_once_it_is_back() {
    let user = adder();
    // Three requests are the script and its verdict and the other script.
    for (answers, finished) in [(0, 0), (3, 1), (7, 2)] {
        let bench = Bench::new();
        let wire = good_until(answers);
        let done = bench.one(&wire.model(), user.path(), ISSUE);
        let said = sentence(&done);
        assert!(
            said.starts_with(&wire.url) && said.contains("out of memory"),
            "{said}"
        );
        assert_eq!(
            wire.requests(),
            answers + 3,
            "three tries of the one that fails"
        );
        assert_eq!(bench.finished("calc-1"), stage::ALL[..finished]);

        let wire = good_until(usize::MAX);
        let done = bench.one(&wire.model(), user.path(), ISSUE);
        assert!(done.result.unwrap().patch().contains("+    return a + b"));
        assert_eq!(bench.finished("calc-1"), stage::ALL);
    }
}
