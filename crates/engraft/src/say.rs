//! Words to standard output. Where nobody reads them any more (`engraft methods | head -1`), they are
//! not missed: what was to be done is done to its end.

use std::io::Write;

/// Writes a text to standard output.
pub fn say(text: &str) {
    let mut out = std::io::stdout().lock();
    // `println!` would panic here.
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// Writes a line to standard error.
pub fn note(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

/// An error and its causes. Many errors say their cause themselves; nothing is said twice.
pub fn sentence(error: &anyhow::Error) -> String {
    let mut sentence = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if !sentence.contains(&cause) {
            let gap = if sentence.is_empty() { "" } else { ": " };
            sentence.push_str(&format!("{gap}{cause}"));
        }
    }
    sentence
}
