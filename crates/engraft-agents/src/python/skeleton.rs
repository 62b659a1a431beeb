//! What a file defines, without how: what a model is shown to choose files by.

mod layout;
mod rows;

use std::ops::ControlFlow;

use tree_sitter::Node;

use self::{
    layout::{LogicalLine, header, logical_lines, nested_blocks},
    rows::Rows,
};
use super::{
    strings,
    tree::{Below, is_text_statement, parse, statements, visit},
};

/// An assignment that ends so many rows after it begins is cut.
const LONG: usize = 31;
/// Lines kept at each end of such an assignment.
const KEPT: usize = 10;
/// What stands for a body and for cut lines.
const LEFT_OUT: &str = "...";

/// The classes, functions and assignments at the top of a file. Bodies of functions become a line `...`,
/// docstrings of classes are dropped, and of assignments over more than 31 lines the first and last ten
/// are kept. Comments stay where what follows them stays, and at the top of the file.
///
/// Of a file with syntax errors it is the skeleton of what can be read. Two things differ from the
/// released code, which prints a tree of libcst: a class of one line stays as it is, where that code
/// prints its body outside the class; and bodies of classes keep their indentation, where that code
/// prints the first one of the file.
pub fn skeleton(source: &str) -> String {
    let Some(tree) = parse(source) else {
        return String::new();
    };
    let mut plan = Plan {
        source,
        rows: Rows::new(source),
    };
    plan.module(tree.root_node());
    let text = plan.rows.text();
    let lines = strings::lines(&text);
    lines.flat_map(|line| [line, "\n"]).collect()
}

/// Decides row by row what is kept.
struct Plan<'a> {
    source: &'a str,
    rows: Rows<'a>,
}

impl Plan<'_> {
    fn module(&mut self, module: Node<'_>) {
        // What stands before the first statement belongs to the file.
        let first = statements(module).first().map(|node| node.start_position());
        let mut classes = Vec::new();
        for line in logical_lines(module, first.map_or(0, |at| at.row), &self.rows) {
            match line.definition().kind() {
                "class_definition" => classes.push(line),
                "function_definition" => self.function(&line),
                _ if is_assignment(line.definition()) => self.assignments(&line),
                _ => self.rows.drop(line.leading..=line.footer),
            }
        }
        while let Some(class) = classes.pop() {
            classes.extend(self.class(&class));
        }
    }

    /// Cuts what a class encloses; returns the classes in it.
    fn class<'tree>(&mut self, class: &LogicalLine<'tree>) -> Vec<LogicalLine<'tree>> {
        let Some((colon, body)) = header(class.definition()) else {
            return Vec::new();
        };
        self.rows.drop(class.last + 1..=class.footer);
        if body.start_position().row == colon.row {
            return Vec::new();
        }
        let mut classes = Vec::new();
        let mut kept = false;
        for line in logical_lines(body, colon.row + 1, &self.rows) {
            if is_text_statement(line.nodes[0], self.source) {
                self.rows.drop(line.leading..=line.footer);
            } else {
                kept = true;
                classes.extend(self.statement(line));
            }
        }
        let pass = (!kept).then(|| format!("{}    pass", self.rows.indentation(class.first)));
        self.rows.cut(colon, pass);
        classes
    }

    /// A statement in a class, which is kept but for the bodies of functions at any depth; returns the
    /// classes in it.
    fn statement<'tree>(&mut self, statement: LogicalLine<'tree>) -> Vec<LogicalLine<'tree>> {
        let mut classes = Vec::new();
        let mut lines = vec![statement];
        while let Some(line) = lines.pop() {
            match line.definition().kind() {
                "class_definition" => classes.push(line),
                "function_definition" => self.function(&line),
                _ => {
                    self.assignments(&line);
                    for block in line.nodes.iter().flat_map(|node| nested_blocks(*node)) {
                        let row = block.start_position().row;
                        lines.extend(logical_lines(block, row, &self.rows));
                    }
                }
            }
        }
        classes
    }

    fn function(&mut self, function: &LogicalLine<'_>) {
        if let Some((colon, _)) = header(function.definition()) {
            self.rows.drop(colon.row + 1..=function.footer);
            self.rows.cut(colon, Some(LEFT_OUT.to_owned()));
        }
    }

    /// Cuts long assignments of a line, but not those in what it encloses.
    fn assignments(&mut self, line: &LogicalLine<'_>) {
        for statement in &line.nodes {
            visit(*statement, |node| {
                let below = match node.kind() {
                    "assignment" if node.child_by_field_name("type").is_none() => {
                        self.assignment(node);
                        Below::Skip
                    }
                    "block" => Below::Skip,
                    _ => Below::Visit,
                };
                ControlFlow::<(), Below>::Continue(below)
            });
        }
    }

    fn assignment(&mut self, assignment: Node<'_>) {
        let first = assignment.start_position().row;
        let last = assignment.end_position().row;
        if last - first >= LONG {
            self.rows.drop(first + KEPT..=last - KEPT);
            self.rows.replace(first + KEPT, LEFT_OUT);
        }
    }
}

/// `x = ..`, but neither `x: int = ..` nor `x += ..`.
fn is_assignment(statement: Node<'_>) -> bool {
    let inner = statement.named_child(0);
    statement.kind() == "expression_statement"
        && inner.is_some_and(|inner| {
            inner.kind() == "assignment" && inner.child_by_field_name("type").is_none()
        })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::skeleton;

    #[test]
    fn a_long_assignment_in_a_class_is_cut_and_one_of_31_lines_is_not() {
        let table = |entries: usize| {
            let entries: String = (0..entries)
                .map(|entry| format!("        {entry},\n"))
                .collect();
            format!("class K:\n    t = [\n{entries}    ]\n")
        };
        assert_eq!(skeleton(&table(29)), table(29));
        let cut = skeleton(&table(30));
        assert_eq!(cut.lines().count(), 1 + 10 + 1 + 10);
        assert_eq!(cut.lines().nth(11), Some("..."));
    }

    #[test]
    fn functions_in_conditions_in_classes_lose_their_bodies_too() {
        let source = "class K:\n    if x:\n        def f(self):\n            # c\n            return 1\n            # d\n\n        y = 1\n";
        let expected = "class K:\n    if x:\n        def f(self):\n...\n\n        y = 1\n";
        assert_eq!(skeleton(source), expected);
    }

    #[test]
    fn a_class_that_was_only_a_docstring_passes() {
        assert_eq!(skeleton("class K:  # c\n    'd'\n"), "class K:\n    pass\n");
        assert_eq!(skeleton("class K: pass\n"), "class K: pass\n");
    }

    #[test]
    fn the_head_of_the_file_stays_and_imports_go_with_their_comments() {
        let source =
            "#!python\n# licence\n\nimport a\n# about b\nimport b\n# about x\nx = 1\n# end\n";
        let expected = "#!python\n# licence\n\n# about x\nx = 1\n# end\n";
        assert_eq!(skeleton(source), expected);
    }

    proptest! {
        #[test]
        fn every_line_but_the_cuts_is_a_beginning_of_a_line_of_the_file(
            source in "(def f\\(\\):|class K:|\n|    |\t|x = 1|'d'|#|é|@a|if x:|\\(|\\[|;|pass|async )*"
        ) {
            for line in skeleton(&source).lines() {
                let of_the_file = source.split('\n').any(|known| known.starts_with(line));
                prop_assert!(of_the_file || line == "..." || line.trim() == "pass", "{line:?}");
            }
        }
    }
}
