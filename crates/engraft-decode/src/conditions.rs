//! The conditions a prompt states, any of which a model may ignore, and the prompts without them.

use std::ops::Range;

use crate::View;

/// What stands between two conditions in a setting.
const SEPARATOR: char = '|';

/// Words of a prompt and, once they were found, their tokens.
#[derive(Clone, Debug, Default)]
pub struct Conditions {
    texts: Vec<String>,
    ranges: Vec<Range<usize>>,
}

impl Conditions {
    /// From a setting: `in winter | for children`. None means the context as a whole.
    pub fn named(setting: &str) -> Self {
        let texts = setting.split(SEPARATOR).map(str::trim);
        Self {
            texts: texts
                .filter(|text| !text.is_empty())
                .map(str::to_owned)
                .collect(),
            ranges: Vec::new(),
        }
    }

    /// The first condition whose tokens are not known.
    pub fn unresolved(&self) -> Option<&str> {
        self.texts.get(self.ranges.len()).map(String::as_str)
    }

    /// The tokens of that condition in the full prompt.
    pub fn resolved(&mut self, tokens: Range<usize>) {
        if self.ranges.len() < self.texts.len() {
            self.ranges.push(tokens);
        }
    }

    /// The full prompt, then the prompt without each condition.
    pub fn views(&self) -> Vec<View> {
        let mut views = vec![View::Full];
        match self.texts.is_empty() {
            true => views.push(View::NoContext),
            false => views.extend(self.ranges.iter().cloned().map(View::Without)),
        }
        views
    }

    /// What the condition at `index` is called.
    pub fn name(&self, index: usize) -> &str {
        self.texts.get(index).map_or("the context", String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_are_asked_for_one_by_one_and_left_out_in_that_order() {
        let mut conditions = Conditions::named(" in winter |for children| ");
        assert_eq!(conditions.unresolved(), Some("in winter"));
        conditions.resolved(4..6);
        assert_eq!(conditions.unresolved(), Some("for children"));
        conditions.resolved(1..3);
        conditions.resolved(7..8);
        assert_eq!(conditions.unresolved(), None);
        let views = [View::Full, View::Without(4..6), View::Without(1..3)];
        assert_eq!(conditions.views(), views);
        assert_eq!(conditions.name(1), "for children");
    }

    #[test]
    fn without_a_name_the_context_is_the_condition() {
        let conditions = Conditions::named("");
        assert_eq!(conditions.unresolved(), None);
        assert_eq!(conditions.views(), [View::Full, View::NoContext]);
        assert_eq!(conditions.name(0), "the context");
    }
}
