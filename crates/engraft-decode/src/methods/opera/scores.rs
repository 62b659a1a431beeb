//! Scores of the next token, from the charged candidates or from all but the banned tokens.

use super::{Opera, columns::Penalty};

/// What the logits of tokens become that are no candidates, and of those that are banned.
const OUT: f32 = -999.0;

/// A token that might come next.
#[derive(Clone, Debug)]
pub struct Candidate {
    pub token: u32,
    pub logit: f32,
    pub penalty: Penalty,
}

/// A beam with one more token.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Extension {
    pub beam: usize,
    pub token: u32,
    /// The log-probability of the whole answer.
    pub score: f32,
}

/// Logits `[vocab]` of every beam in which only its candidates, less their penalties, stand out.
///
/// What all candidates of a beam are charged alike makes no difference between them, and it must not
/// bring them below the tokens that are none: it is left out. In half precision it is not, as in the
/// official code.
pub fn penalised(candidates: &[Vec<Candidate>], vocab: usize, settings: &Opera) -> Vec<Vec<f32>> {
    let row = |candidates: &Vec<Candidate>| {
        let amounts = candidates.iter().map(|candidate| candidate.penalty.amount);
        let alike = match settings.half_precision {
            true => 0.0,
            false => amounts.fold(f32::INFINITY, f32::min),
        };
        let score = |candidate: &Candidate| {
            let penalty = candidate.penalty.less(alike);
            penalty.charge(candidate.logit, settings.penalty_weight)
        };
        let scores: Vec<f32> = candidates.iter().map(score).collect();
        let least = scores.iter().copied().fold(0.0, f32::min);
        let out = match settings.half_precision {
            true => OUT,
            false => OUT + least,
        };
        let mut row = vec![out; vocab];
        for (candidate, score) in candidates.iter().zip(scores) {
            row[candidate.token as usize] = score;
        }
        row
    };
    candidates.iter().map(row).collect()
}

/// Moves the logits `[vocab]` of every beam so that the smallest becomes what banned ones are, and
/// bans.
pub fn banned(mut logits: Vec<Vec<f32>>, bans: &[(usize, u32)]) -> Vec<Vec<f32>> {
    for row in &mut logits {
        let finite = row.iter().copied().filter(|logit| logit.is_finite());
        let least = finite.fold(f32::INFINITY, f32::min);
        row.iter_mut().for_each(|logit| *logit += OUT - least);
    }
    for &(beam, token) in bans {
        if let Some(row) = logits.get_mut(beam) {
            row[token as usize] = OUT;
        }
    }
    logits
}

/// The tokens with the `count` largest numbers, largest first; of equal ones the smaller token.
pub fn largest(numbers: &[f32], count: usize) -> Vec<(u32, f32)> {
    let mut found: Vec<(u32, f32)> = Vec::with_capacity(count + 1);
    for (token, &number) in numbers.iter().enumerate() {
        let full = found.len() == count;
        if full && found.last().is_none_or(|(_, least)| number <= *least) {
            continue;
        }
        let place = found.partition_point(|(_, other)| *other >= number);
        found.insert(place, (token as u32, number));
        found.truncate(count);
    }
    found
}

/// The `count` best of the beams' extensions, best first; of equal ones the smaller beam, then the
/// smaller token. `rows` are log-probabilities of the next token, `before` those of the beams.
pub fn best(rows: &[Vec<f32>], before: &[f32], count: usize) -> Vec<Extension> {
    let mut found = Vec::with_capacity(rows.len() * count);
    for (beam, (row, before)) in rows.iter().zip(before).enumerate() {
        let sums: Vec<f32> = row.iter().map(|log| log + before).collect();
        let tokens = largest(&sums, count).into_iter();
        found.extend(tokens.map(|(token, score)| Extension { beam, token, score }));
    }
    found.sort_by(|a, b| b.score.total_cmp(&a.score));
    found.truncate(count);
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opera_equal_numbers_come_in_order_of_their_tokens() {
        assert_eq!(
            largest(&[1.0, 3.0, 3.0, 2.0, 3.0], 4),
            [(1, 3.0), (2, 3.0), (4, 3.0), (3, 2.0)]
        );
        assert!(largest(&[1.0], 0).is_empty());
        let rows = vec![vec![-1.0, -2.0], vec![-1.0, 0.0]];
        let found = best(&rows, &[0.0, 0.0], 3);
        let places: Vec<_> = found.iter().map(|e| (e.beam, e.token)).collect();
        assert_eq!(places, [(1, 1), (0, 0), (1, 0)]);
    }

    fn candidate(token: u32, logit: f32, amount: f32) -> Candidate {
        Candidate {
            token,
            logit,
            penalty: Penalty {
                amount,
                column: 0,
                log_strength: 0.0,
            },
        }
    }

    #[test]
    fn opera_candidates_stay_above_all_other_tokens_whatever_they_are_charged() {
        let settings = Opera::default();
        let charged = |amounts: [f32; 2]| {
            let candidates = [candidate(1, 4.0, amounts[0]), candidate(3, 3.0, amounts[1])];
            penalised(&[candidates.to_vec()], 5, &settings).remove(0)
        };
        assert_eq!(charged([5e21, 5e21]), [-999.0, 4.0, -999.0, 3.0, -999.0]);
        assert_eq!(
            charged([3000.0, 1000.0]),
            [-2995.0, -1996.0, -2995.0, 3.0, -2995.0]
        );
        let official = Opera {
            half_precision: true,
            ..Opera::default()
        };
        let row = penalised(&[vec![candidate(0, 4.0, f32::INFINITY)]], 2, &official);
        assert_eq!(row[0], [f32::NEG_INFINITY, -999.0]);
    }

    #[test]
    fn opera_bans_leave_everything_else_at_least_as_high_as_the_banned() {
        let logits = vec![vec![2.0, f32::NEG_INFINITY, -1.0], vec![5.0, 6.0, 7.0]];
        let rows = banned(logits, &[(0, 0), (1, 2), (9, 0)]);
        assert_eq!(rows[0], [-999.0, f32::NEG_INFINITY, -999.0]);
        assert_eq!(rows[1], [-999.0, -998.0, -999.0]);
    }
}
