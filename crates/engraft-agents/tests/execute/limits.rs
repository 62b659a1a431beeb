//! Every limit stops what runs into it, and the machine is none the worse.

use engraft_agents::{Limits, Stopped};

use crate::{outlives, place, seconds, tight};

#[test]
fn a_fork_bomb_is_stopped() {
    let Some(place) = place(Limits {
        memory: u64::MAX,
        ..tight()
    }) else {
        return;
    };
    let name = format!("bomb {}", seconds(4713));
    let outcome = place.python(&format!(
        "import os\n'{name}'\nwhile True:\n    try: os.fork()\n    except OSError: pass"
    ));
    assert_eq!(
        (outcome.code, outcome.stopped),
        (-1, Some(Stopped::Processes))
    );
    assert!(!outlives(&name));
}

#[test]
fn a_flood_of_threads_is_stopped() {
    let Some(place) = place(Limits {
        processes: 5,
        ..tight()
    }) else {
        return;
    };
    let outcome = place.python(
        "import threading, time\nthreading.stack_size(65536)\nfor _ in range(200): threading.Thread(target=time.sleep, args=(60,), daemon=True).start()\ntime.sleep(60)",
    );
    // The kernel refuses the thread, or the watcher sees them.
    let refused = outcome.stderr.contains("can't start new thread");
    assert!(
        refused || outcome.stopped == Some(Stopped::Processes),
        "{outcome:?}"
    );
}

#[test]
fn memory_of_one_process_runs_out_inside_it() {
    let Some(place) = place(Limits {
        memory: u64::MAX,
        ..tight()
    }) else {
        return;
    };
    let outcome = place.python("held = bytearray(2 << 30)");
    assert_eq!(outcome.stopped, None);
    assert!(outcome.stderr.contains("MemoryError"), "{}", outcome.stderr);
}

#[test]
fn memory_of_several_processes_together_is_limited() {
    let Some(place) = place(tight()) else {
        return;
    };
    let outcome = place.python(
        "import os, time\nfor _ in range(3): os.fork()\nheld = bytearray(b'x' * (60 << 20))\ntime.sleep(60)",
    );
    assert_eq!(outcome.stopped, Some(Stopped::Memory), "{outcome:?}");
}

#[test]
fn memory_that_no_process_holds_is_refused() {
    let Some(place) = place(tight()) else {
        return;
    };
    let outcome = place.python("import os; os.memfd_create('hidden')");
    assert!(
        outcome.stderr.contains("not implemented"),
        "{}",
        outcome.stderr
    );
}

#[test]
fn filling_the_private_folders_fails_inside() {
    let Some(place) = place(tight()) else {
        return;
    };
    for folder in ["/tmp", "/dev/shm"] {
        let outcome = place.sh(&format!("head -c 12000000 /dev/zero > {folder}/fill"));
        assert!(
            outcome.stderr.contains("No space"),
            "{folder}: {}",
            outcome.stderr
        );
    }
}

#[test]
fn one_file_may_not_grow_without_end() {
    let Some(place) = place(tight()) else {
        return;
    };
    let outcome = place.python("open('huge', 'wb').write(b'x' * (20 << 20))");
    assert!(
        outcome.stderr.contains("File too large"),
        "{}",
        outcome.stderr
    );
    let size = std::fs::metadata(place.path().join("huge")).unwrap().len();
    assert!(size <= tight().file, "{size}");
    assert_ne!(place.sh("truncate -s 1T sparse").code, 0);
}

#[test]
fn many_files_may_not_grow_without_end() {
    let Some(place) = place(tight()) else {
        return;
    };
    let script = "
import itertools, time
for index in itertools.count():
    open(f'part{index}', 'wb').write(b'x' * (8 << 20))
    time.sleep(0.05)
";
    let outcome = place.python(script);
    assert_eq!(outcome.stopped, Some(Stopped::Disk), "{outcome:?}");
}

#[test]
fn files_that_were_deleted_while_open_count_too() {
    let Some(place) = place(tight()) else {
        return;
    };
    let script = "
import os, time
held = [open(f'part{index}', 'wb', buffering=0) for index in range(8)]
for file in held: os.unlink(file.name)
for file in held: file.write(b'x' * (8 << 20))
time.sleep(60)
";
    let outcome = place.python(script);
    assert_eq!(outcome.stopped, Some(Stopped::Disk), "{outcome:?}");
}

#[test]
fn printing_without_end_is_stopped_and_both_ends_are_kept() {
    let Some(place) = place(tight()) else {
        return;
    };
    for stream in ["", ">&2"] {
        let outcome = place.sh(&format!("echo first {stream}; yes again {stream}"));
        assert_eq!((outcome.code, outcome.stopped), (-1, Some(Stopped::Output)));
        let text = [outcome.stdout, outcome.stderr].concat();
        assert!(text.starts_with("first\nagain\n"));
        assert!(text.contains("bytes left out]\n"));
        assert!(text.len() < 11_000, "{}", text.len());
    }
}

#[test]
fn a_command_within_its_limits_is_not_stopped() {
    let Some(place) = place(tight()) else {
        return;
    };
    let script = "
import subprocess, threading
held = bytearray(50 << 20)
open('file', 'wb').write(b'x' * (8 << 20))
threads = [threading.Thread(target=lambda: None) for _ in range(20)]
for thread in threads: thread.start()
for _ in range(20): subprocess.run(['true'], check=True)
print('x' * 5000)
";
    let outcome = place.python(script);
    assert_eq!((outcome.code, outcome.stopped), (0, None), "{outcome:?}");
    assert_eq!(outcome.stdout.len(), 5001);
}
