//! Lines that are redrawn in place on a terminal.

use std::fmt::Write as _;

/// What is on the screen now.
#[derive(Debug, Default)]
pub(crate) struct Region {
    rows: usize,
}

impl Region {
    /// The bytes that replace what is on the screen by `lines`, cut to a terminal of `width` and `height`.
    pub(crate) fn redraw(&mut self, lines: &[String], width: usize, height: usize) -> String {
        let mut text = self.clear();
        let room = height.saturating_sub(1).max(1);
        let (shown, more) =
            if lines.len() > room { (room - 1, lines.len() - (room - 1)) } else { (lines.len(), 0) };
        for line in &lines[..shown] {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{}", cut(line, width));
        }
        if more > 0 {
            let _ = writeln!(text, "{}", cut(&format!("… and {more} more"), width));
        }
        self.rows = shown + usize::from(more > 0);
        text
    }

    /// The bytes that remove what is on the screen.
    pub(crate) fn clear(&mut self) -> String {
        match std::mem::take(&mut self.rows) {
            0 => String::new(),
            rows => format!("\u{1b}[{rows}A\r\u{1b}[J"),
        }
    }

    /// What is on the screen stays there.
    pub(crate) fn keep(&mut self) {
        self.rows = 0;
    }
}

/// `line`, or as much of it as fits into `width` columns. Colour sequences take no room.
fn cut(line: &str, width: usize) -> String {
    let mut shown = String::with_capacity(line.len());
    let (mut columns, mut in_sequence) = (0, false);
    for c in line.chars() {
        let is_visible = !in_sequence && c != '\u{1b}';
        in_sequence = c == '\u{1b}' || (in_sequence && !c.is_ascii_alphabetic());
        if is_visible && columns == width {
            shown.pop();
            shown.push_str("…\u{1b}[0m");
            return shown;
        }
        columns += usize::from(is_visible);
        shown.push(c);
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_drawing_replaces_the_first() {
        let mut region = Region::default();
        assert_eq!(region.redraw(&["one".to_owned(), "two".to_owned()], 80, 24), "one\ntwo\n");
        assert_eq!(region.redraw(&["three".to_owned()], 80, 24), "\u{1b}[2A\r\u{1b}[Jthree\n");
        assert_eq!(region.clear(), "\u{1b}[1A\r\u{1b}[J");
        assert_eq!(region.clear(), "");
    }

    #[test]
    fn what_does_not_fit_is_counted() {
        let lines: Vec<_> = (0..10).map(|n| n.to_string()).collect();
        assert_eq!(Region::default().redraw(&lines, 80, 4), "0\n1\n… and 8 more\n");
    }

    #[test]
    fn long_lines_are_cut_and_colours_do_not_count() {
        assert_eq!(cut("abcdef", 4), "abc…\u{1b}[0m");
        assert_eq!(cut("abcd", 4), "abcd");
        assert_eq!(cut("\u{1b}[32mabcd\u{1b}[0m", 4), "\u{1b}[32mabcd\u{1b}[0m");
    }
}
