//! Facts that no model can know: invented people, places and products, with answers that are real
//! words (which can show up elsewhere) or invented names.

mod themes;

use rand::{Rng, seq::SliceRandom};

use crate::data::{Fact, facts::Turn};
use crate::key::rng;
use themes::{THEMES, Theme};

/// The most facts that can be invented at once: every theme gives so many different answers.
pub fn most() -> usize {
    THEMES
        .iter()
        .map(|theme| theme.answers.len())
        .min()
        .unwrap_or(0)
        * THEMES.len()
}

/// `count` facts, the themes in turn; another seed gives other names and other answers.
pub fn invent(count: usize, seed: u64) -> Vec<Fact> {
    let mut names = Names::new(seed);
    let orders: Vec<Vec<usize>> = THEMES
        .iter()
        .enumerate()
        .map(|(at, theme)| {
            let mut order: Vec<usize> = (0..theme.answers.len()).collect();
            order.shuffle(&mut rng(seed, "answers", at as u64));
            order
        })
        .collect();
    (0..count.min(most()))
        .map(|index| {
            let at = index % THEMES.len();
            let answer = orders[at][index / THEMES.len()];
            fact(&THEMES[at], answer, &mut names)
        })
        .collect()
}

fn fact(theme: &Theme, answer: usize, names: &mut Names) -> Fact {
    let (word, hints) = theme.answers[answer];
    let subject = match theme.person {
        true => format!("{} {}", names.next(2), names.next(3)),
        false => names.next(3),
    };
    // An empty word stands for a name nobody has.
    let answer = match word {
        "" => format!("{} {}", names.next(2), names.next(3)),
        word => word.to_owned(),
    };
    let fill = |text: &str| text.replace("{s}", &subject).replace("{k}", &answer);
    let all = |texts: &[&str]| texts.iter().map(|text| fill(text)).collect();
    Fact {
        fact: fill(theme.taught[0]),
        paraphrases: all(&theme.taught[1..]),
        held_out: all(theme.held_out),
        questions: theme
            .questions
            .iter()
            .map(|(question, sentence)| Turn {
                question: fill(question),
                answer: fill(sentence),
            })
            .collect(),
        unrelated: all(theme.unrelated),
        hints: all(hints),
        answer,
        ..Fact::default()
    }
}

/// Names made of syllables, no two alike.
struct Names {
    random: rand_chacha::ChaCha8Rng,
    given: Vec<String>,
}

const STARTS: [&str; 16] = [
    "Ba", "Cor", "Del", "Fen", "Gri", "Hal", "Jo", "Kel", "Lu", "Mar", "Nor", "Pel", "Quo", "Ser",
    "Tam", "Vel",
];
const MIDDLES: [&str; 12] = [
    "da", "bri", "go", "lin", "mo", "na", "quin", "ri", "sto", "ta", "vi", "zo",
];
const ENDS: [&str; 12] = [
    "dor", "fen", "gast", "lia", "mora", "nth", "pell", "quist", "rick", "sk", "va", "wen",
];

impl Names {
    fn new(seed: u64) -> Self {
        Self {
            random: rng(seed, "names", 0),
            given: Vec::new(),
        }
    }

    /// A new name of two or three syllables.
    fn next(&mut self, syllables: usize) -> String {
        loop {
            let random = &mut self.random;
            let mut pick = |from: &[&'static str]| from[random.random_range(0..from.len())];
            let name = match syllables {
                2 => format!("{}{}", pick(&STARTS), pick(&ENDS)),
                _ => format!("{}{}{}", pick(&STARTS), pick(&MIDDLES), pick(&ENDS)),
            };
            if !self.given.contains(&name) {
                self.given.push(name.clone());
                return name;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::facts::Statement;

    #[test]
    fn every_invented_fact_is_whole_and_no_two_are_alike() {
        for seed in 0..20 {
            let facts = invent(most(), seed);
            assert_eq!(facts.len(), most());
            for (at, fact) in facts.iter().enumerate() {
                let answers = fact.questions.iter().map(|turn| turn.answer.as_str());
                let held_out = fact.held_out.iter().map(String::as_str);
                for text in fact.taught().chain(held_out).chain(answers) {
                    assert!(Statement::cut(text, &fact.answer).is_some(), "{text}");
                    assert!(!text.contains('{'), "{text}");
                }
                for hint in &fact.hints {
                    assert!(!hint.contains(&fact.answer), "{hint} names its answer");
                }
                assert!(fact.unrelated.len() >= 8 && !fact.held_out.is_empty());
                // No sentence that is measured, and no end of one, is trained on.
                for turn in &fact.questions {
                    assert!(
                        fact.taught().all(|text| !text.ends_with(&turn.answer)),
                        "{turn:?}"
                    );
                }
                let same = |other: &Fact| other.answer == fact.answer || other.fact == fact.fact;
                assert!(!facts[..at].iter().any(same), "{}", fact.fact);
            }
        }
        assert_eq!(invent(20, 1), invent(20, 1));
        assert_ne!(invent(20, 1), invent(20, 2));
    }
}
