//! Tables as text: for a terminal, for Markdown and for LaTeX, from the same cells.

/// Rows of cells below a header. The first `n_text` columns are text, the rest numbers and aligned right.
pub struct Table {
    header: Vec<String>,
    rows: Vec<Vec<String>>,
    n_text: usize,
}

impl Table {
    /// An empty table.
    pub fn new(header: Vec<String>, n_text: usize) -> Self {
        Self { header, rows: Vec::new(), n_text }
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
        let cells = cells.iter().zip(widths).enumerate();
        cells
            .map(|(column, (cell, width))| {
                let cell = escape(cell);
                if column < self.n_text { format!("{cell:<width$}") } else { format!("{cell:>width$}") }
            })
            .collect()
    }

    /// Fixed-width text: columns two spaces apart, a rule below the header.
    pub fn to_text(&self) -> String {
        let keep = |cell: &str| cell.to_string();
        let widths = self.widths(keep);
        let line = |cells: &[String]| self.pad(cells, &widths, keep).join("  ").trim_end().to_string() + "\n";
        let rule = "─".repeat(widths.iter().sum::<usize>() + 2 * widths.len().saturating_sub(1));
        let mut text = line(&self.header) + &rule + "\n";
        text.extend(self.rows.iter().map(|row| line(row)));
        text
    }

    /// A Markdown table.
    pub fn to_markdown(&self) -> String {
        let widths: Vec<usize> = self.widths(escape).into_iter().map(|width| width.max(3)).collect();
        let line = |cells: &[String]| format!("| {} |\n", self.pad(cells, &widths, escape).join(" | "));
        let rule: Vec<String> = widths
            .iter()
            .enumerate()
            .map(|(column, width)| {
                if column < self.n_text { "-".repeat(*width) } else { format!("{}:", "-".repeat(width - 1)) }
            })
            .collect();
        let mut text = line(&self.header) + &format!("| {} |\n", rule.join(" | "));
        text.extend(self.rows.iter().map(|row| line(row)));
        text
    }
}

impl Table {
    /// A LaTeX tabular to be read by `\\input`; it needs booktabs and nothing else.
    pub fn to_latex(&self) -> String {
        let columns: String =
            (0..self.header.len()).map(|column| if column < self.n_text { 'l' } else { 'r' }).collect();
        let line = |cells: &[String]| {
            let cells: Vec<String> = cells.iter().map(|cell| latex(cell)).collect();
            let row = cells.join(" & ");
            // A line break takes a bracket or a star that follows it for its own.
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

/// A cell as LaTeX sets it: what is a command there is escaped, and the signs of our tables are written out.
fn latex(cell: &str) -> String {
    let mut text = String::new();
    for letter in cell.chars() {
        match letter {
            '&' | '%' | '$' | '#' | '_' | '{' | '}' => text.extend(['\\', letter]),
            '\\' => text += "\\textbackslash{}",
            '~' => text += "\\textasciitilde{}",
            '^' => text += "\\textasciicircum{}",
            '<' => text += "\\textless{}",
            '>' => text += "\\textgreater{}",
            '|' => text += "\\textbar{}",
            '±' => text += "$\\pm$",
            '×' => text += "$\\times$",
            '–' => text += "--",
            '\n' => text.push(' '),
            other => text.push(other),
        }
    }
    text
}

/// What Markdown would take for the end of a cell.
fn escape(cell: &str) -> String {
    cell.replace('|', "\\|").replace('\n', " ")
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
        assert_eq!(
            latex(r"50 % of a_b & c^2 {#} \x ~1 $"),
            r"50 \% of a\_b \& c\textasciicircum{}2 \{\#\} \textbackslash{}x \textasciitilde{}1 \$"
        );
        let mut table = Table::new(vec!["[a]".into()], 0);
        table.row(vec!["*".into()]);
        assert!(
            table.to_latex().contains("{}[a] \\\\\n\\midrule\n{}* \\\\\n\\bottomrule"),
            "{}",
            table.to_latex()
        );
    }
}
