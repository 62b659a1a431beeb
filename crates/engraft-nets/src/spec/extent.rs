//! How much a described network stores, known before any of it is made.

use engraft_files::Extent;

use super::{InputShape, Spec};

impl Spec {
    /// What a network of this description stores, known before any of it is made.
    pub fn extent(&self, classes: usize, input: InputShape) -> Extent {
        let classes = classes as f64;
        match self {
            Self::Gpt(spec) => {
                let (layers, width) = (spec.layers as f64, spec.width as f64);
                let inner = spec.mlp_ratio as f64 * width;
                let heads = if spec.tied { 1.0 } else { 2.0 };
                let block = 4.0 * width * width + 2.0 * inner * width + 9.0 * width + inner;
                Extent {
                    tensors: 3.0 + heads + 12.0 * layers,
                    numbers: (heads * classes + spec.context as f64 + 2.0) * width + layers * block,
                }
            }
            Self::Llama(spec) => {
                let (layers, width) = (spec.num_hidden_layers as f64, spec.hidden_size as f64);
                let inner = spec.intermediate_size as f64;
                let head = spec.head_width() as f64;
                let queries = spec.num_attention_heads as f64 * head;
                let keys = spec.kv_heads() as f64 * head;
                let heads = if spec.tie_word_embeddings { 1.0 } else { 2.0 };
                let biases = if spec.attention_bias { 1.0 } else { 0.0 };
                let norms = if spec.qk_norm { 2.0 } else { 0.0 };
                let block = 2.0 * width * (queries + keys + 1.0)
                    + 3.0 * inner * width
                    + biases * (queries + 2.0 * keys)
                    + norms * head;
                Extent {
                    tensors: 1.0 + heads + layers * (9.0 + 3.0 * biases + norms),
                    numbers: (heads * classes + 1.0) * width + layers * block,
                }
            }
            Self::Mlp(spec) => {
                let mut below = input.numbers();
                let mut numbers = 0.0;
                for width in spec
                    .widths
                    .iter()
                    .map(|&width| width as f64)
                    .chain([classes])
                {
                    numbers += (below + 1.0) * width;
                    below = width;
                }
                Extent {
                    tensors: 2.0 * (spec.widths.len() as f64 + 1.0),
                    numbers,
                }
            }
            Self::Resnet(spec) => {
                let InputShape::Image { channels, .. } = input else {
                    return Extent::default();
                };
                let blocks = spec.depth.saturating_sub(2) as f64 / 6.0;
                // A 3x3 filter and the four numbers of its norm, for each output channel.
                let conv = |input: f64, out: f64| out * (9.0 * input + 4.0);
                let widening =
                    conv(16.0, 32.0) - conv(32.0, 32.0) + conv(32.0, 64.0) - conv(64.0, 64.0);
                let alike = conv(16.0, 16.0) + conv(32.0, 32.0) + conv(64.0, 64.0);
                Extent {
                    tensors: 5.0 * (1.0 + 6.0 * blocks) + 2.0,
                    numbers: conv(channels as f64, 16.0)
                        + 2.0 * blocks * alike
                        + widening
                        + 65.0 * classes,
                }
            }
        }
    }
}

impl InputShape {
    fn numbers(&self) -> f64 {
        match *self {
            Self::Tokens => 0.0,
            Self::Image {
                channels,
                height,
                width,
            } => channels as f64 * height as f64 * width as f64,
            Self::Features { width } => width as f64,
        }
    }
}
