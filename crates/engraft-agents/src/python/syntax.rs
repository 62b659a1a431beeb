//! Whether a text is a program of Python 3.
//!
//! tree-sitter reads more than Python does, so that what it lets pass is looked for here: blocks without
//! statements, `try` alone, indentation that is not that of its block or statement, and what only
//! Python 2 knew (`print x`, `exec x`, `except A, e`, `<>`). In the other direction it takes for an error
//! a line that goes on after an operator in brackets and is indented less than its block.

use std::{fmt, ops::ControlFlow};

use tree_sitter::{Node, Point};

use super::tree::{Below, children, parse, visit};

/// A place in a text; both numbers count from 1, columns count bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    pub line: usize,
    pub column: usize,
}

impl From<Point> for Position {
    fn from(point: Point) -> Self {
        Self {
            line: point.row + 1,
            column: point.column + 1,
        }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "line {} column {}", self.line, self.column)
    }
}

/// The first syntax error of a program, for Python 3. What the interpreter only finds when it compiles
/// (`return` outside a function, two arguments of one name) is none.
pub fn syntax_error(source: &str) -> Option<Position> {
    let Some(tree) = parse(source) else {
        return Some(Position { line: 1, column: 1 });
    };
    visit(tree.root_node(), |node| match wrong(node, source) {
        Some(at) => ControlFlow::Break(at),
        None => ControlFlow::Continue(Below::Visit),
    })
}

fn wrong(node: Node<'_>, source: &str) -> Option<Position> {
    let here = Some(node.start_position().into());
    if node.is_error() || node.is_missing() {
        return here;
    }
    match node.kind() {
        "module" => misplaced(node, source),
        "block" if !has_statement(node) => here,
        "block" => misplaced(node, source),
        "try_statement" if !children(node).into_iter().any(handles) => here,
        "if_statement"
        | "for_statement"
        | "while_statement"
        | "try_statement"
        | "decorated_definition" => misplaced_part(node, source),
        "import_from_statement" if ends_with_comma(node) => here,
        "print_statement" if !is_shift(node) => here,
        "exec_statement" | "<>" => here,
        "except_clause" if children(node).iter().any(|child| child.kind() == ",") => here,
        _ => None,
    }
}

/// `print >>file, x` is a tuple in Python 3, however little sense it makes.
fn is_shift(print: Node<'_>) -> bool {
    print
        .named_child(0)
        .is_some_and(|child| child.kind() == "chevron")
}

fn has_statement(block: Node<'_>) -> bool {
    children(block)
        .iter()
        .any(|child| child.is_named() && child.kind() != "comment")
}

/// The first statement whose indentation is not that of its block. Statements of a module have none.
fn misplaced(block: Node<'_>, source: &str) -> Option<Position> {
    let mut own = (block.kind() == "module").then_some("");
    for statement in children(block) {
        if !statement.is_named() || statement.kind() == "comment" {
            continue;
        }
        let Some(indentation) = indentation(statement, source) else {
            continue;
        };
        if *own.get_or_insert(indentation) != indentation {
            return Some(statement.start_position().into());
        }
    }
    None
}

/// The first clause or decorated definition that is not indented like the statement it belongs to.
fn misplaced_part(statement: Node<'_>, source: &str) -> Option<Position> {
    let own = indentation(statement, source)?;
    let parts = children(statement).into_iter();
    let mut parts = parts.filter(|part| {
        is_clause(*part) || statement.kind() == "decorated_definition" && part.kind() != "comment"
    });
    parts
        .find(|part| indentation(*part, source).is_some_and(|indentation| indentation != own))
        .map(|part| part.start_position().into())
}

fn is_clause(node: Node<'_>) -> bool {
    node.kind().ends_with("_clause")
}

/// What a `try` needs at least one of.
fn handles(clause: Node<'_>) -> bool {
    clause.kind().starts_with("except") || clause.kind() == "finally_clause"
}

/// `from a import b,`, which needs brackets.
fn ends_with_comma(import: Node<'_>) -> bool {
    children(import)
        .last()
        .is_some_and(|last| last.kind() == ",")
}

/// The white space before a statement that is the first of its line.
fn indentation<'a>(statement: Node<'_>, source: &'a str) -> Option<&'a str> {
    let before = &source[..statement.start_byte()];
    let line = &before[before.rfind('\n').map_or(0, |at| at + 1)..];
    // A form feed starts a page and its column afresh.
    let line = &line[line.rfind('\u{c}').map_or(0, |at| at + 1)..];
    line.trim_matches([' ', '\t']).is_empty().then_some(line)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Position, syntax_error};

    #[test]
    fn programs_of_python_3_pass() {
        for program in [
            "",
            "# only a comment",
            "match x:\n    case [1, *rest] if rest:\n        pass\n    case _:\n        pass\n",
            "match = 1\nmatch(x)\nprint(1, file=f)\nprint\n",
            "async def f():\n    async with a as b:\n        await c\n",
            "def f[T](x: T, /, *, y=1) -> T: return x\n",
            "if (n := 10) > 5: pass\n",
            "class A: pass\n\nx = f'{a!r:>{b}}'\n",
            "if x:\n  a = 1; b = 2\nelse:\n    c = 3\n",
            "try:\n    pass\nexcept* A as e:\n    pass\n",
            "def f():\n\n    # first\n    x = [\n1,\n]\n    return x",
        ] {
            assert_eq!(syntax_error(program), None, "{program}");
        }
    }

    #[test]
    fn errors_are_found_where_they_are() {
        for (program, line) in [
            ("x = (\n", 1),
            ("def f(:\n    pass\n", 1),
            ("a = 1\nprint 'x'\n", 2),
            ("exec 'x'\n", 1),
            ("try:\n    pass\nexcept A, e:\n    pass\n", 3),
            ("if a <> b:\n    pass\n", 1),
            ("a = 1\n  b = 2\n", 2),
            ("if x:\n    a = 1\n      b = 2\n", 3),
            ("if x:\n        a = 1\n    b = 2\n", 3),
            ("if x:\n\ta = 1\n        b = 2\n", 3),
            ("if x:\n    if y:\n        a\n      else:\n        b\n", 4),
            ("@a\n  def f():\n    pass\n", 2),
            ("try:\n    pass\nelse:\n    pass\n", 1),
            ("from a import b,\n", 1),
        ] {
            let found = syntax_error(program).map(|at| at.line);
            assert_eq!(found, Some(line), "{program}");
        }
    }

    #[test]
    fn a_block_without_statements_is_an_error() {
        for program in [
            "def f():\n",
            "def f():\n\nx = 1\n",
            "if x:\n    # nothing\ny = 1\n",
        ] {
            assert!(syntax_error(program).is_some(), "{program}");
        }
    }

    #[test]
    fn deep_nesting_costs_no_stack() {
        let deep = format!("x = {}{}\n", "(".repeat(50_000), ")".repeat(50_000));
        let _ = syntax_error(&deep);
    }

    proptest! {
        #[test]
        fn any_text_has_an_answer_inside_it(source in any::<String>(), code in "(def f|class |:|\n|    |\t|x|=|\\(|\\)|'|\"|é|,|print )*") {
            for source in [source, code] {
                if let Some(Position { line, column }) = syntax_error(&source) {
                    prop_assert!(line >= 1 && line <= source.split('\n').count());
                    prop_assert!(column >= 1 && column <= source.len() + 1);
                }
            }
        }
    }
}
