//! The table writer: the same cells for a terminal, for Markdown and for LaTeX.

use crate::escape::{latex, markdown_cell, visible_line};

/// Rows of cells below a header. Text is aligned left, numbers are aligned right.
pub struct Table {
    header: Vec<String>,
    rows: Vec<Vec<String>>,
    /// Which columns are text.
    is_text: Vec<bool>,
}

impl Table {
    /// An empty table whose first `n_text` columns are text.
    pub fn new(header: Vec<String>, n_text: usize) -> Self {
        let is_text = (0..header.len()).map(|column| column < n_text).collect();
        Self { header, rows: Vec::new(), is_text }
    }

    /// An empty table of columns, each with its title and whether it is text.
    pub fn aligned<'a>(columns: impl IntoIterator<Item = (&'a str, bool)>) -> Self {
        let (header, is_text) =
            columns.into_iter().map(|(title, is_text)| (title.to_string(), is_text)).unzip();
        Self { header, rows: Vec::new(), is_text }
    }

    /// A table of columns of the same length; the first `n_text` are text.
    pub fn of_columns(header: Vec<String>, n_text: usize, columns: &[Vec<String>]) -> Self {
        let n_rows = columns.first().map_or(0, Vec::len);
        let row = |index: usize| {
            columns.iter().map(|column| column.get(index).cloned().unwrap_or_default()).collect()
        };
        Self { rows: (0..n_rows).map(row).collect(), ..Self::new(header, n_text) }
    }

    /// Appends a row.
    pub fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Characters of the widest cell of each column.
    fn widths(&self, escape: impl Fn(&str) -> String) -> Vec<usize> {
        self.header
            .iter()
            .enumerate()
            .map(|(column, title)| {
                let cells = self.rows.iter().filter_map(|row| row.get(column));
                cells.chain([title]).map(|cell| escape(cell).chars().count()).max().unwrap_or(0)
            })
            .collect()
    }

    fn pad(&self, cells: &[String], widths: &[usize], escape: impl Fn(&str) -> String) -> Vec<String> {
        let cells = cells.iter().zip(widths).zip(&self.is_text);
        cells
            .map(|((cell, width), is_text)| {
                let cell = escape(cell);
                if *is_text { format!("{cell:<width$}") } else { format!("{cell:>width$}") }
            })
            .collect()
    }

    /// Fixed-width text for a terminal: columns two spaces apart, no space at the end of a line.
    pub fn to_lines(&self) -> Vec<String> {
        let widths = self.widths(visible_line);
        let line =
            |cells: &Vec<String>| self.pad(cells, &widths, visible_line).join("  ").trim_end().to_string();
        std::iter::once(&self.header).chain(&self.rows).map(line).collect()
    }

    /// The same with a rule below the header.
    pub fn to_text(&self) -> String {
        let widths = self.widths(visible_line);
        let rule = "─".repeat(widths.iter().sum::<usize>() + 2 * widths.len().saturating_sub(1));
        let mut lines = self.to_lines();
        lines.insert(1, rule);
        lines.join("\n") + "\n"
    }

    /// A Markdown table.
    pub fn to_markdown(&self) -> String {
        let widths: Vec<usize> = self.widths(markdown_cell).into_iter().map(|width| width.max(3)).collect();
        let line =
            |cells: &[String]| format!("| {} |\n", self.pad(cells, &widths, markdown_cell).join(" | "));
        let rule: Vec<String> = widths
            .iter()
            .zip(&self.is_text)
            .map(|(width, is_text)| match is_text {
                true => "-".repeat(*width),
                false => format!("{}:", "-".repeat(width - 1)),
            })
            .collect();
        let mut text = line(&self.header) + &format!("| {} |\n", rule.join(" | "));
        text.extend(self.rows.iter().map(|row| line(row)));
        text
    }

    /// A LaTeX tabular for `\\input`; it needs the package booktabs only.
    pub fn to_latex(&self) -> String {
        let columns: String = self.is_text.iter().map(|is_text| if *is_text { 'l' } else { 'r' }).collect();
        let line = |cells: &[String]| {
            let cells: Vec<String> = cells.iter().map(|cell| latex(cell)).collect();
            let row = cells.join(" & ");
            // LaTeX would read a bracket or a star after a line break as an argument of the line break.
            let guard = if row.starts_with(['[', '*']) { "{}" } else { "" };
            format!("{guard}{row} \\\\\n")
        };
        let mut text =
            "% Written by electra-lab, to be read by \\input{...}; needs \\usepackage{booktabs}.\n"
                .to_string();
        text += &format!(
            "\\begin{{tabular}}{{@{{}}{columns}@{{}}}}\n\\toprule\n{}\\midrule\n",
            line(&self.header)
        );
        text.extend(self.rows.iter().map(|row| line(row)));
        text + "\\bottomrule\n\\end{tabular}\n"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_table_three_forms() {
        let mut table = Table::new(vec!["ratio".into(), "rte ± sd".into()], 1);
        table.row(vec!["0.25".into(), "71.2 ± 0.8 (2)".into()]);
        table.row(vec!["a|b".into(), "–".into()]);
        insta::assert_snapshot!(table.to_text(), @r"
        ratio        rte ± sd
        ─────────────────────
        0.25   71.2 ± 0.8 (2)
        a|b                 –
        ");
        insta::assert_snapshot!(table.to_markdown(), @r"
        | ratio |       rte ± sd |
        | ----- | -------------: |
        | 0.25  | 71.2 ± 0.8 (2) |
        | a\|b  |              – |
        ");
        insta::assert_snapshot!(table.to_latex(), @r#"
        % Written by electra-lab, to be read by \input{...}; needs \usepackage{booktabs}.
        \begin{tabular}{@{}lr@{}}
        \toprule
        ratio & rte $\pm$ sd \\
        \midrule
        0.25 & 71.2 $\pm$ 0.8 (2) \\
        a\textbar{}b & -- \\
        \bottomrule
        \end{tabular}
        "#);
    }

    #[test]
    fn latex_sees_no_command_in_a_cell() {
        let mut table = Table::new(vec!["[a]".into()], 0);
        table.row(vec!["*".into()]);
        assert!(
            table.to_latex().contains("{}[a] \\\\\n\\midrule\n{}* \\\\\n\\bottomrule"),
            "{}",
            table.to_latex()
        );
    }
}
