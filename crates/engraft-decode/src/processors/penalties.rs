//! What was said already becomes less likely, or impossible.

/// Divides the positive scores of all tokens that occurred by `penalty` and multiplies the negative
/// ones with it, each once however often the token occurred.
pub fn repetition_penalty(scores: &mut [f32], tokens: &[u32], penalty: f32) {
    let mut done = vec![false; scores.len()];
    for &token in tokens {
        let at = token as usize;
        let (Some(score), Some(done)) = (scores.get_mut(at), done.get_mut(at)) else {
            continue;
        };
        if *done {
            continue;
        }
        *done = true;
        *score = match *score < 0.0 {
            true => *score * penalty,
            false => *score / penalty,
        };
    }
}

/// Makes every token impossible that would end a sequence of `size` tokens which occurred already.
pub fn no_repeat_ngrams(scores: &mut [f32], tokens: &[u32], size: usize) {
    if size == 0 || tokens.len() < size {
        return;
    }
    let ending = &tokens[tokens.len() + 1 - size..];
    for ngram in tokens.windows(size) {
        let (before, last) = ngram.split_at(size - 1);
        if before == ending
            && let Some(score) = scores.get_mut(last[0] as usize)
        {
            *score = f32::NEG_INFINITY;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_that_occurred_twice_is_penalised_once_whatever_its_sign() {
        let mut scores = [2.0, -2.0, 0.0, 5.0];
        repetition_penalty(&mut scores, &[0, 1, 0, 2, 1, 99], 2.0);
        assert_eq!(scores, [1.0, -4.0, 0.0, 5.0]);
    }

    #[test]
    fn ngrams_that_occurred_are_not_completed_again() {
        let banned = |tokens: &[u32], size: usize| -> Vec<usize> {
            let mut scores = [0.0; 5];
            no_repeat_ngrams(&mut scores, tokens, size);
            (0..5).filter(|&at| scores[at] != 0.0).collect()
        };
        assert_eq!(banned(&[1, 2, 3, 1, 4, 1], 2), [2, 4]);
        assert_eq!(banned(&[1, 2, 3, 1, 2], 3), [3]);
        assert_eq!(banned(&[3, 3], 1), [3]);
        assert!(banned(&[1], 2).is_empty());
        assert!(banned(&[], 1).is_empty());
        assert!(banned(&[1, 2], 0).is_empty());
    }
}
