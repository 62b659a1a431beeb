//! Two runs that are given the same folder.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{Mutex, mpsc::sync_channel},
    thread,
    time::{Duration, Instant},
};

use engraft_agents::{RecordError, methods::experepair::stage};
use serde_json::Value;

use crate::{
    policy::{Scripted, good, task},
    run::{Bench, ISSUE, Prints, adder, job},
};

/// The sentence of a run that is not let into the folder.
fn refused(bench: &Bench, user: &Path) -> String {
    let model = Scripted::good();
    let jobs = [job("calc-1", user, ISSUE)];
    let refused = bench.run((&model, &model), &Prints, &jobs);
    assert!(model.asked().is_empty(), "it asked before it was refused");
    match refused {
        Err(error @ RecordError::Busy { .. }) => error.to_string(),
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("two runs worked in one folder"),
    }
}

fn goes_on(bench: &Bench, user: &Path) {
    bench.one(&Scripted::good(), user, ISSUE).result.unwrap();
    assert_eq!(bench.finished("calc-1"), stage::ALL);
}

#[test]
fn a_folder_takes_one_run_at_a_time_and_the_next_one_after_it() {
    let user = adder();
    let bench = Bench::new();
    let (begun, is_begun) = sync_channel(0);
    let (free, may_end) = sync_channel::<()>(0);
    let may_end = Mutex::new(may_end);
    let slow = Scripted::new(move |request| {
        if task(request) == "learn from the attempts" && begun.send(()).is_ok() {
            let _ = may_end.lock().unwrap().recv();
        }
        good(request)
    });
    thread::scope(|scope| {
        let first = scope.spawn(|| bench.one(&slow, user.path(), ISSUE).result.is_ok());
        is_begun.recv().unwrap();
        let said = refused(&bench, user.path());
        let folder = bench.out().display().to_string();
        assert!(
            said.contains(&folder) && said.contains("another folder"),
            "{said}"
        );
        drop((is_begun, free));
        assert!(first.join().unwrap());
    });
    goes_on(&bench, user.path());
}

#[test]
fn a_run_that_was_killed_leaves_its_folder_free() {
    const PLACE: &str = "A_BENCH_OF_A_RUN_TO_KILL";
    let user = adder();
    if let Some(place) = env::var_os(PLACE) {
        let place = PathBuf::from(place);
        let asked = place.join(ASKED);
        let asleep = Scripted::new(move |_| {
            fs::write(&asked, "").unwrap();
            loop {
                thread::sleep(Duration::from_secs(1));
            }
        });
        Bench::at(&place).one(&asleep, user.path(), ISSUE);
        return;
    }
    let bench = Bench::new();
    // The same test as a process that never gets an answer.
    let mut running = Command::new(env::current_exe().unwrap())
        .arg("--exact")
        .arg("one_folder::a_run_that_was_killed_leaves_its_folder_free")
        .env(PLACE, bench.place())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let end = Instant::now() + Duration::from_secs(60);
    while !bench.place().join(ASKED).exists() && Instant::now() < end {
        thread::sleep(Duration::from_millis(5));
    }
    refused(&bench, user.path());
    running.kill().unwrap();
    running.wait().unwrap();
    goes_on(&bench, user.path());
}

/// Is there once the run to be killed waits for its model.
const ASKED: &str = "asked";

#[test]
fn a_run_that_an_earlier_version_began_goes_on() {
    let user = adder();
    let bench = Bench::new();
    bench
        .one(&Scripted::good(), user.path(), ISSUE)
        .result
        .unwrap();
    let results = bench.out().join("results");
    let edit = |path: PathBuf, edit: &dyn Fn(&mut Value)| {
        let mut content = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        edit(&mut content);
        fs::write(path, content.to_string()).unwrap();
    };
    let without = |value: &mut Value, key: &str| {
        assert!(
            value.as_object_mut().unwrap().remove(key).is_some(),
            "{key}"
        );
    };
    edit(bench.out().join("args.json"), &|args| {
        without(&mut args["settings"], "selection")
    });
    edit(
        results.join("generate/owner__calc/calc-1/stage.json"),
        &|stage| {
            let pool = stage["made"]["pool"].as_array_mut().unwrap();
            for candidate in pool {
                without(candidate, "files");
                without(candidate, "written");
            }
        },
    );
    fs::remove_dir_all(results.join("validation")).unwrap();
    goes_on(&bench, user.path());
}
