//! A memory as text: what is written is read back as it was, and what a person changes becomes changes.

use std::{fs, path::Path};

use engraft_memory::{
    Change, Draft, Filter, Item, Kind, Operation, Source, State, Store,
    export::{Entry, Imported, Importer, read_jsonl, read_markdown, write_jsonl, write_markdown},
};
use proptest::prelude::*;
use serde_json::json;
use tempfile::TempDir;

use crate::memory::{Memory, edit, everything, insight, remove};

const IMPORTER: Importer<'static> = Importer {
    by: "anna",
    remove_missing: None,
};

/// A memory with two lists, written into a folder.
fn written() -> (Memory, TempDir) {
    let mut memory = Memory::new();
    let drafts = [
        insight("Read the traceback from its end."),
        insight("# A heading\n\n```\n## new\n```\n---\n\\## x\n"),
        Draft {
            scope: "django".into(),
            role: "tester".into(),
            data: json!({"tries": [1, 2.5]}),
            votes: 2,
            source: Source {
                run: Some("run-7".into()),
                file: Some(" odd name".into()),
                line: Some(3),
                ..Source::default()
            },
            ..Draft::new(Kind::Note, "Tests live in `tests/`.")
        },
    ];
    memory
        .store
        .apply("test", drafts.map(Change::Add).into())
        .unwrap();
    let folder = tempfile::tempdir().unwrap();
    write_markdown(&memory.store, &Filter::default(), folder.path()).unwrap();
    (memory, folder)
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<_> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

fn replace(folder: &Path, file: &str, from: &str, to: &str) {
    let path = folder.join(file);
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains(from), "{text}");
    fs::write(path, text.replacen(from, to, 1)).unwrap();
}

fn import(memory: &mut Memory, folder: &Path) -> Imported {
    IMPORTER
        .import(&mut memory.store, &read_markdown(folder).unwrap())
        .unwrap()
}

#[test]
fn a_list_is_made_for_reading() {
    let (memory, folder) = written();
    assert_eq!(
        names(folder.path()),
        ["insight...md", "note.django.tester.md"]
    );
    let item = &memory.store.items(&Filter::default()).unwrap()[2];
    let text = fs::read_to_string(folder.path().join("note.django.tester.md")).unwrap();
    let wanted = format!(
        "# notes\n\nkind: note\nscope: django\nrole: tester\n\n## {}\n\nvotes: 2\nadded: {}\nchanged: {}\n\
         run: run-7\nfile: \" odd name\"\nline: 3\ndata: {{\"tries\":[1,2.5]}}\n\nTests live in `tests/`.\n",
        item.id, item.added, item.added
    );
    assert_eq!(text, wanted);
}

#[test]
fn what_was_not_edited_changes_nothing() {
    let (mut memory, folder) = written();
    let lines = folder.path().join("memory.jsonl");
    write_jsonl(&memory.store, &Filter::default(), &lines).unwrap();
    assert_eq!(import(&mut memory, folder.path()), Imported::default());
    let entries = read_jsonl(&lines).unwrap();
    assert_eq!(
        IMPORTER.import(&mut memory.store, &entries).unwrap(),
        Imported::default()
    );
    assert_eq!(memory.store.seq().unwrap(), 3);
}

#[test]
fn an_edited_section_becomes_an_edit_a_vote_and_a_pin() {
    let (mut memory, folder) = written();
    let id = memory.store.items(&Filter::default()).unwrap()[2]
        .id
        .clone();
    let file = "note.django.tester.md";
    replace(folder.path(), file, "votes: 2", "votes: 5\npinned: true");
    replace(folder.path(), file, "live in", "live under");
    let imported = import(&mut memory, folder.path());
    let wanted = [vec![id.clone()], vec![id.clone()], vec![id.clone()], vec![]];
    assert_eq!(
        [
            imported.edited,
            imported.voted,
            imported.pinned,
            imported.added
        ],
        wanted
    );
    let item = memory.item(&id);
    assert_eq!(
        (item.content.text.as_str(), item.content.votes),
        ("Tests live under `tests/`.", 5)
    );
    assert!(item.pinned);
    let event = memory.store.history(&id).unwrap().pop().unwrap();
    assert_eq!((event.by.as_str(), event.seq), ("anna", 6));
    assert_eq!(import(&mut memory, folder.path()), Imported::default());
}

