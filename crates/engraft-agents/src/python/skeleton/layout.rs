//! Which rows belong to a statement: its own, those that lead to it, and the comments at its foot.

use tree_sitter::{Node, Point};

use super::rows::Rows;
use crate::python::tree::{children, definition, statements};

/// The statements that share a line, with the rows that belong to them. Rows count from 0.
pub(super) struct LogicalLine<'tree> {
    /// At least one.
    pub nodes: Vec<Node<'tree>>,
    /// The first row of the comments and blank lines before it.
    pub leading: usize,
    pub first: usize,
    pub last: usize,
    /// The last row of the comments that are indented like its body.
    pub footer: usize,
}

impl<'tree> LogicalLine<'tree> {
    /// Its first statement, without decorators.
    pub fn definition(&self) -> Node<'tree> {
        definition(self.nodes[0])
    }
}

/// The statements of a block by the lines they share. `leading` is the first row of what leads to the
/// first one.
pub(super) fn logical_lines<'tree>(
    block: Node<'tree>,
    mut leading: usize,
    rows: &Rows<'_>,
) -> Vec<LogicalLine<'tree>> {
    let mut lines: Vec<LogicalLine<'tree>> = Vec::new();
    for statement in statements(block) {
        let first = statement.start_position().row;
        let last = last_row(statement);
        if let Some(line) = lines.last_mut()
            && line.last == first
        {
            line.nodes.push(statement);
            line.last = last;
            line.footer = last;
        } else {
            let footer = match last_block(statement) {
                Some(body) if body.start_position().row > first => {
                    rows.footer(last, rows.indentation(body.start_position().row))
                }
                _ => last,
            };
            lines.push(LogicalLine {
                nodes: vec![statement],
                leading,
                first,
                last,
                footer,
            });
        }
        leading = lines.last().map_or(leading, |line| line.footer + 1);
    }
    lines
}

/// The last row on which a statement has more than comments.
fn last_row(statement: Node<'_>) -> usize {
    let mut node = statement;
    loop {
        let inner = children(node);
        match inner.iter().rev().find(|child| child.kind() != "comment") {
            Some(last) if last.end_byte() > last.start_byte() => node = *last,
            _ => {
                let end = node.end_position();
                return end.row
                    - usize::from(end.column == 0 && end.row > node.start_position().row);
            }
        }
    }
}

/// The last block that a statement encloses directly or in a clause: the body of its `else`, if it has
/// one.
fn last_block(statement: Node<'_>) -> Option<Node<'_>> {
    let mut node = statement;
    loop {
        node = children(node)
            .into_iter()
            .rev()
            .find(|child| child.kind() != "comment")?;
        if node.kind() == "block" {
            return Some(node);
        }
    }
}

/// The blocks that a statement encloses directly or in its clauses.
pub(super) fn nested_blocks(statement: Node<'_>) -> Vec<Node<'_>> {
    let mut blocks = Vec::new();
    let mut open = children(statement);
    while let Some(node) = open.pop() {
        match node.kind() {
            "block" => blocks.push(node),
            clause if clause.ends_with("_clause") => open.extend(children(node)),
            _ => {}
        }
    }
    blocks
}

/// The end of the colon of a class or function, and its body.
pub(super) fn header(definition: Node<'_>) -> Option<(Point, Node<'_>)> {
    let body = definition.child_by_field_name("body")?;
    let colon = children(definition)
        .into_iter()
        .rev()
        .find(|child| child.kind() == ":" && child.start_byte() < body.end_byte().max(1))?;
    Some((colon.end_position(), body))
}
