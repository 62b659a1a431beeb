//! Text to token ids and back: tokenizers of model folders, and fresh ones of words or characters.
//!
//! Everything is a `tokenizer.json` at heart, so what is built here loads in transformers too.

use std::{
    collections::BTreeSet,
    ops::Range,
    path::{Path, PathBuf},
    sync::Arc,
};

use serde_json::{Map, Value, json};

use crate::chat::{ChatError, ChatTemplate};

/// Why a tokenizer could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum TokenizerError {
    #[error("{}: {problem}", path.display())]
    File { path: PathBuf, problem: String },
    #[error(transparent)]
    Chat(#[from] ChatError),
}

/// The ids that frame texts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Specials {
    /// Stands before a text, where the model wants one.
    pub start: Option<u32>,
    pub end: u32,
    pub pad: u32,
}

/// A tokenizer with its special tokens.
#[derive(Clone, Debug)]
pub struct Tokenizer {
    inner: Arc<tokenizers::Tokenizer>,
    specials: Specials,
    /// How the model wants conversations written.
    chat: Option<ChatTemplate>,
}

const PAD: &str = "[PAD]";
const UNKNOWN: &str = "[UNK]";
const END: &str = "<|endoftext|>";

/// Most bytes of a scored piece: every place of it is tried as a cut.
const LONGEST_PIECE: usize = 256;

