//! Tables without lines, as wide as they need to be and no wider than the terminal.

use super::look::{Look, Tone};
use comfy_table::{Attribute, Cell, CellAlignment, ContentArrangement, Row, Table as Inner, presets};

/// A table under construction.
#[derive(Debug)]
pub(crate) struct Table {
    inner: Inner,
    color: bool,
    one_line: bool,
}

impl Table {
    /// A table with these column titles.
    pub(crate) fn new(look: &Look, titles: &[&str]) -> Self {
        let mut inner = Inner::new();
        inner.load_style(presets::NOTHING).force_no_tty();
        if let Some((width, _)) = look.size {
            inner.set_content_arrangement(ContentArrangement::Dynamic).set_width(width);
        }
        if look.color {
            inner.enforce_styling().style_text_only();
        }
        let title = |title: &&str| {
            let cell = Cell::new(*title);
            if look.color { cell.add_attribute(Attribute::Bold) } else { cell }
        };
        inner.set_header(titles.iter().map(title).collect::<Vec<_>>());
        Self { inner, color: look.color, one_line: false }
    }

    /// Each row takes one line: what does not fit is cut.
    pub(crate) fn one_line(mut self) -> Self {
        self.one_line = true;
        self
    }

    /// Adds a row.
    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = (String, Tone)>) {
        let mut row = Row::new();
        for (text, tone) in cells {
            let cell = Cell::new_owned(text);
            row.add_cell(match tone.table_color().filter(|_| self.color) {
                Some(color) => cell.fg(color),
                None => cell,
            });
        }
        if self.one_line {
            row.max_height(1);
        }
        self.inner.add_row(row);
    }

    /// Numbers are read from the right.
    pub(crate) fn right(mut self, columns: &[usize]) -> Self {
        for &column in columns {
            if let Some(column) = self.inner.column_mut(column) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        self
    }

    /// The text, each line ended.
    pub(crate) fn render(mut self) -> String {
        for column in self.inner.column_iter_mut() {
            column.set_padding((0, 2));
        }
        self.inner.lines().map(|line| format!("{}\n", line.trim_end())).collect()
    }
}

/// A cell without colour.
pub(crate) fn plain(text: impl ToString) -> (String, Tone) {
    (text.to_string(), Tone::Plain)
}

/// A cell that may be empty.
pub(crate) fn or_dash(text: Option<impl ToString>) -> (String, Tone) {
    text.map_or_else(|| ("-".to_owned(), Tone::Faint), plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(look: &Look) -> String {
        let mut table = Table::new(look, &["NAME", "COUNT", "WHY"]).one_line().right(&[1]);
        table.row([plain("a"), plain(1), ("no answer from its BMC for ten minutes".to_owned(), Tone::Bad)]);
        table.row([plain("long-name"), plain(100), or_dash(None::<String>)]);
        table.render()
    }

    #[test]
    fn as_wide_as_needed_where_there_is_no_terminal() {
        insta::assert_snapshot!(sample(&Look::default()), @r"
        NAME       COUNT  WHY
        a              1  no answer from its BMC for ten minutes
        long-name    100  -
        ");
    }

    #[test]
    fn cut_to_the_terminal() {
        let text = sample(&Look { size: Some((30, 10)), ..Look::default() });
        assert!(text.lines().all(|line| line.chars().count() <= 30), "{text}");
        insta::assert_snapshot!(text, @r"
        NAME       COUNT  WHY
        a              1  no answer…
        long-name    100  -
        ");
    }

    #[test]
    fn coloured_only_where_wanted() {
        assert!(!sample(&Look::default()).contains('\u{1b}'));
        assert!(sample(&Look { color: true, ..Look::default() }).contains("\u{1b}[38;5;1mno answer"));
    }
}
