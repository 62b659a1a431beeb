//! Reads a list of items that a person may have edited.

use std::{fmt::Display, path::Path, str::FromStr};

use serde_json::Value;

use super::{NEW, SECTION, starts_section};
use crate::{
    Draft, Id, Kind, MemoryError,
    export::entry::{Entry, wrong},
};

/// A line and its number.
type Line<'a> = (usize, &'a str);

pub(in crate::export) fn read(path: &Path, text: &str) -> Result<Vec<Entry>, MemoryError> {
    // Git on some machines ends every line with a carriage return more; the first line tells.
    let windows = text
        .split('\n')
        .next()
        .is_some_and(|line| line.ends_with('\r'));
    let whole = |line| match windows {
        true => str::strip_suffix(line, '\r').unwrap_or(line),
        false => line,
    };
    let lines: Vec<Line<'_>> = (1..).zip(text.split('\n').map(whole)).collect();
    let starts = |(place, line): (usize, &Line<'_>)| starts_section(line.1).then_some(place);
    let starts: Vec<usize> = lines.iter().enumerate().filter_map(starts).collect();
    let first = starts.first().copied().unwrap_or(lines.len());
    let list = head(path, &lines[..first])?;
    let ends = starts.iter().skip(1).copied().chain([lines.len()]);
    let sections = starts
        .iter()
        .zip(ends)
        .map(|(&start, end)| &lines[start..end]);
    sections.map(|lines| section(path, &list, lines)).collect()
}

/// What all items of the list have in common.
fn head(path: &Path, lines: &[Line<'_>]) -> Result<Draft, MemoryError> {
    let mut kind = None;
    let mut list = Draft::new(Kind::Note, "");
    for &line in lines {
        if line.1.trim().is_empty() || line.1.starts_with("# ") {
            continue;
        }
        let (key, value) = key_and_value(path, line)?;
        match key {
            "kind" => kind = Kind::ALL.into_iter().find(|kind| kind.name() == value),
            "scope" => list.scope = said(path, line, value)?,
            "role" => list.role = said(path, line, value)?,
            _ => return Err(unknown(path, line, key, "kind, scope and role")),
        }
    }
    let line = lines.len().max(1);
    list.kind = kind.ok_or_else(|| {
        let help = "write `kind: insight`, `kind: note` or `kind: episode` above the first section";
        wrong(
            path,
            line,
            format!("the list does not say of which kind it is; {help}"),
        )
    })?;
    Ok(list)
}

fn section(path: &Path, list: &Draft, lines: &[Line<'_>]) -> Result<Entry, MemoryError> {
    let (number, title) = lines[0];
    let mut entry = Entry {
        path: path.to_owned(),
        line: number,
        id: name(path, number, title)?,
        content: list.clone(),
        pinned: false,
    };
    let blank = |line: &Line<'_>| line.1.trim().is_empty();
    let rest = &lines[1..];
    let rest = &rest[rest.iter().take_while(|line| blank(line)).count()..];
    let mut ends = [String::new(), String::new()];
    let about = match rest.first() {
        // A new item may start with its text at once.
        Some(line) if known_key(line.1) => rest.iter().take_while(|line| !blank(line)).count(),
        _ => 0,
    };
    for &line in &rest[..about] {
        set(path, &mut entry, &mut ends, line)?;
    }
    let unescaped = |line: &Line<'_>| match line.1.strip_prefix('\\') {
        Some(rest) if starts_section(rest.trim_start_matches('\\')) => rest.to_owned(),
        _ => line.1.to_owned(),
    };
    let text: Vec<String> = rest[about..].iter().map(unescaped).collect();
    let text = text.join("\n");
    let [before, after] = ends;
    entry.content.text = format!("{before}{}{after}", text.trim());
    match text.trim().is_empty() {
        true => Err(entry.wrong("the section has no text; write one, or delete the section")),
        false => Ok(entry),
    }
}

/// The name in the line that starts a section; `None` for a new item.
fn name(path: &Path, number: usize, title: &str) -> Result<Option<Id>, MemoryError> {
    let title = title.strip_prefix(SECTION).unwrap_or_default().trim();
    let named = |kind: Kind| {
        let rest = title.strip_prefix(kind.name())?.strip_prefix('-')?;
        let digits = rest
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
        (rest.len() == 8 && digits).then(|| Id(title.to_owned()))
    };
    match Kind::ALL.into_iter().find_map(named) {
        Some(id) => Ok(Some(id)),
        None if title == NEW => Ok(None),
        None => Err(wrong(
            path,
            number,
            format!(
                "`{title}` is no name of an item; write `## new` above a new item, or `\\##` if the line \
                 belongs to a text"
            ),
        )),
    }
}

const KEYS: &str = "votes, pinned, happened, added, changed, run, message, file, line, hash, data, before and after";

fn known_key(line: &str) -> bool {
    let key = line.split_once(':').map(|(key, _)| key);
    key.is_some_and(|key| {
        KEYS.split([',', ' '])
            .any(|known| known == key && known != "and")
    })
}

/// Takes in one line about an item.
fn set(
    path: &Path,
    entry: &mut Entry,
    [before, after]: &mut [String; 2],
    line: Line<'_>,
) -> Result<(), MemoryError> {
    let (key, value) = key_and_value(path, line)?;
    let content = &mut entry.content;
    let source = &mut content.source;
    match key {
        "votes" => content.votes = parse(path, line, value)?,
        "pinned" => entry.pinned = parse(path, line, value)?,
        "happened" => content.happened = Some(parse(path, line, value)?),
        // The store's own dates, here for people.
        "added" | "changed" => {}
        "run" => source.run = Some(said(path, line, value)?),
        "message" => source.message = Some(said(path, line, value)?),
        "file" => source.file = Some(said(path, line, value)?),
        "line" => source.line = Some(parse(path, line, value)?),
        "hash" => source.hash = Some(said(path, line, value)?),
        "data" => content.data = parse::<Value>(path, line, value)?,
        "before" => *before = said(path, line, value)?,
        "after" => *after = said(path, line, value)?,
        _ => return Err(unknown(path, line, key, KEYS)),
    }
    Ok(())
}

fn key_and_value<'a>(
    path: &Path,
    (number, line): Line<'a>,
) -> Result<(&'a str, &'a str), MemoryError> {
    let (key, value) = line.split_once(':').ok_or_else(|| {
        let help = "leave a blank line before the text";
        wrong(path, number, format!("is no line like `votes: 1`; {help}"))
    })?;
    Ok((key.trim(), value.trim()))
}

fn parse<T: FromStr<Err: Display>>(
    path: &Path,
    (number, line): Line<'_>,
    value: &str,
) -> Result<T, MemoryError> {
    value.parse().map_err(|error| {
        wrong(
            path,
            number,
            format!("`{}` cannot be read ({error}); mend the value", line.trim()),
        )
    })
}

/// A value that stands there as it is, or as JSON if it starts with a quote.
fn said(path: &Path, line: Line<'_>, value: &str) -> Result<String, MemoryError> {
    if !value.starts_with('"') {
        return Ok(value.to_owned());
    }
    match parse(path, line, value)? {
        Value::String(value) => Ok(value),
        _ => Ok(value.to_owned()),
    }
}

fn unknown(path: &Path, (number, _): Line<'_>, key: &str, known: &str) -> MemoryError {
    let help = "leave a blank line before the text";
    wrong(
        path,
        number,
        format!("the key `{key}` is none of {known}; mend it, or {help}"),
    )
}
