//! From files to a model: every tensor checked, then packed or kept in floats.

use std::path::Path;

use engraft_files::{Checkpoint, LlamaSpec, SpecError, Tokenizer};

use super::{Block, Llama};
use crate::{Kernel, Precision, RuntimeError, Shape, matrix::Matrix, team::Team};

/// How a model runs.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    pub precision: Precision,
    /// Threads; as many as the machine has cores if none are named.
    pub threads: Option<usize>,
    /// Another kernel than the machine's best.
    pub kernel: Option<Kernel>,
}

/// A model and its tokenizer.
pub struct Loaded {
    pub model: Llama,
    pub tokenizer: Option<Tokenizer>,
}

impl Llama {
    /// Loads a Hugging Face folder or a GGUF file.
    ///
    /// # Errors
    /// Files that are damaged, belong to another model or describe one that is not of the family.
    pub fn load(path: &Path, options: Options) -> Result<Loaded, RuntimeError> {
        let files = Checkpoint::open(path)?;
        let misfit = |source: SpecError| RuntimeError::Spec {
            path: path.to_owned(),
            source,
        };
        let kind = files.config()["model_type"].as_str().unwrap_or_default();
        if !engraft_files::llama::TYPES.contains(&kind) {
            return Err(misfit(SpecError::Config(format!(
                "model_type `{kind}` does not decode here; known: {}",
                engraft_files::llama::TYPES.join(", ")
            ))));
        }
        let (spec, vocab) = LlamaSpec::of_config(files.config()).map_err(misfit)?;
        spec.check().map_err(misfit)?;
        files.vocabulary_fits(vocab)?;
        let mut reader = Reader {
            files: &files,
            precision: options.precision,
            read: Vec::new(),
        };
        let width = spec.hidden_size;
        let blocks: Result<_, _> = (0..spec.num_hidden_layers)
            .map(|layer| reader.block(&spec, layer))
            .collect();
        let head = match spec.tie_word_embeddings {
            true => None,
            false => Some(reader.matrix("lm_head", [vocab, width], false)?),
        };
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let model = Self {
            shape: Shape {
                vocab,
                blocks: spec.num_hidden_layers,
                heads: spec.num_attention_heads,
                kv_heads: spec.kv_heads(),
                head_width: spec.head_width(),
                width,
                context: spec.max_position_embeddings,
            },
            embed: reader.matrix("model.embed_tokens", [vocab, width], false)?,
            blocks: blocks?,
            norm: reader.vector("model.norm.weight".to_owned(), width)?,
            head,
            precision: options.precision,
            kernel: options.kernel.unwrap_or_else(Kernel::best),
            team: Team::new(options.threads.unwrap_or(cores)),
            spec,
        };
        let read: Vec<&str> = reader.read.iter().map(String::as_str).collect();
        files.nothing_else(&read)?;
        Ok(Loaded {
            model,
            tokenizer: files.tokenizer().cloned(),
        })
    }
}

/// Takes parameters out of a model's files and remembers their names.
struct Reader<'a> {
    files: &'a Checkpoint,
    precision: Precision,
    read: Vec<String>,
}

impl Reader<'_> {
    /// Numbers `[length]`.
    fn vector(&mut self, name: String, length: usize) -> Result<Vec<f32>, RuntimeError> {
        let numbers = self.files.needed(&name, &[length])?.numbers()?;
        self.read.push(name);
        Ok(numbers)
    }

    /// Weights `[rows, columns]` and a bias `[rows]`.
    fn matrix(
        &mut self,
        name: &str,
        shape: [usize; 2],
        biased: bool,
    ) -> Result<Matrix, RuntimeError> {
        let bias = match biased {
            true => Some(self.vector(format!("{name}.bias"), shape[0])?),
            false => None,
        };
        let weight = format!("{name}.weight");
        let stored = self.files.needed(&weight, &shape)?;
        let mut matrix = Matrix::of(&stored, shape, bias, self.precision)?;
        // Or else the file and what was made of it are in memory together.
        self.files.let_go(&weight);
        // What attention and the head read touches every later token and costs a quarter of the
        // products: there rounding is done twice.
        matrix.fine = !name.contains(".mlp.");
        self.read.push(weight);
        Ok(matrix)
    }

    fn block(&mut self, spec: &LlamaSpec, layer: usize) -> Result<Block, RuntimeError> {
        let (width, inner, head) = (spec.hidden_size, spec.intermediate_size, spec.head_width());
        let (queries, keys) = (spec.num_attention_heads * head, spec.kv_heads() * head);
        let name = |part: &str| format!("model.layers.{layer}.{part}");
        let biased = spec.attention_bias;
        let mut head_norm = |part: &str| match spec.qk_norm {
            true => self.vector(name(part), head).map(Some),
            false => Ok(None),
        };
        Ok(Block {
            q_norm: head_norm("self_attn.q_norm.weight")?,
            k_norm: head_norm("self_attn.k_norm.weight")?,
            input_norm: self.vector(name("input_layernorm.weight"), width)?,
            q: self.matrix(&name("self_attn.q_proj"), [queries, width], biased)?,
            k: self.matrix(&name("self_attn.k_proj"), [keys, width], biased)?,
            v: self.matrix(&name("self_attn.v_proj"), [keys, width], biased)?,
            o: self.matrix(&name("self_attn.o_proj"), [width, queries], false)?,
            post_norm: self.vector(name("post_attention_layernorm.weight"), width)?,
            gate: self.matrix(&name("mlp.gate_proj"), [inner, width], false)?,
            up: self.matrix(&name("mlp.up_proj"), [inner, width], false)?,
            down: self.matrix(&name("mlp.down_proj"), [width, inner], false)?,
        })
    }
}
