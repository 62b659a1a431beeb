//! Files at an address, continued where an earlier try ended.

use std::{io::Read, path::Path, time::Duration};

use anyhow::Context;
use ureq::{Agent, Body, http::Response};

use super::{Failed, Item, arrival::Arrival, missing};

/// Brings each file from its path below an address.
pub(super) fn fetch(base: &str, files: &[Item], staged: &Path) -> Result<(), Failed> {
    let agent = agent();
    for item in missing(files, staged) {
        file(&agent, &format!("{base}/{}", item.path), item, staged)?;
    }
    Ok(())
}

fn agent() -> Agent {
    Agent::config_builder()
        .user_agent(concat!("engraft/", env!("CARGO_PKG_VERSION")))
        .http_status_as_error(false)
        .timeout_connect(Some(Duration::from_secs(15)))
        .timeout_recv_response(Some(Duration::from_secs(30)))
        .timeout_per_read(Some(Duration::from_secs(60)))
        .build()
        .new_agent()
}

fn file(agent: &Agent, url: &str, item: &Item, staged: &Path) -> Result<(), Failed> {
    let mut arrival = Arrival::continued(item, staged)?;
    let left = arrival.bytes();
    while arrival.bytes() < item.bytes {
        let had = arrival.bytes();
        let ended = match ask(agent, url, item, had) {
            Ok((from, mut body)) => {
                if from != had {
                    arrival.restart()?;
                }
                arrival.take(&mut body)
            }
            Err(error) => Err(Failed::Source(error)),
        };
        let error = match ended {
            Err(Failed::Machine(error)) => return Err(Failed::Machine(error)),
            // A cut connection is taken up again as long as each brings something more.
            _ if arrival.bytes() > had => continue,
            Err(Failed::Source(error)) => error,
            Ok(()) => anyhow::anyhow!("{url} gives nothing more"),
        };
        if arrival.bytes() == 0 {
            arrival.discard();
            return Err(Failed::Source(error));
        }
        return Err(Failed::source(format!(
            "{error:#} ({} of {} bytes are kept; run it again to go on)",
            arrival.bytes(),
            item.bytes
        )));
    }
    match arrival.settle() {
        // What an earlier try left was not the start of this file; it is gone now.
        Err(Failed::Source(_)) if left > 0 => file(agent, url, item, staged),
        settled => settled,
    }
}

/// The rest of a file after `had` bytes, or the whole where a server knows no ranges; and at which byte
/// what is given begins.
fn ask(
    agent: &Agent,
    url: &str,
    item: &Item,
    had: u64,
) -> anyhow::Result<(u64, impl Read + use<>)> {
    let mut request = agent.get(url);
    if had > 0 {
        request = request.header("Range", format!("bytes={had}-"));
    }
    let answer = request
        .call()
        .map_err(|error| anyhow::anyhow!("cannot get {url} ({error}); is there a network?"))?;
    let (from, whole) = match answer.status().as_u16() {
        200 => (0, answer.body().content_length()),
        206 => range(&answer)
            .filter(|(from, _)| *from == had)
            .with_context(|| format!("{url} gives another part than asked for"))?,
        status => anyhow::bail!("{url} answers with status {status}"),
    };
    // A page that asks to log in comes with status 200 too.
    let whole = whole.unwrap_or(item.bytes);
    anyhow::ensure!(
        whole == item.bytes,
        "{url} has {whole} bytes, wanted {}",
        item.bytes
    );
    Ok((from, answer.into_body().into_reader()))
}

/// Where a part begins, and how long the whole is: `bytes 10-41/42`.
fn range(answer: &Response<Body>) -> Option<(u64, Option<u64>)> {
    let range = answer.headers().get("Content-Range")?.to_str().ok()?;
    let (part, whole) = range.strip_prefix("bytes ")?.split_once('/')?;
    let from = part.split('-').next()?.parse().ok()?;
    Some((from, whole.parse().ok()))
}