impl Tokenizer {
    /// One token a whitespace-separated word of these texts, in alphabetical order.
    pub fn words<'a>(texts: impl Iterator<Item = &'a str>) -> Self {
        let words: BTreeSet<&str> = texts.flat_map(str::split_whitespace).collect();
        let vocabulary = with_specials(words.into_iter().map(str::to_owned));
        let model = json!({ "type": "WordLevel", "vocab": vocabulary, "unk_token": UNKNOWN });
        Self::fresh(model, json!({ "type": "WhitespaceSplit" }), Value::Null)
    }

    /// One token a character of these texts, in order of their code points.
    pub fn chars<'a>(texts: impl Iterator<Item = &'a str>) -> Self {
        let characters: BTreeSet<char> = texts.flat_map(str::chars).collect();
        let vocabulary = with_specials(characters.into_iter().map(String::from));
        let model = json!({
            "type": "BPE", "vocab": vocabulary, "merges": [], "unk_token": UNKNOWN,
            "dropout": null, "continuing_subword_prefix": null, "end_of_word_suffix": null,
            "fuse_unk": false, "byte_fallback": false, "ignore_merges": false,
        });
        Self::fresh(model, Value::Null, json!({ "type": "Fuse" }))
    }

    fn fresh(model: Value, pre_tokenizer: Value, decoder: Value) -> Self {
        let special = |id: u32, content: &str| {
            json!({
                "id": id, "content": content, "single_word": false, "lstrip": false,
                "rstrip": false, "normalized": false, "special": true,
            })
        };
        let whole = json!({
            "version": "1.0", "truncation": null, "padding": null,
            "added_tokens": [special(0, PAD), special(1, UNKNOWN), special(2, END)],
            "normalizer": null, "pre_tokenizer": pre_tokenizer, "post_processor": null,
            "decoder": decoder, "model": model,
        });
        let inner = tokenizers::Tokenizer::from_bytes(whole.to_string())
            .expect("a tokenizer of our own making is well formed");
        Self {
            inner: Arc::new(inner),
            specials: Specials {
                start: Some(2),
                end: 2,
                pad: 0,
            },
            chat: None,
        }
    }

    /// The tokenizer of a model folder: `tokenizer.json`, or `vocab.json` with scored pieces
    /// (llama2.c); with its chat template, if it has one. `None` if the folder has neither. `config` is the model's `config.json`.
    pub fn of_folder(folder: &Path, config: &Value) -> Result<Option<Self>, TokenizerError> {
        let whole = folder.join("tokenizer.json");
        let inner = if whole.exists() {
            tokenizers::Tokenizer::from_file(&whole).map_err(|error| TokenizerError::File {
                path: whole.clone(),
                problem: format!("is no tokenizer ({error}); copy it again"),
            })?
        } else {
            let path = folder.join("vocab.json");
            match std::fs::read(&path) {
                Ok(bytes) => scored_pieces(&path, &bytes)?,
                Err(_) => return Ok(None),
            }
        };
        let id = |key: &str| {
            let value = config.get(key)?;
            value
                .as_u64()
                .or_else(|| value.get(0)?.as_u64())
                .map(|id| u32::try_from(id).unwrap_or(u32::MAX))
        };
        let token = |content: &str| inner.token_to_id(content);
        let end = id("eos_token_id").or_else(|| token(END)).unwrap_or(0);
        // Where the folder does not say so, the tokenizer itself does, as in transformers; scored pieces
        // always want a mark.
        let adds = |mark: &u32| match adds_start(folder) {
            Some(adds) => adds,
            None if !whole.exists() => true,
            None => marked(&inner).first() == Some(mark),
        };
        let specials = Specials {
            start: id("bos_token_id").or_else(|| token(END)).filter(adds),
            end,
            pad: id("pad_token_id").or_else(|| token(PAD)).unwrap_or(end),
        };
        Ok(Some(Self {
            specials,
            chat: ChatTemplate::of_folder(folder)?,
            inner: Arc::new(inner),
        }))
    }

    /// From the content of a `tokenizer.json`.
    pub(crate) fn of_json(
        whole: &Value,
        specials: Specials,
        chat: Option<ChatTemplate>,
    ) -> Result<Self, String> {
        let inner = tokenizers::Tokenizer::from_bytes(whole.to_string());
        let inner = inner.map_err(|error| format!("its tokenizer is damaged ({error})"))?;
        Ok(Self {
            inner: Arc::new(inner),
            specials,
            chat,
        })
    }

    /// Token ids of a text; no special tokens are added.
    pub fn encode(&self, text: &str) -> Vec<u32> {
        self.inner
            .encode_fast(text, false)
            .map(|encoding| encoding.get_ids().to_vec())
            .unwrap_or_default()
    }

    /// The same, and for each id the bytes of the text that it stands for.
    pub fn encode_with_places(&self, text: &str) -> (Vec<u32>, Vec<Range<usize>>) {
        let Ok(encoding) = self.inner.encode(text, false) else {
            return Default::default();
        };
        let places = encoding.get_offsets().iter();
        let places = places.map(|&(start, end)| start..end).collect();
        (encoding.get_ids().to_vec(), places)
    }

    /// The text of ids; special tokens are left out.
    pub fn decode(&self, ids: &[u32]) -> String {
        self.inner.decode(ids, true).unwrap_or_default()
    }

    /// The text of ids, special tokens written out.
    pub fn decode_whole(&self, ids: &[u32]) -> String {
        self.inner.decode(ids, false).unwrap_or_default()
    }

    pub fn vocab_size(&self) -> usize {
        self.inner.get_vocab_size(true)
    }

    /// The largest token id, the special ones included: a model must have more classes.
    pub fn largest_id(&self) -> u32 {
        let named = self.inner.get_vocab(true).into_values();
        named
            .chain(self.specials.start)
            .chain([self.specials.end, self.specials.pad])
            .max()
            .unwrap_or(0)
    }

    /// Whether both give every token the same id.
    pub fn same_vocabulary(&self, other: &Self) -> bool {
        self.inner.get_vocab(true) == other.inner.get_vocab(true)
    }

    /// Stands before every text, where the model wants one.
    pub fn start_of_text(&self) -> Option<u32> {
        self.specials.start
    }

    /// Stands after every text.
    pub fn end_of_text(&self) -> u32 {
        self.specials.end
    }

    /// Fills rows up; never predicted.
    pub fn pad(&self) -> u32 {
        self.specials.pad
    }

    /// How the model wants conversations written, where its folder says so.
    pub fn chat(&self) -> Option<&ChatTemplate> {
        self.chat.as_ref()
    }

    /// `tokenizer.json`.
    pub fn json(&self) -> String {
        self.inner.to_string(false).unwrap_or_default()
    }

    /// `tokenizer_config.json` for transformers.
    pub fn config(&self) -> Value {
        let name = |id: u32| self.inner.id_to_token(id);
        let mut config = json!({
            "tokenizer_class": "PreTrainedTokenizerFast",
            "add_bos_token": self.specials.start.is_some(),
            "bos_token": self.specials.start.and_then(name),
            "eos_token": name(self.specials.end),
            "pad_token": name(self.specials.pad),
        });
        if let Some(chat) = &self.chat {
            config["chat_template"] = chat.source().into();
            // The tokens that the template names, which need not be those that frame a text.
            let [start, end] = chat.tokens().map(|token| match token {
                "" => Value::Null,
                token => token.into(),
            });
            config["bos_token"] = start;
            config["eos_token"] = end;
        }
        config
    }
}

