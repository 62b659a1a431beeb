//! How far a run is: a bar on a terminal, a plain line every few seconds elsewhere.

use std::fmt;
use std::io::{IsTerminal, Write, stderr};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressState, ProgressStyle};

/// Watches a run. One run at a time; methods take `&self` so that several rooms can share it.
pub trait Progress: Send + Sync {
    /// A run named `what` starts with `done` of `steps` steps done earlier.
    fn begin(&self, what: &str, done: usize, steps: usize);

    /// `done` steps are done; `loss` is that of the last.
    fn step(&self, done: usize, loss: f64);

    /// A sentence for the user.
    fn message(&self, text: &str);

    /// The run that began has ended, finished or not.
    fn end(&self);
}

/// What suits standard error: a bar on a terminal, lines every 5 s otherwise.
pub fn on_stderr() -> Box<dyn Progress> {
    if stderr().is_terminal() {
        Box::new(Bar::default())
    } else {
        Box::new(Lines::new(Box::new(stderr()), Duration::from_secs(5)))
    }
}

/// Shows nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Quiet;

impl Progress for Quiet {
    fn begin(&self, _what: &str, _done: usize, _steps: usize) {}
    fn step(&self, _done: usize, _loss: f64) {}
    fn message(&self, _text: &str) {}
    fn end(&self) {}
}

/// A bar with rate, remaining time and loss.
#[derive(Default)]
pub struct Bar {
    bar: Mutex<Option<ProgressBar>>,
}

impl Bar {
    fn with(&self, act: impl FnOnce(&ProgressBar)) {
        if let Ok(bar) = self.bar.lock()
            && let Some(bar) = bar.as_ref()
        {
            act(bar);
        }
    }
}

impl Progress for Bar {
    fn begin(&self, what: &str, done: usize, steps: usize) {
        let style = ProgressStyle::with_template(
            "{prefix:28!} {bar:24} {pos:>6}/{len} {rate:>13} {eta:>5} left  {msg}",
        )
        .expect("the template is fixed")
        .with_key("rate", |state: &ProgressState, out: &mut dyn fmt::Write| {
            // A line that cannot be formatted is a courtesy lost, nothing more.
            write!(out, "{:.1} steps/s", state.per_sec()).unwrap_or_default();
        });
        let bar = ProgressBar::new(steps as u64).with_style(style);
        bar.set_prefix(what.to_owned());
        bar.set_position(done as u64);
        bar.reset_eta();
        if let Ok(mut slot) = self.bar.lock() {
            *slot = Some(bar);
        }
    }

    fn step(&self, done: usize, loss: f64) {
        self.with(|bar| {
            bar.set_message(format!("loss {loss:.4}"));
            bar.set_position(done as u64);
        });
    }

    fn message(&self, text: &str) {
        match self.bar.lock() {
            Ok(bar) if bar.is_some() => bar.iter().for_each(|bar| bar.println(text)),
            _ => eprintln!("{text}"),
        }
    }

    fn end(&self) {
        self.with(ProgressBar::abandon);
        if let Ok(mut slot) = self.bar.lock() {
            *slot = None;
        }
    }
}

/// A plain line at most every few seconds, and one at the end.
pub struct Lines {
    state: Mutex<LinesState>,
    every: Duration,
}

struct LinesState {
    out: Box<dyn Write + Send>,
    run: Option<LinesRun>,
}

struct LinesRun {
    what: String,
    first: usize,
    done: usize,
    steps: usize,
    loss: f64,
    started: Instant,
    written: Instant,
}

impl LinesRun {
    fn line(&self) -> String {
        let seconds = self.started.elapsed().as_secs_f64();
        let rate = (self.done - self.first) as f64 / seconds.max(1e-9);
        let left = (self.steps - self.done) as f64 / rate;
        let left = if left.is_finite() {
            format!("{left:.0} s left")
        } else {
            "time left unknown".to_owned()
        };
        format!(
            "{}: step {}/{}, loss {:.4}, {rate:.2} steps/s, {left}",
            self.what, self.done, self.steps, self.loss
        )
    }
}

impl Lines {
    pub fn new(out: Box<dyn Write + Send>, every: Duration) -> Self {
        Self {
            state: Mutex::new(LinesState { out, run: None }),
            every,
        }
    }

    /// Progress is a courtesy: where it cannot be written (a closed pipe), training goes on.
    fn with(&self, act: impl FnOnce(&mut LinesState) -> std::io::Result<()>) {
        if let Ok(mut state) = self.state.lock() {
            act(&mut state).unwrap_or_default();
        }
    }
}

impl Progress for Lines {
    fn begin(&self, what: &str, done: usize, steps: usize) {
        self.with(|state| {
            let now = Instant::now();
            state.run = Some(LinesRun {
                what: what.to_owned(),
                first: done,
                done,
                steps: steps.max(done),
                loss: f64::NAN,
                started: now,
                written: now,
            });
            writeln!(
                state.out,
                "{what}: {} steps to go",
                steps.saturating_sub(done)
            )
        });
    }

    fn step(&self, done: usize, loss: f64) {
        self.with(|state| {
            let Some(run) = &mut state.run else {
                return Ok(());
            };
            run.done = done.clamp(run.first, run.steps);
            run.loss = loss;
            if run.written.elapsed() < self.every {
                return Ok(());
            }
            run.written = Instant::now();
            writeln!(state.out, "{}", run.line())
        });
    }

    fn message(&self, text: &str) {
        self.with(|state| writeln!(state.out, "{text}"));
    }

    fn end(&self) {
        self.with(|state| match state.run.take() {
            Some(run) if run.done > run.first => writeln!(state.out, "{}", run.line()),
            _ => Ok(()),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[derive(Clone, Default)]
    struct Sink(Arc<Mutex<Vec<u8>>>);

    impl Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn text(every: Duration) -> String {
        let sink = Sink::default();
        let lines = Lines::new(Box::new(sink.clone()), every);
        lines.begin("train", 2, 10);
        for done in 3..=6 {
            lines.step(done, 0.5);
        }
        lines.message("half way");
        lines.end();
        String::from_utf8(sink.0.lock().unwrap().clone()).unwrap()
    }

    #[test]
    fn lines_are_rationed_by_time_and_the_last_state_is_always_told() {
        let rare = text(Duration::from_secs(3600));
        let lines: Vec<&str> = rare.lines().collect();
        assert_eq!(lines[0], "train: 8 steps to go");
        assert_eq!(lines[1], "half way");
        assert!(
            lines[2].starts_with("train: step 6/10, loss 0.5000, "),
            "{rare}"
        );
        assert!(lines[2].ends_with(" s left"), "{rare}");
        assert_eq!(lines.len(), 3);
        assert_eq!(text(Duration::ZERO).lines().count(), 7);
    }
}