#[test]
fn a_new_section_becomes_an_item_of_its_list() {
    let (mut memory, folder) = written();
    let path = folder.path().join("note.django.tester.md");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(
        &path,
        format!("{text}\n## new\nWhy: it was asked.\n\n## new\n\npinned: true\n\nTwo\n\nparts"),
    )
    .unwrap();
    let imported = import(&mut memory, folder.path());
    assert_eq!((imported.added.len(), imported.pinned.len()), (2, 1));
    let [one, two] = [0, 1].map(|at| memory.item(&imported.added[at]));
    assert_eq!(one.content.text, "Why: it was asked.");
    assert_eq!(
        (one.content.scope.as_str(), one.content.role.as_str()),
        ("django", "tester")
    );
    assert_eq!(
        (two.content.text.as_str(), two.pinned),
        ("Two\n\nparts", true)
    );
    assert_eq!(import(&mut memory, folder.path()), Imported::default());
}

#[test]
fn a_deleted_section_removes_nothing_unless_asked_to() {
    let (mut memory, folder) = written();
    let first = memory.store.items(&Filter::default()).unwrap()[0].clone();
    fs::remove_file(folder.path().join("note.django.tester.md")).unwrap();
    let path = folder.path().join("insight...md");
    let text = fs::read_to_string(&path).unwrap();
    let (start, rest) = (
        text.find("\n## ").unwrap(),
        text.rfind("\n## insight").unwrap(),
    );
    fs::write(&path, format!("{}{}", &text[..start], &text[rest..])).unwrap();
    assert_eq!(import(&mut memory, folder.path()), Imported::default());
    let insights = Filter {
        kind: Some(Kind::Insight),
        ..Filter::default()
    };
    let importer = Importer {
        remove_missing: Some(&insights),
        ..IMPORTER
    };
    let entries = read_markdown(folder.path()).unwrap();
    let imported = importer.import(&mut memory.store, &entries).unwrap();
    assert_eq!(imported.removed, std::slice::from_ref(&first.id));
    assert_eq!(memory.item(&first.id).state, State::Removed);
    assert_eq!(memory.store.items(&Filter::default()).unwrap().len(), 2);
}

#[test]
fn an_old_file_does_not_bring_back_what_was_removed() {
    let (mut memory, folder) = written();
    let id = memory.store.items(&Filter::default()).unwrap()[2]
        .id
        .clone();
    memory.one(remove(&id)).unwrap();
    assert_eq!(
        import(&mut memory, folder.path()).gone,
        std::slice::from_ref(&id)
    );
    replace(
        folder.path(),
        "note.django.tester.md",
        "live in",
        "live under",
    );
    let entries = read_markdown(folder.path()).unwrap();
    let said = IMPORTER
        .import(&mut memory.store, &entries)
        .unwrap_err()
        .to_string();
    assert!(
        said.contains("tester.md:7") && said.contains("no longer current"),
        "{said}"
    );
    memory.store.purge(&id).unwrap();
    assert_eq!(import(&mut memory, folder.path()).gone, [id]);
}

#[test]
fn a_list_that_nothing_is_left_of_goes_and_other_files_stay() {
    let (mut memory, folder) = written();
    fs::write(folder.path().join("README.md"), "# Mine\n").unwrap();
    fs::write(
        folder.path().join("note.mine.md"),
        "kind: note\n\n## new\n\nNot read yet.\n",
    )
    .unwrap();
    let id = memory.store.items(&Filter::default()).unwrap()[2]
        .id
        .clone();
    memory.one(remove(&id)).unwrap();
    let insights = Filter {
        kind: Some(Kind::Note),
        ..Filter::default()
    };
    write_markdown(&memory.store, &insights, folder.path()).unwrap();
    assert_eq!(
        names(folder.path()),
        ["README.md", "insight...md", "note.mine.md"]
    );
}

