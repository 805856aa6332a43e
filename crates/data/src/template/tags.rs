//! The tags of templates.

/// Tags that `transformers` knows. The engine knows more, and some of these it need not know.
pub(super) const TAGS: [&str; 26] = [
    "if",
    "elif",
    "else",
    "endif",
    "for",
    "endfor",
    "set",
    "endset",
    "macro",
    "endmacro",
    "call",
    "endcall",
    "filter",
    "endfilter",
    "with",
    "endwith",
    "break",
    "continue",
    "raw",
    "endraw",
    "generation",
    "endgeneration",
    "block",
    "endblock",
    "autoescape",
    "endautoescape",
];
/// Tags in which names to assign to, or calls, stand before any value.
pub(super) const TARGETS: [&str; 5] = ["for", "set", "macro", "call", "filter"];
/// Known to Jinja2, but met in no template of a model, and refused by name.
pub(super) const REFUSED: [&str; 4] = ["block", "endblock", "autoescape", "endautoescape"];
