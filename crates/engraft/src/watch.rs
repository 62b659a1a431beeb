//! How far a verb without training is: a bar on a terminal, a plain line now and then elsewhere.

use std::{
    io::{IsTerminal, Write, stderr},
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressStyle};

/// How long a verb may be silent.
const EVERY: Duration = Duration::from_secs(10);

/// Watches equal parts of a work.
pub struct Watch {
    what: &'static str,
    parts: &'static str,
    done: usize,
    all: usize,
    started: Instant,
    shown: Shown,
}

enum Shown {
    Bar(ProgressBar),
    Lines {
        out: Box<dyn Write>,
        every: Duration,
        last: Instant,
    },
}

impl Watch {
    /// Of `all` parts on standard error.
    pub fn new(what: &'static str, parts: &'static str, all: usize) -> Self {
        if !stderr().is_terminal() {
            return Self::lines(what, parts, all, Box::new(stderr()), EVERY);
        }
        let style =
            ProgressStyle::with_template("{prefix} {wide_bar} {pos} of {len} {msg}, {eta} left");
        let bar = ProgressBar::new(all as u64).with_style(style.expect("the template is fixed"));
        bar.set_prefix(what);
        bar.set_message(parts);
        Self::of(what, parts, all, Shown::Bar(bar))
    }

    fn lines(
        what: &'static str,
        parts: &'static str,
        all: usize,
        out: Box<dyn Write>,
        every: Duration,
    ) -> Self {
        let last = Instant::now();
        Self::of(what, parts, all, Shown::Lines { out, every, last })
    }

    fn of(what: &'static str, parts: &'static str, all: usize, shown: Shown) -> Self {
        Self {
            what,
            parts,
            done: 0,
            all,
            started: Instant::now(),
            shown,
        }
    }

    /// One more part is done.
    pub fn step(&mut self) {
        self.done += 1;
        match &mut self.shown {
            Shown::Bar(bar) => bar.inc(1),
            Shown::Lines { out, every, last } => {
                if last.elapsed() < *every {
                    return;
                }
                *last = Instant::now();
                let left = self.all.saturating_sub(self.done) as f64;
                let left = self.started.elapsed().as_secs_f64() / self.done as f64 * left;
                let (what, parts) = (self.what, self.parts);
                // Where it cannot be written, the work goes on.
                let _ = writeln!(
                    out,
                    "{what}: {} of {} {parts}, {left:.0} s left",
                    self.done, self.all
                );
            }
        }
    }

    /// All is done.
    pub fn end(self) {
        if let Shown::Bar(bar) = self.shown {
            bar.finish_and_clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{cell::RefCell, io, rc::Rc};

    use super::*;

    #[derive(Clone, Default)]
    struct Sink(Rc<RefCell<Vec<u8>>>);

    impl Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.borrow_mut().extend(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn told(every: Duration) -> String {
        let sink = Sink::default();
        let mut watch = Watch::lines("score", "windows", 3, Box::new(sink.clone()), every);
        (0..3).for_each(|_| watch.step());
        watch.end();
        String::from_utf8(sink.0.take()).unwrap()
    }

    #[test]
    fn lines_come_by_time_and_say_how_far_it_is() {
        assert_eq!(told(Duration::from_secs(3600)), "");
        let all = told(Duration::ZERO);
        assert_eq!(all.lines().count(), 3, "{all}");
        assert!(all.starts_with("score: 1 of 3 windows, "), "{all}");
        assert!(all.ends_with("score: 3 of 3 windows, 0 s left\n"), "{all}");
    }
}
