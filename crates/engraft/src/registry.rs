//! All methods of all rooms, and the book's pages made from them.

use std::path::{Path, PathBuf};

use anyhow::Context;
use engraft_method::Method;
use engraft_nets::files::write_file;

/// Every method, room by room.
pub fn methods() -> Vec<Method> {
    let mut all: Vec<Method> = engraft_distill::all()
        .into_iter()
        .map(|entry| entry.method)
        .collect();
    all.extend(methods_of_teaching());
    all.extend(
        engraft_decode::methods::all()
            .into_iter()
            .map(|entry| entry.method),
    );
    all.extend(engraft_agents::methods::all());
    all.extend([
        engraft_probe::capacity::METHOD,
        engraft_probe::priming::METHOD,
    ]);
    all
}

fn methods_of_teaching() -> impl Iterator<Item = Method> {
    let teach = engraft_continual::methods::all().into_iter();
    let prune = engraft_continual::prunings::all().into_iter();
    teach
        .map(|entry| entry.method)
        .chain(prune.map(|entry| entry.method))
}

/// Writes the book's pages: one a method, their index, and their lines in the `SUMMARY.md` above
/// them. With `check` nothing is written and the first page that would change is an error.
pub fn book(folder: &Path, check: bool) -> anyhow::Result<()> {
    if !check {
        std::fs::create_dir_all(folder)
            .with_context(|| format!("cannot make the folder {}", folder.display()))?;
    }
    for (path, page) in pages(folder)? {
        if check {
            let written = std::fs::read_to_string(&path).unwrap_or_default();
            anyhow::ensure!(
                written == page,
                "{} is stale; run `engraft methods book {}`",
                path.display(),
                folder.display()
            );
        } else {
            write_file(&path, page.as_bytes())?;
        }
    }
    Ok(())
}

/// Every page with its place.
fn pages(folder: &Path) -> anyhow::Result<Vec<(PathBuf, String)>> {
    let methods = methods();
    let mut pages: Vec<(PathBuf, String)> = methods
        .iter()
        .map(|method| {
            let page = method.page().markdown(method.name, &(method.fields)());
            (folder.join(format!("{}.md", method.name)), page)
        })
        .collect();
    let mut index = String::from(
        "# Methods\n\nEach page is the documentation of the method's one source file.\n\n\
         | method | verb | what it is |\n|---|---|---|\n",
    );
    let mut lines = String::new();
    for method in &methods {
        let (name, title) = (method.name, method.page().title);
        let purpose = title
            .split_once('—')
            .map_or(title.as_str(), |(_, what)| what);
        let purpose = purpose.trim();
        index.push_str(&format!(
            "| [{name}]({name}.md) | {} | {purpose} |\n",
            method.verb
        ));
        lines.push_str(&format!("  - [{name}](methods/{name}.md)\n"));
    }
    pages.push((folder.join("index.md"), index));
    if let Some(summary) = summary(folder, &lines)? {
        pages.push(summary);
    }
    Ok(pages)
}

/// Where the methods' lines stand in a book's table of contents.
const MARKS: [&str; 2] = [
    "<!-- methods: written by `engraft methods book` -->\n",
    "<!-- end of methods -->",
];

/// The `SUMMARY.md` above the pages with the methods' lines between its marks, if there is one.
fn summary(folder: &Path, lines: &str) -> anyhow::Result<Option<(PathBuf, String)>> {
    let path = folder.parent().unwrap_or(Path::new(".")).join("SUMMARY.md");
    let Ok(written) = std::fs::read_to_string(&path) else {
        return Ok(None);
    };
    let [start, end] = MARKS.map(|mark| written.find(mark));
    let (Some(start), Some(end)) = (start, end) else {
        anyhow::bail!(
            "{} has no place for methods; put these two lines there:\n{}{}",
            path.display(),
            MARKS[0],
            MARKS[1]
        );
    };
    let start = start + MARKS[0].len();
    let page = format!("{}{lines}{}", &written[..start], &written[end.max(start)..]);
    Ok(Some((path, page)))
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
