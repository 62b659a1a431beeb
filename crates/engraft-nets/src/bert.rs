//! Sentence embeddings from a BERT encoder: all-MiniLM-L6-v2 and its kin.
//!
//! A text becomes the mean of its tokens' last hidden states, scaled to length 1 (Sentence-BERT,
//! Reimers and Gurevych 2019; the encoder is that of Devlin et al. 2019). Folders are read as
//! sentence-transformers writes them, old and new, and as transformers does.

mod config;
mod layout;
mod model;
mod padded;
mod text;
mod weights;

use std::path::Path;

use burn::tensor::Device;
use rayon::prelude::*;

use crate::FolderError;
use config::Config;
use model::Bert;
use text::Reader;
use weights::Weights;

/// Most tokens of one pass, those that fill texts up included: bounds the memory of attention.
const MOST_TOKENS: usize = 4096;

/// Turns texts into vectors whose dot product is their cosine similarity.
pub struct SentenceEncoder {
    reader: Reader,
    model: Bert,
}

impl SentenceEncoder {
    /// Loads a model folder: `config.json` of `model_type` `bert`, `model.safetensors` and
    /// `tokenizer.json`, perhaps with the files of sentence-transformers beside them
    /// (`modules.json`, `1_Pooling/config.json`, `sentence_bert_config.json`).
    ///
    /// # Errors
    /// Everything is checked before anything is returned. A model that computes something else (other
    /// pooling, activation or positions) is refused by the name of what differs.
    pub fn load(folder: &Path, device: &Device) -> Result<Self, FolderError> {
        let folder = layout::encoder(folder)?;
        let config = Config::read(&folder)?;
        let reading = layout::reading(&folder, config.max_position_embeddings)?;
        let reader = Reader::open(&folder, &reading, config.vocab_size)?;
        let mut weights = Weights::open(&folder.join("model.safetensors"))?;
        let model = Bert::read(&config, &mut weights, device)?;
        weights.nothing_left()?;
        Ok(Self { reader, model })
    }

    /// Numbers of an embedding.
    pub fn width(&self) -> usize {
        self.model.width()
    }

    /// One embedding a text, `[width]` each and of length 1, in the order of the texts. What is longer
    /// than the model reads is cut off at its end.
    pub fn encode(&self, texts: &[&str]) -> Vec<Vec<f32>> {
        let ids: Vec<Vec<u32>> = texts.par_iter().map(|text| self.reader.ids(text)).collect();
        // Without a single token, which takes a tokenizer that adds none, there is nothing to average.
        let mut order: Vec<usize> = (0..ids.len()).filter(|&at| !ids[at].is_empty()).collect();
        order.sort_by_key(|&at| ids[at].len());
        let mut found = vec![vec![0.0; self.width()]; texts.len()];
        for pass in passes(&order, |at| ids[at].len()) {
            let rows: Vec<&[u32]> = pass.iter().map(|&at| ids[at].as_slice()).collect();
            for (&at, mean) in pass.iter().zip(self.model.means(&rows)) {
                found[at] = normalised(mean);
            }
        }
        found
    }
}

/// Cuts texts, ordered by length, into passes of similar length: the longest is at most half again
/// as long as the shortest.
fn passes(order: &[usize], length: impl Fn(usize) -> usize) -> Vec<&[usize]> {
    let mut all = Vec::new();
    let mut rest = order;
    while let Some(&first) = rest.first() {
        let starts_another = |(count, &at): (usize, &usize)| {
            let tokens = (count + 1) * length(at);
            count > 0 && (2 * length(at) > 3 * length(first) || tokens > MOST_TOKENS)
        };
        let end = rest.iter().enumerate().position(starts_another);
        let (pass, later) = rest.split_at(end.unwrap_or(rest.len()));
        all.push(pass);
        rest = later;
    }
    all
}

/// The vector scaled to length 1; one of zeros stays as it is.
fn normalised(mut vector: Vec<f32>) -> Vec<f32> {
    let squares: f64 = vector.iter().map(|&x| f64::from(x) * f64::from(x)).sum();
    let length = squares.sqrt().max(1e-12) as f32;
    vector.iter_mut().for_each(|x| *x /= length);
    vector
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passes_hold_every_text_once_and_stay_similar_and_small() {
        let lengths: Vec<usize> = (0..900).map(|i| 2 + i * i % 255).collect();
        let mut order: Vec<usize> = (0..lengths.len()).collect();
        order.sort_by_key(|&at| lengths[at]);
        let all = passes(&order, |at| lengths[at]);
        assert_eq!(all.concat(), order);
        for pass in &all {
            let (first, last) = (lengths[pass[0]], lengths[*pass.last().unwrap()]);
            assert!(2 * last <= 3 * first, "{first} and {last}");
            assert!(pass.len() * last <= MOST_TOKENS);
        }
        assert!(all.len() < lengths.len() / 10, "{} passes", all.len());
        assert!(passes(&[], |_| 1).is_empty());
        assert_eq!(passes(&[0, 1], |_| 2 * MOST_TOKENS).len(), 2);
    }

    #[test]
    fn vectors_get_length_one_and_zeros_stay() {
        assert_eq!(normalised(vec![3.0, 0.0, -4.0]), [0.6, 0.0, -0.8]);
        assert_eq!(normalised(vec![0.0; 2]), [0.0; 2]);
    }
}
