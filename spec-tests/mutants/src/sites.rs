//! The places in a source file where something small can be changed, and the text with all changes in it.

use std::ops::Range;

use proc_macro2::Span;
use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{BinOp, Block, Expr, ExprBinary, ExprRepeat, ImplItemFn, ItemFn, ItemMod, Stmt};

/// A place, and what is changed there.
#[derive(Clone, Debug)]
pub(crate) struct Site {
    pub(crate) line: usize,
    /// For people.
    pub(crate) change: String,
    edits: Vec<Edit>,
}

/// Text that comes into the source at a place, instead of what is there.
#[derive(Clone, Debug)]
struct Edit {
    range: Range<usize>,
    /// The name of the mutant comes in place of `NAME`.
    text: String,
    /// Closes what an earlier edit opened.
    closes: bool,
}

/// All places in a source file.
pub(crate) fn sites(source: &str) -> Result<Vec<Site>, String> {
    let file = syn::parse_file(source).map_err(|error| error.to_string())?;
    let mut finder = Finder {
        source,
        sites: Vec::new(),
    };
    finder.visit_file(&file);
    Ok(finder.sites)
}

/// The source with the changes of some of its places. No line begins anywhere else than before.
pub(crate) fn with_changes<'s>(
    source: &str,
    changed: impl Iterator<Item = (usize, &'s Site)>,
) -> String {
    let mut edits = Vec::new();
    for (order, (number, site)) in changed.enumerate() {
        let name = format!("\"mutant {number}\"");
        for edit in &site.edits {
            edits.push((order, edit, edit.text.replace("NAME", &name)));
        }
    }
    // Where several meet: what closes comes first, the inner before the outer; then what opens, the outer before
    // the inner. Outer places were found first.
    edits.sort_by_key(|(order, edit, _)| {
        let order = *order as isize;
        let order = if edit.closes { -order } else { order };
        (edit.range.start, !edit.closes, order)
    });
    let mut text = String::with_capacity(2 * source.len());
    let mut at = 0;
    for (_, edit, replacement) in edits {
        text.push_str(&source[at..edit.range.start]);
        text.push_str(&replacement);
        at = edit.range.end;
    }
    text.push_str(&source[at..]);
    text
}

struct Finder<'s> {
    source: &'s str,
    sites: Vec<Site>,
}

impl Finder<'_> {
    fn add(&mut self, span: Span, change: String, edits: Vec<Edit>) {
        self.sites.push(Site {
            line: span.start().line,
            change,
            edits,
        });
    }

    fn text(&self, range: &Range<usize>) -> String {
        let text = self.source[range.clone()].split_whitespace();
        text.collect::<Vec<_>>().join(" ")
    }

    /// A condition with something before and after it.
    fn around(&mut self, of: Span, change: String, before: &str, after: &str) {
        let range = of.byte_range();
        let edits = vec![insert(range.start, before), close(range.end, after)];
        self.add(of, change, edits);
    }

    fn condition(&mut self, condition: &Expr) {
        let range = condition.span().byte_range();
        if matches!(condition, Expr::Let(_)) || self.is_special(condition) {
            return;
        }
        let change = format!("if {} -> if not", self.text(&range));
        self.around(condition.span(), change, "(fault!(NAME) ^ (", "))");
    }

    /// Whether an expression contains a `let`, or a deliberate fault.
    fn is_special(&self, expression: &Expr) -> bool {
        struct Search(bool);
        impl<'a> Visit<'a> for Search {
            fn visit_expr_let(&mut self, _: &'a syn::ExprLet) {
                self.0 = true;
            }
        }
        let mut search = Search(false);
        search.visit_expr(expression);
        let range = expression.span().byte_range();
        search.0 || self.source[range].contains("fault!")
    }

    /// `a && b` loses a part.
    fn parts(&mut self, binary: &ExprBinary, and: bool) {
        // Beside a deliberate fault, which is off, nothing is missing.
        if self.source[binary.span().byte_range()].contains("fault!") {
            return;
        }
        for (side, other) in [(&binary.left, &binary.right), (&binary.right, &binary.left)] {
            if self.is_special(side) {
                continue;
            }
            let other = self.text(&other.span().byte_range());
            let part = self.text(&side.span().byte_range());
            let change = format!("{part} is left out beside {other}");
            let before = if and {
                "(fault!(NAME) || "
            } else {
                "(!fault!(NAME) && "
            };
            self.around(side.span(), change, &format!("{before}("), "))");
        }
    }

    /// Another operator.
    fn operator(&mut self, binary: &ExprBinary, wrong: &str, compares: bool) {
        let [left, operator, right] = [binary.left.span(), binary.op.span(), binary.right.span()]
            .map(|span| span.byte_range());
        let right_operator = self.text(&operator);
        let change = format!(
            "{} {right_operator} {} -> {wrong}",
            self.text(&left),
            self.text(&right),
        );
        let reference = if compares { "&" } else { "" };
        let edits = vec![
            insert(left.start, &format!("(match ({reference}(")),
            Edit {
                range: operator,
                text: format!("), {reference}("),
                closes: false,
            },
            close(
                right.end,
                &format!(
                    ")) {{ (l, r) => match fault!(NAME) {{ true => l {wrong} r, false => l {right_operator} r }} }})"
                ),
            ),
        ];
        self.add(binary.op.span(), change, edits);
    }
}

