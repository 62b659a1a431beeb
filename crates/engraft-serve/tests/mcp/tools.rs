//! What each tool does, and what it refuses.

use engraft_memory::{Change, Draft, Kind, SqliteStore, Store};
use engraft_serve::mcp::Options;
use serde_json::json;

use crate::client::Client;

#[tokio::test]
async fn the_same_thing_twice_is_one_item_and_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let mut client = Client::new(&folder.path().join("memory.db")).await;
    let insight = json!({"text": "Run the test first.", "kind": "insight", "scope": "django"});
    let first = client.call("remember", insight.clone()).await;
    assert_eq!((&first["new"], &first["seq"]), (&json!(true), &json!(1)));
    let id = first["id"].as_str().unwrap();
    assert!(id.starts_with("insight-"));
    let again = client.call("remember", insight.clone()).await;
    assert_eq!(again, json!({"id": id, "new": false}));
    assert_eq!(
        client.text("remember", insight).await,
        format!("Nothing was added: this is there already as {id}.")
    );
}

#[tokio::test]
async fn an_item_is_recalled_with_all_that_is_known_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut client = Client::new(&folder.path().join("memory.db")).await;
    let note = json!({
        "text": "Releases are cut on Fridays.", "scope": "web", "role": "tester",
        "source": {"run": "r7", "message": "12", "file": "docs/release.md", "line": 3},
    });
    let id = client.call("remember", note.clone()).await["id"].clone();
    client.call("vote", json!({"id": id, "by": 1})).await;
    let answer = client.call("recall", json!({"query": "releases"})).await;
    let item = &answer["items"][0];
    for (key, value) in note.as_object().unwrap() {
        assert_eq!(&item[key], value);
    }
    assert_eq!(
        (&item["id"], &item["votes"], &item["kind"]),
        (&id, &json!(1), &json!("note"))
    );
    assert_eq!(
        (&item["pinned"], &item["state"]),
        (&json!(false), &json!("current"))
    );
    assert!(item["score"].is_number());
    let added = item["added"].as_str().unwrap();
    assert_eq!(answer["omitted"], json!([]));
    assert_eq!(
        client.text("recall", json!({"query": "releases"})).await,
        format!(
            "[{}] Releases are cut on Fridays. (+1 votes, scope web, role tester, from \
             docs/release.md:3 run r7 message 12, {})",
            id.as_str().unwrap(),
            &added[..10]
        )
    );
}

#[tokio::test]
async fn a_recall_keeps_to_scope_role_kind_number_and_time() {
    let folder = tempfile::tempdir().unwrap();
    let mut client = Client::new(&folder.path().join("memory.db")).await;
    for (text, more) in [
        ("Tea is at four.", json!({})),
        ("Tea is green in Kyoto.", json!({"scope": "japan"})),
        (
            "Tea needs three minutes to brew.",
            json!({"scope": "japan", "role": "cook"}),
        ),
        ("Tea calms.", json!({"kind": "insight"})),
    ] {
        let mut arguments = more;
        arguments["text"] = json!(text);
        client.call("remember", arguments).await;
    }
    let recalled = async |client: &mut Client, more: serde_json::Value| {
        let mut arguments = more;
        arguments["query"] = json!("tea");
        let mut texts = client.recall(arguments).await;
        texts.sort();
        texts
    };
    assert_eq!(recalled(&mut client, json!({})).await.len(), 4);
    assert_eq!(recalled(&mut client, json!({"scope": ""})).await.len(), 4);
    assert_eq!(
        recalled(&mut client, json!({"scope": "japan"})).await,
        ["Tea is green in Kyoto.", "Tea needs three minutes to brew."]
    );
    assert_eq!(
        recalled(&mut client, json!({"role": "cook"})).await,
        ["Tea needs three minutes to brew."]
    );
    assert_eq!(
        recalled(&mut client, json!({"kind": "insight"})).await,
        ["Tea calms."]
    );
    assert_eq!(recalled(&mut client, json!({"most": 2})).await.len(), 2);
    assert!(
        recalled(&mut client, json!({"before": "2001-01-01"}))
            .await
            .is_empty()
    );
    assert_eq!(
        recalled(&mut client, json!({"before": "2999-01-01T00:00:00Z"}))
            .await
            .len(),
        4
    );
}

