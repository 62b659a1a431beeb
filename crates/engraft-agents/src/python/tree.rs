//! The syntax tree and ways through it.

use std::{
    ops::ControlFlow,
    time::{Duration, Instant},
};

use tree_sitter::{Node, ParseOptions, ParseState, Parser, Tree};

/// The parser reads all comments after a line again at each of them: a file of nothing but comments would take
/// hours.
const LONGEST: Duration = Duration::from_secs(5);

/// Parses Python source; `None` if that takes too long or the parser cannot be had at all.
pub(super) fn parse(source: &str) -> Option<Tree> {
    let mut parser = Parser::new();
    parser
        .set_language(&tree_sitter_python::LANGUAGE.into())
        .ok()?;
    let began = Instant::now();
    let mut goes_on = |_: &ParseState| match began.elapsed() < LONGEST {
        true => ControlFlow::Continue(()),
        false => ControlFlow::Break(()),
    };
    let options = ParseOptions::new().progress_callback(&mut goes_on);
    let rest = &mut |at: usize, _| source.as_bytes().get(at..).unwrap_or_default();
    parser.parse_with_options(rest, None, Some(options))
}

/// Whether a visit goes on below a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Below {
    Visit,
    Skip,
}

/// Visits a node and everything below it in the order of the text.
pub(super) fn visit<'tree, Found>(
    root: Node<'tree>,
    mut see: impl FnMut(Node<'tree>) -> ControlFlow<Found, Below>,
) -> Option<Found> {
    let mut cursor = root.walk();
    loop {
        let below = match see(cursor.node()) {
            ControlFlow::Break(found) => return Some(found),
            ControlFlow::Continue(below) => below,
        };
        if below == Below::Visit && cursor.goto_first_child() {
            continue;
        }
        while !cursor.goto_next_sibling() {
            if !cursor.goto_parent() {
                return None;
            }
        }
    }
}

/// The children of a node, punctuation included.
pub(super) fn children(node: Node<'_>) -> Vec<Node<'_>> {
    let mut cursor = node.walk();
    node.children(&mut cursor).collect()
}

/// The statements of a module or block.
pub(super) fn statements(block: Node<'_>) -> Vec<Node<'_>> {
    let all = children(block).into_iter();
    all.filter(|child| child.is_named() && child.kind() != "comment")
        .collect()
}

/// A class or function with the definition behind its decorators.
pub(super) fn definition(statement: Node<'_>) -> Node<'_> {
    if statement.kind() == "decorated_definition" {
        statement
            .child_by_field_name("definition")
            .unwrap_or(statement)
    } else {
        statement
    }
}

/// A statement that is nothing but a text: a docstring, where it comes first.
pub(super) fn is_text_statement(statement: Node<'_>, source: &str) -> bool {
    let only = |node: Node<'_>| node.named_child_count() == 1;
    let text = statement.named_child(0);
    statement.kind() == "expression_statement"
        && only(statement)
        && text.is_some_and(|text| text.kind() == "string" && !is_formatted(text, source))
}

/// A format string, which is no constant.
fn is_formatted(string: Node<'_>, source: &str) -> bool {
    let prefix = source[string.byte_range()].split(['"', '\'']).next();
    prefix.is_some_and(|prefix| prefix.contains(['f', 'F', 't', 'T']))
}
