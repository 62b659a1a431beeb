//! Many calls at once, several servers of one memory, and a memory after its server.

use std::collections::BTreeSet;

use serde_json::json;

use crate::client::Client;

#[tokio::test]
async fn calls_that_come_at_once_are_all_answered_and_none_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("memory.db");
    let mut client = Client::new(&path).await;
    let mut asked = BTreeSet::new();
    for number in 0..100 {
        // Every text comes twice.
        let arguments = json!({"text": format!("Fact number {}.", number / 2)});
        let params = json!({"name": "remember", "arguments": arguments});
        asked.insert(client.ask("tools/call", params).await);
    }
    let mut new = 0;
    for _ in 0..100 {
        let answer = client.next().await;
        assert!(asked.remove(&answer["id"].as_u64().unwrap()));
        assert_eq!(answer["result"]["isError"], false, "{answer}");
        new += i32::from(answer["result"]["structuredContent"]["new"] == true);
    }
    assert_eq!(new, 50);
}

#[tokio::test]
async fn a_question_finds_what_was_remembered_just_before_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut client = Client::new(&folder.path().join("memory.db")).await;
    let remember = json!({"name": "remember", "arguments": {"text": "Bo keeps bees."}});
    let recall = json!({"name": "recall", "arguments": {"query": "bees"}});
    client.ask("tools/call", remember).await;
    let last = client.ask("tools/call", recall).await;
    let answers = [client.next().await, client.next().await];
    let answer = answers.iter().find(|answer| answer["id"] == last).unwrap();
    let items = &answer["result"]["structuredContent"]["items"];
    assert_eq!(items[0]["text"], "Bo keeps bees.");
}

#[tokio::test]
async fn servers_of_one_memory_see_what_the_others_write() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("memory.db");
    let mut one = Client::new(&path).await;
    let mut two = Client::new(&path).await;
    assert!(two.recall(json!({"query": "cedar"})).await.is_empty());
    let id = one.remember("The fence is of cedar.").await;
    assert_eq!(
        two.recall(json!({"query": "cedar"})).await,
        ["The fence is of cedar."]
    );
    two.call("forget", json!({"id": id, "reason": "it was torn down"}))
        .await;
    assert!(one.recall(json!({"query": "cedar"})).await.is_empty());
}

#[tokio::test]
async fn what_was_remembered_outlives_the_server() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("memory.db");
    let mut client = Client::new(&path).await;
    let id = client.remember("The password rules changed in May.").await;
    client.call("vote", json!({"id": id, "by": 1})).await;
    client.close().await.unwrap();
    let mut client = Client::new(&path).await;
    let answer = client
        .call("recall", json!({"query": "password rules"}))
        .await;
    assert_eq!(answer["items"][0]["id"], id);
    assert_eq!(answer["items"][0]["votes"], 1);
}
