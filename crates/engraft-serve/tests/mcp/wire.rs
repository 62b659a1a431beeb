//! The protocol itself: what real clients write, and what nobody should.

use std::path::PathBuf;

use engraft_serve::mcp::Options;
use rmcp::{ServiceExt, model::CallToolRequestParams};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::client::{Client, server};

fn memory() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("memory.db");
    (folder, path)
}

#[tokio::test]
async fn the_lines_of_a_client_are_answered_as_the_protocol_says() {
    let (_folder, path) = memory();
    let mut client = Client::silent(&path, Options::default());
    client.send(r#"{"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{"roots":{}},"clientInfo":{"name":"claude-code","version":"1.0"}},"jsonrpc":"2.0","id":0}"#).await;
    let answer = client.next().await;
    assert_eq!(answer["jsonrpc"], "2.0");
    assert_eq!(answer["id"], 0);
    assert_eq!(answer["result"]["protocolVersion"], "2025-06-18");
    assert_eq!(answer["result"]["serverInfo"]["name"], "engraft");
    assert!(answer["result"]["capabilities"]["tools"].is_object());
    assert!(
        answer["result"]["instructions"]
            .as_str()
            .unwrap()
            .contains("Recall")
    );

    client
        .send(r#"{"method":"notifications/initialized","jsonrpc":"2.0"}"#)
        .await;
    client
        .send(r#"{"method":"tools/list","jsonrpc":"2.0","id":1}"#)
        .await;
    let answer = client.next().await;
    let tools = answer["result"]["tools"].as_array().unwrap().clone();
    let names: Vec<&str> = tools
        .iter()
        .map(|tool| tool["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["remember", "recall", "vote", "forget", "history"]);
    for tool in &tools {
        assert_eq!(tool["inputSchema"]["type"], "object");
        assert!(tool["description"].as_str().unwrap().len() > 40);
    }

    client.send(r#"{"method":"tools/call","params":{"name":"remember","arguments":{"text":"The build needs cmake."},"_meta":{"progressToken":2}},"jsonrpc":"2.0","id":"call-2"}"#).await;
    let answer = client.next().await;
    assert_eq!(answer["id"], "call-2");
    let result = &answer["result"];
    assert_eq!(result["isError"], false);
    let id = result["structuredContent"]["id"].as_str().unwrap();
    assert!(id.starts_with("note-"));
    assert_eq!(
        result["content"],
        json!([{"type": "text", "text": format!("Remembered as {id} (event 1).")}])
    );

    client
        .send(r#"{"method":"ping","jsonrpc":"2.0","id":3}"#)
        .await;
    assert_eq!(
        client.next().await,
        json!({"jsonrpc": "2.0", "id": 3, "result": {}})
    );
    client.close().await.unwrap();
}

#[tokio::test]
async fn the_client_of_the_official_sdk_understands_it() {
    let (_folder, path) = memory();
    let (stream, server) = server(&path, None, Options::default());
    let client = ().serve(stream).await.unwrap();
    let tools = client.list_all_tools().await.unwrap();
    assert_eq!(tools.len(), 5);
    let arguments = json!({"text": "Ann likes tea."})
        .as_object()
        .cloned()
        .unwrap();
    let call = CallToolRequestParams::new("remember").with_arguments(arguments);
    let result = client.call_tool(call).await.unwrap();
    assert_eq!(result.is_error, Some(false));
    assert_eq!(result.structured_content.unwrap()["new"], true);
    client.cancel().await.unwrap();
    server.await.unwrap().unwrap();
}

#[tokio::test]
async fn every_argument_of_a_schema_is_known_to_its_tool_and_no_other_one() {
    let (_folder, path) = memory();
    let mut client = Client::new(&path).await;
    let answer = client.request("tools/list", json!({})).await;
    for tool in answer["result"]["tools"].as_array().unwrap() {
        let name = tool["name"].as_str().unwrap();
        let schema = &tool["inputSchema"];
        let properties = schema["properties"].as_object().unwrap();
        for required in schema["required"].as_array().unwrap() {
            let required = required.as_str().unwrap();
            assert!(properties.contains_key(required));
            let mut all = example(schema);
            all.as_object_mut().unwrap().remove(required);
            let said = client.refusal(name, all).await;
            assert!(
                said.contains(&format!("missing field `{required}`")),
                "{said}"
            );
        }
        let said = client.result(name, example(schema)).await.to_string();
        assert!(!said.contains("arguments of"), "{said}");
        let mut more = example(schema);
        more["nonsense"] = json!(1);
        let said = client.refusal(name, more).await;
        assert!(said.contains("unknown field `nonsense`"), "{said}");
    }
}

/// Something that fits a schema.
fn example(schema: &Value) -> Value {
    if let Some(choice) = schema["enum"].get(0) {
        return choice.clone();
    }
    match schema["type"].as_str().unwrap() {
        "string" => json!("2026-01-31"),
        "integer" => json!(1),
        "boolean" => json!(true),
        "object" => {
            let properties = schema["properties"].as_object().unwrap().iter();
            properties
                .map(|(name, schema)| (name.clone(), example(schema)))
                .collect()
        }
        other => panic!("no example of {other}"),
    }
}

#[tokio::test]
async fn what_is_no_message_is_refused_and_the_next_one_answered() {
    let (_folder, path) = memory();
    let mut client = Client::new(&path).await;
    for (line, code, id) in [
        ("this is no json", -32700, Value::Null),
        (r#"{"jsonrpc":"2.0","id":1,"method":"#, -32700, Value::Null),
        ("\u{0}\u{1}", -32700, Value::Null),
        ("7", -32600, Value::Null),
        ("[]", -32600, Value::Null),
        (
            r#"{"jsonrpc":"1.0","id":8,"method":"ping"}"#,
            -32600,
            json!(8),
        ),
        (
            r#"{"jsonrpc":"2.0","id":9,"method":"tools/call","params":{"name":5}}"#,
            -32602,
            json!(9),
        ),
        (
            r#"{"jsonrpc":"2.0","id":9,"method":"tools/call","params":{"name":"vote","arguments":[]}}"#,
            -32602,
            json!(9),
        ),
        (
            r#"{"jsonrpc":"2.0","id":10,"method":"tools/call","params":{"name":"purge"}}"#,
            -32602,
            json!(10),
        ),
        (
            r#"{"jsonrpc":"2.0","id":11,"method":"memory/erase"}"#,
            -32601,
            json!(11),
        ),
    ] {
        client.send(line).await;
        let answer = client.next().await;
        assert_eq!(answer["error"]["code"], code, "{line}: {answer}");
        assert_eq!(answer["id"], id, "{line}: {answer}");
    }
    client.send("").await;
    client.send("\r").await;
    assert_eq!(client.request("ping", json!({})).await["result"], json!({}));
    client.close().await.unwrap();
}

#[tokio::test]
async fn bytes_that_are_no_text_and_deep_nests_are_refused() {
    let (_folder, path) = memory();
    let mut client = Client::new(&path).await;
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    client.send(&deep).await;
    assert_eq!(client.next().await["error"]["code"], -32700);
    assert_eq!(client.request("ping", json!({})).await["result"], json!({}));
}

#[tokio::test]
async fn a_text_of_ten_megabytes_is_refused_by_its_tool_and_a_longer_line_by_the_server() {
    let (_folder, path) = memory();
    let mut client = Client::new(&path).await;
    let said = client
        .refusal("remember", json!({"text": "x".repeat(10_000_000)}))
        .await;
    assert!(said.contains("10000000 bytes"), "{said}");
    client
        .ask("ping", json!({"pad": "x".repeat(17 << 20)}))
        .await;
    let answer = client.next().await;
    assert_eq!(answer["error"]["code"], -32600);
    assert!(
        answer["error"]["message"]
            .as_str()
            .unwrap()
            .contains("send less")
    );
    assert_eq!(client.request("ping", json!({})).await["result"], json!({}));
}

#[tokio::test]
async fn a_client_that_begins_oddly_or_leaves_at_once_does_no_harm() {
    let (_folder, path) = memory();
    Client::silent(&path, Options::default())
        .close()
        .await
        .unwrap();
    let mut client = Client::silent(&path, Options::default());
    client.send("hello?").await;
    assert_eq!(client.next().await["error"]["code"], -32700);
    client
        .send(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#)
        .await;
    let early = client.request("tools/list", json!({})).await;
    assert!(early["error"].is_object());
    assert_eq!(
        client.begin().await["result"]["protocolVersion"],
        "2025-06-18"
    );
    client.remember("a").await;
    // A line that is cut off is not done.
    client.ask("ping", json!({})).await;
    client.next().await;
    client.close().await.unwrap();
}
