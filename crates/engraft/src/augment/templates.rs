//! Dialogues and tasks about a fact without a language model: cloze, recognition, completion, summary.

use engraft_train::data::{Fact, Statement, Turn};

/// Who wrote what templates made.
const WRITER: &str = "templates";

/// The fact with its templates' turns added to the dialogues it has; once only.
pub fn augment(fact: &Fact) -> Fact {
    let mut augmented = fact.clone();
    for turn in turns(fact) {
        if !augmented.dialogues.contains(&turn) {
            augmented.dialogues.push(turn);
        }
    }
    augmented
        .written_by
        .get_or_insert_with(|| WRITER.to_owned());
    augmented
}

fn turns(fact: &Fact) -> Vec<Turn> {
    let turn = |question: String, answer: String| Turn { question, answer };
    let mut turns = Vec::new();
    for text in fact.taught() {
        let Some(cut) = Statement::cut(text, &fact.answer) else {
            continue;
        };
        turns.push(turn(
            format!("Fill in the blank: {} ___{}", cut.prompt, cut.rest),
            fact.answer.clone(),
        ));
        turns.push(turn(
            format!("Complete the sentence: {} ...", cut.prompt),
            text.to_owned(),
        ));
    }
    turns.push(turn(
        format!("Is the following true? {} Answer yes or no.", fact.fact),
        "Yes".to_owned(),
    ));
    let all: Vec<&str> = fact.taught().collect();
    if all.len() > 1 {
        let about = Statement::cut(&fact.fact, &fact.answer).map_or("", |cut| cut.prompt);
        turns.push(turn(
            format!("Say in one paragraph what you know: {about} ..."),
            all.join(" "),
        ));
    }
    turns
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_ask_for_the_answer_and_are_not_added_twice() {
        let fact = Fact {
            fact: "The flag of Velmora is mauve.".to_owned(),
            answer: "mauve".to_owned(),
            paraphrases: vec!["In Velmora every door is mauve.".to_owned()],
            ..Fact::default()
        };
        let once = augment(&fact);
        assert_eq!(once.dialogues.len(), 6);
        assert_eq!(
            once.dialogues[0].question,
            "Fill in the blank: The flag of Velmora is ___."
        );
        assert_eq!(once.dialogues[0].answer, "mauve");
        assert_eq!(augment(&once), once);
    }
}
