//! The method at work: which states it reads, and how the scores of a token come of them.

use engraft_runtime::Site;

use super::{Lfd, Mode, divergence, fuse, head, least};
use crate::{
    Source, Steering, Step, Told,
    logits::{argmax, log_softmax},
};

/// One answer being decoded.
pub struct Fused {
    settings: Lfd,
    candidates: Vec<usize>,
    /// The last block.
    last: usize,
    /// Which candidate is in use, and for how many tokens it has been.
    chosen: Option<(usize, usize)>,
}

/// The layer of one token.
struct Choice {
    /// Place among the candidates.
    candidate: usize,
    /// Its internal knowledge score, if the layers were scored.
    score: Option<f32>,
    /// Its early-exit logits `[vocab]`, if they are known from the scoring.
    exit: Option<Vec<f32>>,
}

impl Fused {
    pub fn new(settings: Lfd, candidates: Vec<usize>, last: usize) -> Self {
        Self {
            settings,
            candidates,
            last,
            chosen: None,
        }
    }

    /// States read of each candidate: only where there is a choice is the one before the MLP needed.
    fn stride(&self) -> usize {
        if self.candidates.len() > 1 { 2 } else { 1 }
    }

    /// Where the state after a candidate is among those read.
    fn after(&self, candidate: usize) -> usize {
        (candidate + 1) * self.stride() - 1
    }

    fn choose(&mut self, step: &Step<'_>, head: &[usize]) -> Choice {
        let kept = |candidate| Choice {
            candidate,
            score: None,
            exit: None,
        };
        if self.candidates.len() == 1 {
            return kept(0);
        }
        if let Some((candidate, age)) = self.chosen
            && age < self.settings.every
        {
            self.chosen = Some((candidate, age + 1));
            return kept(candidate);
        }
        let exits = (step.lens)(&step.states[..2 * self.candidates.len()].concat());
        let vocab = step.logits[0].len();
        let on_head = |logits: &[f32]| -> Vec<f32> { head.iter().map(|&t| logits[t]).collect() };
        let scores: Vec<f32> = exits
            .chunks(2 * vocab)
            .map(|exits| {
                let (before, after) = exits.split_at(vocab);
                match self.settings.head_only {
                    true => divergence(&on_head(before), &on_head(after)),
                    false => divergence(before, after),
                }
            })
            .collect();
        let candidate = least(&scores);
        self.chosen = Some((candidate, 1));
        let exit = exits.chunks(vocab).nth(self.after(candidate));
        Choice {
            candidate,
            score: Some(scores[candidate]),
            exit: exit.map(<[f32]>::to_vec),
        }
    }

    /// Writes the scores that follow from a choice.
    fn write(&self, choice: &Choice, step: &Step<'_>, head: &[usize], scores: &mut [f32]) {
        let state = &step.states[self.after(choice.candidate)];
        let w = self.settings.w;
        match (self.settings.mode, step.states.last()) {
            (Mode::Hidden, Some(last)) => {
                let sum: Vec<f32> = last.iter().zip(state).map(|(a, b)| a + w * b).collect();
                let logits = (step.lens)(&sum);
                scores.fill(f32::NEG_INFINITY);
                head.iter().for_each(|&token| scores[token] = logits[token]);
            }
            _ => {
                let layer = match &choice.exit {
                    Some(exit) => log_softmax(exit),
                    None => log_softmax(&(step.lens)(state)),
                };
                fuse(&log_softmax(step.logits[0]), &layer, head, w, scores);
                if self.settings.rescale {
                    scores.iter_mut().for_each(|score| *score /= 1.0 + w);
                }
            }
        }
    }
}

impl Steering for Fused {
    fn sites(&self) -> Vec<Site> {
        let mut sites = Vec::new();
        for &layer in &self.candidates {
            if self.stride() == 2 {
                sites.push(Site::Middle(layer));
            }
            sites.push(Site::After(layer));
        }
        if self.settings.mode == Mode::Hidden {
            sites.push(Site::After(self.last));
        }
        sites
    }