/// The marks that a tokenizer frames an empty text with.
fn marked(tokenizer: &tokenizers::Tokenizer) -> Vec<u32> {
    let encoding = tokenizer.encode_fast("", true);
    encoding.map_or_else(|_| Vec::new(), |encoding| encoding.get_ids().to_vec())
}

/// Whether the folder says that a text starts with a mark; many say nothing.
fn adds_start(folder: &Path) -> Option<bool> {
    let text = std::fs::read(folder.join("tokenizer_config.json")).ok()?;
    let config: Value = serde_json::from_slice(&text).ok()?;
    config.get("add_bos_token")?.as_bool()
}

/// The special tokens, then these, numbered.
fn with_specials(tokens: impl Iterator<Item = String>) -> Map<String, Value> {
    let specials = [PAD, UNKNOWN, END];
    let tokens = tokens.filter(|token| !specials.contains(&token.as_str()));
    let all = specials.map(str::to_owned).into_iter().chain(tokens);
    all.zip(0u32..)
        .map(|(token, id)| (token, Value::from(id)))
        .collect()
}

/// SentencePiece BPE from pieces with scores: of all neighbours the best-scored pair merges first.
fn scored_pieces(path: &Path, bytes: &[u8]) -> Result<tokenizers::Tokenizer, TokenizerError> {
    let fail = |problem: &str| TokenizerError::File {
        path: path.to_owned(),
        problem: format!("{problem}; a vocab.json is a list of {{id, score, piece}}"),
    };
    let pieces: Vec<Value> =
        serde_json::from_slice(bytes).map_err(|error| fail(&error.to_string()))?;
    let mut vocabulary = Map::new();
    let mut scores = std::collections::HashMap::new();
    for entry in &pieces {
        let id = entry["id"]
            .as_u64()
            .ok_or_else(|| fail("an entry has no `id`"))?;
        let written = entry["piece"]
            .as_str()
            .ok_or_else(|| fail("an entry has no `piece`"))?;
        let score = entry["score"]
            .as_f64()
            .ok_or_else(|| fail("an entry has no `score`"))?;
        let piece = unescaped(written);
        if piece.len() > LONGEST_PIECE {
            return Err(fail("an entry has a `piece` of more than 256 bytes"));
        }
        scores.insert(piece.clone(), score);
        vocabulary.insert(piece, Value::from(id));
    }
    let mut merges: Vec<(f64, String, String)> = Vec::new();
    for (piece, score) in &scores {
        let cuts = piece
            .char_indices()
            .skip(1)
            .map(|(at, _)| piece.split_at(at));
        let known = cuts.filter(|(a, b)| scores.contains_key(*a) && scores.contains_key(*b));
        merges.extend(known.map(|(a, b)| (*score, a.to_owned(), b.to_owned())));
    }
    merges.sort_by(|x, y| {
        y.0.total_cmp(&x.0)
            .then_with(|| (&x.1, &x.2).cmp(&(&y.1, &y.2)))
    });
    let merges: Vec<Value> = merges.into_iter().map(|(_, a, b)| json!([a, b])).collect();
    let unknown = vocabulary
        .iter()
        .find(|(_, id)| **id == 0)
        .map(|(piece, _)| piece.clone());
    let whole = json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": [],
        "normalizer": { "type": "Prepend", "prepend": " " },
        "pre_tokenizer": null, "post_processor": null,
        "decoder": { "type": "Sequence", "decoders": [
            { "type": "ByteFallback" }, { "type": "Fuse" },
            { "type": "Strip", "content": " ", "start": 1, "stop": 0 },
        ]},
        "model": {
            "type": "BPE", "vocab": vocabulary, "merges": merges, "unk_token": unknown,
            "dropout": null, "continuing_subword_prefix": null, "end_of_word_suffix": null,
            "fuse_unk": true, "byte_fallback": true, "ignore_merges": false,
        },
    });
    tokenizers::Tokenizer::from_bytes(whole.to_string()).map_err(|error| fail(&error.to_string()))
}

