//! What a command prints: its head and its tail, and how much there was in all.

use std::{
    collections::VecDeque,
    io::Read,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
};

/// One stream, while a thread reads it.
pub(super) struct Stream {
    kept: Arc<Mutex<Kept>>,
    reader: thread::JoinHandle<()>,
}

impl Stream {
    /// Reads a pipe to its end in a thread of its own, so that the command never waits for us.
    pub(super) fn read(mut pipe: impl Read + Send + 'static, most: u64) -> Self {
        let kept = Arc::new(Mutex::new(Kept::new(most)));
        let shared = Arc::clone(&kept);
        let reader = thread::spawn(move || {
            let mut buffer = vec![0; 64 << 10];
            loop {
                match pipe.read(&mut buffer) {
                    Ok(0) => break,
                    Ok(count) => lock(&shared).push(&buffer[..count]),
                    Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                    Err(_) => break,
                }
            }
        });
        Self { kept, reader }
    }

    /// How many bytes came so far.
    pub(super) fn total(&self) -> u64 {
        lock(&self.kept).total
    }

    /// Whether the pipe's other ends are all closed.
    pub(super) fn is_done(&self) -> bool {
        self.reader.is_finished()
    }

    /// What came so far, even if somebody still holds the pipe open.
    pub(super) fn kept(&self) -> Kept {
        lock(&self.kept).clone()
    }
}

fn lock(kept: &Mutex<Kept>) -> MutexGuard<'_, Kept> {
    // Bytes are bytes: a reader that panicked left nothing half done that could mislead.
    kept.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The two ends of what was printed.
#[derive(Clone)]
pub(super) struct Kept {
    head: Vec<u8>,
    tail: VecDeque<u8>,
    /// Most bytes of either.
    half: usize,
    total: u64,
}

impl Kept {
    fn new(most: u64) -> Self {
        Self {
            head: Vec::new(),
            tail: VecDeque::new(),
            half: usize::try_from(most / 2).unwrap_or(usize::MAX),
            total: 0,
        }
    }

    fn push(&mut self, bytes: &[u8]) {
        self.total += bytes.len() as u64;
        let (head, rest) = bytes.split_at(bytes.len().min(self.half - self.head.len()));
        self.head.extend(head);
        self.tail.extend(rest);
        let spare = self.tail.len().saturating_sub(self.half);
        self.tail.drain(..spare);
    }

    /// Takes a prefix off; false, and nothing taken, if it is not there.
    pub(super) fn strip(&mut self, prefix: &[u8]) -> bool {
        let there = self.head.starts_with(prefix);
        if there {
            self.head.drain(..prefix.len());
            self.total -= prefix.len() as u64;
        }
        there
    }

    /// As text, with a line that says how much was left out.
    pub(super) fn text(&self) -> String {
        let left_out = self.total - (self.head.len() + self.tail.len()) as u64;
        let tail: Vec<u8> = self.tail.iter().copied().collect();
        if left_out == 0 {
            let whole = [self.head.as_slice(), &tail].concat();
            return String::from_utf8_lossy(&whole).into_owned();
        }
        let (head, tail) = (
            String::from_utf8_lossy(&self.head),
            String::from_utf8_lossy(&tail),
        );
        format!("{head}\n[{left_out} bytes left out]\n{tail}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_output_stays_whole_however_it_comes() {
        let mut kept = Kept::new(8);
        for piece in ["ab", "", "cdef", "gh"] {
            kept.push(piece.as_bytes());
        }
        assert_eq!(kept.text(), "abcdefgh");
    }

    #[test]
    fn long_output_loses_its_middle_and_says_how_much() {
        let mut kept = Kept::new(8);
        kept.push(b"abcdefghijk");
        kept.push(b"lm");
        assert_eq!(kept.text(), "abcd\n[5 bytes left out]\njklm");
    }

    #[test]
    fn bytes_that_are_not_text_are_replaced_and_a_letter_across_the_halves_is_whole() {
        let mut kept = Kept::new(6);
        kept.push("aé\u{e9}".as_bytes());
        assert_eq!(kept.text(), "aéé");
        let mut kept = Kept::new(6);
        kept.push(b"a\xffb");
        assert_eq!(kept.text(), "a\u{fffd}b");
    }

    #[test]
    fn a_prefix_that_is_not_there_takes_nothing() {
        let mut kept = Kept::new(100);
        kept.push(b"mark text");
        assert!(!kept.strip(b"other"));
        assert!(kept.strip(b"mark "));
        assert_eq!(kept.text(), "text");
    }
}
