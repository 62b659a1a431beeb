//! Several runs on one memory, and a memory that cannot be written: nothing is lost, nothing is there twice, and
//! what failed goes on later.

use std::{
    collections::BTreeSet,
    fs,
    os::unix::fs::FileExt,
    path::Path,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use engraft_agents::methods::experepair::stage;
use engraft_memory::{Filter, Item, Kind, SqliteStore, Store};

use crate::{
    policy::{Scripted, edit, good, task},
    run::{Bench, ISSUE, Prints, adder, job, sentence},
};

fn items(memory: &Path, kind: Kind) -> Vec<Item> {
    let filter = Filter {
        kind: Some(kind),
        ..Filter::default()
    };
    SqliteStore::open(memory).unwrap().items(&filter).unwrap()
}

/// How many episodes an issue has that know of a patch.
fn with_patches(episodes: &[Item], issue: &str) -> usize {
    let of_issue = episodes.iter().filter(|item| item.content.text == issue);
    of_issue
        .filter(|item| {
            item.content.data["patches"]
                .as_array()
                .is_some_and(|patches| !patches.is_empty())
        })
        .count()
}

/// A place where two runs wait for each other, for a moment at most.
#[derive(Default)]
struct Meeting(AtomicUsize);

impl Meeting {
    fn wait(&self) {
        let number = self.0.fetch_add(1, Ordering::SeqCst) + 1;
        let (wanted, end) = (
            number.next_multiple_of(2),
            Instant::now() + Duration::from_secs(2),
        );
        while self.0.load(Ordering::SeqCst) < wanted && Instant::now() < end {
            thread::sleep(Duration::from_millis(1));
        }
    }
}

/// Learns new rules and speaks against old ones, at the same time as another run.
fn quarrelsome(meeting: Arc<Meeting>, count: Arc<AtomicUsize>, line: &'static str) -> Scripted {
    Scripted::new(move |request| match task(request) {
        "learn from the attempts" => {
            meeting.wait();
            let number = count.fetch_add(1, Ordering::Relaxed);
            format!(
                "REMOVE 1: x\nADD 8: Rule number {number} is like no other.\nADD 9: And {number} is not either."
            )
        }
        "repair the issue" => edit(line),
        _ => good(request),
    })
}

#[test]
fn two_runs_at_once_lose_no_episode_keep_none_twice_and_bound_the_rules() {
    let user = adder();
    let shared = tempfile::tempdir().unwrap();
    let memory = shared.path().join("memory.db");
    drop(SqliteStore::open(&memory).unwrap());
    let (meeting, count) = (Arc::<Meeting>::default(), Arc::<AtomicUsize>::default());
    let issue = |name: &str| format!("{ISSUE} in {name}");
    // The first two issues are worked on by both runs, the first with the same outcome.
    let runs = [("one", "return a + b"), ("two", "return b + a")];
    thread::scope(|scope| {
        for (name, line) in runs {
            let same = quarrelsome(meeting.clone(), count.clone(), "return a + b");
            let own = quarrelsome(meeting.clone(), count.clone(), line);
            let (memory, user) = (&memory, user.path());
            scope.spawn(move || {
                let mut bench = Bench::new();
                bench.settings.effort.insights = 4;
                let store = SqliteStore::open(memory).unwrap();
                let store = std::sync::Mutex::new(Box::new(store) as Box<dyn Store>);
                let run = |model: &Scripted, names: &[String]| {
                    let jobs: Vec<_> = names
                        .iter()
                        .map(|name| job(name, user, &issue(name)))
                        .collect();
                    for done in bench
                        .run_with(&store, (model, model), &Prints, &jobs)
                        .unwrap()
                    {
                        assert!(done.result.is_ok(), "{name}: {}", sentence(&done));
                        assert_eq!(bench.finished(&done.task.id), stage::ALL);
                    }
                };
                run(&same, &["both".to_owned()]);
                run(
                    &own,
                    &[
                        "differ".to_owned(),
                        format!("{name}-1"),
                        format!("{name}-2"),
                    ],
                );
                // What is finished and run again changes nothing.
                run(&same, &["both".to_owned()]);
            });
        }
    });
    let episodes = items(&memory, Kind::Episode);
    for (name, expected) in [
        ("both", 1),
        ("differ", 2),
        ("one-1", 1),
        ("one-2", 1),
        ("two-1", 1),
        ("two-2", 1),
    ] {
        assert_eq!(with_patches(&episodes, &issue(name)), expected, "{name}");
    }
    let different: BTreeSet<String> = episodes
        .iter()
        .map(|item| format!("{} {}", item.content.text, item.content.data))
        .collect();
    assert_eq!(different.len(), episodes.len(), "no episode is there twice");
    assert_eq!(episodes.len(), 7);
    for role in ["tester", "coder"] {
        let rules = items(&memory, Kind::Insight);
        let rules = rules
            .iter()
            .filter(|item| item.content.role == role)
            .count();
        assert!((1..=4).contains(&rules), "{rules} rules for a {role}");
    }
    assert!(
        SqliteStore::open(&memory)
            .unwrap()
            .check()
            .unwrap()
            .is_empty()
    );
}

#[test]
fn issues_from_the_latest_to_the_earliest_do_not_fill_the_memory_with_rules() {
    let user = adder();
    let mut bench = Bench::new();
    bench.settings.effort.insights = 4;
    let count = AtomicUsize::new(0);
    let model = Scripted::new(move |request| match task(request) {
        "learn from the attempts" => {
            let number = count.fetch_add(1, Ordering::Relaxed);
            format!("ADD 1: Rule number {number} is like no other.")
        }
        _ => good(request),
    });
    let jobs: Vec<_> = (1..=8)
        .map(|number| {
            let mut job = job(
                &format!("calc-{number}"),
                user.path(),
                &format!("{ISSUE}, the {number}th"),
            );
            job.task.created = Some(
                format!("20{:02}-01-01T00:00:00Z", 20 - number)
                    .parse()
                    .unwrap(),
            );
            job
        })
        .collect();
    let done = bench.run((&model, &model), &Prints, &jobs).unwrap();
    assert!(done.iter().all(|done| done.result.is_ok()));
    let rules = items(&bench.memory(), Kind::Insight);
    assert_eq!(rules.len(), 8, "four for each role");
}

#[test]
fn the_same_issue_in_another_run_is_remembered_once() {
    let user = adder();
    let (first, second) = (Bench::new(), Bench::new());
    first
        .one(&Scripted::good(), user.path(), ISSUE)
        .result
        .unwrap();
    fs::copy(first.memory(), second.memory()).unwrap();
    second
        .one(&Scripted::good(), user.path(), ISSUE)
        .result
        .unwrap();
    assert_eq!(items(&second.memory(), Kind::Episode).len(), 1);
    // Without memory nothing is kept either.
    let mut third = Bench::new();
    third.settings.memory = engraft_agents::methods::experepair::Channels::None;
    third
        .one(&Scripted::good(), user.path(), ISSUE)
        .result
        .unwrap();
    assert!(items(&third.memory(), Kind::Episode).is_empty());
}

#[test]
fn a_rule_that_no_memory_takes_does_not_keep_the_others_out() {
    let user = adder();
    let bench = Bench::new();
    let model = Scripted::new(|request| match task(request) {
        "learn from the attempts" => "ADD 1: Never\0 print.\nADD 2: Print the input.".to_owned(),
        _ => good(request),
    });
    bench.one(&model, user.path(), ISSUE).result.unwrap();
    let rules = items(&bench.memory(), Kind::Insight);
    let texts: BTreeSet<&str> = rules
        .iter()
        .map(|item| item.content.text.as_str())
        .collect();
    assert_eq!(texts, BTreeSet::from(["Print the input."]));
}

#[test]
fn a_memory_of_a_later_version_is_refused_in_one_sentence_and_left_alone() {
    let place = tempfile::tempdir().unwrap();
    let memory = place.path().join("memory.db");
    drop(SqliteStore::open(&memory).unwrap());
    // SQLite keeps the version of whoever made the file at byte 60.
    let file = fs::File::options().write(true).open(&memory).unwrap();
    file.write_all_at(&9999u32.to_be_bytes(), 60).unwrap();
    drop(file);
    let before = fs::read(&memory).unwrap();
    let Err(error) = SqliteStore::open(&memory) else {
        panic!("it was opened");
    };
    let said = error.to_string();
    assert!(
        said.contains("memory.db") && said.contains("9999") && said.contains("update engraft"),
        "{said}"
    );
    assert!(!said.contains('\n'));
    assert_eq!(fs::read(&memory).unwrap(), before);
}

/// An issue of many words: the memory's share of it is larger than any file of the record.
fn wordy() -> String {
    let words: String = (0..30_000).map(|number| format!("word{number} ")).collect();
    format!("{ISSUE} {words}")
}

#[test]
fn a_full_disk_ends_the_run_with_a_sentence_and_it_goes_on_once_there_is_room() {
    const PLACE: &str = "A_BENCH_WITHOUT_ROOM";
    let user = adder();
    if let Some(place) = std::env::var_os(PLACE) {
        let bench = Bench::at(Path::new(&place));
        let done = bench.one(&Scripted::good(), user.path(), &wordy());
        println!("said: {}", sentence(&done));
        return;
    }
    let bench = Bench::new();
    drop(SqliteStore::open(bench.memory()).unwrap());
    // The same test as a process that may write files of 400 KiB and no larger ones.
    let output = Command::new("sh")
        .args(["-c", "trap '' XFSZ; ulimit -f 800; exec \"$0\" \"$@\""])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "--nocapture"])
        .arg("one_memory::a_full_disk_ends_the_run_with_a_sentence_and_it_goes_on_once_there_is_room")
        .env(PLACE, bench.place())
        .output()
        .unwrap();
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{printed}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let said = printed.lines().find_map(|line| line.split_once("said: "));
    let (_, said) = said.unwrap();
    assert!(
        said.contains("memory.db") && said.contains("free some disk space"),
        "{said}"
    );
    assert_eq!(bench.finished("calc-1"), [stage::REPRODUCE]);
    assert!(
        SqliteStore::open(bench.memory())
            .unwrap()
            .check()
            .unwrap()
            .is_empty()
    );
    assert!(items(&bench.memory(), Kind::Episode).is_empty());

    let model = Scripted::good();
    bench.one(&model, user.path(), &wordy()).result.unwrap();
    assert_eq!(
        task(&model.asked()[0]),
        "name the files",
        "the first stage was kept"
    );
    assert_eq!(bench.finished("calc-1"), stage::ALL);
    assert_eq!(
        with_patches(&items(&bench.memory(), Kind::Episode), &wordy()),
        1
    );
    assert!(
        SqliteStore::open(bench.memory())
            .unwrap()
            .check()
            .unwrap()
            .is_empty()
    );
}