/// Pieces may be written with one character a UTF-8 byte.
fn unescaped(piece: &str) -> String {
    let bytes: Option<Vec<u8>> = piece.chars().map(|c| u8::try_from(c as u32).ok()).collect();
    bytes
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .unwrap_or_else(|| piece.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_characters_round_trip_and_what_is_new_is_unknown() {
        let words = Tokenizer::words(["the cat sat", "the dog"].into_iter());
        assert_eq!(words.vocab_size(), 3 + 4);
        assert_eq!(words.decode(&words.encode("the dog sat")), "the dog sat");
        assert_eq!(words.encode("bird"), [1]);
        let chars = Tokenizer::chars(["abc é\n"].into_iter());
        assert_eq!(chars.decode(&chars.encode("cab é\n")), "cab é\n");
        assert_eq!(chars.encode("abc").len(), 3);
        assert!(!chars.encode("abc").contains(&chars.end_of_text()));
    }

    #[test]
    fn best_scored_neighbours_merge_first_and_unknown_bytes_fall_back() {
        let mut pieces = vec![json!({"id": 0, "score": 0.0, "piece": "<unk>"})];
        for byte in 0..256u32 {
            pieces.push(json!({"id": byte + 1, "score": 0.0, "piece": format!("<0x{byte:02X}>")}));
        }
        for (id, piece) in ["ab", "bc", "a", "b", "c", " "].into_iter().enumerate() {
            pieces.push(json!({"id": id + 257, "score": -(id as f64), "piece": piece}));
        }
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(
            folder.path().join("vocab.json"),
            Value::from(pieces).to_string(),
        )
        .unwrap();
        let config = json!({"bos_token_id": 1, "eos_token_id": 2});
        let tokenizer = Tokenizer::of_folder(folder.path(), &config)
            .unwrap()
            .unwrap();
        assert_eq!(tokenizer.encode("abc"), [262, 257, 261], "` `, `ab`, `c`");
        assert_eq!(tokenizer.encode("é")[1..], [0xC3 + 1, 0xA9 + 1]);
        assert_eq!(tokenizer.decode(&tokenizer.encode("cab é")), "cab é");
    }

    #[test]
    fn a_mark_begins_texts_where_the_folder_or_the_tokenizer_says_so() {
        let folder = tempfile::tempdir().unwrap();
        let mut whole: Value =
            serde_json::from_str(&Tokenizer::chars(["ab"].into_iter()).json()).unwrap();
        let start = |whole: &Value, config: Value| {
            std::fs::write(folder.path().join("tokenizer.json"), whole.to_string()).unwrap();
            let path = folder.path().join("tokenizer_config.json");
            std::fs::write(path, config.to_string()).unwrap();
            let tokenizer = Tokenizer::of_folder(folder.path(), &json!({"bos_token_id": 2}));
            tokenizer.unwrap().unwrap().start_of_text()
        };
        assert_eq!(start(&whole, json!({})), None);
        assert_eq!(start(&whole, json!({"add_bos_token": true})), Some(2));
        let mark = json!({"SpecialToken": {"id": END, "type_id": 0}});
        whole["post_processor"] = json!({
            "type": "TemplateProcessing",
            "single": [mark, {"Sequence": {"id": "A", "type_id": 0}}],
            "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
            "special_tokens": { END: {"id": END, "ids": [2], "tokens": [END]} },
        });
        assert_eq!(start(&whole, json!({})), Some(2));
        assert_eq!(start(&whole, json!({"add_bos_token": false})), None);
    }

    #[test]
    fn tokens_know_the_bytes_that_they_stand_for() {
        let words = Tokenizer::words(["the é sat"].into_iter());
        let (ids, places) = words.encode_with_places("the  é sat");
        assert_eq!(ids, words.encode("the é sat"));
        assert_eq!(places, [0..3, 5..7, 8..11]);
    }

    #[test]
    fn a_piece_of_a_megabyte_is_refused_before_its_cuts_are_tried() {
        let pieces = json!([{ "id": 0, "score": 0.0, "piece": "a".repeat(1 << 20) }]);
        let text = pieces.to_string();
        let error = scored_pieces(Path::new("vocab.json"), text.as_bytes()).unwrap_err();
        assert!(error.to_string().contains("more than 256 bytes"), "{error}");
    }

    #[test]
    fn a_damaged_file_is_named() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("tokenizer.json"), "{").unwrap();
        let error = Tokenizer::of_folder(folder.path(), &Value::Null)
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("tokenizer.json") && error.contains("copy it again"),
            "{error}"
        );
    }
}
