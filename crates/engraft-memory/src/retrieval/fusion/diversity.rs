//! Maximal marginal relevance: what fits the question, and not what was said already.

/// Orders candidates so that each is relevant and unlike those before it: next comes the largest
/// `lambda * relevance - (1 - lambda) * similarity to the nearest one taken` (Carbonell and Goldstein,
/// SIGIR 1998). At most `most` of them; ties go to the earlier candidate. For the first one there is
/// nothing to be similar to.
///
/// `lambda` 1 is the order of relevance; `similarity` gets two indices.
pub fn mmr(
    relevance: &[f64],
    similarity: impl Fn(usize, usize) -> f64,
    lambda: f64,
    most: usize,
) -> Vec<usize> {
    let mut taken: Vec<usize> = Vec::new();
    // Of each candidate left, with the similarity to the nearest one taken.
    let mut left: Vec<(usize, Option<f64>)> = (0..relevance.len()).map(|i| (i, None)).collect();
    while taken.len() < most {
        let worth = |&(i, nearest): &(usize, Option<f64>)| {
            lambda * relevance[i] - (1.0 - lambda) * nearest.unwrap_or(0.0)
        };
        let worths = left.iter().map(worth).enumerate();
        let best = worths.reduce(|best, next| if next.1 > best.1 { next } else { best });
        let Some((place, _)) = best else { break };
        let (chosen, _) = left.remove(place);
        taken.push(chosen);
        for (candidate, nearest) in &mut left {
            let new = similarity(*candidate, chosen);
            *nearest = Some(nearest.map_or(new, |old| old.max(new)));
        }
    }
    taken
}

/// Graphiti's rule of that name, to compare with: one pass, in which each candidate is held back by its
/// nearest neighbour among all others, taken or not, and never by less than 0. Candidates with their
/// scores, from `min_score` on, best first, ties in their order.
pub fn mmr_one_pass(
    relevance: &[f64],
    similarity: impl Fn(usize, usize) -> f64,
    lambda: f64,
    min_score: f64,
) -> Vec<(usize, f64)> {
    let count = relevance.len();
    let score = |i: usize| {
        let others = (0..count).filter(|&j| j != i).map(|j| similarity(i, j));
        let nearest = others.fold(0.0, f64::max);
        lambda * relevance[i] + (lambda - 1.0) * nearest
    };
    let mut scores: Vec<(usize, f64)> = (0..count).map(|i| (i, score(i))).collect();
    scores.sort_by(|a, b| b.1.total_cmp(&a.1));
    scores.retain(|&(_, score)| score >= min_score);
    scores
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two that say the same, and a weaker one that says something else.
    const RELEVANCE: [f64; 3] = [0.9, 0.88, 0.6];

    fn similarity(a: usize, b: usize) -> f64 {
        if a < 2 && b < 2 { 1.0 } else { 0.1 }
    }

    #[test]
    fn something_else_comes_before_a_repetition() {
        assert_eq!(mmr(&RELEVANCE, similarity, 0.5, 9), [0, 2, 1]);
        assert_eq!(mmr(&RELEVANCE, similarity, 1.0, 2), [0, 1]);
    }

    #[test]
    fn one_pass_holds_both_repetitions_back() {
        let order = mmr_one_pass(&RELEVANCE, similarity, 0.5, -2.0);
        let order: Vec<usize> = order.into_iter().map(|(i, _)| i).collect();
        assert_eq!(order, [2, 0, 1]);
    }

    #[test]
    fn dissimilar_candidates_are_no_bonus_in_one_pass() {
        let scores = mmr_one_pass(&[0.5, 0.4], |_, _| -1.0, 0.5, 0.22);
        assert_eq!(scores, [(0, 0.25)]);
    }
}
