//! All methods of all rooms, and the book's pages made from them.

use std::path::Path;

use anyhow::Context;
use engraft_method::Method;

/// Every method, room by room.
pub fn methods() -> Vec<Method> {
    let mut all: Vec<Method> = engraft_distill::all()
        .into_iter()
        .map(|entry| entry.method)
        .collect();
    all.push(engraft_probe::capacity::METHOD);
    all
}

/// Writes the book's page of every method, or with `check` fails on the first that is stale.
pub fn book(folder: &Path, check: bool) -> anyhow::Result<()> {
    if !check {
        std::fs::create_dir_all(folder)
            .with_context(|| format!("cannot make {}", folder.display()))?;
    }
    for method in methods() {
        let path = folder.join(format!("{}.md", method.name));
        let page = method.page().markdown(method.name, &(method.fields)());
        if check {
            let written = std::fs::read_to_string(&path).unwrap_or_default();
            anyhow::ensure!(
                written == page,
                "{} is stale; run `engraft methods book {}`",
                path.display(),
                folder.display()
            );
        } else {
            std::fs::write(&path, page)
                .with_context(|| format!("cannot write {}", path.display()))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::methods;
    use engraft_method::page::SECTIONS;

    #[test]
    fn every_method_has_a_whole_page_and_a_name_of_its_own() {
        let mut names: Vec<&str> = methods().iter().map(|method| method.name).collect();
        for method in methods() {
            let page = method.page();
            for section in SECTIONS {
                let text = page.section(section).unwrap_or_default();
                assert!(
                    !text.is_empty(),
                    "{} has nothing under `{section}`",
                    method.name
                );
            }
            assert!(
                page.title.contains('—'),
                "{}: `Name — purpose`",
                method.name
            );
        }
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), methods().len());
    }
}
