//! Where a memory is, and what finds its way in it.

use std::path::Path;

use anyhow::Context;
use burn::tensor::Device;
use clap::Args;
use engraft_agents::methods::experepair::{Channels, SharedStore};
use engraft_memory::{
    Embedder, MemoryError, Store,
    store::{is_database, open, open_existing},
};
use engraft_nets::bert::SentenceEncoder;

use crate::store;

/// Which memory.
#[derive(Args, Clone, Debug)]
pub struct StoreFlags {
    /// The file of the memory, or postgres://USER@HOST/DATABASE in builds with `--features postgres` [default:
    /// memory.db in the folder of ENGRAFT_HOME].
    #[arg(long, value_name = "FILE|URL", global = true)]
    store: Option<String>,
}

impl StoreFlags {
    /// The memory that is named, or that of the user.
    pub fn place(&self) -> anyhow::Result<String> {
        match &self.store {
            Some(place) => Ok(place.clone()),
            None => {
                let path = store::Store::of_user()?.root().join("memory.db");
                Ok(path.to_string_lossy().into_owned())
            }
        }
    }

    /// Opens it to write; it is made if it is not there.
    pub fn open(&self) -> anyhow::Result<Box<dyn Store>> {
        let place = self.place()?;
        let folder = Path::new(&place).parent().filter(|_| !is_database(&place));
        if let Some(folder) = folder {
            std::fs::create_dir_all(folder)
                .with_context(|| format!("cannot make the folder {}", folder.display()))?;
        }
        Ok(open(&place)?)
    }

    /// The memory that agents share, unless they are shown none.
    pub fn shared(&self, channels: Channels) -> anyhow::Result<Option<SharedStore>> {
        match channels {
            Channels::None => Ok(None),
            _ => Ok(Some(self.open()?.into())),
        }
    }

    /// Opens one that is there.
    pub fn existing(&self) -> anyhow::Result<Box<dyn Store>> {
        let place = self.place()?;
        anyhow::ensure!(
            is_database(&place) || Path::new(&place).exists(),
            "{place}: there is no memory yet; `engraft remember` begins one"
        );
        Ok(open_existing(&place)?)
    }

    /// The place that is named as others may read it: an address of a server without its password.
    pub fn shown(&self) -> Option<String> {
        let place = self.store.as_ref()?;
        let Some((scheme, rest)) = place.split_once("://").filter(|_| is_database(place)) else {
            return Some(place.clone());
        };
        let address = rest.split('?').next().unwrap_or_default();
        let (who, server) = address.rsplit_once('@').unwrap_or(("", address));
        let at = if who.is_empty() { "" } else { "@" };
        let user = who.split(':').next().unwrap_or_default();
        Some(format!("{scheme}://{user}{at}{server}"))
    }

    /// A text with the place as others may read it.
    pub fn hidden_in(&self, text: String) -> String {
        match (&self.store, self.shown()) {
            (Some(place), Some(shown)) => text.replace(place, &shown),
            _ => text,
        }
    }

    /// That the memory that is named can be opened, if it is there.
    pub fn check(&self) -> anyhow::Result<()> {
        match &self.store {
            Some(place) if is_database(place) || Path::new(place).exists() => {
                open_existing(place)?;
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// A file from a folder on.
    #[must_use]
    pub fn at(self, folder: &Path) -> Self {
        let file = |place: String| match is_database(&place) {
            true => place,
            false => folder.join(place).to_string_lossy().into_owned(),
        };
        Self {
            store: self.store.map(file),
        }
    }

    /// The one that is named, or another place.
    pub fn or(&self, place: &Path) -> Self {
        let other = || place.to_string_lossy().into_owned();
        Self {
            store: self.store.clone().or_else(|| Some(other())),
        }
    }
}

/// A sentence encoder as memories use it.
pub struct Encoder(SentenceEncoder);

impl Encoder {
    /// Models are pulled and embeddings kept under this name.
    pub const NAME: &'static str = "minilm-l6";

    /// The pulled encoder, or `None` if it is not here: recall goes by words alone then.
    pub fn of_user() -> anyhow::Result<Option<Self>> {
        match store::find(Self::NAME) {
            store::Found::Here(folder) => {
                let encoder = SentenceEncoder::load(&folder, &Device::default())?;
                Ok(Some(Self(encoder)))
            }
            _ => Ok(None),
        }
    }
}

impl Embedder for Encoder {
    fn name(&self) -> &str {
        Self::NAME
    }

    fn embed(&self, texts: &[&str]) -> Result<Vec<Vec<f32>>, MemoryError> {
        Ok(self.0.encode(texts))
    }
}

#[cfg(test)]
mod tests {
    use super::StoreFlags;

    #[test]
    fn a_password_is_not_shown() {
        let shown = |place: &str| {
            let store = Some(place.to_owned());
            let flags = StoreFlags { store };
            let text = flags.hidden_in(format!("store: {place}"));
            assert_eq!(text, format!("store: {}", flags.shown().unwrap()));
            flags.shown().unwrap()
        };
        for (place, want) in [
            (
                "postgres://anna:p@ss@host:5432/db",
                "postgres://anna@host:5432/db",
            ),
            (
                "postgresql://host/db?password=secret",
                "postgresql://host/db",
            ),
            ("postgres://anna@host/db", "postgres://anna@host/db"),
            ("memory.db", "memory.db"),
        ] {
            assert_eq!(shown(place), want);
        }
    }
}
