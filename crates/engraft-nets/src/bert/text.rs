//! Texts to token ids, framed and cut as the model expects.

use std::{collections::BTreeMap, path::Path};

use serde::Deserialize;
use serde_json::{Map, Value, json};
use tokenizers::ModelWrapper;

use super::layout::{Reading, refused};
use engraft_files::{FolderError, tokenizer::TokenizerError};

/// A WordPiece tokenizer and what stands around every text.
pub(super) struct Reader {
    inner: tokenizers::Tokenizer,
    frame: Frame,
    /// Tokens that a text may have inside its frame.
    room: usize,
}

/// Ids before and after a text: `[CLS]` and `[SEP]`.
#[derive(Default)]
struct Frame {
    before: Vec<u32>,
    after: Vec<u32>,
}

impl Reader {
    /// Reads `tokenizer.json`; `vocab` is how many ids the model knows.
    ///
    /// Padding and cutting are done here, with the lengths of the model: those in the file are of
    /// whatever run wrote it last. The frame is put on here as well, for the library trusts that
    /// its templates are well formed.
    pub fn open(folder: &Path, reading: &Reading, vocab: usize) -> Result<Self, FolderError> {
        let path = folder.join("tokenizer.json");
        let fail = |problem: String| {
            FolderError::Tokenizer(TokenizerError::File {
                path: path.clone(),
                problem,
            })
        };
        let bytes = std::fs::read(&path).map_err(|error| {
            fail(format!(
                "cannot be read ({error}); copy it from the model beside its config.json"
            ))
        })?;
        let damaged = |error: String| fail(format!("is no tokenizer ({error}); copy it again"));
        let mut whole: Value =
            serde_json::from_slice(&bytes).map_err(|error| damaged(error.to_string()))?;
        let Some(parts) = whole.as_object_mut() else {
            return Err(damaged("not an object".to_owned()));
        };
        let frame = Frame::of(parts.remove("post_processor").unwrap_or_default())
            .map_err(|problem| fail(format!("post_processor: {problem}")))?;
        parts.remove("padding");
        parts.remove("truncation");
        if reading.lower_case {
            lowercase_first(parts);
        }
        let too_large = |largest: u32| FolderError::Vocabulary {
            path: path.clone(),
            largest,
            classes: vocab,
        };
        // Before the library sees them: it numbers added tokens on from the largest id.
        if let Some(largest) = largest_listed(parts).filter(|&largest| largest >= vocab as u64) {
            return Err(too_large(u32::try_from(largest).unwrap_or(u32::MAX)));
        }
        let inner = tokenizers::Tokenizer::from_bytes(whole.to_string())
            .map_err(|error| damaged(error.to_string()))?;
        let ModelWrapper::WordPiece(pieces) = inner.get_model() else {
            return Err(fail(
                "`model` is no WordPiece, which BERT reads; the file belongs to another model"
                    .to_owned(),
            ));
        };
        if inner.token_to_id(&pieces.unk_token).is_none() {
            let unknown = &pieces.unk_token;
            return Err(fail(format!(
                "`unk_token` is `{unknown}`, which `vocab` does not have; copy it again"
            )));
        }
        let named = inner.get_vocab(true).into_values();
        let framing = frame.before.iter().chain(&frame.after).copied();
        if let Some(largest) = named
            .chain(framing)
            .max()
            .filter(|&id| id as usize >= vocab)
        {
            return Err(too_large(largest));
        }
        let framing = frame.before.len() + frame.after.len();
        let Some(room @ 1..) = reading.tokens.checked_sub(framing) else {
            let (file, key) = &reading.said_by;
            let problem = format!(
                "{key} is {}, which leaves a text no place beside the {framing} tokens around it; \
                 raise it",
                reading.tokens
            );
            return Err(refused(file, problem));
        };
        Ok(Self { inner, frame, room })
    }

    /// Token ids of a text in its frame, cut at its end.
    pub fn ids(&self, text: &str) -> Vec<u32> {
        // WordPiece fails only where it has no token for the unknown, which `open` refuses.
        let encoding = self.inner.encode_fast(text, false).unwrap_or_default();
        let inside = encoding.get_ids().iter().take(self.room);
        let Frame { before, after } = &self.frame;
        before.iter().chain(inside).chain(after).copied().collect()
    }
}

/// Puts lowercasing before whatever the tokenizer does to a text.
fn lowercase_first(parts: &mut Map<String, Value>) {
    let own = parts.remove("normalizer").filter(|own| !own.is_null());
    let lowercase = json!({ "type": "Lowercase" });
    let both: Vec<Value> = std::iter::once(lowercase).chain(own).collect();
    let sequence = json!({ "type": "Sequence", "normalizers": both });
    parts.insert("normalizer".to_owned(), sequence);
}

/// The largest id in the vocabulary of the model.
fn largest_listed(parts: &Map<String, Value>) -> Option<u64> {
    let vocabulary = parts.get("model")?.get("vocab")?.as_object()?;
    vocabulary.values().filter_map(Value::as_u64).max()
}

#[derive(Deserialize)]
#[serde(tag = "type")]
enum PostProcessor {
    TemplateProcessing {
        single: Vec<Piece>,
        special_tokens: BTreeMap<String, Special>,
    },
    BertProcessing {
        sep: (String, u32),
        cls: (String, u32),
    },
}

#[derive(Deserialize)]
enum Piece {
    SpecialToken { id: String, type_id: u32 },
    Sequence { id: String, type_id: u32 },
}

#[derive(Deserialize)]
struct Special {
    ids: Vec<u32>,
}

impl Frame {
    /// From the `post_processor` of a `tokenizer.json`; without one there is no frame.
    fn of(written: Value) -> Result<Self, String> {
        if written.is_null() {
            return Ok(Self::default());
        }
        let processor = serde_json::from_value(written)
            .map_err(|error| format!("{error}; use the tokenizer of a BERT"))?;
        match processor {
            PostProcessor::BertProcessing { sep, cls } => Ok(Self {
                before: vec![cls.1],
                after: vec![sep.1],
            }),
            PostProcessor::TemplateProcessing {
                single,
                special_tokens,
            } => Self::of_template(&single, &special_tokens),
        }
    }

    fn of_template(
        single: &[Piece],
        special_tokens: &BTreeMap<String, Special>,
    ) -> Result<Self, String> {
        let of_kind_0 = |piece: &Piece| match piece {
            Piece::SpecialToken { type_id, .. } | Piece::Sequence { type_id, .. } => *type_id == 0,
        };
        if !single.iter().all(of_kind_0) {
            return Err(
                "`single` has a `type_id` other than 0; use the tokenizer of a BERT".to_owned(),
            );
        }
        let is_text = |piece: &Piece| matches!(piece, Piece::Sequence { id, .. } if id == "A");
        let ids = |pieces: &[Piece]| -> Result<Vec<u32>, String> {
            let mut all = Vec::new();
            for piece in pieces {
                let Piece::SpecialToken { id, .. } = piece else {
                    return Err("`single` has more than the one text `A`; copy it again".to_owned());
                };
                let special = special_tokens.get(id).ok_or_else(|| {
                    format!(
                        "`single` names `{id}`, which `special_tokens` does not have; copy it again"
                    )
                })?;
                all.extend(&special.ids);
            }
            Ok(all)
        };
        match single.iter().position(is_text) {
            Some(text) => Ok(Self {
                before: ids(&single[..text])?,
                after: ids(&single[text + 1..])?,
            }),
            None => Err("`single` has no place for the text `A`; copy it again".to_owned()),
        }
    }
}
