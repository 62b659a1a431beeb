//! One form for all programs that differ only in comments, docstrings and layout, so that equal
//! repairs can be counted as one.

use tree_sitter::Node;

use super::{
    syntax_error,
    tree::{is_text_statement, parse},
};

const INDENT: &str = "    ";

/// A program without comments and docstrings, a statement a line, four spaces a level, one space between
/// tokens; `None` if it has a syntax error.
///
/// The official vote parses with Python's own `ast` and prints that tree. The two forms differ in text
/// (`f ( x )` here), which does not matter to a comparison, and in what counts as equal: the tree forgets
/// redundant parentheses, trailing commas, the kind of quotes, the spelling of numbers and which texts
/// were written side by side; here these still tell programs apart. Texts that follow a docstring and do
/// nothing go with it here, since one of them would be the docstring of what is left.
pub fn without_comments_and_docstrings(source: &str) -> Option<String> {
    if syntax_error(source).is_some() {
        return None;
    }
    let tree = parse(source)?;
    let mut printer = Printer {
        source,
        done: String::new(),
        line: String::new(),
        depth: 0,
        only_docstrings: true,
    };
    let mut cursor = tree.walk();
    let mut open: Vec<Node<'_>> = Vec::new();
    loop {
        let node = cursor.node();
        if printer.enter(node, &open) && cursor.goto_first_child() {
            open.push(node);
            continue;
        }
        while !cursor.goto_next_sibling() {
            if !cursor.goto_parent() {
                printer.end_line();
                return Some(printer.done);
            }
            if let Some(node) = open.pop() {
                printer.leave(node);
            }
        }
    }
}

struct Printer<'a> {
    source: &'a str,
    done: String,
    line: String,
    depth: usize,
    /// The module, class or function at hand has held nothing but docstrings up to here.
    only_docstrings: bool,
}

impl Printer<'_> {
    /// Prints what is due before a node's children, or all of the node; true if the children are to
    /// be visited.
    fn enter(&mut self, node: Node<'_>, open: &[Node<'_>]) -> bool {
        let parent = open.last();
        let in_block = parent.is_some_and(|parent| is_block(*parent));
        match node.kind() {
            "comment" | "line_continuation" => return false,
            ";" if in_block => return false,
            "block" => {
                self.end_line();
                self.depth += 1;
                self.only_docstrings = parent.is_some_and(|owner| {
                    matches!(owner.kind(), "class_definition" | "function_definition")
                });
            }
            _ if in_block => {
                self.end_line();
                self.only_docstrings &= is_text_statement(node, self.source);
                if self.only_docstrings {
                    return false;
                }
            }
            _ => {}
        }
        if node.child_count() == 0 || node.kind() == "string" {
            self.token(&self.source[node.byte_range()]);
            return false;
        }
        true
    }

    fn leave(&mut self, node: Node<'_>) {
        match node.kind() {
            "block" => {
                if std::mem::take(&mut self.only_docstrings) {
                    self.token("pass");
                }
                self.end_line();
                self.depth -= 1;
            }
            "decorator" => self.end_line(),
            _ => {}
        }
    }

    fn token(&mut self, token: &str) {
        if !self.line.is_empty() {
            self.line.push(' ');
        }
        self.line.push_str(token);
    }

    fn end_line(&mut self) {
        if self.line.is_empty() {
            return;
        }
        self.done.extend(std::iter::repeat_n(INDENT, self.depth));
        self.done.push_str(&self.line);
        self.done.push('\n');
        self.line.clear();
    }
}

fn is_block(node: Node<'_>) -> bool {
    matches!(node.kind(), "module" | "block")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::without_comments_and_docstrings;
    use crate::python::syntax_error;

    fn normal(source: &str) -> String {
        without_comments_and_docstrings(source).unwrap()
    }

    #[test]
    fn layout_comments_and_docstrings_do_not_matter() {
        let one = "\"\"\"m\"\"\"\nclass K:\n  '''d'''\n  def f(self,  x): # c\n    'd'\n    if x: return (1 +\n      2)\n    else: y=1; z=2\n";
        let other = "class K:\n\n    def f(self, x):\n        if x:\n            return (1 + 2)\n        else:\n            y = 1\n            z = 2\n";
        assert_eq!(normal(one), normal(other));
    }

    #[test]
    fn what_a_program_does_still_tells_it_apart() {
        assert_ne!(normal("x = 'a  # b'\n"), normal("x = 'a'\n"));
        assert_ne!(normal("if a:\n    b\n    c\n"), normal("if a:\n    b\nc\n"));
        assert_ne!(normal("x = 'a'\n'b'\n"), normal("x = 'a'\n"));
    }

    #[test]
    fn a_body_that_was_only_a_docstring_is_pass() {
        assert_eq!(normal("def f():\n    'd'\n"), normal("def f(): pass\n"));
        assert_eq!(
            normal("def f():\n    'd'; 'e'\n"),
            normal("def f(): pass\n")
        );
    }

    #[test]
    fn a_text_after_a_docstring_is_none_of_what_is_left() {
        assert_eq!(normal("'d'\n'e'\nx = 1\n'f'\n"), "x = 1\n'f'\n");
        assert_eq!(
            normal("class K:\n    'd'\n    'e'\n    def f(): 'd'\n    'f'\n"),
            "class K :\n    def f ( ) :\n        pass\n    'f'\n"
        );
    }

    #[test]
    fn a_broken_program_has_no_normal_form() {
        assert_eq!(without_comments_and_docstrings("x = ("), None);
    }

    const CODE: &str = "(def f\\(\\):\n|class K:\n|    pass\n|    x = 1 # c\n|\"\"\"d\"\"\"\n|    'd'\n|@a\n|if x: y\n|else: z; w\n|x = 'é'\n|\n)*";

    proptest! {
        #[test]
        fn the_normal_form_is_a_program_and_its_own_normal_form(source in CODE) {
            if let Some(once) = without_comments_and_docstrings(&source) {
                prop_assert_eq!(syntax_error(&once), None, "{}", &once);
                prop_assert_eq!(normal(&once), once);
            }
        }
    }
}
