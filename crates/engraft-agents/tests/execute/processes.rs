//! Nothing outlives its command, and no process outside can be touched.

use std::{
    process::Command,
    time::{Duration, Instant},
};

use engraft_agents::{Limits, Stopped};

use crate::{outlives, place, seconds, tight};

#[test]
fn a_daemon_ends_with_the_command_that_left_it() {
    let Some(place) = place(Limits::default()) else {
        return;
    };
    let script = "
import os, sys, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.execvp('sleep', ['sleep', 'SECONDS'])
    os._exit(0)
os.wait()
time.sleep(0.3)
print('left')
";
    let begun = Instant::now();
    let outcome = place.python(&script.replace("SECONDS", &seconds(4711)));
    assert_eq!(outcome.stdout, "left\n");
    assert!(
        begun.elapsed() < Duration::from_secs(10),
        "it holds our pipes"
    );
    assert!(!outlives(&seconds(4711)));
}

#[test]
fn ignoring_the_request_to_end_does_not_help() {
    let Some(place) = place(Limits {
        time: Duration::from_secs(2),
        ..tight()
    }) else {
        return;
    };
    let script = "
import os, signal, time
for number in range(1, 65):
    try: signal.signal(number, signal.SIG_IGN)
    except (OSError, ValueError): pass
if os.fork() == 0:
    os.setsid()
print('here', flush=True)
while True: time.sleep(SECONDS)
";
    let begun = Instant::now();
    let outcome = place.python(&script.replace("SECONDS", &seconds(4712)));
    assert_eq!((outcome.code, outcome.stopped), (-1, Some(Stopped::Time)));
    assert!(outcome.stdout.starts_with("here\n"));
    assert!(
        begun.elapsed() > Duration::from_millis(2000),
        "it had two seconds"
    );
    assert!(begun.elapsed() < Duration::from_secs(15));
    assert!(!outlives(&seconds(4712)));
}

#[test]
fn a_command_that_is_out_of_time_may_clean_up() {
    let Some(place) = place(Limits {
        time: Duration::from_secs(2),
        ..tight()
    }) else {
        return;
    };
    let outcome = place.sh("trap 'echo cleaned > note; exit 0' TERM; while :; do sleep 0.1; done");
    assert_eq!((outcome.code, outcome.stopped), (-1, Some(Stopped::Time)));
    assert!(place.path().join("note").exists());
}

#[test]
fn processes_outside_cannot_be_seen_or_ended() {
    let Some(place) = place(Limits::default()) else {
        return;
    };
    let mut bystander = Command::new("sleep").arg("30").spawn().unwrap();
    let script = format!(
        "ls -d /proc/[0-9]* | wc -l; kill -9 {}; kill -9 {}; kill -9 -1; true",
        bystander.id(),
        std::process::id()
    );
    let outcome = place.sh(&script);
    let seen: u32 = outcome.stdout.trim().parse().unwrap();
    assert!(seen < 8, "{seen}");
    assert!(bystander.try_wait().unwrap().is_none(), "it still runs");
    bystander.kill().unwrap();
    bystander.wait().unwrap();
}

#[test]
fn the_sandbox_s_own_first_process_cannot_be_ended_from_inside() {
    let Some(place) = place(Limits::default()) else {
        return;
    };
    let outcome = place.sh("kill -9 1; kill -TERM 1; sleep 0.2; echo here");
    assert_eq!(outcome.stdout, "here\n");
}

#[test]
fn letters_cannot_be_pushed_into_a_terminal() {
    let Some(place) = place(Limits::default()) else {
        return;
    };
    let script = "
import fcntl, os, pty
try:
    os.open('/dev/tty', os.O_RDWR)
    print('there is a terminal')
except OSError: pass
master, slave = pty.openpty()
os.setsid() if os.getpid() != os.getsid(0) else None
for request in (0x5412, 0x541c):
    try:
        fcntl.ioctl(slave, request, b'x')
        print('pushed')
    except OSError as error:
        print(error.errno)
";
    // As if the kernel did not have the call.
    let outcome = place.python(script);
    assert_eq!(outcome.stdout, "38\n38\n", "{}", outcome.stderr);
}
