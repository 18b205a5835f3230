//! Text that comes from outside (specifications, files, hubs, records) made safe for where it is shown.
//!
//! Every sink escapes with these functions: the terminal, Markdown, LaTeX, CSV and figures. What they leave
//! alone looks as it did. Must never: change a text that is read back by this program, except by
//! [`csv_cell`], which [`csv_original`] undoes.

use std::fmt::Write;

/// Shows control characters as `\x1b` or `\u{202e}`, so that no text moves a cursor, changes a colour, or
/// reverses the order of letters. Line breaks and tabs stay.
pub fn visible(text: &str) -> String {
    shown(text, |letter| letter == '\n' || letter == '\t')
}

/// Like [`visible`], for what must stay in its line: line breaks become spaces.
pub fn visible_line(text: &str) -> String {
    shown(text.trim_end_matches(['\r', '\n']), |_| false)
}

fn shown(text: &str, is_kept: impl Fn(char) -> bool) -> String {
    let mut shown = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            kept if is_kept(kept) || !is_control(kept) => shown.push(kept),
            '\n' | '\t' => shown.push(' '),
            // Writing to a string cannot fail.
            ascii if ascii.is_ascii() => drop(write!(shown, "\\x{:02x}", u32::from(ascii))),
            other => drop(write!(shown, "\\u{{{:x}}}", u32::from(other))),
        }
    }
    shown
}

/// Control characters, line and paragraph separators, and those that change the direction of writing.
fn is_control(letter: char) -> bool {
    letter.is_control()
        || matches!(letter, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Indented JSON for a terminal: control characters in its texts, which serde leaves alone from DEL on, are
/// written as JSON's own escapes.
pub fn json(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '\n' => escaped.push(letter),
            // Those beyond ASCII are in the basic plane: four digits are enough.
            control if is_control(control) => drop(write!(escaped, "\\u{:04x}", u32::from(control))),
            other => escaped.push(other),
        }
    }
    escaped
}

/// A line of Markdown that starts no tag, no link and no picture. Emphasis and code stay.
pub fn markdown(text: &str) -> String {
    let text = visible_line(text);
    let mut escaped = String::with_capacity(text.len());
    let mut letters = text.chars().peekable();
    let mut before = ' ';
    while let Some(letter) = letters.next() {
        let next = letters.peek().copied().unwrap_or(' ');
        let is_special = match letter {
            // A tag, a comment, or an address in angle brackets; `p < 0.05` is none.
            '<' => next.is_ascii_alphabetic() || matches!(next, '/' | '!' | '?'),
            '(' => before == ']',
            // Else it would take away the meaning of ours.
            '\\' => next.is_ascii_punctuation(),
            _ => false,
        };
        if is_special {
            escaped.push('\\');
        }
        escaped.push(letter);
        before = letter;
    }
    escaped
}

/// A cell of a Markdown table.
pub fn markdown_cell(cell: &str) -> String {
    markdown(cell).replace('|', "\\|")
}

/// A block of code in Markdown, which nothing in it ends.
pub fn markdown_code(language: &str, code: &str) -> String {
    let code = visible(code);
    let longest = code.split(|letter| letter != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(3.max(longest + 1));
    format!("{fence}{language}\n{}\n{fence}\n", code.trim_end_matches('\n'))
}

/// A text for LaTeX: special characters are escaped, and the signs of our tables are written as commands.
pub fn latex(text: &str) -> String {
    let mut escaped = String::new();
    for letter in visible_line(text).chars() {
        match letter {
            '&' | '%' | '$' | '#' | '_' | '{' | '}' => escaped.extend(['\\', letter]),
            '\\' => escaped += "\\textbackslash{}",
            '~' => escaped += "\\textasciitilde{}",
            '^' => escaped += "\\textasciicircum{}",
            '<' => escaped += "\\textless{}",
            '>' => escaped += "\\textgreater{}",
            '|' => escaped += "\\textbar{}",
            '±' => escaped += "$\\pm$",
            '×' => escaped += "$\\times$",
            '–' => escaped += "--",
            other => escaped.push(other),
        }
    }
    escaped
}

/// Whether a spreadsheet may take a cell for a formula. A number is none.
fn may_be_formula(cell: &str) -> bool {
    cell.starts_with(['=', '+', '-', '@', '\t', '\r']) && cell.parse::<f64>().is_err()
}

/// The content of a cell of CSV that no spreadsheet computes: an apostrophe goes before it. Quoting commas
/// and quotes is left to the writer of the file.
pub fn csv_cell(cell: &str) -> String {
    let quote = if may_be_formula(cell) { "'" } else { "" };
    format!("{quote}{}", visible_line(cell))
}

/// The text that [`csv_cell`] was given, if it had no control characters.
pub fn csv_original(cell: &str) -> &str {
    cell.strip_prefix('\'').filter(|rest| may_be_formula(rest)).unwrap_or(cell)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_shown() {
        assert_eq!(
            visible("a\u{1b}[31mred\r\u{7f}\u{9b}\n\tb\u{202e}é🙂"),
            "a\\x1b[31mred\\x0d\\x7f\\u{9b}\n\tb\\u{202e}é🙂"
        );
        assert_eq!(visible_line("a\r\nb\n"), "a\\x0d b");
        let text = json(&serde_json::to_string_pretty(&["\u{7f}\u{1b}\u{9b}\u{2066}é"]).unwrap());
        assert_eq!(text, "[\n  \"\\u007f\\u001b\\u009b\\u2066é\"\n]");
        assert_eq!(serde_json::from_str::<Vec<String>>(&text).unwrap(), ["\u{7f}\u{1b}\u{9b}\u{2066}é"]);
    }

    #[test]
    fn markdown_has_no_tag_link_or_picture() {
        for (text, escaped) in [
            ("A <script>alert(1)</script> b", "A \\<script>alert(1)\\</script> b"),
            ("\\<img src=x>", "\\\\\\<img src=x>"),
            ("![x](http://a) [y](b)", "![x]\\(http://a) [y]\\(b)"),
            ("<!-- x -->\n# y", "\\<!-- x --> # y"),
            ("p < 0.05, [1, 2], *a*, `b`", "p < 0.05, [1, 2], *a*, `b`"),
            ("C:\\text\\a", "C:\\text\\a"),
        ] {
            assert_eq!(markdown(text), escaped);
        }
        assert_eq!(markdown_cell("a|b\n<b>"), "a\\|b \\<b>");
        assert_eq!(markdown_code("sh", "a\n```\nb"), "````sh\na\n```\nb\n````\n");
        assert_eq!(markdown_code("sh", "a"), "```sh\na\n```\n");
    }

    #[test]
    fn latex_sees_no_command() {
        assert_eq!(
            latex("50 % of a_b & c^2 {#} \\x ~1 $\n\u{1b}"),
            r"50 \% of a\_b \& c\textasciicircum{}2 \{\#\} \textbackslash{}x \textasciitilde{}1 \$ \textbackslash{}x1b"
        );
    }

    #[test]
    fn a_cell_is_no_formula_and_can_be_read_back() {
        for (cell, written) in [
            ("=1+1", "'=1+1"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("+a", "'+a"),
            ("-", "'-"),
            ("-1.5", "-1.5"),
            ("+1e3", "+1e3"),
            ("a=b", "a=b"),
            ("'a", "'a"),
        ] {
            assert_eq!((csv_cell(cell).as_str(), csv_original(written)), (written, cell));
        }
    }
}