#[tokio::test]
async fn what_does_not_fit_the_budget_is_told_and_pinned_items_come_first() {
    let folder = tempfile::tempdir().unwrap();
    let mut client = Client::new(&folder.path().join("memory.db")).await;
    let long = client
        .remember(&format!("Moss {}.", "grows slowly ".repeat(40)))
        .await;
    let pinned = json!({"text": "Never water at noon.", "pinned": true});
    let pinned = client.call("remember", pinned).await["id"].clone();
    let answer = client
        .call("recall", json!({"query": "moss", "tokens": 50}))
        .await;
    assert_eq!(answer["items"].as_array().unwrap().len(), 1);
    assert_eq!(answer["items"][0]["id"], pinned);
    assert!(answer["items"][0].get("score").is_none());
    assert_eq!(answer["omitted"][0]["id"], long);
    let why = answer["omitted"][0]["why"].as_str().unwrap();
    assert!(why.contains("tokens") && why.contains("left"), "{why}");
    let text = client
        .text("recall", json!({"query": "moss", "tokens": 50}))
        .await;
    assert!(
        text.contains(&format!("Not shown: [{long}] takes")),
        "{text}"
    );
    let nothing = client
        .text("recall", json!({"query": "moss", "scope": "sea"}))
        .await;
    assert_eq!(nothing, "Nothing was found to show.");
}

#[tokio::test]
async fn what_holds_now_supersedes_what_held_before() {
    let folder = tempfile::tempdir().unwrap();
    let mut client = Client::new(&folder.path().join("memory.db")).await;
    let old = client.remember("Deploy by hand.").await;
    let now = json!({"text": "Deploy by the pipeline.", "supersedes": old});
    let answer = client.call("remember", now.clone()).await;
    let new = answer["id"].as_str().unwrap();
    assert_eq!(
        answer,
        json!({"id": new, "new": true, "seq": 2, "supersedes": old})
    );
    assert_eq!(
        client.recall(json!({"query": "deploy"})).await,
        ["Deploy by the pipeline."]
    );
    assert_eq!(client.call("remember", now).await["new"], false);

    let history = client.call("history", json!({"id": old})).await;
    assert_eq!(history["item"]["state"], json!({"superseded_by": new}));
    let ops: Vec<_> = history["events"]
        .as_array()
        .unwrap()
        .iter()
        .map(|e| &e["op"])
        .collect();
    assert_eq!(ops, ["add", "supersede"]);
    assert_eq!(history["events"][0]["by"], "mcp");

    // Nothing is added where nothing can be superseded.
    let late = json!({"text": "Deploy by prayer.", "supersedes": old});
    assert!(
        client
            .refusal("remember", late)
            .await
            .contains("superseded by")
    );
    let nobody = json!({"text": "Deploy by prayer.", "supersedes": "note-00000000"});
    assert!(
        client
            .refusal("remember", nobody)
            .await
            .contains("`note-00000000`")
    );
    assert_eq!(
        client.recall(json!({"query": "prayer deploy"})).await.len(),
        1
    );
}

