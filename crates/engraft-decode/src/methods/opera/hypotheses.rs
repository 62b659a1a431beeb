//! The answers that came to an end, and whether better ones can still come.
//!
//! Scored as in transformers 4.29: log-probability by length of prompt and answer, without the token
//! that ended it.

use super::Opera;

/// A token of an answer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Said {
    pub token: u32,
    /// The logarithm of the strongest column's strength when it was chosen, if it was among the
    /// candidates: a high one warns that the answer runs on by itself.
    pub column: Option<f64>,
}

/// An answer with its score.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Hypothesis {
    pub answer: Vec<Said>,
    /// Whether the model ended it.
    pub ended: bool,
    /// Log-probability by length.
    pub score: f32,
}

/// The best answers so far.
#[derive(Clone, Debug)]
pub struct Hypotheses {
    kept: Vec<Hypothesis>,
    beams: usize,
    length_penalty: f32,
    early_stopping: bool,
    done: bool,
}

impl Hypotheses {
    pub fn new(settings: &Opera) -> Self {
        Self {
            kept: Vec::new(),
            beams: settings.num_beams,
            length_penalty: settings.length_penalty,
            early_stopping: settings.early_stopping,
            done: false,
        }
    }

    /// Takes in an answer of that log-probability; `length` counts prompt and answer. Of more than
    /// the beams, the worst goes.
    pub fn add(&mut self, answer: Vec<Said>, ended: bool, log_probability: f32, length: usize) {
        let score = log_probability / self.divisor(length);
        if self.kept.len() >= self.beams && score <= self.worst() {
            return;
        }
        self.kept.push(Hypothesis {
            answer,
            ended,
            score,
        });
        if self.kept.len() > self.beams {
            let worst = self.worst();
            let first = self.kept.iter().position(|kept| kept.score == worst);
            self.kept.remove(first.unwrap_or(0));
        }
    }

    fn worst(&self) -> f32 {
        let scores = self.kept.iter().map(|kept| kept.score);
        scores.fold(f32::INFINITY, f32::min)
    }

    fn divisor(&self, length: usize) -> f32 {
        (length as f32).powf(self.length_penalty)
    }

    /// Notes that the best beam has this log-probability at this length: if it could not win any more,
    /// the search is done.
    pub fn compare(&mut self, best: f32, length: usize) {
        let enough = self.kept.len() >= self.beams;
        let settled = self.early_stopping || self.worst() >= best / self.divisor(length);
        self.done |= enough && settled;
    }

    pub fn done(&self) -> bool {
        self.done
    }

    /// The best answer; of equal ones the last, of none an empty one.
    pub fn best(mut self) -> Hypothesis {
        self.kept.sort_by(|a, b| a.score.total_cmp(&b.score));
        self.kept.pop().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(token: u32) -> Vec<Said> {
        vec![Said {
            token,
            column: None,
        }]
    }

    #[test]
    fn opera_keeps_as_many_answers_as_beams_and_stops_when_none_can_win() {
        let mut kept = Hypotheses::new(&Opera {
            num_beams: 2,
            ..Opera::default()
        });
        kept.add(said(1), true, -4.0, 4);
        kept.compare(-0.1, 4);
        assert!(!kept.done(), "one answer is not enough");
        kept.add(said(2), true, -8.0, 4);
        kept.add(said(3), true, -2.0, 4);
        kept.add(said(4), true, -9.0, 4);
        kept.compare(-3.0, 5);
        assert!(!kept.done(), "-3 / 5 beats -1");
        kept.compare(-5.0, 5);
        assert!(kept.done());
        assert_eq!(kept.best().answer, said(3));
    }
}
