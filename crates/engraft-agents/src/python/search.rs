//! Where classes and functions are.

use std::ops::ControlFlow;

use tree_sitter::Node;

use super::tree::{Below, definition, parse, statements, visit};
use crate::locate::Lines;

/// The lines of all classes of a name, decorators included, wherever they stand.
pub fn find_class(source: &str, class: &str) -> Vec<Lines> {
    found(source, |node, lines| {
        if named(node, "class_definition", class, source) {
            lines.push(lines_of(node));
        }
    })
}

/// The lines of all functions and methods of a name, decorators included, wherever they stand.
pub fn find_method(source: &str, method: &str) -> Vec<Lines> {
    found(source, |node, lines| {
        if named(node, "function_definition", method, source) {
            lines.push(lines_of(node));
        }
    })
}

/// The lines of the methods of a name that stand directly in a class of a name, decorators included.
pub fn find_method_in_class(source: &str, class: &str, method: &str) -> Vec<Lines> {
    found(source, |node, lines| {
        if !named(node, "class_definition", class, source) {
            return;
        }
        let body = node.child_by_field_name("body");
        let methods = body.into_iter().flat_map(statements).map(definition);
        let methods = methods.filter(|node| named(*node, "function_definition", method, source));
        lines.extend(methods.map(lines_of));
    })
}

fn found(source: &str, mut look: impl FnMut(Node<'_>, &mut Vec<Lines>)) -> Vec<Lines> {
    let mut lines = Vec::new();
    if let Some(tree) = parse(source) {
        visit(tree.root_node(), |node| {
            look(node, &mut lines);
            ControlFlow::<(), Below>::Continue(Below::Visit)
        });
    }
    lines
}

fn named(node: Node<'_>, kind: &str, name: &str, source: &str) -> bool {
    node.kind() == kind
        && node
            .child_by_field_name("name")
            .is_some_and(|found| &source[found.byte_range()] == name)
}

/// The lines of a definition, from its first decorator on.
fn lines_of(definition: Node<'_>) -> Lines {
    let decorated = definition
        .parent()
        .filter(|parent| parent.kind() == "decorated_definition");
    let start = decorated.unwrap_or(definition).start_position();
    let end = definition.end_position();
    // A node that ends before the first column of a line does not reach into it.
    let last = end.row + usize::from(end.column > 0);
    Lines {
        first: start.row + 1,
        last: last.max(start.row + 1),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{find_class, find_method, find_method_in_class};
    use crate::locate::Lines;

    const SOURCE: &str = "\
import os

@register
class K(Base):
    x = 1

    @property
    def m(self):
        def m():
            return 1
        return m

async def m(): pass

class L:
    class K: pass
    def m(self): pass
";

    fn spans(found: Vec<Lines>) -> Vec<(usize, usize)> {
        found
            .iter()
            .map(|lines| (lines.first, lines.last))
            .collect()
    }

    #[test]
    fn classes_are_found_with_their_decorators() {
        assert_eq!(spans(find_class(SOURCE, "K")), [(3, 11), (16, 16)]);
        assert!(find_class(SOURCE, "M").is_empty());
    }

    #[test]
    fn functions_are_found_wherever_they_stand() {
        let found = spans(find_method(SOURCE, "m"));
        assert_eq!(found, [(7, 11), (9, 10), (13, 13), (17, 17)]);
    }

    #[test]
    fn methods_are_found_in_their_class_alone() {
        assert_eq!(spans(find_method_in_class(SOURCE, "K", "m")), [(7, 11)]);
        assert_eq!(spans(find_method_in_class(SOURCE, "L", "m")), [(17, 17)]);
    }

    proptest! {
        #[test]
        fn found_lines_are_lines_of_the_text(source in "(class K|def m|\\(\\)|:|\n|    |x|@|é|\\\\|'''|#)*") {
            let found = find_class(&source, "K").into_iter().chain(find_method(&source, "m"));
            for Lines { first, last } in found {
                prop_assert!(1 <= first && first <= last);
                prop_assert!(last <= source.split('\n').count());
            }
        }
    }
}
