//! What a stream can show: colours, a width.

use comfy_table::Color as TableColor;

/// What the reader of a stream can see.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Look {
    pub(crate) color: bool,
    /// Columns and rows of the terminal; `None` if it is none, and then lines may be as long as they like.
    pub(crate) size: Option<(u16, u16)>,
}

/// What a word means, from which its colour follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tone {
    Plain,
    Good,
    Warn,
    Bad,
    Busy,
    Faint,
    Strong,
    /// One of several colours that only tell things apart.
    Distinct(usize),
}

/// Readable on dark and on light ground; without red and yellow, which mean something.
const DISTINCT: [(u8, TableColor); 6] = [
    (36, TableColor::DarkCyan),
    (35, TableColor::DarkMagenta),
    (34, TableColor::DarkBlue),
    (32, TableColor::DarkGreen),
    (96, TableColor::Cyan),
    (95, TableColor::Magenta),
];

impl Tone {
    /// The SGR parameter, ECMA-48 section 8.3.117.
    const fn sgr(self) -> Option<u8> {
        Some(match self {
            Self::Plain => return None,
            Self::Good => 32,
            Self::Warn => 33,
            Self::Bad => 31,
            Self::Busy => 36,
            Self::Faint => 2,
            Self::Strong => 1,
            Self::Distinct(n) => DISTINCT[n % DISTINCT.len()].0,
        })
    }

    /// The same for a table.
    pub(crate) const fn table_color(self) -> Option<TableColor> {
        Some(match self {
            Self::Plain | Self::Strong => return None,
            Self::Good => TableColor::DarkGreen,
            Self::Warn => TableColor::DarkYellow,
            Self::Bad => TableColor::DarkRed,
            Self::Busy => TableColor::DarkCyan,
            Self::Faint => TableColor::DarkGrey,
            Self::Distinct(n) => DISTINCT[n % DISTINCT.len()].1,
        })
    }
}

impl Look {
    /// `text` in the colour of `tone`, if there are colours.
    pub(crate) fn paint(&self, tone: Tone, text: &str) -> String {
        match tone.sgr().filter(|_| self.color) {
            Some(sgr) => format!("\u{1b}[{sgr}m{text}\u{1b}[0m"),
            None => text.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_only_where_wanted() {
        let plain = Look::default();
        let coloured = Look { color: true, ..plain };
        assert_eq!(plain.paint(Tone::Bad, "x"), "x");
        assert_eq!(coloured.paint(Tone::Bad, "x"), "\u{1b}[31mx\u{1b}[0m");
        assert_eq!(coloured.paint(Tone::Plain, "x"), "x");
    }
}
