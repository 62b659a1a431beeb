//! `engraft methods`: the registry as a table, as a page, and as the book's chapters.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use engraft_method::Method;
use engraft_method::suggest::hint;

use crate::say::say;

#[derive(Args)]
pub(super) struct Methods {
    #[command(subcommand)]
    what: Option<What>,
}

#[derive(Subcommand)]
enum What {
    /// Print a method's page.
    Show {
        /// As in the table.
        name: String,
    },
    /// Write the book's pages, one file a method.
    Book {
        /// Folder for the pages: docs/src/methods.
        folder: PathBuf,
        /// Write nothing; fail if a page there is not what would be written.
        #[arg(long)]
        check: bool,
    },
}

impl Methods {
    pub(super) fn run(self) -> anyhow::Result<()> {
        match self.what {
            None => {
                say(&table(&crate::registry::methods()));
                Ok(())
            }
            Some(What::Show { name }) => {
                let method = find(&name)?;
                say(&method.page().markdown(method.name, &(method.fields)()));
                Ok(())
            }
            Some(What::Book { folder, check }) => crate::registry::book(&folder, check),
        }
    }
}

fn find(name: &str) -> anyhow::Result<Method> {
    let all = crate::registry::methods();
    let names: Vec<&str> = all.iter().map(|method| method.name).collect();
    all.iter()
        .find(|method| method.name == name)
        .copied()
        .ok_or_else(|| anyhow::anyhow!("there is no method `{name}`; {}", hint(name, names)))
}

fn table(methods: &[Method]) -> String {
    let mut out = String::new();
    let mut verb = "";
    for method in methods {
        if method.verb != verb {
            verb = method.verb;
            out.push_str(&format!("\n{verb}\n"));
        }
        let page = method.page();
        let purpose = page
            .title
            .split_once('—')
            .map_or(page.title.as_str(), |(_, what)| what);
        let citation = page
            .section("Reference")
            .unwrap_or_default()
            .replace('\n', " ");
        let evidence = page
            .section("Evidence")
            .unwrap_or_default()
            .replace('\n', " ");
        out.push_str(&format!("  {:<18}{}\n", method.name, purpose.trim()));
        for (label, text) in [("source", citation), ("evidence", evidence)] {
            out.push_str(&format!("  {:<18}  {label}: {text}\n", ""));
        }
    }
    out.push_str("\nShow one with `engraft methods show NAME`.\n");
    out
}
