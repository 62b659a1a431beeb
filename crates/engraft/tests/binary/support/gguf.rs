//! A whole GGUF file of a tiny Llama, and the same with one thing wrong.

/// The parts of a file, to be changed before they are put together.
pub struct Gguf {
    pub magic: [u8; 4],
    pub version: u32,
    /// Key, type and bytes of the value.
    pub metadata: Vec<(&'static str, u32, Vec<u8>)>,
    /// Name, shape as the format has it (fastest side first), type, numbers.
    pub tensors: Vec<(String, Vec<u64>, u32, Vec<f32>)>,
    /// Added to every offset.
    pub shift: u64,
}

const TEXT: u32 = 8;
const UNSIGNED: u32 = 4;
const FLOAT: u32 = 6;
const LIST: u32 = 9;

fn text(words: &str) -> Vec<u8> {
    [&(words.len() as u64).to_le_bytes()[..], words.as_bytes()].concat()
}

fn list(kind: u32, values: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = kind.to_le_bytes().to_vec();
    bytes.extend((values.len() as u64).to_le_bytes());
    bytes.extend(values.concat());
    bytes
}

/// The character that byte-level vocabularies write for a byte.
fn letter(byte: u8) -> char {
    let plain =
        |byte: u32| (33..=126).contains(&byte) || (161..=172).contains(&byte) || byte >= 174;
    if plain(byte.into()) {
        return char::from(byte);
    }
    let before = (0..u32::from(byte)).filter(|&other| !plain(other)).count() as u32;
    char::from_u32(256 + before).expect("a letter")
}

const WIDTH: u64 = 8;
const INNER: u64 = 16;

impl Gguf {
    /// One block of width 8, a token a byte and an end mark, weights of either sign.
    pub fn sound() -> Self {
        Self::with_more_tokens(0)
    }

    /// The same with so many tokens more.
    pub fn with_more_tokens(more: usize) -> Self {
        let mut tokens: Vec<Vec<u8>> = (0..=255).map(|b| text(&letter(b).to_string())).collect();
        tokens.push(text("<|end|>"));
        tokens.extend((0..more).map(|at| text(&format!("word{at}"))));
        let vocabulary = tokens.len() as u64;
        let types: Vec<Vec<u8>> = (0..vocabulary as u32)
            .map(|id| if id == 256 { 3u32 } else { 1 }.to_le_bytes().to_vec())
            .collect();
        let number = |value: u32| value.to_le_bytes().to_vec();
        let metadata = vec![
            ("general.architecture", TEXT, text("llama")),
            ("llama.embedding_length", UNSIGNED, number(WIDTH as u32)),
            ("llama.feed_forward_length", UNSIGNED, number(INNER as u32)),
            ("llama.block_count", UNSIGNED, number(1)),
            ("llama.attention.head_count", UNSIGNED, number(2)),
            ("llama.attention.head_count_kv", UNSIGNED, number(1)),
            ("llama.context_length", UNSIGNED, number(64)),
            (
                "llama.attention.layer_norm_rms_epsilon",
                FLOAT,
                1e-5f32.to_le_bytes().to_vec(),
            ),
            ("tokenizer.ggml.model", TEXT, text("gpt2")),
            ("tokenizer.ggml.pre", TEXT, text("smollm")),
            ("tokenizer.ggml.tokens", LIST, list(TEXT, &tokens)),
            ("tokenizer.ggml.token_type", LIST, list(UNSIGNED, &types)),
            ("tokenizer.ggml.merges", LIST, list(TEXT, &[])),
            ("tokenizer.ggml.eos_token_id", UNSIGNED, number(256)),
        ];
        let mut file = Self {
            magic: *b"GGUF",
            version: 3,
            metadata,
            tensors: Vec::new(),
            shift: 0,
        };
        file.tensor("token_embd.weight", &[WIDTH, vocabulary]);
        file.tensor("output_norm.weight", &[WIDTH]);
        for (part, shape) in [
            ("attn_norm", &[WIDTH][..]),
            ("attn_q", &[WIDTH, WIDTH]),
            ("attn_k", &[WIDTH, WIDTH / 2]),
            ("attn_v", &[WIDTH, WIDTH / 2]),
            ("attn_output", &[WIDTH, WIDTH]),
            ("ffn_norm", &[WIDTH]),
            ("ffn_gate", &[WIDTH, INNER]),
            ("ffn_up", &[WIDTH, INNER]),
            ("ffn_down", &[INNER, WIDTH]),
        ] {
            file.tensor(&format!("blk.0.{part}.weight"), shape);
        }
        file
    }

    fn tensor(&mut self, name: &str, shape: &[u64]) {
        let count: u64 = shape.iter().product();
        let seed = self.tensors.len() as f32;
        let numbers = (0..count).map(|at| match shape.len() {
            1 => 1.0,
            _ => (at as f32 * 0.7 + seed).sin() * 0.3,
        });
        let numbers = numbers.collect();
        self.tensors
            .push((name.to_owned(), shape.to_vec(), 0, numbers));
    }

    /// The file's bytes.
    pub fn bytes(&self) -> Vec<u8> {
        let mut file = self.magic.to_vec();
        file.extend(self.version.to_le_bytes());
        file.extend((self.tensors.len() as u64).to_le_bytes());
        file.extend((self.metadata.len() as u64).to_le_bytes());
        for (key, kind, value) in &self.metadata {
            file.extend(text(key));
            file.extend(kind.to_le_bytes());
            file.extend(value);
        }
        let mut offset = self.shift;
        for (name, shape, kind, numbers) in &self.tensors {
            file.extend(text(name));
            file.extend((shape.len() as u32).to_le_bytes());
            shape
                .iter()
                .for_each(|side| file.extend(side.to_le_bytes()));
            file.extend(kind.to_le_bytes());
            file.extend(offset.to_le_bytes());
            offset += (numbers.len() as u64 * 4).next_multiple_of(32);
        }
        file.resize(file.len().next_multiple_of(32), 0);
        for (_, _, _, numbers) in &self.tensors {
            numbers
                .iter()
                .for_each(|number| file.extend(number.to_le_bytes()));
            file.resize(file.len().next_multiple_of(32), 0);
        }
        file
    }

    /// Gives the model a chat template.
    pub fn chat(&mut self, template: &str) {
        let entry = ("tokenizer.chat_template", TEXT, text(template));
        self.metadata.push(entry);
    }

    /// Replaces the value of a key.
    pub fn set(&mut self, key: &str, value: Vec<u8>) {
        let mut entries = self.metadata.iter_mut();
        let entry = entries.find(|(known, ..)| *known == key);
        entry.expect("a known key").2 = value;
    }
}
