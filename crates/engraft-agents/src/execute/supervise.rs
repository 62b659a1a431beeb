//! Watching over a command that runs: time, memory, processes, output, disk.

use std::{
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process_group};

use super::{
    ExecuteError, Limits, Outcome, Stopped,
    disk::Growth,
    output::Stream,
    processes::{Family, Root},
    start,
};

/// How often the watcher looks.
const TICK: Duration = Duration::from_millis(20);
/// From SIGTERM to SIGKILL.
const GRACE: Duration = Duration::from_secs(2);
/// How long output that a runaway process still holds open is waited for.
const DRAIN: Duration = Duration::from_secs(2);

/// Runs a prepared command to its end or to a limit. It has to write [`start::MARK`] first. The
/// process group is the command's own, so that Ctrl-C at the terminal reaches only us.
///
/// # Errors
/// If it could not be started, or `stop` was set meanwhile.
pub(super) fn supervise(
    mut command: Command,
    kind: Root,
    folder: &Path,
    limits: &Limits,
    stop: &AtomicBool,
) -> Result<Outcome, ExecuteError> {
    use std::os::unix::process::CommandExt;
    let mut growth = Growth::of(folder);
    command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0);
    let begun = Instant::now();
    let child = command.spawn().map_err(|error| {
        let program = command.get_program().to_string_lossy();
        ExecuteError::Failed(format!(
            "cannot start {program}: {error}; check that it is installed"
        ))
    })?;
    // Dropped on every way out, so that nothing outlives this call.
    let mut running = Running { child, kind };
    let (Some(stdout), Some(stderr)) = (running.child.stdout.take(), running.child.stderr.take())
    else {
        return Err(ExecuteError::Failed("the command has no pipes".to_owned()));
    };
    let streams = [
        Stream::read(stdout, limits.output_kept),
        Stream::read(stderr, limits.output_kept),
    ];
    let (status, stopped) = loop {
        if let Some(status) = running.ended()? {
            break (status, over_output(&streams, limits));
        }
        if stop.load(Ordering::Relaxed) {
            return Err(ExecuteError::Stopped);
        }
        if let Some(stopped) = exceeded(&running, &streams, &mut growth, begun, limits) {
            break (running.end(stopped)?, Some(stopped));
        }
        thread::sleep(TICK);
    };
    let took = begun.elapsed();
    drop(running);
    wait_for(&streams);
    outcome(status, stopped, &streams, took)
}

fn exceeded(
    running: &Running,
    streams: &[Stream; 2],
    growth: &mut Growth,
    begun: Instant,
    limits: &Limits,
) -> Option<Stopped> {
    if begun.elapsed() > limits.time {
        return Some(Stopped::Time);
    }
    let family = running.family();
    if family.count() > limits.processes || family.threads() > limits.threads() {
        Some(Stopped::Processes)
    } else if family.memory() > limits.memory {
        Some(Stopped::Memory)
    } else if growth.exceeds(limits.disk, &family) {
        Some(Stopped::Disk)
    } else {
        over_output(streams, limits)
    }
}

fn over_output(streams: &[Stream; 2], limits: &Limits) -> Option<Stopped> {
    let over = streams.iter().any(|stream| stream.total() > limits.output);
    over.then_some(Stopped::Output)
}

fn wait_for(streams: &[Stream; 2]) {
    let deadline = Instant::now() + DRAIN;
    while Instant::now() < deadline && !streams.iter().all(Stream::is_done) {
        thread::sleep(Duration::from_millis(1));
    }
}

fn outcome(
    status: ExitStatus,
    stopped: Option<Stopped>,
    [stdout, stderr]: &[Stream; 2],
    took: Duration,
) -> Result<Outcome, ExecuteError> {
    use std::os::unix::process::ExitStatusExt;
    let mut errors = stderr.kept();
    // What was stopped at once may not have come as far as the mark.
    if !errors.strip(start::MARK) && stopped.is_none() {
        let reason = errors.text();
        return Err(ExecuteError::Failed(format!(
            "the command could not be started ({status}): {}",
            reason.trim()
        )));
    }
    let signal = status.signal().map_or(-1, |signal| 128 + signal);
    Ok(Outcome {
        code: match stopped {
            Some(_) => -1,
            None => status.code().unwrap_or(signal),
        },
        stdout: stdout.kept().text(),
        stderr: errors.text(),
        stopped,
        took,
    })
}

/// A command and what it started; dropping ends them all.
struct Running {
    child: Child,
    kind: Root,
}

impl Running {
    fn id(&self) -> i32 {
        // Linux gives out no ids above 2^22.
        i32::try_from(self.child.id()).unwrap_or(i32::MAX)
    }

    fn family(&self) -> Family {
        Family::of(self.id(), self.kind)
    }

    fn ended(&mut self) -> Result<Option<ExitStatus>, ExecuteError> {
        self.child
            .try_wait()
            .map_err(|error| ExecuteError::Failed(format!("cannot wait for the command: {error}")))
    }

    /// Ends it: for a timeout with time to clean up, else at once.
    fn end(&mut self, stopped: Stopped) -> Result<ExitStatus, ExecuteError> {
        if stopped == Stopped::Time {
            self.family().signal(Signal::TERM);
            let deadline = Instant::now() + GRACE;
            while Instant::now() < deadline {
                if let Some(status) = self.ended()? {
                    return Ok(status);
                }
                thread::sleep(TICK);
            }
        }
        self.kill();
        self.child
            .wait()
            .map_err(|error| ExecuteError::Failed(format!("cannot wait for the command: {error}")))
    }

    /// With the sandbox its first process ends, and with that all of its namespace, seen or not.
    /// Outside, what forks faster than it can be listed is met again by the next round.
    fn kill(&mut self) {
        let _ = self.child.kill();
        for _ in 0..10 {
            let family = self.family();
            family.signal(Signal::KILL);
            if let Some(group) = Pid::from_raw(self.id()) {
                let _ = kill_process_group(group, Signal::KILL);
            }
            if family.count() == 0 {
                break;
            }
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.kill();
        let _ = self.child.wait();
    }
}