#[tokio::test]
async fn what_is_forgotten_is_not_recalled_and_its_history_stays() {
    let folder = tempfile::tempdir().unwrap();
    let mut client = Client::new(&folder.path().join("memory.db")).await;
    let id = client.remember("The lift is broken.").await;
    assert_eq!(
        client.call("vote", json!({"id": id, "by": -1})).await["votes"],
        -1
    );
    client
        .call("forget", json!({"id": id, "reason": "it was mended"}))
        .await;
    assert!(client.recall(json!({"query": "lift"})).await.is_empty());
    let told = client.text("history", json!({"id": id})).await;
    for said in [
        "It was removed.",
        "added \"The lift is broken.\"",
        "voted -1",
        "removed it: it was mended",
    ] {
        assert!(told.contains(said), "{told}");
    }
    let vote = client.refusal("vote", json!({"id": id, "by": 1})).await;
    assert!(vote.contains("removed by event 3"), "{vote}");
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_in_a_sentence_and_nothing_changes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("memory.db");
    let mut client = Client::new(&path).await;
    let id = client.remember("a").await;
    let nobody = "there is no item `note-00000000`";
    for (tool, arguments, said) in [
        ("remember", json!({"text": " \n"}), "the text is empty"),
        ("remember", json!({"text": 7}), "expected a string"),
        ("remember", json!({}), "missing field `text`"),
        (
            "remember",
            json!({"text": "b", "kind": "episode"}),
            "unknown variant `episode`",
        ),
        (
            "remember",
            json!({"text": "b", "scope": "x\ny"}),
            "the scope",
        ),
        (
            "remember",
            json!({"text": "b", "source": {"hash": "00"}}),
            "unknown field `hash`",
        ),
        (
            "remember",
            json!({"text": "b", "source": {"line": -1}}),
            "`-1`",
        ),
        ("recall", json!({"query": ""}), "`query` is empty"),
        ("recall", json!({"query": "a", "most": 0}), "`most` is 0"),
        (
            "recall",
            json!({"query": "a", "most": 1000000000}),
            "from 1 to 100",
        ),
        (
            "recall",
            json!({"query": "a", "before": "yesterday"}),
            "no time",
        ),
        ("vote", json!({"id": "note-00000000", "by": 1}), nobody),
        ("vote", json!({"id": id, "by": 1000}), "1 or -1"),
        ("vote", json!({"id": id, "by": "1"}), "invalid type"),
        (
            "forget",
            json!({"id": "note-00000000", "reason": "b"}),
            nobody,
        ),
        (
            "forget",
            json!({"id": id, "reason": ""}),
            "`reason` is empty",
        ),
        ("history", json!({"id": "note-00000000"}), nobody),
        ("history", json!({"id": {"not": "a name"}}), "invalid type"),
    ] {
        let refusal = client.refusal(tool, arguments).await;
        assert!(refusal.contains(said), "{tool}: {refusal}");
    }
    assert_eq!(SqliteStore::open(&path).unwrap().seq().unwrap(), 1);
}

#[tokio::test]
async fn the_options_of_a_server_hold_where_a_call_says_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("memory.db");
    let options = Options {
        scope: "web".to_owned(),
        by: "ann".to_owned(),
        most: 1,
        tokens: 20,
    };
    let mut client = Client::silent(&path, options);
    client.begin().await;
    let id = client.remember("Snow is cold.").await;
    let elsewhere = json!({"text": "Snow is white.", "scope": ""});
    client.call("remember", elsewhere).await;
    assert_eq!(
        client.recall(json!({"query": "snow"})).await,
        ["Snow is cold."]
    );
    let all = json!({"query": "snow", "scope": "", "most": 5});
    assert_eq!(client.recall(all.clone()).await.len(), 2);
    let long = format!("Snow {}", "falls ".repeat(20));
    client.remember(&long).await;
    assert_eq!(client.recall(all).await.len(), 2);
    let more = json!({"query": "snow", "scope": "", "most": 5, "tokens": 200});
    assert_eq!(client.recall(more).await.len(), 3);
    let history = client.call("history", json!({"id": id})).await;
    assert_eq!(history["events"][0]["by"], "ann");
    assert_eq!(history["item"]["scope"], "web");
}

#[tokio::test]
async fn episodes_are_recalled_without_the_data_of_their_programs() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("memory.db");
    let episode = Draft {
        data: json!({"attempts": ["x".repeat(100_000)]}),
        ..Draft::new(Kind::Episode, "The parser loses a comma.")
    };
    let mut store = SqliteStore::open(&path).unwrap();
    let applied = store.apply("run", vec![Change::Add(episode)]).unwrap();
    let mut client = Client::new(&path).await;
    let found = client.result("recall", json!({"query": "comma"})).await;
    let history = client.result("history", json!({"id": applied[0].id})).await;
    for answer in [found, history] {
        assert!(answer.to_string().contains("The parser loses a comma."));
        assert!(!answer.to_string().contains("attempts"));
    }
}
