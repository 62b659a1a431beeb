//! The localiser: from the tree to files, to places, to the code that is shown.

use serde::{Deserialize, Serialize};

use super::{places, stage};
use crate::{
    Desk, DeskError,
    desk::Who,
    locate::{self, Snippet, WindowRule},
    python,
    record::as_lines,
    replies::{self, Location},
};

/// What the localiser left.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Localised {
    /// Most important first.
    pub snippets: Vec<Snippet>,
}

const FILE_TRIES: usize = 3;
const MOST_FILES: usize = 10;
const MOST_KEPT: usize = 4;

pub(super) fn localise(desk: &Desk<'_>, made: &mut Localised) -> Result<(), DeskError> {
    let sources = places::files(desk, |path| {
        !path.split('/').any(|part| part.starts_with("test"))
    })?;
    let issue = locate::clean_issue(&desk.task.issue);
    let kept = chosen_files(desk, &issue, &sources)?;
    let mut first = Vec::new();
    for (path, text) in &kept {
        first.extend(places_in(desk, &issue, path, text)?);
    }
    let finals = final_places(desk, &issue, &first, &sources)?;
    let chosen = if finals.is_empty() { first } else { finals };
    made.snippets = locate::shown(chosen);
    if made.snippets.is_empty() {
        // The model named nothing that is there: the files that share most words with the issue.
        made.snippets = whole_files(&kept);
    }
    record(desk, made)
}

fn slots(desk: &Desk<'_>, issue: &str) -> crate::compose::Slots {
    desk.slots().text("issue", issue)
}

type Source = (String, String);

/// The files that the model keeps after it has seen their skeletons.
fn chosen_files(
    desk: &Desk<'_>,
    issue: &str,
    sources: &[Source],
) -> Result<Vec<Source>, DeskError> {
    let paths: Vec<&str> = sources.iter().map(|(path, _)| path.as_str()).collect();
    let known = |answer: &str| -> Option<Vec<usize>> {
        let listed = replies::file_list(answer)?;
        let mut found: Vec<usize> = Vec::new();
        for line in listed.lines() {
            let path = line.trim().trim_start_matches("./");
            let index = paths.iter().position(|known| *known == path);
            found.extend(index.filter(|index| !found.contains(index)));
        }
        (!found.is_empty()).then_some(found)
    };
    let tree = locate::tree_listing(paths.iter().copied());
    let listing = slots(desk, issue).text("tree", tree);
    let ask = |who, prompt, slots: &_| {
        desk.ask_until(
            stage::LOCALIZE,
            who,
            prompt,
            slots,
            (0.0, FILE_TRIES),
            known,
        )
    };
    let named = match ask(Who::Main, "files", &listing)? {
        Some(named) => named,
        None => places::related(&desk.task.issue, sources),
    };
    let named: Vec<usize> = named.into_iter().take(MOST_FILES).collect();
    let mut skeletons = String::new();
    for &index in &named {
        let (path, text) = &sources[index];
        skeletons.push_str(&format!("### {path}\n{}\n", python::skeleton(text)));
    }
    let shown = slots(desk, issue).text("skeletons", skeletons);
    let kept = match ask(Who::Second, "skeletons", &shown)? {
        Some(kept) => kept,
        None => named,
    };
    let kept = kept.into_iter().take(MOST_KEPT);
    Ok(kept.map(|index| sources[index].clone()).collect())
}

/// The places that the model names in one file.
fn places_in(
    desk: &Desk<'_>,
    issue: &str,
    path: &str,
    text: &str,
) -> Result<Vec<Snippet>, DeskError> {
    let numbered: Vec<String> = text
        .lines()
        .enumerate()
        .map(|(number, line)| format!("{:>5}  {line}", number + 1))
        .collect();
    let slots = slots(desk, issue)
        .text("path", path)
        .text("file", numbered.join("\n"));
    let read = |answer: &str| {
        let named: Vec<Location> = replies::first_locations(answer);
        (!named.is_empty()).then_some(named)
    };
    let named = desk.ask_until(
        stage::LOCALIZE,
        Who::Second,
        "locations",
        &slots,
        (0.0, FILE_TRIES),
        read,
    )?;
    Ok(named
        .unwrap_or_default()
        .iter()
        .flat_map(|location| locate::snippets(path, text, location, WindowRule::default()))
        .collect())
}

/// What the model chooses of all places.
fn final_places(
    desk: &Desk<'_>,
    issue: &str,
    first: &[Snippet],
    sources: &[Source],
) -> Result<Vec<Snippet>, DeskError> {
    let shown = locate::listing(&locate::shown(first.to_vec()));
    let slots = slots(desk, issue).text("places", shown);
    let read = |answer: &str| {
        let named = replies::final_locations(answer);
        (!named.is_empty()).then_some(named)
    };
    let named = desk.ask_until(
        stage::LOCALIZE,
        Who::Main,
        "final_locations",
        &slots,
        (0.0, FILE_TRIES),
        read,
    )?;
    let mut found = Vec::new();
    for (path, locations) in named.unwrap_or_default() {
        if let Some((path, text)) = sources.iter().find(|(known, _)| *known == path) {
            found.extend(locations.iter().flat_map(|location| {
                locate::snippets(path, text, location, WindowRule::default())
            }));
        }
    }
    Ok(found)
}

fn whole_files(kept: &[Source]) -> Vec<Snippet> {
    let snippets = kept
        .iter()
        .filter_map(|(path, text)| Snippet::whole(path, text));
    locate::shown(snippets.collect())
}

fn record(desk: &Desk<'_>, made: &Localised) -> Result<(), DeskError> {
    let row = serde_json::json!({
        "instance_id": desk.task.id,
        "bug_locs": [made.snippets],
    });
    Ok(desk.record.write(
        stage::LOCALIZE,
        "localize_patch_outputs.jsonl",
        &as_lines(&[row]),
    )?)
}