fn insert(at: usize, text: &str) -> Edit {
    Edit {
        range: at..at,
        text: text.to_owned(),
        closes: false,
    }
}

fn close(at: usize, text: &str) -> Edit {
    Edit {
        closes: true,
        ..insert(at, text)
    }
}

impl<'a> Visit<'a> for Finder<'_> {
    // A constant is computed before there is a fault.
    fn visit_item_const(&mut self, _: &'a syn::ItemConst) {}
    fn visit_impl_item_const(&mut self, _: &'a syn::ImplItemConst) {}
    fn visit_item_static(&mut self, _: &'a syn::ItemStatic) {}
    fn visit_pat(&mut self, _: &'a syn::Pat) {}
    fn visit_type(&mut self, _: &'a syn::Type) {}
    fn visit_generic_argument(&mut self, _: &'a syn::GenericArgument) {}

    fn visit_expr_repeat(&mut self, repeat: &'a ExprRepeat) {
        self.visit_expr(&repeat.expr);
    }

    fn visit_item_mod(&mut self, module: &'a ItemMod) {
        if module.ident != "tests" {
            visit::visit_item_mod(self, module);
        }
    }

    fn visit_item_fn(&mut self, function: &'a ItemFn) {
        if function.sig.constness.is_none() && !has_condition(&function.attrs) {
            visit::visit_item_fn(self, function);
        }
    }

    fn visit_impl_item_fn(&mut self, function: &'a ImplItemFn) {
        // What is printed is for people.
        if function.sig.constness.is_none()
            && function.sig.ident != "fmt"
            && !has_condition(&function.attrs)
        {
            visit::visit_impl_item_fn(self, function);
        }
    }

    fn visit_block(&mut self, block: &'a Block) {
        for statement in &block.stmts {
            if let Stmt::Expr(expression, Some(_)) = statement
                && matches!(
                    expression,
                    Expr::MethodCall(_) | Expr::Call(_) | Expr::Assign(_) | Expr::Binary(_)
                )
            {
                let range = statement.span().byte_range();
                let change = format!("{} is left out", self.text(&range));
                self.around(statement.span(), change, "if !fault!(NAME) { ", " }");
            }
        }
        visit::visit_block(self, block);
    }

    fn visit_expr_if(&mut self, expression: &'a syn::ExprIf) {
        self.condition(&expression.cond);
        self.visit_expr(&expression.cond);
        if !needs_fault(&expression.cond) {
            self.visit_block(&expression.then_branch);
        }
        if let Some((_, otherwise)) = &expression.else_branch {
            self.visit_expr(otherwise);
        }
    }

    fn visit_arm(&mut self, arm: &'a syn::Arm) {
        if arm
            .guard
            .as_ref()
            .is_some_and(|(_, guard)| needs_fault(guard))
        {
            return;
        }
        if let Some((_, guard)) = &arm.guard
            && !self.is_special(guard)
        {
            let text = self.text(&guard.span().byte_range());
            let always = format!("guard {text} -> always");
            self.around(guard.span(), always, "(fault!(NAME) || (", "))");
            let never = format!("guard {text} -> never");
            self.around(guard.span(), never, "(!fault!(NAME) && (", "))");
        }
        visit::visit_arm(self, arm);
    }

    fn visit_expr_binary(&mut self, binary: &'a ExprBinary) {
        let is_fault = |side: &Expr| self.text(&side.span().byte_range()).starts_with("fault!");
        if matches!(binary.op, BinOp::And(_)) && (is_fault(&binary.left) || is_fault(&binary.right))
        {
            // What is a part of a deliberate fault.
            return;
        }
        match binary.op {
            BinOp::And(_) => self.parts(binary, true),
            BinOp::Or(_) => self.parts(binary, false),
            BinOp::Lt(_) => self.operator(binary, "<=", true),
            BinOp::Le(_) => self.operator(binary, "<", true),
            BinOp::Gt(_) => self.operator(binary, ">=", true),
            BinOp::Ge(_) => self.operator(binary, ">", true),
            BinOp::Eq(_) => self.operator(binary, "!=", true),
            BinOp::Ne(_) => self.operator(binary, "==", true),
            BinOp::Add(_) => self.operator(binary, "-", false),
            BinOp::Sub(_) => self.operator(binary, "+", false),
            BinOp::Mul(_) => self.operator(binary, "+", false),
            BinOp::Div(_) => self.operator(binary, "*", false),
            BinOp::Rem(_) => self.operator(binary, "/", false),
            BinOp::BitAnd(_) => self.operator(binary, "|", false),
            BinOp::BitOr(_) => self.operator(binary, "&", false),
            _ => {}
        }
        visit::visit_expr_binary(self, binary);
    }
}

/// Whether a condition holds only with a deliberate fault: what it guards is a part of the fault.
fn needs_fault(condition: &Expr) -> bool {
    match condition {
        Expr::Macro(it) => it.mac.path.is_ident("fault"),
        Expr::Call(call) => match &*call.func {
            Expr::Path(it) => it.path.segments.iter().any(|part| part.ident == "faults"),
            _ => false,
        },
        Expr::Paren(it) => needs_fault(&it.expr),
        Expr::Binary(it) if matches!(it.op, BinOp::And(_)) => {
            needs_fault(&it.left) || needs_fault(&it.right)
        }
        _ => false,
    }
}

/// Whether something is compiled only sometimes.
fn has_condition(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|it| it.path().is_ident("cfg"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changed(source: &str) -> (Vec<String>, String) {
        let sites = sites(source).expect("a source");
        let changes = sites.iter().map(|site| site.change.clone()).collect();
        let text = with_changes(source, sites.iter().enumerate());
        syn::parse_file(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
        (changes, text)
    }

    #[test]
    fn changes_stand_beside_each_other() {
        let source = "fn f(a: u8, b: u8) -> bool {\n    a + 1 < b && b != 3\n}\n";
        let (changes, text) = changed(source);
        assert_eq!(
            changes,
            [
                "a + 1 < b is left out beside b != 3",
                "b != 3 is left out beside a + 1 < b",
                "a + 1 < b -> <=",
                "a + 1 -> -",
                "b != 3 -> ==",
            ]
        );
        assert_eq!(text.lines().count(), source.lines().count());
    }

    #[test]
    fn statements_guards_and_conditions() {
        let source = "fn f(x: &mut X) {\n    x.go();\n    match x { X::A if x.ok() => {} _ => {} }\n    if x.ok() { x.n = 1; }\n}\n";
        let (changes, _) = changed(source);
        assert_eq!(
            changes,
            [
                "x.go(); is left out",
                "guard x.ok() -> always",
                "guard x.ok() -> never",
                "if x.ok() -> if not",
                "x.n = 1; is left out",
            ]
        );
    }

    #[test]
    fn deliberate_faults_are_left_alone() {
        let source = "fn f(x: u8) -> bool { fault!(\"a\") && x == 1 }\n";
        assert_eq!(changed(source).0, [""; 0]);
        let source = "fn f(x: &mut X) {\n    if x.ok() && fault!(\"a\") { x.go(); }\n    match x { X::A if crate::faults::passes() => { x.go(); } _ => {} }\n}\n";
        assert_eq!(changed(source).0, [""; 0]);
        let source = "fn f(x: &mut X) { if !fault!(\"a\") { x.go(); } }\n";
        assert_eq!(changed(source).0, ["x.go(); is left out"]);
    }

    #[test]
    fn constants_and_tests_are_left_alone() {
        let source = "const A: u8 = 1 + 2;\nconst fn f() -> u8 { 1 + 2 }\nmod tests { fn g() -> u8 { 1 + 2 } }\nfn h() -> [u8; 3] { [0; 1 + 2] }\n";
        assert_eq!(changed(source).0, [""; 0]);
    }
}
