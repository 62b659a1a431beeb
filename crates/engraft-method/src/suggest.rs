//! The nearest known name to a mistyped one.

/// The known name that `typed` most likely meant, if any is close.
pub fn nearest<'a>(typed: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    known
        .into_iter()
        .map(|name| (strsim::damerau_levenshtein(typed, name), name))
        .filter(|(distance, name)| *distance <= name.len().max(typed.len()).div_ceil(3))
        .min()
        .map(|(_, name)| name)
}

/// `; did you mean `x`?` or a list of what is known, to end an error sentence.
pub fn hint<'a>(typed: &str, known: impl IntoIterator<Item = &'a str> + Clone) -> String {
    match nearest(typed, known.clone()) {
        Some(name) => format!("did you mean `{name}`?"),
        None => {
            let all: Vec<&str> = known.into_iter().collect();
            format!("known: {}", all.join(", "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_typo_finds_its_word_and_nonsense_finds_none() {
        assert_eq!(
            nearest("temprature", ["steps", "temperature"]),
            Some("temperature")
        );
        assert_eq!(nearest("xyzzy", ["steps", "temperature"]), None);
    }
}