#[test]
fn another_memory_takes_the_items_in() {
    let (mut memory, folder) = written();
    let id = memory.store.items(&Filter::default()).unwrap()[0]
        .id
        .clone();
    memory
        .one(edit(&id, "Read the traceback from its start."))
        .unwrap();
    let path = folder.path().join("memory.jsonl");
    write_jsonl(&memory.store, &Filter::default(), &path).unwrap();
    let entries = read_jsonl(&path).unwrap();
    let mut other = Memory::new();
    assert_eq!(
        IMPORTER
            .import(&mut other.store, &entries)
            .unwrap()
            .added
            .len(),
        3
    );
    assert_eq!(
        IMPORTER.import(&mut other.store, &entries).unwrap(),
        Imported::default()
    );
    let contents = |memory: &Memory| {
        let items = memory.store.items(&Filter::default()).unwrap();
        items
            .into_iter()
            .map(|item| item.content)
            .collect::<Vec<_>>()
    };
    assert_eq!(contents(&other), contents(&memory));
}

#[test]
fn a_bad_file_is_named_with_its_line_and_nothing_is_done() {
    let good = "kind: note\n\n## new\n\nfine\n\n";
    for (rest, line, said) in [
        ("## Heading\n\nx\n", 7, "`\\##`"),
        ("## note-0000000O\n\nx\n", 7, "no name of an item"),
        ("## new\n\n", 7, "no text"),
        ("## new\n\nvotes: many\n\nx\n", 9, "votes: many"),
        ("## new\n\nvotes: 1\ncolour: red\n\nx\n", 10, "`colour`"),
        ("## new\n\nvotes: 1\nthe text\n", 10, "blank line"),
        ("## new\n\ndata: {\n\nx\n", 9, "data: {"),
        ("## new\n\nhappened: yesterday\n\nx\n", 9, "yesterday"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("a.md"), format!("{good}{rest}")).unwrap();
        let error = read_markdown(folder.path()).unwrap_err().to_string();
        assert!(
            error.contains(&format!("a.md:{line}: ")) && error.contains(said),
            "{error}"
        );
    }
    let folder = tempfile::tempdir().unwrap();
    assert!(
        read_markdown(folder.path())
            .unwrap_err()
            .to_string()
            .contains("no Markdown file")
    );
    fs::write(folder.path().join("a.md"), "## new\n\nx\n").unwrap();
    assert!(
        read_markdown(folder.path())
            .unwrap_err()
            .to_string()
            .contains("of which kind")
    );

    let path = folder.path().join("a.jsonl");
    let good = r#"{"kind":"note","text":"fine"}"#;
    for (bad, said) in [
        ("{", "JSON"),
        ("[]", "JSON"),
        (r#"{"kind":"note"}"#, "text"),
        (r#"{"kind":"thing","text":"x"}"#, "thing"),
        (r#"{"kind":"note","text":"x","colour":1}"#, "colour"),
        (
            r#"{"kind":"note","text":"x","state":"removed"}"#,
            "no longer current",
        ),
    ] {
        fs::write(&path, format!("{good}\n\n{bad}\n")).unwrap();
        let error = read_jsonl(&path).unwrap_err().to_string();
        assert!(
            error.contains("a.jsonl:3: ") && error.contains(said),
            "{error}"
        );
    }
    fs::write(&path, [0xff, 0xfe]).unwrap();
    assert!(read_jsonl(&path).unwrap_err().to_string().contains("UTF-8"));
}

#[test]
fn what_cannot_be_edited_is_refused_with_the_whole_import() {
    let (mut memory, folder) = written();
    let file = "note.django.tester.md";
    let before = fs::read_to_string(folder.path().join(file)).unwrap();
    let section = &before[before.find("\n## ").unwrap()..];
    replace(folder.path(), "insight...md", "Read", "Reread");
    for (text, said) in [
        (
            before.replace("scope: django", "scope: flask"),
            "the scope of",
        ),
        (before.replace("line: 3", "line: 4"), "the source of"),
        (before.replace("kind: note", "kind: insight"), "the kind of"),
        (format!("{before}{section}"), "a second time"),
    ] {
        fs::write(folder.path().join(file), text).unwrap();
        let entries = read_markdown(folder.path()).unwrap();
        let error = IMPORTER
            .import(&mut memory.store, &entries)
            .unwrap_err()
            .to_string();
        assert!(error.contains(file) && error.contains(said), "{error}");
        assert_eq!(memory.store.seq().unwrap(), 3);
    }
}

#[test]
fn line_ends_of_other_machines_change_no_text() {
    let (mut memory, folder) = written();
    for name in names(folder.path()) {
        let path = folder.path().join(name);
        let text = fs::read_to_string(&path).unwrap().replace('\n', "\r\n");
        fs::write(path, format!("\u{feff}{text}")).unwrap();
    }
    assert_eq!(import(&mut memory, folder.path()), Imported::default());
}

/// Texts out of pieces that mean something in Markdown, in front matter or to an editor.
fn text() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "## ",
        "##",
        "#",
        "\\",
        "\n",
        "\n\n",
        "\r\n",
        "\r",
        "---",
        "```",
        "new",
        "votes: 3",
        "x",
        " ",
        "\t",
        "\u{2028}",
        "\u{a0}",
        "🙂",
        "insight-12345678",
        "\"",
        ": ",
        "kind: note",
        "\u{feff}",
    ]);
    let pieces = prop::collection::vec(piece, 1..12).prop_map(|pieces| pieces.concat());
    pieces.prop_filter("white space is no text", |text| !text.trim().is_empty())
}