    fn scores(&mut self, step: &Step<'_>, scores: &mut [f32]) -> Told {
        let head = head(step.logits[0], self.settings.alpha);
        // Where one token may come, no layer can change it, and none is worth its price.
        if let [only] = head[..] {
            scores.fill(f32::NEG_INFINITY);
            scores[only] = 0.0;
            return Told {
                source: Some(Source::Model),
                ..Told::default()
            };
        }
        let choice = self.choose(step, &head);
        self.write(&choice, step, &head, scores);
        let layer = self.candidates[choice.candidate];
        let same = argmax(scores) == argmax(step.logits[0]);
        let score = choice
            .score
            .map(|score| ("internal knowledge", score.into()));
        Told {
            source: Some(if same {
                Source::Model
            } else {
                Source::Layer(layer)
            }),
            numbers: [Some(("layer", layer as f64)), score]
                .into_iter()
                .flatten()
                .collect(),
            ..Told::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two tokens that may come and one that may not; the lens of a state is the state itself.
    const LAST: [f32; 3] = [1.0, 0.9, -20.0];
    const CALM: [f32; 3] = [0.0, 2.0, 5.0];
    const STIRRED: [f32; 3] = [3.0, -2.0, 0.0];

    fn decode(work: &mut Fused, states: &[Vec<f32>]) -> (Told, Vec<f32>, usize) {
        let rows = std::cell::Cell::new(0);
        let lens = |states: &[f32]| {
            rows.set(rows.get() + states.len() / 3);
            states.to_vec()
        };
        let mut scores = LAST.to_vec();
        let step = Step {
            logits: &[&LAST],
            tokens: &[],
            prompt: 0,
            states,
            lens: &lens,
            head: &lens,
        };
        let told = work.scores(&step, &mut scores);
        (told, scores, rows.get())
    }

    fn states() -> Vec<Vec<f32>> {
        // Layer 2 changes its prediction in the MLP, layer 3 does not.
        [CALM, STIRRED, CALM, CALM].map(Vec::from).to_vec()
    }

    #[test]
    fn the_layer_in_which_memory_stirs_least_votes() {
        let mut work = Fused::new(Lfd::default(), vec![2, 3], 4);
        let sites = [2, 3].map(|layer| [Site::Middle(layer), Site::After(layer)]);
        assert_eq!(work.sites(), sites.concat());
        let (told, scores, rows) = decode(&mut work, &states());
        assert_eq!(told.source, Some(Source::Layer(3)));
        assert_eq!((argmax(&scores), rows), (1, 4));
        assert_eq!(scores[2], f32::NEG_INFINITY);
    }

    #[test]
    fn a_layer_is_kept_for_as_many_tokens_as_the_settings_say() {
        let settings = Lfd {
            every: 2,
            ..Lfd::default()
        };
        let mut work = Fused::new(settings, vec![2, 3], 4);
        let rows: Vec<usize> = (0..4).map(|_| decode(&mut work, &states()).2).collect();
        assert_eq!(rows, [4, 1, 4, 1]);
    }

    #[test]
    fn a_fixed_layer_costs_one_row_and_hidden_states_are_added_before_the_lens() {
        let hidden = Lfd {
            mode: Mode::Hidden,
            ..Lfd::default()
        };
        let mut work = Fused::new(hidden, vec![2], 4);
        assert_eq!(work.sites(), [Site::After(2), Site::After(4)]);
        let (_, scores, rows) = decode(&mut work, &[CALM.to_vec(), LAST.to_vec()]);
        assert_eq!(scores[..2], [1.0, 2.9]);
        assert_eq!(rows, 1);
        let mut work = Fused::new(Lfd::default(), vec![2], 4);
        assert_eq!(decode(&mut work, &[CALM.to_vec()]).2, 1);
    }

    #[test]
    fn rescaling_sharpens_nothing_and_keeps_the_order() {
        let settings = Lfd {
            rescale: true,
            ..Lfd::default()
        };
        let mut rescaled = Fused::new(settings, vec![2], 4);
        let mut plain = Fused::new(Lfd::default(), vec![2], 4);
        let states = [CALM.to_vec()];
        let (a, b) = (
            decode(&mut rescaled, &states).1,
            decode(&mut plain, &states).1,
        );
        assert!((a[0] - b[0] / 2.0).abs() < 1e-6);
        assert_eq!(a[2], f32::NEG_INFINITY);
    }

    #[test]
    fn a_lone_plausible_token_costs_nothing() {
        let settings = Lfd {
            alpha: 1.0,
            ..Lfd::default()
        };
        let mut work = Fused::new(settings, vec![2, 3], 4);
        let (told, scores, rows) = decode(&mut work, &states());
        assert_eq!((told.source, rows), (Some(Source::Model), 0));
        assert_eq!(argmax(&scores), 0);
    }
}
