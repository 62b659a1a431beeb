//! What fits a prompt, and a note of what does not.

/// Something that could be shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offer {
    /// What showing it takes.
    pub tokens: usize,
    /// Room is given to pinned ones before all others.
    pub pinned: bool,
}

/// Why something is not shown: it takes more than what was left when its turn came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeftOut {
    pub index: usize,
    pub tokens: usize,
    /// What was left.
    pub room: usize,
    /// That it was pinned: the budget is too small for what the user wants to see in any case.
    pub pinned: bool,
}

/// What is shown and what is not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Budgeted {
    /// Pinned ones first, each part in its order.
    pub taken: Vec<usize>,
    pub left_out: Vec<LeftOut>,
    /// What all that is taken takes.
    pub tokens: usize,
}

/// Takes what fits, in order, pinned ones before all others. One that is too long is left out, and shorter
/// ones after it are still taken. The budget is never exceeded, not by pinned ones either.
pub fn budget(offers: &[Offer], tokens: usize) -> Budgeted {
    let mut result = Budgeted::default();
    for turn in [true, false] {
        let offers = offers.iter().enumerate();
        for (index, offer) in offers.filter(|(_, offer)| offer.pinned == turn) {
            let room = tokens - result.tokens;
            if offer.tokens <= room {
                result.tokens += offer.tokens;
                result.taken.push(index);
            } else {
                result.left_out.push(LeftOut {
                    index,
                    tokens: offer.tokens,
                    room,
                    pinned: offer.pinned,
                });
            }
        }
    }
    result
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn offers(tokens: &[(usize, bool)]) -> Vec<Offer> {
        let offers = tokens.iter();
        offers
            .map(|&(tokens, pinned)| Offer { tokens, pinned })
            .collect()
    }

    #[test]
    fn a_long_one_does_not_block_a_short_one_and_is_told_of() {
        let offers = offers(&[(4, false), (9, false), (3, false), (2, true)]);
        let shown = budget(&offers, 9);
        assert_eq!(shown.taken, [3, 0, 2]);
        let left_out = LeftOut {
            index: 1,
            tokens: 9,
            room: 3,
            pinned: false,
        };
        assert_eq!(shown.left_out, [left_out]);
    }

    proptest! {
        #[test]
        fn the_budget_is_kept_and_nothing_is_lost(
            tokens in prop::collection::vec((0usize..50, prop::bool::ANY), 0..30),
            most in 0usize..200,
        ) {
            let offers = offers(&tokens);
            let shown = budget(&offers, most);
            let sum: usize = shown.taken.iter().map(|&index| offers[index].tokens).sum();
            prop_assert!(sum <= most && sum == shown.tokens);
            let left_out = shown.left_out.iter().map(|left_out| left_out.index);
            let mut all: Vec<usize> = shown.taken.iter().copied().chain(left_out).collect();
            all.sort_unstable();
            prop_assert_eq!(all, (0..offers.len()).collect::<Vec<_>>());
        }

        #[test]
        fn a_pinned_one_is_left_out_only_for_other_pinned_ones(
            tokens in prop::collection::vec((0usize..50, prop::bool::ANY), 0..30),
            most in 0usize..200,
        ) {
            let offers = offers(&tokens);
            let pinned: usize = offers.iter().filter(|offer| offer.pinned).map(|o| o.tokens).sum();
            let left_out = budget(&offers, most).left_out;
            prop_assert!(pinned > most || left_out.iter().all(|left_out| !left_out.pinned));
        }
    }
}