fn name() -> impl Strategy<Value = String> {
    prop::sample::select(vec![
        "", "django", " a", "\"q\"", "a: b", "## x", "A/b", "{", "ü", "\\",
    ])
    .prop_map(str::to_owned)
}

fn draft() -> impl Strategy<Value = Draft> {
    let kind = prop::sample::select(Kind::ALL.to_vec());
    let source = (
        prop::option::of(name()),
        prop::option::of(name()),
        prop::option::of(0..9u64),
    );
    let data = prop::sample::select(vec![
        json!(null),
        json!({"z": "\n## x", "a": [0.1, 1e300, -7]}),
        json!("s"),
        json!(""),
    ]);
    let rest = (
        any::<i64>(),
        prop::option::of(0..4_000_000_000_000_000_000i128),
    );
    (kind, name(), name(), text(), data, source, rest).prop_map(
        |(kind, scope, role, text, data, (run, file, line), (votes, happened))| Draft {
            kind,
            scope,
            role,
            text,
            data,
            happened: happened.map(|at| jiff::Timestamp::from_nanosecond(at).unwrap()),
            votes,
            source: Source {
                message: run.clone(),
                hash: file.clone(),
                run,
                file,
                line,
            },
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    #[test]
    fn whatever_an_item_says_it_says_the_same_after_it_was_written_and_read(
        drafts in prop::collection::vec((draft(), any::<bool>()), 1..6)
    ) {
        let mut memory = Memory::new();
        for (draft, pinned) in drafts {
            let id = memory.one(Change::Add(draft)).unwrap().id;
            memory.one(Change::Pin { id, pinned }).unwrap();
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("memory.jsonl");
        write_jsonl(&memory.store, &Filter::default(), &path).unwrap();
        write_markdown(&memory.store, &Filter::default(), folder.path()).unwrap();
        let items = memory.store.items(&everything()).unwrap();
        let lines = read_jsonl(&path).unwrap();
        let mut sections = read_markdown(folder.path()).unwrap();
        let place = |entry: &Entry| items.iter().position(|item| Some(&item.id) == entry.id.as_ref());
        sections.sort_by_key(place);
        for entries in [lines, sections] {
            prop_assert_eq!(entries.len(), items.len());
            for (entry, item) in entries.iter().zip(&items) {
                let Item { id, content, pinned, .. } = item;
                prop_assert_eq!((&entry.id, &entry.content, entry.pinned), (&Some(id.clone()), content, *pinned));
            }
            let seq = memory.store.seq().unwrap();
            prop_assert_eq!(IMPORTER.import(&mut memory.store, &entries).unwrap(), Imported::default());
            prop_assert_eq!(memory.store.seq().unwrap(), seq);
        }
        let added = memory.store.events(0, 1).unwrap();
        prop_assert!(matches!(added[0].operation, Operation::Add { .. }), "the log was read");
    }
}
